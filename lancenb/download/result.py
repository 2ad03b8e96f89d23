"""What a download gives back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class DownloadedFile:
    """One file of a download; usable wherever a path is.

    Attributes:
        path: absolute path on this machine.
        name: path relative to the source (``/`` as separator).
        size: bytes.
        sha256: hex digest of the content, ``None`` when nobody computed it (local sources).
    """

    path: Path
    name: str
    size: int
    sha256: str | None = None

    def __fspath__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class Download:
    """A finished download; ``lancenb.convert`` takes it as it is.

    Attributes:
        path: the file, or the folder that holds exactly the files that were asked for.
        files: its files with sizes and hashes.
        lineage: JSON-able facts on where the bytes come from (address without query or
            credentials, repository, requested revision, commit, hashes, time); never a token.
        from_cache: True when no content had to be transferred or generated.
        kind: ``"model"``, ``"dataset"`` or ``"file"``.
    """

    path: Path
    files: tuple[DownloadedFile, ...]
    lineage: dict[str, Any] = field(default_factory=dict)
    from_cache: bool = False
    kind: str = "file"

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(item.size for item in self.files)

    def __fspath__(self) -> str:
        return str(self.path)

    def __iter__(self) -> Iterator[DownloadedFile]:
        return iter(self.files)

    def __repr__(self) -> str:
        origin = "cache" if self.from_cache else "source"
        count = f"{len(self.files)} file{'s' * (len(self.files) != 1)}"
        return f"<Download {self.kind} {self.path} ({count}, {self.size:,} bytes, from {origin})>"


def local_files(path: Path) -> tuple[DownloadedFile, ...]:
    """List a file, or the files below a folder, without reading them.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("hello")
    >>> [(item.name, item.size) for item in local_files(folder)]
    [('a.txt', 5)]
    """
    if path.is_file():
        return (DownloadedFile(path, path.name, path.stat().st_size),)
    found = []
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            full = Path(folder) / name
            found.append(
                DownloadedFile(full, full.relative_to(path).as_posix(), full.stat().st_size)
            )
    return tuple(found)


def client_versions(*packages: str) -> dict[str, str]:
    """Return the versions of lancenb and of the packages that moved the bytes, for lineage.

    >>> sorted(client_versions("urllib3", "not-installed"))
    ['lancenb', 'urllib3']
    """
    from importlib import metadata

    from .. import __version__

    found = {"lancenb": __version__}
    for name in packages:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
