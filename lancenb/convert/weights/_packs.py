"""The blob files of a fragment: payloads one after the other, about 1 GiB per file.

On a local disk they are written straight from the tensors' memory, which no buffer of Lance's comes
between; that the file lies where Lance would put it is asked of Lance itself. Elsewhere, or should
the answer be another one, Lance writes them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._rows import Row, binary_array, stored_size
from ._sidecar import blob_name, local_path

if TYPE_CHECKING:
    import numpy as np

_PACK = 1 << 30
_VECTORS = 512


class Packs:
    """Appends payloads to blob files and says in a descriptor column where they are.

    Args:
        session: Lance's file session on the ``data`` folder.
        uri: the table.
        path: the data file that will describe the blobs.
        builder: Lance's builder of the descriptor column.
    """

    def __init__(self, session: Any, uri: str, path: str, builder: Any) -> None:
        self._session = session
        self._root = local_path(uri)
        self._path = path
        self._builder = builder
        self._pack: _LocalPack | _LancePack | None = None
        self._number = 0
        self._sizes: list[int] = []

    def write(self, group: Sequence[Row], payloads: Sequence[np.ndarray]) -> None:
        """Write a group; ``payloads`` has one entry for each row that has bytes."""
        if payloads:
            if self._pack is not None and self._pack.size >= _PACK:
                self.finish()
            if self._pack is None:
                self._number += 1
                self._pack = self._open()
            self._pack.write(payloads)
        self._sizes += [stored_size(row.item) for row in group]

    def finish(self) -> None:
        """Complete the current file and describe what it holds."""
        if self._pack is not None:
            self._pack.close()
        at = 0
        for is_empty, sizes in _runs(self._sizes):
            if is_empty:
                for _ in sizes:
                    self._builder.append_inline(b"")
                continue
            offsets = []
            for size in sizes:
                offsets.append(at)
                at += size
            self._builder.extend_packed(self._number, offsets, sizes)
        self._sizes.clear()
        self._pack = None

    def abort(self) -> None:
        """Let go of the current file."""
        if isinstance(self._pack, _LocalPack):
            self._pack.close()
        self._pack = None

    def _open(self) -> _LocalPack | _LancePack:
        writer = self._session.open_packed_blob_writer(self._path, self._number)
        if self._root is not None:
            stem = self._path.removesuffix(".lance")
            ours = Path(os.path.abspath(self._root), "data", stem, blob_name(self._number))
            if str(ours).lstrip("/") == str(writer.path).lstrip("/"):
                del writer
                ours.parent.mkdir(parents=True, exist_ok=True)
                return _LocalPack(ours)
        return _LancePack(writer)


def _runs(sizes: Sequence[int]) -> list[tuple[bool, list[int]]]:
    """Split sizes into runs of empty and of filled values."""
    runs: list[tuple[bool, list[int]]] = []
    for size in sizes:
        if not runs or runs[-1][0] != (size == 0):
            runs.append((size == 0, []))
        runs[-1][1].append(size)
    return runs


class _LocalPack:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        self.size = 0

    def write(self, payloads: Sequence[np.ndarray]) -> None:
        for start in range(0, len(payloads), _VECTORS):
            views = [memoryview(p.data) for p in payloads[start : start + _VECTORS]]
            while views:
                done = os.writev(self._file, views)
                self.size += done
                while views and done >= len(views[0]):
                    done -= len(views.pop(0))
                if views:
                    views[0] = views[0][done:]

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class _LancePack:
    def __init__(self, writer: Any) -> None:
        self._writer = writer
        self.size = 0

    def write(self, payloads: Sequence[np.ndarray]) -> None:
        self._writer.write_blobs(binary_array(payloads))
        self.size += sum(payload.nbytes for payload in payloads)

    def close(self) -> None:
        self._writer.finish()
