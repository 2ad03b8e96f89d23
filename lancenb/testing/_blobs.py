"""Content on disk, named by its SHA-256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_BLOCK = 1 << 20
_LINKED = 64 << 20
_LFS_FROM = 10 << 20
_SAMPLE = 512
LFS_SUFFIXES = {
    *(".7z", ".arrow", ".avif", ".avi", ".bin", ".bz2", ".flac", ".gguf", ".gz", ".h5", ".jpeg"),
    *(".jpg", ".lance", ".mkv", ".mov", ".mp3", ".mp4", ".msgpack", ".npy", ".npz", ".onnx"),
    *(".ot", ".parquet", ".pickle", ".pkl", ".png", ".pt", ".pth", ".rar", ".safetensors", ".tar"),
    *(".tgz", ".tiff", ".wav", ".webm", ".webp", ".whl", ".xz", ".zip", ".zst"),
}


@dataclass(frozen=True)
class Blob:
    """A piece of content.

    Attributes:
        path: where it is.
        size: in bytes.
        sha256: hex.
        sha1: hash that git gives it.
        sample: its first bytes.
    """

    path: Path
    size: int
    sha256: str
    sha1: str
    sample: bytes


class Blobs:
    """A folder of content.

    Args:
        root: the folder; None for a temporary one that :meth:`close` removes.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._temporary = None
        if root is None:
            self._temporary = tempfile.TemporaryDirectory(
                prefix="lancenb-hub-", ignore_cleanup_errors=True
            )
            root = Path(self._temporary.name)
        self.root = Path(root)
        self._known: dict[str, Blob] = {}
        for folder in ("blobs", "incoming"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)

    def get(self, sha256: str) -> Blob | None:
        """Return what has this hash."""
        return self._known.get(sha256)

    def add(self, data: bytes | Path) -> Blob:
        """Keep ``data``.

        A file of 64 MiB and more is linked, not copied, where the file system allows; holes of
        sparse files stay holes.
        """
        if isinstance(data, bytes):
            part = self._part()
            part.write_bytes(data)
        else:
            part = self._part()
            _link_or_copy(data, part)
        return self.keep(part)

    def receive(self, blocks: Iterable[bytes]) -> Path:
        """Write ``blocks`` to a file that :meth:`keep` takes, and return it."""
        part = self._part()
        with part.open("wb") as file:
            for block in blocks:
                file.write(block)
        return part

    def keep(self, part: Path) -> Blob:
        """Take over a file of our own folder."""
        size = part.stat().st_size
        sha256 = hashlib.sha256()
        sha1 = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
        sample = b""
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                sample = sample or block[:_SAMPLE]
                sha256.update(block)
                if size <= _LFS_FROM:
                    sha1.update(block)
        name = sha256.hexdigest()
        path = self.root / "blobs" / name
        os.replace(part, path)
        part.unlink(missing_ok=True)  # a second link to the same file stays when renamed onto it
        return self._known.setdefault(name, Blob(path, size, name, sha1.hexdigest(), sample))

    def close(self) -> None:
        """Remove the folder if it is a temporary one."""
        if self._temporary is not None:
            self._temporary.cleanup()

    def _part(self) -> Path:
        number, name = tempfile.mkstemp(dir=self.root / "incoming")
        os.close(number)
        return Path(name)


def goes_to_lfs(path: str, size: int, sample: bytes) -> bool:
    """Whether the Hub keeps a file in LFS: by suffix, by size, or because it is not text."""
    if not size:
        return False
    suffix = Path(path).suffix.lower()
    return suffix in LFS_SUFFIXES or size > _LFS_FROM or b"\0" in sample[:_SAMPLE]


def _link_or_copy(source: Path, target: Path) -> None:
    if source.stat().st_size >= _LINKED:
        target.unlink()
        try:
            os.link(source.resolve(), target)
            return
        except OSError:  # another file system
            pass
    _copy(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy data and holes."""
    with source.open("rb") as reader, target.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        end = 0
        while end < size:
            try:
                start = os.lseek(reader.fileno(), end, os.SEEK_DATA)
            except OSError:  # nothing but a hole is left
                break
            end = os.lseek(reader.fileno(), start, os.SEEK_HOLE)
            while start < end:
                block = os.pread(reader.fileno(), min(_BLOCK, end - start), start)
                if not block:  # it has become shorter meanwhile
                    break
                start += os.pwrite(writer.fileno(), block, start)
        writer.truncate(size)
