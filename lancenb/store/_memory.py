"""File operations of a store that Lance keeps in the memory of this process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from ._files import FileInfo


class MemoryFiles:
    """The files below ``shared-memory://name``.

    ``memory://`` of Lance is empty again for every opening; ``shared-memory://`` is kept for the
    life of the process and commits safely there. Other processes (spawned workers) do not see it.
    """

    def __init__(self, uri: str):
        self.uri = uri
        # The name after :// is an authority, which Lance drops from paths.
        self._inner = uri.split("://", 1)[1].partition("/")[2]

    def _session(self) -> Any:
        from ._lance import lance_module

        lance_module()
        from lance.file import LanceFileSession

        return LanceFileSession(self.uri)

    def check(self) -> None:
        """Memory is always there."""

    def create(self, exist_ok: bool) -> None:
        """Nothing has to be made."""

    def _paths(self, rel: str) -> list[str]:
        base = f"{rel}/" if rel else ""
        return sorted(p for p in self._session().list() if p == rel or p.startswith(base))

    def exists(self, rel: str) -> bool:
        """Tell whether a file or anything below is there."""
        return not rel or bool(self._paths(rel))

    def names(self, rel: str) -> list[str]:
        """Return the names directly below."""
        skip = len(rel) + 1 if rel else 0
        return sorted({p[skip:].split("/", 1)[0] for p in self._paths(rel) if p != rel})

    def walk(self, rel: str) -> Iterator[FileInfo]:
        """Yield every file; sizes are measured on a copy, times are not kept."""
        session = self._session()
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "file")
            for path in self._paths(rel):
                session.download_file(path, copy)
                yield FileInfo(path, os.path.getsize(copy), datetime.fromtimestamp(0, UTC))
                os.unlink(copy)

    def delete_tree(self, rel: str) -> int:
        """Remove every file below and return the bytes freed."""
        freed = sum(info.size for info in self.walk(rel))
        session = self._session()
        for path in self._paths(rel):
            session.delete_file(path)
        return freed
