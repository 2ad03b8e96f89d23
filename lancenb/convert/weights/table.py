"""Reading a weights table: by mapping its files where they are local, by Lance otherwise."""

from __future__ import annotations

import fnmatch
import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, InvalidArgument, NotFound, SchemaMismatch

from ._dtypes import torch_dtype
from ._items import as_tensor
from ._payloads import Stored, payloads

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

COLUMNS = ("seq", "name", "dtype", "shape", "nbytes", "alias_of", "data")


def open_weights(dataset: Any) -> Any:
    """Return the Lance dataset behind a dataset, an artefact, a path or a URI.

    Raises:
        SchemaMismatch: it is not a weights table.
    """
    if isinstance(dataset, (str, os.PathLike)):
        from lancenb.store import open_table

        dataset = open_table(dataset)
    elif not hasattr(dataset, "get_fragments") and callable(getattr(dataset, "dataset", None)):
        dataset = dataset.dataset()
    missing = [c for c in COLUMNS if dataset.schema.get_field_index(c) < 0]
    if missing:
        raise SchemaMismatch(
            f"{dataset.uri} is not a weights table: it has no column {missing[0]!r}",
            hint=f"its columns are: {', '.join(dataset.schema.names)}",
        )
    return dataset


def tensor_index(dataset: Any) -> pa.Table:
    """Return every column but the payload, one row per tensor, in state dict order.

    Args:
        dataset: a Lance dataset, artefact, path or URI of a weights table.

    Raises:
        SchemaMismatch: it is not a weights table.

    >>> import tempfile, torch
    >>> uri = save_example({"w": torch.zeros(2, 3)}, tempfile.mkdtemp())
    >>> tensor_index(uri).select(["name", "dtype", "shape"]).to_pylist()
    [{'name': 'w', 'dtype': 'float32', 'shape': [2, 3]}]
    """
    dataset = open_weights(dataset)
    columns = [name for name in dataset.schema.names if name != "data"]
    return dataset.to_table(columns=columns).sort_by("seq")


def save_example(state: dict[str, Any], folder: str) -> str:
    """Write a small table for an example and return its path."""
    from .save import save_weights

    return save_weights(state, f"{folder}/example.lance").uri


def load_tensors(
    dataset: Any,
    *,
    only: Sequence[str] | str | None = None,
    device: Any = "cpu",
    mmap: bool = True,
) -> dict[str, torch.Tensor]:
    """Load tensors by name.

    A local table is mapped: nothing is read until it is touched, and writing to a tensor copies
    the page written to, never the table. Anything else (object stores, a file that is not as
    expected) goes through Lance. Tied tensors share memory.

    Args:
        dataset: a Lance dataset, artefact, path or URI of a weights table.
        only: names or patterns such as ``"layer1.*"``; everything when ``None``.
        device: where the tensors go.
        mmap: ``False`` reads into memory even where mapping is possible.

    Returns:
        ``{name: tensor}`` in state dict order.

    Raises:
        SchemaMismatch: it is not a weights table.
        NotFound: a name or pattern of ``only`` fits no tensor.
        CorruptInput: the rows contradict each other.

    >>> import tempfile, torch
    >>> uri = save_example({"a": torch.arange(3), "b": torch.ones(2)}, tempfile.mkdtemp())
    >>> load_tensors(uri, only="a")
    {'a': tensor([0, 1, 2])}
    """
    dataset = open_weights(dataset)
    rows = stored_rows(dataset)
    wanted = select(rows, only, str(dataset.uri))
    needed = sources_of(rows, wanted, str(dataset.uri))
    found = payloads(dataset, [rows[n] for n in needed], mmap)
    return _assemble(rows, wanted, found, device)


read = load_tensors


def sources_of(rows: dict[str, Stored], wanted: list[str], where: str) -> set[str]:
    """Return the names of the tensors whose payloads the wanted ones have.

    Raises:
        CorruptInput: such a tensor is not there.
    """
    needed = {rows[n].alias_of or n for n in wanted}
    missing = [n for n in needed if n not in rows]
    if missing:
        raise CorruptInput(
            f"{where}: the tensor {missing[0]!r} that others repeat is gone",
            hint="rows were deleted by hand; roll back to an earlier version",
        )
    return needed


def _assemble(
    rows: dict[str, Stored], wanted: list[str], payloads: dict[str, torch.Tensor], device: Any
) -> dict[str, torch.Tensor]:
    import torch

    target = None if str(device) == "cpu" else torch.device(device)
    moved: dict[str, torch.Tensor] = {}
    out = {}
    for name in wanted:
        row = rows[name]
        if row.nbytes == 0:
            out[name] = torch.empty(row.shape, dtype=torch_dtype(row.dtype), device=target)
            continue
        base = row.alias_of or name
        payload = payloads[base]
        if target is not None:
            payload = moved.setdefault(base, payload.to(target))
        out[name] = as_tensor(payload, row.dtype, row.shape)
    return out


def select(rows: dict[str, Any], only: Sequence[str] | str | None, where: str) -> list[str]:
    """Return the names that fit the patterns, in order.

    Raises:
        NotFound: a pattern fits nothing.
    """
    if only is None:
        return list(rows)
    patterns = [only] if isinstance(only, str) else list(only)
    chosen: set[str] = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise InvalidArgument(f"only= takes names or patterns, not {pattern!r}")
        if pattern in rows:
            chosen.add(pattern)
            continue
        found = fnmatch.filter(rows, pattern) if any(c in pattern for c in "*?[") else []
        if not found:
            import difflib

            close = difflib.get_close_matches(pattern, list(rows), n=3)
            raise NotFound(
                f"{where} has no tensor {pattern!r}",
                hint=f"did you mean {', '.join(close)}?" if close else "see tensor_index(dataset)",
            )
        chosen.update(found)
    return [name for name in rows if name in chosen]


def stored_rows(dataset: Any, *, hashes: bool = False) -> dict[str, Stored]:
    """Read and check the rows of a weights table, in state dict order.

    Raises:
        CorruptInput: a name occurs twice, or a size does not fit its shape or what it repeats.
    """
    columns = [*COLUMNS, "sha256"] if hashes else list(COLUMNS)
    table = dataset.scanner(columns=columns, with_row_address=True).to_table().sort_by("seq")
    plain = ("name", "dtype", "shape", "nbytes", "alias_of", "_rowaddr", "seq")
    values = [table.column(name).to_pylist() for name in plain]
    digests = table.column("sha256").to_pylist() if hashes else [None] * table.num_rows
    rows: dict[str, Stored] = {}
    for name, dtype, shape, nbytes, alias, address, seq, digest, blob in zip(
        *values, digests, _descriptors(table.column("data")), strict=True
    ):
        if name in rows:
            raise CorruptInput(
                f"{dataset.uri} holds the tensor {name!r} twice",
                hint="two checkpoints were appended to one table; roll back and store each alone",
            )
        if min(shape, default=0) < 0 or math.prod(shape) * torch_dtype(dtype).itemsize != nbytes:
            raise CorruptInput(
                f"{dataset.uri}: {name!r} has {nbytes} bytes, not those of its shape",
                hint="the table is damaged; roll back or restore a backup",
            )
        rows[name] = Stored(name, dtype, tuple(shape), nbytes, alias, address, blob, seq, digest)
    for row in rows.values():
        base = rows.get(row.alias_of) if row.alias_of is not None else None
        if base is not None and (base.alias_of is not None or base.nbytes != row.nbytes):
            raise CorruptInput(
                f"{dataset.uri}: {row.name!r} repeats {base.name!r}, which has other bytes",
                hint="the table is damaged; roll back or restore a backup",
            )
    return rows


def _descriptors(column: Any) -> list[dict[str, Any] | None]:
    combined = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    names = [field.name for field in combined.type] if hasattr(combined.type, "num_fields") else []
    if not {"kind", "position", "size", "blob_id"} <= set(names):
        return [None] * len(column)
    parts = {n: combined.field(n).to_pylist() for n in ("kind", "position", "size", "blob_id")}
    return [
        {"kind": k, "position": p, "size": s, "blob_id": b}
        for k, p, s, b in zip(*parts.values(), strict=True)
    ]
