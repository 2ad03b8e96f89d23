"""The condition language of the catalogue search."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.catalog.where import columns_of, parse
from lancenb.errors import ColumnNotFound, InvalidFilter, LancenbError

ROW: dict[str, Any] = {
    "name": "resnet18",
    "kind": "weights",
    "description": "it's a net",
    "tags": ["vision", "small"],
    "aliases": {"prod": 3, "best": 2},
    "metadata": {"acc": 0.93, "train": {"epochs": 10}, "top-1": 70, "ok": True, "note": None},
    "parents": ["cifar10"],
    "created": datetime(2026, 3, 1, 12, tzinfo=UTC),
    "rows": 122,
}
TRUE = [
    "name = 'resnet18'",
    "name LIKE 'res%' AND kind = 'weights'",
    "name like 'RES%' OR name ilike 'RES%'",
    "NOT name LIKE 'vit%'",
    "name NOT LIKE 'vit%'",
    "metadata.acc > 0.9",
    "metadata.acc BETWEEN 0.9 AND 1 AND rows = 122",
    "metadata.train.epochs IN (5, 10)",
    'metadata."top-1" >= 70',
    "metadata.`top-1` >= 70",
    "metadata.ok",
    "metadata.ok IS TRUE",
    "metadata.note IS NULL",
    "metadata.absent IS NULL",
    "metadata.acc IS NOT NULL",
    "'small' IN tags",
    "tags = 'vision'",
    "tags LIKE 'vis%'",
    "tags != 'audio'",
    "'prod' IN aliases",
    "aliases.prod = 3",
    "'cifar10' IN parents",
    "created > '2026-02-28'",
    "created >= '2026-03-01T12:00:00+00:00'",
    "description = 'it''s a net'",
    "(name = 'x' OR metadata.acc > 0.5) AND NOT (kind = 'images')",
    "rows > 1e2 AND rows < +123",
]
FALSE = [
    "name = 'RESNET18'",
    "metadata.absent > 1",
    "NOT metadata.absent > 1",
    "metadata.absent != 1",
    "tags != 'vision'",
    "'audio' IN tags",
    "metadata.acc > 'a'",
    "metadata.note",
    "name NOT IN ('resnet18')",
    "created < '2026-03-01'",
    "rows NOT BETWEEN 1 AND 200",
]


@pytest.mark.parametrize("text", TRUE)
def test_holds(text: str):
    assert parse(text)(ROW) is True


@pytest.mark.parametrize("text", FALSE)
def test_does_not_hold(text: str):
    assert parse(text)(ROW) is False


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "name =", "= 1", "name = 'a' AND", "(name = 'a'", "name = 'a')", "name NOT"),
        *("name LIKE 5", "name IN ()", "name = 'a' name = 'b'", "name = 'open", "name ; 1", "NOT"),
    ],
)
def test_what_makes_no_sense_says_where(text: str):
    with pytest.raises(InvalidFilter) as caught:
        parse(text)
    assert "makes no sense" in caught.value.message


def test_unknown_columns_get_a_suggestion():
    with pytest.raises(ColumnNotFound) as caught:
        parse("metdata.acc > 1")
    assert "did you mean 'metadata'" in caught.value.hint


def test_columns_are_known_beforehand():
    assert columns_of("metadata.acc > 1 AND 'x' IN tags OR rows = 3") == {
        "metadata",
        "tags",
        "rows",
    }


@given(st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_an_answer_or_a_typed_error(text: str):
    with contextlib.suppress(LancenbError):
        assert parse(text)(ROW) in (True, False)


@given(st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_quoted_text_is_found_whatever_it_holds(value: str):
    quoted = value.replace("'", "''")
    assert parse(f"name = '{quoted}'")({"name": value}) is True
