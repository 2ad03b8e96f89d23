"""JSON: strictness, shapes, promotions, streaming of arrays."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.convert.text import TextConverter
from lancenb.convert.text._json_split import ArraySplitter
from lancenb.convert.text._json_types import (
    arrow_field,
    encode,
    join,
    join_all,
    settle,
    shape_of,
    shape_of_field,
)
from lancenb.errors import CorruptInput, InvalidArgument, TypeConflict


def _table(source: Any, tmp_path: Path, mode: str = "overwrite", **options: Any) -> pa.Table:
    TextConverter(**options).convert(source, tmp_path / "t.lance", mode=mode)
    return lance.dataset(str(tmp_path / "t.lance")).to_table()


def _write(tmp_path: Path, value: Any, name: str = "a.json") -> Path:
    text = value if isinstance(value, str) else json.dumps(value)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_w21_an_array_is_a_row_per_element(tmp_path: Path) -> None:
    table = _table(_write(tmp_path, [{"a": 1, "b": "x"}, {"a": 2}, {"c": [1.5]}]), tmp_path)
    assert table.to_pydict() == {
        "a": [1, 2, None],
        "b": ["x", None, None],
        "c": [None, None, [1.5]],
    }


def test_one_object_is_one_row_and_field_reaches_into_it(tmp_path: Path) -> None:
    path = _write(tmp_path, {"meta": {"items": [{"x": 1}, {"x": 2}]}, "n": 3})
    assert _table(path, tmp_path).column("n").to_pylist() == [3]
    assert _table(path, tmp_path, field="meta.items").to_pydict() == {"x": [1, 2]}
    with pytest.raises(InvalidArgument, match=r"a\.json has no field 'meta\.rows' \(no 'rows'\)"):
        _table(path, tmp_path, field="meta.rows")


def test_values_that_are_no_objects_go_to_a_column(tmp_path: Path) -> None:
    assert _table(_write(tmp_path, [1, 2.5, None]), tmp_path).to_pydict() == {
        "value": [1.0, 2.5, None]
    }
    assert _table(_write(tmp_path, '"hello"'), tmp_path).to_pydict() == {"value": ["hello"]}
    assert _table(_write(tmp_path, [{"a": 1}, 2]), tmp_path).to_pydict() == {
        "value": ['{"a":1}', "2"]
    }
    assert _table(_write(tmp_path, "[]"), tmp_path).num_rows == 0
    assert _table(_write(tmp_path, "[{}, {}]"), tmp_path).to_pydict() == {"value": ["{}", "{}"]}


def test_w23_mixed_types_follow_the_stated_rule(tmp_path: Path) -> None:
    rows = [
        {"num": 1, "scalar": 1, "deep": [1], "big": 1, "s": {"k": 1}, "d": "2024-01-01"},
        {"num": 2.5, "scalar": "x", "deep": 2, "big": 2**70, "s": {"k": "v"}, "d": None},
        {"num": None, "scalar": True, "deep": {"a": 1}, "big": 3, "s": {"l": []}},
    ]
    table = _table(_write(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl"), tmp_path)
    assert table.to_pydict() == {
        "num": [1.0, 2.5, None],
        "scalar": ["1", "x", "true"],
        "deep": ["[1]", "2", '{"a":1}'],
        "big": ["1", str(2**70), "3"],
        "s": [{"k": "1", "l": None}, {"k": "v", "l": None}, {"k": None, "l": []}],
        "d": ["2024-01-01", None, None],
    }
    notes = {f.name: (f.metadata or {}).get(b"lancenb.encoding") for f in table.schema}
    assert notes["scalar"] == b"text"
    assert notes["deep"] == b"json"
    assert notes["big"] == b"integer"
    assert notes["num"] is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[1,]",
            "[,1]",
            "[1,,2]",
            "[1 2]",
            '[{"a":1}}',
            '[{"a":1}',
            '[{"a":1}] x',
            '[{"a":1}{"a":2}]',
        ),
        *('[{"a":1},]', '[{"a":1},,{"a":2}]', '[,{"a":1}]', '[{"a":1} {"a":2},]', '{"a":1} "x"'),
        *(
            "[NaN]",
            '[{"a":NaN}]',
            '[{"a":01}]',
            "[{'a':1}]",
            '[{"a":"\t"}]',
            '[{"a":"\\x"}]',
            "[tru]",
        ),
        *('["\\ud800"]', "", " ", '{"a":', '[{"a":1]}', "[1}"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(CorruptInput, match=r"a\.json"):
        _table(path, tmp_path)
    assert not (tmp_path / "t.lance").exists()


def test_errors_name_line_and_column(tmp_path: Path) -> None:
    path = _write(tmp_path, '[{"a": 1},\n {"a": 2},\n {"a": x}]')
    with pytest.raises(CorruptInput, match=r"a\.json, line 3, column 8: not JSON"):
        _table(path, tmp_path)
    path = _write(tmp_path, '{"a": 1}\n\n{"a": 2} {"a": 3}\n', "a.jsonl")
    with pytest.raises(CorruptInput, match=r"a\.jsonl, line 3, column 10"):
        _table(path, tmp_path)
    rows = [json.dumps({"a": i, "t": "x" * 50}) for i in range(50_000)]
    path = _write(tmp_path, "[\n" + ",\n".join([*rows, '{"a": 1, "t": }']) + "\n]")
    with pytest.raises(CorruptInput, match=r"a\.json, line 50002, column 15"):
        _table(path, tmp_path)


def test_invalid_utf8_is_refused_in_any_chunk(tmp_path: Path) -> None:
    rows = [json.dumps({"a": i, "t": "é" * 30}, ensure_ascii=False) for i in range(50_000)]
    good = ("\n".join(rows) + "\n").encode()
    (tmp_path / "a.jsonl").write_bytes(good + b'{"a": 1, "t": "\xe9"}\n')
    with pytest.raises(CorruptInput, match=r"a\.jsonl, line 50001: not valid UTF-8"):
        _table(tmp_path / "a.jsonl", tmp_path)


def test_nan_is_taken_only_on_request(tmp_path: Path) -> None:
    path = _write(tmp_path, '[{"x": NaN}, {"x": -Infinity}, {"x": 1}]')
    with pytest.raises(CorruptInput, match="NaN"):
        _table(path, tmp_path)
    values = _table(path, tmp_path, allow_nan=True).column("x").to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, 1.0]


def test_of_a_repeated_key_the_last_counts(tmp_path: Path) -> None:
    rows = ['{"a": 1, "a": 2}'] * 3
    assert _table(_write(tmp_path, "\n".join(rows), "a.jsonl"), tmp_path).to_pydict() == {
        "a": [2, 2, 2]
    }


@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize(
    ("late", "kind"),
    [
        ({"id": 1.5}, {"id": "double"}),
        ({"id": "x"}, {"id": "string"}),
        ({"new": {"k": [1]}}, {"id": "int64", "new": "struct<k: list<item: int64>>"}),
        ({"id": 2**63}, {"id": "string"}),
        ({"e": 1}, {"id": "int64", "e": "int64"}),
    ],
)
def test_late_surprises_widen(
    tmp_path: Path, array: bool, late: dict[str, Any], kind: dict[str, str]
) -> None:
    rows: list[dict[str, Any]] = [{"id": i, "t": "text " * 9, "e": None} for i in range(60_000)]
    lines = [*map(json.dumps, rows), json.dumps(late)]
    text = "[" + ", ".join(lines) + "]" if array else "\n".join(lines)
    path = _write(tmp_path, text, "a.json" if array else "a.jsonl")
    table = _table(path, tmp_path)
    assert table.num_rows == 60_001
    types = {f.name: str(f.type) for f in table.schema}
    assert types == {"id": "int64", "t": "string", "e": "string"} | kind
    last = table.slice(60_000).to_pylist()[0]
    assert all(last[k] == (str(v) if types[k] == "string" else v) for k, v in late.items())
    assert table.column("t").to_pylist()[5] == rows[5]["t"]
    with pytest.raises(TypeConflict, match=r"a\.json.*(line 60001|element \d+).*column"):
        _table(path, tmp_path, on_conflict="raise")


def test_append_keeps_to_the_types_of_the_table(tmp_path: Path) -> None:
    _table(_write(tmp_path, [{"a": 1.5, "m": "x"}, {"a": 2, "m": 3}]), tmp_path, mode="create")
    table = _table(_write(tmp_path, [{"a": 7, "m": 8}]), tmp_path, mode="append")
    assert table.to_pydict() == {"a": [1.5, 2.0, 7.0], "m": ["x", "3", "8"]}
    with pytest.raises(TypeConflict, match=r"row|element"):
        _table(_write(tmp_path, [{"a": "word"}]), tmp_path, mode="append")
    assert lance.dataset(str(tmp_path / "t.lance")).version == 2


def test_append_casts_to_narrow_columns(tmp_path: Path) -> None:
    lance.write_dataset(
        pa.table({"a": pa.array([1], pa.int16()), "d": pa.array([0], pa.date32())}),
        str(tmp_path / "t.lance"),
    )
    table = _table(_write(tmp_path, [{"a": 2, "d": "2024-01-02"}]), tmp_path, mode="append")
    assert table.to_pylist()[1]["a"] == 2
    assert str(table.to_pylist()[1]["d"]) == "2024-01-02"
    with pytest.raises(TypeConflict, match=r"a\.json"):
        _table(_write(tmp_path, [{"a": 70_000}]), tmp_path, mode="append")


def test_folders_of_lines_and_arrays_are_joined(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    _write(folder, [{"a": 1}], "1.json")
    _write(folder, '{"a": "x", "b": true}\n', "2.jsonl")
    _write(folder, '{"a": 2}\n{"a": 3}\n', "3.json")
    table = _table(folder, tmp_path, provenance=True)
    assert table.column("a").to_pylist() == ["1", "x", "2", "3"]
    assert table.column("b").to_pylist() == [None, True, None, None]
    assert table.column("_row").to_pylist() == [0, 0, 0, 1]


def test_byte_order_marks(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        (tmp_path / "a.json").write_bytes('[{"a": "é漢"}]'.encode(encoding))
        assert _table(tmp_path / "a.json", tmp_path).to_pydict() == {"a": ["é漢"]}


def test_deep_nesting_is_an_error_not_a_crash(tmp_path: Path) -> None:
    path = _write(tmp_path, "[" * 100_000 + "]" * 100_000)
    with pytest.raises(CorruptInput, match=r"a\.json"):
        _table(path, tmp_path)


class _Blocks:
    """A stream that gives blocks of a fixed size, however small."""

    def __init__(self, data: bytes, size: int):
        self._data, self._size, self.consumed = data, size, 0

    def block(self, _size: int) -> bytes:
        part = self._data[self.consumed : self.consumed + self._size]
        self.consumed += len(part)
        return part


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=8), st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
def test_arrays_are_split_like_a_parser_would(
    values: list[Any], size: int, indent: int | None, plain: bool
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=not plain)
    data = text.encode("utf-8", "surrogatepass")
    found: list[Any] = []
    for chunk in ArraySplitter(_Blocks(data, size), "x", size, size):
        part = b"[" + chunk.data + b"]"
        got = json.loads(part.decode("utf-8", "surrogatepass"))
        assert len(got) == len(chunk.commas) + 1
        found += got
    assert found == values


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=5))
def test_every_value_fits_the_joined_type(values: list[Any]) -> None:
    shape = settle(join_all(map(shape_of, values)))
    field = arrow_field("x", shape)
    encoded = [encode(v, shape) for v in values]
    try:
        array = pa.array(encoded, field.type)
    except UnicodeEncodeError:
        return
    assert len(array) == len(values)
    assert join(shape, shape_of_field(field)) == shape
