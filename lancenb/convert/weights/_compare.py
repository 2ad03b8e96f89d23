"""How a set of tensors differs from a weights table."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._items import TensorItem
from ._pages import same_bytes
from ._payloads import Stored
from ._rows import Row, stored_size
from ._sidecar import BlobFiles, local_blob_files
from .table import stored_rows

if TYPE_CHECKING:
    from lancenb.progress import Tracker

_CHUNK = 8 << 20


@dataclass
class Changes:
    """How a state differs from a table.

    Attributes:
        write: rows whose content is new.
        gone: addresses of rows that disappear.
        kept: rows whose content stays, with their address.
        touch: those of ``kept`` whose ``seq`` or ``sha256`` column changes.
        live: number of rows per fragment of the table.
    """

    write: list[Row] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    kept: list[tuple[Row, int]] = field(default_factory=list)
    touch: list[tuple[Row, int]] = field(default_factory=list)
    live: Counter[int] = field(default_factory=Counter)

    @property
    def nbytes(self) -> int:
        """Payload bytes to write."""
        return sum(stored_size(row.item) for row in self.write)

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        return bool(self.write or self.gone or self.touch)


def compare(rows: list[Row], dataset: Any, hashed: bool, tracker: Tracker) -> Changes:
    """Find out which tensors differ from the table, byte by byte where it is local."""
    stored = stored_rows(dataset, hashes=True)
    files = local_blob_files(dataset)
    changes = Changes(live=Counter(old.address >> 32 for old in stored.values()))
    same: set[str] = set()
    for row in sorted(rows, key=lambda r: r.item.alias_of is not None):
        tracker.advance()
        old = stored.get(row.item.name)
        if old is None or not _equal(row, old, files, same):
            changes.write.append(row)
            if old is not None:
                changes.gone.append(old.address)
            continue
        same.add(row.item.name)
        row.sha256 = old.sha256
        if hashed and old.sha256 is None:
            row.sha256 = hashlib.sha256(row.item.read().data).hexdigest()
        changes.kept.append((row, old.address))
        if (row.seq, row.sha256) != (old.seq, old.sha256):
            changes.touch.append((row, old.address))
    names = {row.item.name for row in rows}
    changes.gone += [old.address for name, old in stored.items() if name not in names]
    return changes


def _equal(row: Row, old: Stored, files: BlobFiles | None, same: set[str]) -> bool:
    item = row.item
    form = (item.dtype, item.shape, item.nbytes, item.alias_of)
    if form != (old.dtype, old.shape, old.nbytes, old.alias_of):
        return False
    if item.nbytes == 0:
        return True
    if item.alias_of is not None:
        return item.alias_of in same
    path = files.path(old) if files else None
    if path is not None and old.blob is not None:
        return _equals_file(item, path, old.blob["position"])
    if old.sha256 is None:
        return False
    row.sha256 = hashlib.sha256(item.read().data).hexdigest()
    return row.sha256 == old.sha256


def _equals_file(item: TensorItem, path: str, position: int) -> bool:
    import numpy as np

    payload = item.read()
    buffer = np.empty(min(_CHUNK, item.nbytes), np.uint8)
    with open(path, "rb", buffering=0) as file:
        for start in range(0, item.nbytes, _CHUNK):
            piece = buffer[: min(_CHUNK, item.nbytes - start)]
            file.seek(position + start)
            if file.readinto(piece.data) != piece.nbytes:
                return False
            if not same_bytes(payload[start : start + piece.nbytes], piece):
                return False
    return True
