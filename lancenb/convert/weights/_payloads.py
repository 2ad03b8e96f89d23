"""Getting at the bytes of stored tensors: mapped from a local file, or read through Lance."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput

from ._sidecar import BlobFiles, local_blob_files

if TYPE_CHECKING:
    import torch

_BATCH = 64 << 20


@dataclass(slots=True)
class Stored:
    """One row of a weights table, without its payload."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    alias_of: str | None
    address: int
    blob: dict[str, Any] | None
    seq: int
    sha256: str | None


def payloads(dataset: Any, rows: list[Stored], use_mmap: bool) -> dict[str, torch.Tensor]:
    """Return ``uint8[nbytes]`` for every row that has bytes, mapped where that is possible."""
    full = [row for row in rows if row.nbytes]
    files = local_blob_files(dataset) if use_mmap else None
    if files is None:
        return read_payloads(dataset, full)
    out = map_payloads(files, full)
    rest = [row for row in full if row.name not in out]
    return {**out, **read_payloads(dataset, rest)} if rest else out


def map_payloads(files: BlobFiles, rows: list[Stored]) -> dict[str, torch.Tensor]:
    """Map payloads; those that cannot be mapped are missing from the result."""
    import numpy as np
    import torch

    mapped: dict[str, torch.Tensor | None] = {}
    out = {}
    for row in rows:
        path = files.path(row)
        if path is None or row.blob is None:
            continue
        if path not in mapped:
            try:
                with open(path, "rb") as file:
                    whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
                mapped[path] = torch.from_numpy(np.frombuffer(whole, dtype=np.uint8))
            except (OSError, ValueError):
                mapped[path] = None
        payload = mapped[path]
        start = row.blob["position"]
        if payload is not None and start + row.nbytes <= payload.numel():
            out[row.name] = payload[start : start + row.nbytes]
    return out


def read_payloads(dataset: Any, rows: list[Stored]) -> dict[str, torch.Tensor]:
    """Read payloads into memory through Lance, about 64 MB at a time."""
    import torch

    from lancenb.store import lance_errors

    out: dict[str, torch.Tensor] = {}
    small = [row for row in rows if row.nbytes <= _BATCH]
    with lance_errors(str(dataset.uri)):
        for group in _groups(small):
            found = dict(dataset.read_blobs("data", addresses=[row.address for row in group]))
            for row in group:
                out[row.name] = torch.empty(row.nbytes, dtype=torch.uint8)
                _fill(out[row.name], 0, found.pop(row.address), row, dataset)
        for row in rows:
            if row.nbytes <= _BATCH:
                continue
            out[row.name] = torch.empty(row.nbytes, dtype=torch.uint8)
            [blob] = dataset.take_blobs("data", addresses=[row.address])
            for start in range(0, row.nbytes, _BATCH):
                piece = blob.read_range(start, min(_BATCH, row.nbytes - start))
                _fill(out[row.name][start : start + _BATCH], start, piece, row, dataset)
    return out


def _fill(target: torch.Tensor, start: int, piece: Any, row: Stored, dataset: Any) -> None:
    import numpy as np

    expected = min(target.numel(), row.nbytes - start)
    if piece is None or len(piece) != expected:
        raise CorruptInput(
            f"{dataset.uri}: the payload of {row.name!r} is not {row.nbytes:,} bytes",
            hint="the table is damaged; roll back or restore a backup",
        )
    target.numpy()[:] = np.frombuffer(piece, dtype=np.uint8)


def _groups(rows: list[Stored]) -> list[list[Stored]]:
    groups: list[list[Stored]] = []
    size = 0
    for row in sorted(rows, key=lambda r: r.address):
        if not groups or size + row.nbytes > _BATCH:
            groups.append([])
            size = 0
        groups[-1].append(row)
        size += row.nbytes
    return groups
