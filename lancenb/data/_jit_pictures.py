"""``PictureSet``: pictures of a folder or a table as a torch data set with Pillow transforms."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, get_worker_info

from ..errors import CorruptInput, InvalidArgument
from ..progress import Tracker
from ._jit_sources import Pictures
from ._jit_steps import Steps
from ._pillow import BadPicture, pillow_picture
from ._reader import BadRow
from ._rows import checked_indices

_WORKER_SLOTS = 64


class PictureSet(Dataset[Any]):
    """Map-style data set of ``(transform(picture), label)``; the picture is upright RGB of Pillow.

    Random steps are functions of (seed, epoch, row) when :func:`~lancenb.data.loader` reads it:
    the same for any number of threads, worker processes and ranks.

    Args:
        source: where encoded pictures and labels come from.
        transform: from a Pillow picture to a tensor.
        on_error: ``"raise"`` (name row and file) or ``"skip"`` (count) unreadable pictures.

    Attributes:
        classes: class names in id order.
        targets: class ids, int64 ``(rows,)``.
        transform: the transform, divided by what threads may do.
    """

    def __init__(self, source: Pictures, transform: Callable[[Any], Any], on_error: str = "raise"):
        if on_error not in ("raise", "skip"):
            raise InvalidArgument(f"on_error is 'raise' or 'skip', not {on_error!r}")
        self.source = source
        self.transform = Steps(transform)
        self.on_error = on_error
        self.classes = list(source.classes)
        self.targets = source.labels
        self.bad: dict[int, BadRow] = {}
        # one slot per worker, in shared memory: workers cannot hand rows back, but they can count
        self.worker_bad = torch.zeros(
            _WORKER_SLOTS, dtype=torch.int64, device="cpu"
        ).share_memory_()

    @property
    def name(self) -> str:
        """Name of the table, or the folder."""
        return self.source.name

    @property
    def version(self) -> int | None:
        """Pinned version of the table, None for a folder."""
        return self.source.version

    @property
    def class_names(self) -> list[str]:
        """Class names in id order."""
        return self.classes

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Class ids by name."""
        return {name: i for i, name in enumerate(self.classes)}

    @property
    def skipped(self) -> list[BadRow]:
        """Unreadable pictures met so far in this process, with ``on_error="skip"``."""
        return [self.bad[row] for row in sorted(self.bad)]

    @property
    def skipped_count(self) -> int:
        """Unreadable pictures met so far, those met by worker processes included."""
        return len(self.bad) + int(self.worker_bad.sum())

    def labels(self) -> np.ndarray:
        """Class ids of all pictures, int64, in order."""
        return self.targets

    def fingerprint(self) -> dict[str, Any]:
        """What a position in this data belongs to, for loaders."""
        name = self.name.rstrip("/").rsplit("/", 1)[-1]
        which = zlib.crc32(np.ascontiguousarray(self.targets).tobytes())
        return {"name": name, "version": self.version, "subset": which}

    def __len__(self) -> int:
        return len(self.source)

    def __repr__(self) -> str:
        return f"<PictureSet {self.name}: {len(self):,} images, {len(self.classes):,} classes>"

    def __getitem__(self, index: int) -> tuple[Any, torch.Tensor]:
        found = self.__getitems__([index])
        if not found:
            (place,) = checked_indices([index], len(self))
            raise self._error(self.bad[self.source.row(place)])
        return found[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Samples of one batch; unreadable ones are left out when skipping."""
        return self.finish(self.fetch(indices))

    def fetch(self, indices: Sequence[int]) -> list[tuple[Any, torch.Tensor, int | None]]:
        """Read, decode and do the part of the transform that any thread may do.

        Raises:
            IndexError: there is no such picture.
            CorruptInput: an unreadable picture, with ``on_error="raise"``.
        """
        seeds = _seeds(indices)
        places = checked_indices(indices, len(self))
        found = []
        for place, cell, seed in zip(places, self.source.cells(places), seeds, strict=True):
            try:
                picture = self.transform.begin(_opened(cell), seed)
            except (BadPicture, CorruptInput) as error:
                self._met(self._bad_row(place, error))
                continue
            except Exception as error:  # of a step of somebody else
                row, path = self.source.row(place), self.source.path(place)
                error.add_note(f"this was at row {row} ('{path}') of '{self.name}'")
                raise
            found.append((picture, torch.tensor(int(self.targets[place]), device="cpu"), seed))
        return found

    def finish(
        self, samples: list[tuple[Any, torch.Tensor, int | None]], seed: int | None = None
    ) -> list[Any]:
        """Do the rest of the transform; rows carry their own seeds, so ``seed`` is not needed."""
        pictures = self.transform.end([(picture, own) for picture, _, own in samples])
        return [(picture, sample[1]) for picture, sample in zip(pictures, samples, strict=True)]

    def check(self, tracker: Tracker | None = None, threads: int = 4) -> list[BadRow]:
        """Decode every picture once and list those that cannot be read, in order."""
        tracker = tracker or Tracker()
        bad: list[BadRow] = []
        size = 64
        starts = range(0, len(self), size)
        with ThreadPoolExecutor(threads, thread_name_prefix="lancenb-check") as pool:
            try:
                for found in _in_order(pool, self._check_some, starts, size, 4 * threads):
                    bad += found[1]
                    tracker.advance(found[0])
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
        return bad

    def _check_some(self, start: int, size: int) -> tuple[int, list[BadRow]]:
        places = range(start, min(len(self), start + size))
        bad = []
        for place, cell in zip(places, self.source.cells(places), strict=True):
            try:
                _opened(cell)
            except BadPicture as error:
                bad.append(self._bad_row(place, error))
        return len(places), bad

    def _bad_row(self, place: int, error: Exception) -> BadRow:
        reason = error.message if isinstance(error, CorruptInput) else str(error)
        return BadRow(self.source.row(place), self.source.path(place), reason)

    def _met(self, found: BadRow) -> None:
        worker = get_worker_info()
        if self.on_error == "raise":
            raise self._error(found)
        if worker is not None:
            self.worker_bad[worker.id % _WORKER_SLOTS] += 1
        else:
            self.bad[found.row] = found

    def _error(self, bad: BadRow) -> CorruptInput:
        where = f" ('{bad.path}')" if bad.path else ""
        return CorruptInput(
            f"row {bad.row}{where} of '{self.name}' is no readable image: {bad.reason}",
            hint="on_error='skip' leaves such images out; .check() lists them all",
            details={"row": bad.row, "path": bad.path},
        )


def _opened(cell: Any) -> Image.Image:
    if isinstance(cell, OSError):
        raise BadPicture(f"the file cannot be read: {cell.strerror}")
    return pillow_picture(cell)


def _seeds(indices: Sequence[int]) -> list[int | None]:
    """The seed of each row; None for plain indices, whose random steps are torch's affair."""
    seeds = getattr(indices, "seeds", None)
    if seeds is None:
        return [None] * len(indices)
    return [int(seed) >> 1 for seed in seeds]


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[int, int], Any], starts: range, size: int, ahead: int
) -> Iterator[Any]:
    """Results in order, with only so many pieces of work handed out before they are taken."""
    waiting = []
    for start in starts:
        waiting.append(pool.submit(work, start, size))
        if len(waiting) > ahead:
            yield waiting.pop(0).result()
    for future in waiting:
        yield future.result()
