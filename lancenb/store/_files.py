"""What every kind of storage offers a :class:`~lancenb.store.Store` besides Lance itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class FileInfo:
    """One stored file.

    Attributes:
        path: path below the root of the store, with ``/`` between names.
        size: bytes.
        modified: time of the last change, in UTC.
    """

    path: str
    size: int
    modified: datetime


class Files(Protocol):
    """File operations below one root; paths are checked and relative, ``""`` is the root."""

    def check(self) -> None:
        """Fail with a typed error when the root cannot be reached."""
        ...

    def create(self, exist_ok: bool) -> None:
        """Make the root."""
        ...

    def exists(self, rel: str) -> bool:
        """Tell whether a file or folder is there."""
        ...

    def names(self, rel: str) -> list[str]:
        """Return the names directly below, sorted."""
        ...

    def walk(self, rel: str) -> Iterator[FileInfo]:
        """Yield every file below, in the order of their paths."""
        ...

    def delete_tree(self, rel: str) -> int:
        """Remove everything below and return the bytes freed."""
        ...
