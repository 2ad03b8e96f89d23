"""Arguments of a column to be computed, looked at before Ray starts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lancenb.data._table import PinnedTable
from lancenb.errors import InvalidArgument, InvalidName
from lancenb.scale import add_column
from lancenb.scale.columns import _check_name, _found_type
from lancenb.store import lance_module


@pytest.fixture
def table(tmp_path):
    uri = str(tmp_path / "n.lance")
    lance_module().write_dataset(pa.table({"x": [1, 2, 3]}), uri)
    return uri


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"fn": 5}, "fn=5 is no function"),
        ({"fn": None}, "fn=None is no function"),
        ({"fn": [1, 2, 3]}, "is no function"),
        ({"columns": "x"}, "columns='x' is no list of names"),
        ({"columns": 5}, "columns=5 is no list of names"),
        ({"columns": [5]}, "is no list of names"),
        ({"columns": {"x": 1}}, "is no list of names"),
        ({"type": "float"}, "type='float' is no Arrow type"),
        ({"batch_size": 0}, "batch_size must be a whole number >= 1"),
        ({"batch_size": "many"}, "batch_size must be a whole number >= 1"),
        ({"tasks": -1}, "tasks must be a whole number >= 1"),
        ({"tasks": 1.5}, "tasks must be a whole number >= 1"),
        ({"store": "s3://bucket"}, "store is a lancenb.Store, not str"),
    ],
)
def test_arguments_of_a_wrong_type(table, more, said):
    given: dict[str, Any] = {"fn": len, **more}
    with pytest.raises(InvalidArgument, match=said):
        add_column(table, "y", given.pop("fn"), **given)


@pytest.mark.parametrize("name", [5, None, "", "_rowid", ["y"]])
def test_names_that_are_none(table, name):
    with pytest.raises(InvalidName, match="cannot be the name of a column"):
        add_column(table, name, len)


@pytest.mark.parametrize("name", ["a.b", ".", "a`b", "a\0b", "a\ud800"])
def test_names_that_lance_does_not_find_again(table, name, monkeypatch):
    monkeypatch.setattr("lancenb.scale.columns.running", lambda: pytest.fail("Ray was started"))
    with pytest.raises(InvalidName, match="because of the character") as caught:
        add_column(table, name, len)
    assert "letters" in caught.value.hint


@pytest.mark.parametrize("name", ["a b", "größe", 'a"b'])
def test_names_with_other_characters_are_fine(name):
    _check_name(name)


class _Mute:
    """Values that fail without a word."""

    def __iter__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (lambda batch: 5, "'y' gave no values of one type, but int"),
        (lambda batch: [1, "a", {}], "'y' gave no values of one type, but list"),
        (lambda batch: [2**70] * len(batch), "but list: Python int too large"),
        (lambda batch: batch.to_pandas(), "'y' gave no values of one type, but DataFrame"),
        (lambda batch: _Mute(), "'y' gave no values of one type, but _Mute: RuntimeError"),
        (lambda batch: batch["z"], "'y' failed: KeyError"),
    ],
)
def test_a_function_that_gives_no_values_for_the_first_rows(table, fn, said):
    with pytest.raises(InvalidArgument, match=said) as caught:
        _found_type(PinnedTable(table), "y", fn, None, 10)
    assert caught.value.__cause__ is not None
