"""A weights table as a stream of record batches, and tensors from such a stream.

What is sent has the columns of the table; only ``data`` is plain binary, the payload itself. A
tensor that repeats another one (``alias_of``) travels without a payload.

>>> import tempfile, torch
>>> from lancenb.convert.weights import save_weights
>>> uri = tempfile.mkdtemp() + "/m.lance"
>>> _ = save_weights({"w": torch.arange(3.0), "b": torch.ones(2)}, uri)
>>> tensors_from_batches(weights_batches(uri))
{'w': tensor([0., 1., 2.]), 'b': tensor([1., 1.])}
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lancenb.errors import ChecksumMismatch, CorruptInput, SchemaMismatch

from ._dtypes import torch_dtype
from ._held import held_bytes
from ._items import as_tensor
from ._payloads import Stored, payloads
from ._rows import binary_array
from .table import COLUMNS, open_weights, select, sources_of, stored_rows

if TYPE_CHECKING:
    import pyarrow as pa
    import torch

_GROUP = 8 << 20
_ROWS = 4096
_BIG = 1 << 20


def stream_schema(dataset: Any) -> pa.Schema:
    """Return the schema of the batches of :func:`weights_batches`.

    Args:
        dataset: a Lance dataset, artefact, path or URI of a weights table.
    """
    import pyarrow as pa

    schema = open_weights(dataset).schema
    fields = [f if f.name != "data" else pa.field("data", pa.large_binary()) for f in schema]
    return pa.schema(fields, metadata=schema.metadata)


def choose_names(index: pa.Table, only: Sequence[str] | str | None, where: str = "") -> list[str]:
    """Return the names that ``only`` means, in state dict order, before a payload is read.

    Args:
        index: what :func:`~lancenb.convert.weights.tensor_index` gave, here or elsewhere.
        only: names or patterns such as ``"layer1.*"``; everything when ``None``.
        where: the table, named in errors.

    Raises:
        NotFound: a name or pattern fits no tensor.

    >>> import pyarrow as pa
    >>> choose_names(pa.table({"seq": [1, 0], "name": ["a.w", "a.b"]}), "a.*")
    ['a.b', 'a.w']
    """
    names = index.sort_by("seq").column("name").to_pylist()
    return select(dict.fromkeys(names), only, where or "the table")


def weights_batches(
    dataset: Any, only: Sequence[str] | str | None = None
) -> Iterator[pa.RecordBatch]:
    r"""Yield the rows of a weights table with their payloads, in the order of the table.

    A batch has about 8 MB of payload, or one larger tensor; one batch is held at a time and every
    payload is read once. The table is checked before the first batch is asked for.

    Args:
        dataset: a Lance dataset, artefact, path or URI of a weights table.
        only: names or patterns; everything when ``None``. Of tensors that share their memory
            the first one chosen brings the payload, whether or not it does in the table.

    Raises:
        SchemaMismatch: it is not a weights table.
        NotFound: a name or pattern of ``only`` fits no tensor.
        CorruptInput: the rows contradict each other.

    >>> import tempfile, torch
    >>> from lancenb.convert.weights import save_weights
    >>> uri = tempfile.mkdtemp() + "/m.lance"
    >>> _ = save_weights({"w": torch.arange(3.0), "b": torch.ones(2)}, uri)
    >>> for batch in weights_batches(uri, only="b"):
    ...     print(batch.select(["name", "shape", "data"]).to_pylist())
    [{'name': 'b', 'shape': [2], 'data': b'\x00\x00\x80?\x00\x00\x80?'}]
    """
    dataset = open_weights(dataset)
    rows = stored_rows(dataset)
    wanted = select(rows, only, str(dataset.uri))
    sources_of(rows, wanted, str(dataset.uri))
    return _batches(dataset, rows, wanted)


def _batches(dataset: Any, rows: dict[str, Stored], wanted: list[str]) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    schema = stream_schema(dataset)
    chosen = sorted((rows[name] for name in wanted), key=lambda row: row.address)
    brings = _bringers(chosen)
    facts = _facts(dataset, chosen, brings, schema)
    start = 0
    for group in _groups(chosen, brings):
        data = _data(dataset, rows, group, brings)
        part = facts.slice(start, len(group)).combine_chunks().to_batches()[0]
        columns = [data if name == "data" else part.column(name) for name in schema.names]
        yield pa.record_batch(columns, schema=schema)
        start += len(group)


def _data(
    dataset: Any, rows: dict[str, Stored], group: list[Stored], brings: Mapping[str, str]
) -> pa.Array:
    """Read the payloads that a group of rows brings; the others are empty."""
    import numpy as np

    carried = [row for row in group if row.nbytes and brings[_base(row)] == row.name]
    found = payloads(dataset, [rows[_base(row)] for row in carried], True)
    data = {row.name: found[_base(row)].numpy() for row in carried}
    blank = np.empty(0, np.uint8)
    return binary_array([data.get(row.name, blank) for row in group])


def _base(row: Stored) -> str:
    return row.alias_of or row.name


def _bringers(chosen: list[Stored]) -> dict[str, str]:
    """Say for every stored payload which of the chosen tensors brings it: the owner if it is one.

    Tensors without bytes have nothing to share.
    """
    brings: dict[str, str] = {}
    for row in chosen:
        if row.alias_of is None:
            brings[row.name] = row.name
    for row in chosen:
        brings.setdefault(_base(row), row.name)
    return brings


def _facts(
    dataset: Any, chosen: list[Stored], brings: Mapping[str, str], schema: pa.Schema
) -> pa.Table:
    """Return all columns but the payload of the chosen rows, in the order of the table."""
    import pyarrow as pa

    from lancenb.store import lance_errors

    names = [name for name in schema.names if name != "data"]
    with lance_errors(str(dataset.uri)):
        table = dataset.scanner(columns=names, with_row_address=True).to_table()
    places = {address: at for at, address in enumerate(table.column("_rowaddr").to_pylist())}
    table = table.take(pa.array([places[row.address] for row in chosen], pa.int64()))
    bringers = [brings[_base(row)] for row in chosen]
    aliases = [None if n == row.name else n for n, row in zip(bringers, chosen, strict=True)]
    field = schema.field("alias_of")
    at = table.schema.names.index("alias_of")
    return table.set_column(at, field, pa.array(aliases, field.type)).drop_columns(["_rowaddr"])


def _groups(chosen: list[Stored], brings: Mapping[str, str]) -> Iterator[list[Stored]]:
    group: list[Stored] = []
    size = 0
    for row in chosen:
        adds = row.nbytes if brings[_base(row)] == row.name else 0
        if group and (size + adds > _GROUP or len(group) >= _ROWS):
            yield group
            group, size = [], 0
        group.append(row)
        size += adds
    if group:
        yield group


def tensors_from_batches(
    batches: Iterable[pa.RecordBatch],
    schema_metadata: Mapping[bytes, bytes] | None = None,
    *,
    copy: bool = False,
) -> dict[str, torch.Tensor]:
    """Build tensors from the batches of :func:`weights_batches`, bit for bit.

    A large tensor takes over the memory of its batch, which is then no longer to be used
    otherwise; the batches must therefore lie in memory that may be written to (what comes from a
    connection does, a file mapped for reading only does not). Tied tensors share memory again.

    Args:
        batches: one pass over them is made.
        schema_metadata: metadata of their schema, to be sure that these are weights.
        copy: give every tensor memory of its own and leave the batches as they are.

    Returns:
        ``{name: tensor}`` in state dict order.

    Raises:
        SchemaMismatch: these are not the rows of a weights table.
        ChecksumMismatch: a payload is not the one that was stored.
        CorruptInput: the rows contradict each other.
    """
    kind = (schema_metadata or {}).get(b"lancenb.kind", b"weights")
    if kind != b"weights":
        raise SchemaMismatch(f"these rows are of the kind {kind.decode()!r}, not weights")
    rows: dict[str, dict[str, Any]] = {}
    payloads: dict[str, torch.Tensor] = {}
    for batch in batches:
        _take(batch, rows, payloads, copy)
    return {
        name: _tensor(row, rows, payloads)
        for name, row in sorted(rows.items(), key=lambda item: item[1]["seq"])
    }


def _take(
    batch: pa.RecordBatch,
    rows: dict[str, dict[str, Any]],
    payloads: dict[str, torch.Tensor],
    copy: bool,
) -> None:
    import pyarrow as pa
    import torch

    missing = [name for name in COLUMNS if name not in batch.schema.names]
    if missing:
        raise SchemaMismatch(f"these rows are no weights: they have no column {missing[0]!r}")
    facts = [name for name in (*COLUMNS, "sha256") if name != "data" and name in batch.schema.names]
    data = batch.column("data")
    if not (pa.types.is_large_binary(data.type) or pa.types.is_binary(data.type)):
        raise SchemaMismatch(f"these rows are no weights: their data is {data.type}, not binary")
    for row, payload in zip(batch.select(facts).to_pylist(), held_bytes(data), strict=True):
        name, size = row["name"], row["nbytes"]
        if name in rows:
            raise CorruptInput(f"the tensor {name!r} comes twice")
        rows[name] = row
        if row["alias_of"] is not None or size == 0:
            continue
        if payload.nbytes != size:
            raise CorruptInput(
                f"the payload of {name!r} has {payload.nbytes:,} bytes, not {size:,}",
                hint="read it again; if it stays so, the table is damaged",
            )
        if row.get("sha256") and hashlib.sha256(payload.data).hexdigest() != row["sha256"]:
            raise ChecksumMismatch(
                f"the payload of {name!r} is not the one that was stored",
                hint="read it again; if it stays so, dm.verify(name) checks the table",
            )
        # A small tensor must not keep the whole batch in memory.
        payloads[name] = torch.from_numpy(payload.copy() if copy or size < _BIG else payload)


def _tensor(
    row: dict[str, Any], rows: Mapping[str, Any], payloads: dict[str, torch.Tensor]
) -> torch.Tensor:
    import torch

    name, shape, dtype = row["name"], tuple(row["shape"]), torch_dtype(row["dtype"])
    if math.prod(shape) * dtype.itemsize != row["nbytes"]:
        raise CorruptInput(f"{name!r} has {row['nbytes']} bytes, not those of its shape")
    if row["nbytes"] == 0:
        return torch.empty(shape, dtype=dtype)
    base = row["alias_of"] or name
    if base not in payloads or rows[base]["nbytes"] != row["nbytes"]:
        raise CorruptInput(
            f"the tensor {base!r} that {name!r} repeats is missing",
            hint="read it again; if it stays so, the table is damaged",
        )
    payload = payloads[base]
    if payload.data_ptr() % dtype.itemsize:  # once, so that tied tensors stay tied
        payload = payloads[base] = payload.clone()
    return as_tensor(payload, row["dtype"], shape)
