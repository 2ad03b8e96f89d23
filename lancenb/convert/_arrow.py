"""Which Arrow schemas Lance can store, and how the others are brought into shape.

Stated rules, applied to columns and to everything nested in them:

===============================  ============================================================
in the source                    in the table
===============================  ============================================================
two columns of one name          the second is renamed ``name_2``, the third ``name_3`` ...
a column without a name          ``column_<position>``, counted from 1
``.`` or a backtick in a name    ``_`` (top-level columns only; Lance refuses both)
``_rowid`` and the like          ``_rowid_`` (Lance uses these names itself)
string view, binary view         string, binary
list view, large list view       list, large list
fixed-size list of text, bytes,  list
lists or maps
decimal32, decimal64             decimal128 of the same precision and scale
run-end encoded                  its values, repeated
dictionary                       its values (Lance finds its own dictionaries)
struct without fields            bool: whether there was one
union, calendar interval         refused, naming the column
===============================  ============================================================

A renamed column remembers its first name in the field metadata ``lancenb.source_name``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lancenb.errors import UnsupportedFormat

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE_NAME = b"lancenb.source_name"
_RESERVED = frozenset(
    ("_rowid", "_rowaddr", "_rowoffset", "_row_created_at_version", "_row_last_updated_at_version")
)
_Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _Rule:
    """The stored type of a column and how its arrays get there (``None``: as they are)."""

    type: pa.DataType
    convert: _Convert | None = None


def storable(
    schema: pa.Schema, what: str = "the source"
) -> tuple[pa.Schema, Callable[[pa.RecordBatch], pa.RecordBatch]]:
    """Return a schema that Lance can store, and a function that brings batches into it.

    Args:
        schema: schema of the source.
        what: name of the source for error messages.

    Raises:
        UnsupportedFormat: a column has a type that cannot be stored, naming it.

    >>> import pyarrow as pa
    >>> new, cast = storable(pa.schema([("a.b", pa.string_view()), ("a.b", pa.int8())]))
    >>> [(f.name, str(f.type)) for f in new]
    [('a_b', 'string'), ('a_b_2', 'int8')]
    """
    import pyarrow as pa

    names = unique_names(schema.names)
    rules: list[_Rule] = []
    fields: list[pa.Field] = []
    for field, name in zip(schema, names, strict=True):
        rule = _rule(field.type, f"column {field.name!r} of {what}")
        rules.append(rule)
        metadata = dict(field.metadata or {})
        if name != field.name:
            metadata[SOURCE_NAME] = field.name.encode()
        fields.append(pa.field(name, rule.type, field.nullable, metadata or None))
    stored = pa.schema(fields, metadata=_metadata(schema, names))
    if names == schema.names and all(rule.convert is None for rule in rules):
        return stored, lambda batch: batch

    def cast(batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            column if rule.convert is None else rule.convert(column)
            for column, rule in zip(batch.columns, rules, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=stored)

    return stored, cast


def _metadata(schema: pa.Schema, names: list[str]) -> dict[bytes, bytes] | None:
    """Keep schema metadata, except what describes columns that were renamed."""
    drop = (b"ARROW:schema",) if names == schema.names else (b"ARROW:schema", b"pandas")
    return {k: v for k, v in (schema.metadata or {}).items() if k not in drop} or None


def unique_names(names: Iterable[str]) -> list[str]:
    """Return column names that Lance accepts, all different, in the same order.

    >>> unique_names(["id", "", "id", "id_2"])
    ['id', 'column_2', 'id_3', 'id_2']
    """
    wanted = [_clean(name, i) for i, name in enumerate(names, 1)]
    taken = set(wanted)
    seen: set[str] = set()
    out = []
    for name in wanted:
        final, n = name, 2
        while final in seen or (final != name and final in taken):
            final, n = f"{name}_{n}", n + 1
        seen.add(final)
        out.append(final)
    return out


def _clean(name: str, position: int) -> str:
    name = name.replace(".", "_").replace("`", "_").replace("\x00", "_")
    if not name:
        return f"column_{position}"
    return name + "_" if name.lower() in _RESERVED else name


def _rule(kind: pa.DataType, what: str) -> _Rule:
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_decimal32(kind) or t.is_decimal64(kind):
        return _cast(pa.decimal128(kind.precision, kind.scale))
    if t.is_string_view(kind):
        return _cast(pa.string())
    if t.is_binary_view(kind):
        return _cast(pa.binary())
    if t.is_run_end_encoded(kind):
        return _then(_decode_runs, kind.value_type, what)
    if t.is_dictionary(kind):
        # Lance joins the dictionaries of all batches; narrow indices overflow unreadably then.
        return _then(lambda a: a.dictionary_decode(), kind.value_type, what)
    if t.is_union(kind) or t.is_interval(kind):
        raise UnsupportedFormat(
            f"{what} has the type {kind}, which Lance cannot store",
            hint="convert or drop the column first",
        )
    if t.is_struct(kind):
        return _struct_rule(kind, what)
    if t.is_list_view(kind) or t.is_large_list_view(kind):
        build = pa.list_ if t.is_list_view(kind) else pa.large_list
        return _then(_from_view, build(kind.value_field), what)
    if t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        return _list_rule(kind, what)
    if t.is_map(kind):
        return _map_rule(kind, what)
    return _Rule(kind)


def _cast(target: pa.DataType) -> _Rule:
    return _Rule(target, lambda array: array.cast(target))


def _then(first: _Convert, kind: pa.DataType, what: str) -> _Rule:
    """Apply ``first``, then whatever its result still needs."""
    rule = _rule(kind, what)
    after = rule.convert
    return _Rule(rule.type, first if after is None else lambda array: after(first(array)))


def _struct_rule(kind: Any, what: str) -> _Rule:
    import pyarrow as pa

    if kind.num_fields == 0:
        return _Rule(pa.bool_(), lambda array: _presence(array))
    old = [kind.field(i) for i in range(kind.num_fields)]
    rules = [_rule(f.type, f"field {f.name!r} of {what}") for f in old]
    names = [f.name for f in old]
    if len(set(names)) < len(names) or any("\x00" in name for name in names):
        names = unique_names(names)
    if names == [f.name for f in old] and all(r.convert is None for r in rules):
        return _Rule(kind)
    fields = [
        pa.field(name, rule.type, f.nullable, f.metadata)
        for name, rule, f in zip(names, rules, old, strict=True)
    ]

    def convert(array: Any) -> Any:
        children = [
            array.field(i) if rule.convert is None else rule.convert(array.field(i))
            for i, rule in enumerate(rules)
        ]
        mask = array.is_null() if array.null_count else None
        return pa.StructArray.from_arrays(children, fields=fields, mask=mask)

    return _Rule(pa.struct(fields), convert)


def _decode_runs(array: Any) -> Any:
    import pyarrow.compute as pc

    return pc.run_end_decode(array)


def _presence(array: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    yes = pa.repeat(pa.scalar(True), len(array))
    return pc.if_else(array.is_valid(), yes, pa.scalar(None, pa.bool_()))


def _list_rule(kind: Any, what: str) -> _Rule:
    import pyarrow as pa
    import pyarrow.types as t

    inner = _rule(kind.value_type, f"the items of {what}")
    change = inner.convert
    if t.is_fixed_size_list(kind) and _varies(inner.type):
        loose = pa.list_(kind.value_field)
        return _then(lambda array: array.cast(loose), loose, what)
    if change is None:
        return _Rule(kind)
    item = pa.field(
        kind.value_field.name, inner.type, kind.value_field.nullable, kind.value_field.metadata
    )
    if t.is_fixed_size_list(kind):
        fixed = pa.list_(item, kind.list_size)

        def rebuild_fixed(array: Any) -> Any:
            mask = array.is_null() if array.null_count else None
            start = array.offset * kind.list_size
            values = array.values.slice(start, len(array) * kind.list_size)
            return pa.FixedSizeListArray.from_arrays(change(values), type=fixed, mask=mask)

        return _Rule(fixed, rebuild_fixed)
    large = t.is_large_list(kind)
    target = pa.large_list(item) if large else pa.list_(item)
    build = pa.LargeListArray if large else pa.ListArray

    def rebuild(array: Any) -> Any:
        array = _compact(array)
        mask = array.is_null() if array.null_count else None
        return build.from_arrays(array.offsets, change(array.values), type=target, mask=mask)

    return _Rule(target, rebuild)


def _varies(kind: pa.DataType) -> bool:
    """Whether Lance cannot store fixed-size lists of this type."""
    import pyarrow.types as t

    texts = (t.is_string, t.is_large_string, t.is_binary, t.is_large_binary)
    lists = (t.is_list, t.is_large_list, t.is_map)
    return any(check(kind) for check in texts + lists)


def _from_view(array: Any) -> Any:
    """Lay the values of a list view out one after the other."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as t

    sizes = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    large = t.is_large_list_view(array.type)
    offsets = np.zeros(len(sizes) + 1, np.int64 if large else np.int32)
    np.cumsum(sizes, out=offsets[1:])
    build = pa.LargeListArray if large else pa.ListArray
    target = (pa.large_list if large else pa.list_)(array.type.value_field)
    mask = array.is_null() if array.null_count else None
    return build.from_arrays(pa.array(offsets), array.flatten(), type=target, mask=mask)


def _compact(array: Any) -> Any:
    """Copy a slice, whose offsets could not be used together with a mask."""
    import pyarrow as pa

    return pa.concat_arrays([array, array.slice(0, 0)]) if array.offset else array


def _map_rule(kind: Any, what: str) -> _Rule:
    import pyarrow as pa

    key = _rule(kind.key_type, f"the keys of {what}")
    item = _rule(kind.item_type, f"the values of {what}")
    if key.convert is None and item.convert is None:
        return _Rule(kind)
    target = pa.map_(
        kind.key_field.with_type(key.type), kind.item_field.with_type(item.type), kind.keys_sorted
    )

    def convert(array: Any) -> Any:
        array = _compact(array)
        keys = array.keys if key.convert is None else key.convert(array.keys)
        items = array.items if item.convert is None else item.convert(array.items)
        mask = array.is_null() if array.null_count else None
        return pa.MapArray.from_arrays(array.offsets, keys, items, type=target, mask=mask)

    return _Rule(target, convert)
