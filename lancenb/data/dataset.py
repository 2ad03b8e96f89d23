"""``LanceTorchDataset``: a pinned version of a table as a map-style torch dataset."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import ColumnNotFound, InvalidArgument
from ..store import Store
from ._cache import PictureCache
from ._fields import check_readable, is_picture
from ._labels import LabelReader
from ._plan import SamplePlan, sample_plan
from ._reader import BadRow, RowReader
from ._rows import Filter, checked_indices, matching_rows, one_picture_size
from ._table import PinnedTable


class LanceTorchDataset(Dataset[Any]):
    """One version of a table for ``torch.utils.data``: exact length, random access, batched reads.

    An image table gives ``(image, label)`` (``image`` alone when it has no labels): ``image`` is
    uint8 ``(3, height, width)``, upright and RGB, ``label`` an int64 scalar with the stored id.
    Other tables, and any call with ``columns`` or ``mapping``, give dictionaries. Numbers and
    fixed-size lists become tensors of the stored dtype.

    Args:
        source: artefact, URI or open Lance dataset.
        columns: columns of the sample dictionary.
        mapping: ``{key in the sample: column}`` instead of ``columns``; the key ``"label"`` turns
            text labels into ids.
        filter: SQL text, or triples ``(column, op, value)``; resolved once, on the pinned version.
        transform: called with the picture where there is one, else with the sample dictionary.
        version: version number or tag; ``None`` pins the version that is the head now, so that
            later appends change nothing.
        store: credentials for a URI in an object store.
        on_error: ``"raise"`` (name the row and its file) or ``"skip"`` unreadable rows; skipped
            rows are listed in :attr:`skipped`.
        cache: keep decoded pictures in memory (5-10x faster for small ones): True, False, or
            ``"auto"``: when all have one size and need less than ``cache_limit`` bytes.
        cache_limit: bytes for ``cache="auto"``.
        class_names: names in id order, for text labels; default: the stored ones, else the
            sorted distinct values of the table.

    Raises:
        NotFound: no such table, version or tag.
        ColumnNotFound: an unknown column.
        InvalidFilter: a filter that cannot be understood.
        InvalidArgument: a table of weights.

    >>> data = LanceTorchDataset(dm["cifar10-train"], version="best")  # doctest: +SKIP
    >>> image, label = data[0]  # doctest: +SKIP
    """

    def __init__(
        self,
        source: Any,
        columns: Sequence[str] | None = None,
        mapping: Mapping[str, str] | None = None,
        filter: Filter | None = None,
        transform: Callable[[Any], Any] | None = None,
        version: int | str | None = None,
        store: Store | None = None,
        *,
        on_error: str = "raise",
        cache: bool | str = "auto",
        cache_limit: int = 256 << 20,
        class_names: Sequence[str] | None = None,
    ):
        if on_error not in ("raise", "skip"):
            raise InvalidArgument(f"on_error is 'raise' or 'skip', not {on_error!r}")
        if cache not in (True, False, "auto"):
            raise InvalidArgument(f"cache is True, False or 'auto', not {cache!r}")
        if transform is not None and not callable(transform):
            raise InvalidArgument(f"transform={transform!r:.60} is no function")
        self.table = PinnedTable(source, version, store)
        self.transform = transform
        self.cache_mode = cache
        self.cache_limit = cache_limit
        schema = self.table.dataset.schema
        self.plan: SamplePlan = sample_plan(self.table.name, schema, columns, mapping)
        for column in self.plan.columns:
            check_readable(schema.field(column))
        self.pictures = {c for c in self.plan.columns if is_picture(schema.field(c), schema)}
        self.labels_reader = LabelReader.of(self.table, schema, self.plan, class_names)
        self.reader = RowReader(self.table, self.plan, self.pictures, self.labels_reader, on_error)
        self.rows: np.ndarray | None = matching_rows(self.table, filter) if filter else None
        self._total = int(self.table.dataset.count_rows())
        self._reset()

    def _reset(self) -> None:
        self._cache: PictureCache | None = None
        self._cache_tried = False
        self._size: tuple[int, int] | bool | None = False

    # what it is ------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """Name of the artefact, or the last part of the URI."""
        return self.table.name

    @property
    def uri(self) -> str:
        """Where the table is."""
        return self.table.uri

    @property
    def version(self) -> int:
        """The pinned Lance version."""
        return self.table.version

    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes in id order, when they are known."""
        return self.labels_reader.names if self.labels_reader else None

    @property
    def num_classes(self) -> int | None:
        """Number of classes, when the names are known; else the largest stored id + 1."""
        if not self.labels_reader:
            return None
        if self.labels_reader.names is not None:
            return len(self.labels_reader.names)
        labels = self.labels()
        return int(labels.max()) + 1 if len(labels) else None

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """(height, width) when all pictures share one size, else None."""
        if isinstance(self._size, bool):
            column = next(iter(self.pictures), None)
            self._size = one_picture_size(self.table, column) if column else None
        return self._size

    @property
    def skipped(self) -> list[BadRow]:
        """Unreadable rows met so far in this process, with ``on_error="skip"``."""
        return [self.reader.bad[row] for row in sorted(self.reader.bad)]

    @property
    def skipped_count(self) -> int:
        """Unreadable rows met so far, those met by worker processes included (once per pass)."""
        return len(self.reader.bad) + int(self.reader.worker_bad.sum())

    def labels(self) -> np.ndarray:
        """Label ids of all samples, int64, in order."""
        if not self.labels_reader:
            raise ColumnNotFound(f"'{self.name}' has no label column")
        return self.labels_reader.all_ids(self.rows)

    def __len__(self) -> int:
        return self._total if self.rows is None else len(self.rows)

    def __repr__(self) -> str:
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        return (
            f"<LanceTorchDataset {self.name} version {self.version}, {len(self):,} rows{classes}>"
        )

    def subset(self, indices: Sequence[int] | np.ndarray) -> LanceTorchDataset:
        """The same data set with only these samples, in this order."""
        chosen = np.asarray(indices, dtype=np.int64)
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise InvalidArgument(f"subset indices must lie in 0..{len(self) - 1}")
        other = self._copy()
        other.rows = chosen if self.rows is None else self.rows[chosen]
        return other

    def with_transform(self, transform: Callable[[Any], Any] | None) -> LanceTorchDataset:
        """The same samples with another transform."""
        other = self._copy()
        other.transform = transform
        return other

    def with_classes(self, class_names: Sequence[str]) -> LanceTorchDataset:
        """The same samples with label ids counted in another list of class names.

        Raises:
            InvalidArgument: the data set has a class that is not in the list.
        """
        other = self._copy()
        if self.labels_reader is not None:
            other.labels_reader = self.labels_reader.renamed(class_names)
            other.reader.labels = other.labels_reader
        return other

    def _copy(self) -> LanceTorchDataset:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other.reader = self.reader.fresh()
        other._reset()
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": None, "_cache_tried": True}

    # reading ---------------------------------------------------------------------------------
    def __getitem__(self, index: int) -> Any:
        found = self.finish(self.fetch([index]))
        if not found:
            place = checked_indices([index], len(self))
            raise self.reader.corrupt(self.reader.bad[self._row_numbers(place)[0]])
        return found[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Samples of one batch, by one ``take``; unreadable rows are left out when skipping."""
        return self.finish(self.fetch(indices), seed=getattr(indices, "seed", None))

    def finish(self, samples: list[dict[str, Any]], seed: int | None = None) -> list[Any]:
        """Apply the transform and give samples their outer form (see the class).

        Args:
            samples: what :meth:`fetch` returned.
            seed: seed of torch's random numbers while the transform runs; None leaves them alone.
        """
        if self.transform is None:
            return [self.plan.shape(sample) for sample in samples]
        with contextlib.ExitStack() as stack:
            if seed is not None and not getattr(self.transform, "deterministic", False):
                stack.enter_context(torch.random.fork_rng(devices=[]))
                torch.random.manual_seed(seed)
            return [self.plan.shape(sample, self.transform) for sample in samples]

    def fetch(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Read and decode the samples at ``indices`` without the transform.

        Raises:
            IndexError: there is no such sample.
            CorruptInput: a row cannot be read.
        """
        indices = checked_indices(indices, len(self))
        cache = self._ready_cache()
        if cache is not None:
            self._fill(cache, indices)
        if cache is None or not cache.usable:
            return [s for s in self._read(indices) if s is not None]
        image, label = self.plan.image_key, self.plan.label_key
        return [
            {image: cache.images[i], **({label: cache.labels[i]} if label else {})}
            for i in indices
            if cache.known[i]
        ]

    def fetch_stacked(self, indices: Sequence[int]) -> Any | None:
        """A whole batch of cached pictures as stacked tensors, or None when that is not possible.

        Returns:
            ``(images uint8 (n, 3, h, w), labels int64 (n,))``, or the images alone.
        """
        cache = self._ready_cache() if self.transform is None and self.plan.form != "dict" else None
        if cache is None:
            return None
        indices = checked_indices(indices, len(self))
        self._fill(cache, indices)
        if not cache.usable:
            return None
        at = torch.as_tensor(indices, dtype=torch.int64)
        at = at[cache.known[at]]
        return (cache.images[at], cache.labels[at]) if self.plan.label_key else cache.images[at]

    def check(self, batch_size: int = 256) -> list[BadRow]:
        """Decode everything once and list the rows that cannot be read."""
        bad: list[BadRow] = []
        for start in range(0, len(self), batch_size):
            indices = range(start, min(len(self), start + batch_size))
            self._read(indices, bad)
        return bad

    def _fill(self, cache: PictureCache, indices: Sequence[int]) -> None:
        missing = cache.missing(torch.as_tensor(list(indices), dtype=torch.int64)).tolist()
        if not missing:
            return
        for index, sample in zip(missing, self._read(missing), strict=True):
            if sample is not None:
                label = sample[self.plan.label_key] if self.plan.label_key else None
                cache.put(index, sample[self.plan.image_key], label)

    def _ready_cache(self) -> PictureCache | None:
        if not self._cache_tried:
            self._cache_tried = True
            simple = self.plan.form in ("pair", "single") and bool(self.pictures)
            if self.cache_mode and simple and self.picture_size:
                height, width = self.picture_size
                if self.cache_mode is True or len(self) * 3 * height * width <= self.cache_limit:
                    self._cache = PictureCache(len(self), height, width)
        return self._cache if self._cache is not None and self._cache.usable else None

    def _row_numbers(self, indices: Sequence[int]) -> list[int]:
        at = np.asarray(list(indices), dtype=np.int64)
        return (at if self.rows is None else self.rows[at]).tolist()

    def _read(
        self, indices: Sequence[int], bad: list[BadRow] | None = None
    ) -> list[dict[str, Any] | None]:
        return self.reader.read(self._row_numbers(indices), bad)
