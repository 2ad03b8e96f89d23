"""Arrow schemas that Lance cannot store are changed by stated rules or refused by name."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lancenb.convert._arrow import SOURCE_NAME, storable, unique_names
from lancenb.errors import UnsupportedFormat


def _cast(array: pa.Array) -> pa.Array:
    batch = pa.record_batch([array], names=["x"])
    schema, cast = storable(batch.schema)
    out = cast(batch)
    out.validate(full=True)
    assert out.schema.equals(schema)
    return out.column(0)


@pytest.mark.parametrize(
    ("array", "target"),
    [
        (pa.array(["a", None], pa.string_view()), pa.string()),
        (pa.array([b"a", None], pa.binary_view()), pa.binary()),
        (pa.array([[1], None, []], pa.list_view(pa.int8())), pa.list_(pa.int8())),
        (pa.array([1, None], pa.decimal32(5, 2)), pa.decimal128(5, 2)),
        (
            pa.array([[1], None, [None]], pa.list_(pa.decimal64(9, 2))),
            pa.list_(pa.decimal128(9, 2)),
        ),
        (
            pa.array([[1, 2], None], pa.list_(pa.decimal64(9, 2), 2)),
            pa.list_(pa.decimal128(9, 2), 2),
        ),
        (
            pa.array([[("k", "v")], None, []], pa.map_(pa.string_view(), pa.string_view())),
            pa.map_(pa.string(), pa.string()),
        ),
        (pa.array([["a", "b"], None], pa.list_(pa.string_view(), 2)), pa.list_(pa.string())),
        (
            pa.array([[["a"], []], None], pa.list_(pa.list_(pa.string()), 2)),
            pa.list_(pa.list_(pa.string())),
        ),
        (pa.array([1, 1, None], pa.run_end_encoded(pa.int32(), pa.int64())), pa.int64()),
        (pa.array(["a", None]).dictionary_encode(), pa.string()),
        (
            pa.array([1, None], pa.decimal128(5, 2)).dictionary_encode(),
            pa.decimal128(5, 2),
        ),
    ],
    ids=lambda value: str(getattr(value, "type", value)),
)
def test_values_survive_the_change_of_type(array: pa.Array, target: pa.DataType) -> None:
    assert _cast(array).type.equals(target)
    assert _cast(array).to_pylist() == array.to_pylist()
    assert _cast(array.slice(1)).to_pylist() == array.slice(1).to_pylist()


def test_empty_structs_become_presence() -> None:
    assert _cast(pa.array([None, {}], pa.struct([]))).to_pylist() == [None, True]
    nested = _cast(pa.array([None, [None, {}], []], pa.list_(pa.struct([]))))
    assert nested.to_pylist() == [None, [None, True], []]


def test_fields_of_one_name_in_a_struct_are_told_apart() -> None:
    inner = pa.StructArray.from_arrays([pa.array([1]), pa.array(["x"])], names=["", ""])
    assert _cast(inner).to_pylist() == [{"column_1": 1, "column_2": "x"}]


def test_names_are_made_unique_and_remembered() -> None:
    schema, cast = storable(pa.schema([("id", pa.int8()), ("id", pa.int8()), ("a.b", pa.int8())]))
    assert schema.names == ["id", "id_2", "a_b"]
    assert schema.field("a_b").metadata == {SOURCE_NAME: b"a.b"}
    batch = pa.record_batch([pa.array([i], pa.int8()) for i in range(3)], names=["id", "id", "a.b"])
    assert cast(batch).to_pylist() == [{"id": 0, "id_2": 1, "a_b": 2}]


def test_names_never_collide_with_existing_ones() -> None:
    assert unique_names(["a", "a", "a_2", "a"]) == ["a", "a_3", "a_2", "a_4"]
    assert unique_names(["_rowid", "x`y", ""]) == ["_rowid_", "x_y", "column_3"]


def test_union_columns_are_refused_by_name() -> None:
    union = pa.dense_union([pa.field("a", pa.int8()), pa.field("b", pa.string())])
    with pytest.raises(UnsupportedFormat, match=r"items of column 'odd' of t\.arrow.*union"):
        storable(pa.schema([("odd", pa.list_(union))]), "t.arrow")


def test_schemas_that_fit_are_left_alone() -> None:
    schema = pa.schema([("a", pa.int8()), ("b", pa.list_(pa.float16()))])
    stored, cast = storable(schema)
    batch = pa.record_batch(
        [pa.array([1], pa.int8()), pa.array([[None]], schema.field(1).type)], schema=schema
    )
    assert stored.equals(schema)
    assert cast(batch) is batch
