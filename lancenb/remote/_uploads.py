"""Files that clients bring: a tar stream, unpacked into a folder of its own, used once."""

from __future__ import annotations

import contextlib
import errno
import shutil
import tarfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lancenb.errors import CorruptInput, NotFound, OutOfSpace, UnsafeInput

from ._arrow import PieceFile
from ._models import Upload

PREFIX = "upload:"
_KEPT_SECONDS = 24 * 3600.0
_MAX_FILES = 2_000_000
_MAX_DEPTH = 200


@dataclass
class _Held:
    owner: str
    source: Any
    folder: Path | None
    since: float = field(default_factory=time.time)


class Uploads:
    """What was brought or downloaded and waits to be converted, per owner.

    Args:
        folder: where files go; each upload gets a folder of its own.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._held: dict[str, _Held] = {}
        self._lock = threading.Lock()
        self._sweep()

    def _sweep(self) -> None:
        """Remove what nobody used for a day, and what an earlier server left that long ago."""
        limit = time.time() - _KEPT_SECONDS
        with self._lock:
            old = {ident: held for ident, held in self._held.items() if held.since < limit}
            for ident in old:
                del self._held[ident]
        for held in old.values():
            if held.folder is not None:
                shutil.rmtree(held.folder, ignore_errors=True)
        for left in self.folder.iterdir() if self.folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if left.name not in self._held and left.stat().st_mtime < limit:
                    shutil.rmtree(left)

    def receive(self, owner: str, body: Iterator[Any]) -> Upload:
        """Unpack a tar stream; each top-level entry ``0/``, ``1/`` ... holds one source.

        Raises:
            UnsafeInput: an entry is no plain file or folder, or leads out of the folder.
            CorruptInput: the stream is no tar, or breaks off.
        """
        self._sweep()
        ident = uuid.uuid4().hex
        place = self.folder / ident
        place.mkdir(parents=True, mode=0o700)
        file = PieceFile(body)
        try:
            files, size = _unpack(file, place)
            file.drain()
        except tarfile.FilterError:  # its text would name folders of the server
            shutil.rmtree(place, ignore_errors=True)
            raise UnsafeInput("an uploaded entry leads out of its folder") from None
        except (tarfile.TarError, EOFError) as error:
            shutil.rmtree(place, ignore_errors=True)
            raise CorruptInput(f"the upload is no whole tar stream: {error}") from None
        except OSError as error:  # its text would name folders of the server
            shutil.rmtree(place, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OutOfSpace("the server's disk is full", hint="try again later") from None
            raise UnsafeInput(f"an uploaded entry cannot be unpacked: {error.strerror}") from None
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        with self._lock:
            self._held[ident] = _Held(owner, _sources(place), place)
        return Upload(ident, files, size)

    def hold(self, owner: str, source: Any) -> str:
        """Keep something else that can be converted (a download) and return its id."""
        ident = uuid.uuid4().hex
        with self._lock:
            self._held[ident] = _Held(owner, source, None)
        return ident

    def known(self, ident: str) -> bool:
        """Whether there is such an upload."""
        with self._lock:
            return ident in self._held

    @contextlib.contextmanager
    def use(self, ident: str, owner: str) -> Iterator[Any]:
        """Give the path (or paths) of an upload; its files go with the body's end."""
        with self._lock:  # taken at once: two that use it would pull it from under each other
            held = self._held.get(ident)
            if held is not None and held.owner == owner:
                del self._held[ident]
        if held is None or held.owner != owner:
            raise NotFound(
                f"there is no upload {ident!r:.60}",
                hint="bring the files again; uploads are used once",
            )
        try:
            yield held.source
        finally:
            if held.folder is not None:
                shutil.rmtree(held.folder, ignore_errors=True)

    def close(self) -> None:
        """Remove everything."""
        with self._lock:
            held, self._held = list(self._held.values()), {}
        for each in held:
            if each.folder is not None:
                shutil.rmtree(each.folder, ignore_errors=True)


def _unpack(file: PieceFile, place: Path) -> tuple[int, int]:
    files = size = 0
    with tarfile.open(fileobj=file, mode="r|") as archive:
        for entry in archive:
            # Of a sparse one the size is what it claims, not what was sent.
            if not (entry.isreg() or entry.isdir()) or entry.issparse():
                raise UnsafeInput(f"{entry.name!r:.120} in the upload is no plain file or folder")
            if entry.name.startswith("/") or ".." in entry.name.split("/"):
                raise UnsafeInput(f"{entry.name!r:.120} in the upload leads out of its folder")
            if entry.name.count("/") > _MAX_DEPTH:
                raise UnsafeInput(f"an entry of the upload lies more than {_MAX_DEPTH} deep")
            files += entry.isreg()
            size += entry.size
            if files > _MAX_FILES:
                raise UnsafeInput(f"an upload holds at most {_MAX_FILES:,} files")
            archive.extract(entry, place, filter="data", set_attrs=False)
    return files, size


def _sources(place: Path) -> Any:
    found = [
        next(iter(sorted(top.iterdir())), top)
        for top in sorted(place.iterdir(), key=lambda path: path.name.rjust(12))
        if top.is_dir()
    ]
    return found[0] if len(found) == 1 else found
