"""The wire of a table view: what is shared with the front end, and what it may ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import traitlets as t

from lancenb.errors import InvalidArgument

from ._assets import css, esm
from ._format import count
from ._from_page import FromPage, masked
from ._lane import Lane
from ._table_page import page, readable
from ._table_rows import Rows
from ._table_values import Value

_PARTS = ("audio", "table_cells", "table_head", "table_detail", "table_bar", "table_keys", "table")
#: Rows answered in one go.
_PAGE = 100


class TableWire(FromPage):
    """Traits of a table view and the answers to its front end, given in a thread of their own."""

    _esm = esm(*_PARTS)
    _css = css("table", "audio")

    kind = t.Unicode("table").tag(sync=True)
    title = t.Unicode("").tag(sync=True)
    chips = t.List().tag(sync=True)
    columns = t.List().tag(sync=True)
    shown = t.List(t.Int()).tag(sync=True)
    total = t.Int(0).tag(sync=True)
    count = t.Int(0).tag(sync=True)
    asked = t.Unicode("").tag(sync=True, **masked("asked"))
    where = t.Unicode("").tag(sync=True, **masked("where"))
    sort = t.Dict().tag(sync=True)
    epoch = t.Int(0).tag(sync=True)
    busy = t.Unicode("").tag(sync=True)
    problem = t.Dict().tag(sync=True)
    stats = t.Dict().tag(sync=True)
    measuring = t.Dict().tag(sync=True)
    selected = t.List(t.Int()).tag(sync=True)
    at = t.List(t.Int(), default_value=[0, 0]).tag(sync=True)
    reading = t.Bool(False).tag(sync=True)
    wrap = t.Bool(True).tag(sync=True)
    mono = t.Bool(False).tag(sync=True)
    code = t.Unicode("").tag(sync=True, **masked("code"))

    _rows: Rows
    _lane: Lane
    _seen: tuple[tuple[int, int, int], Value] | None = None

    @t.validate("shown")
    def _there(self, proposal: Mapping[str, Any]) -> list[int]:
        return [place for place in proposal["value"] if 0 <= place < len(self.columns)]

    @t.validate("selected")
    def _countable(self, proposal: Mapping[str, Any]) -> list[int]:
        return [number for number in proposal["value"] if 0 <= number < self.total]

    @t.validate("at")
    def _place(self, proposal: Mapping[str, Any]) -> list[int]:
        row, column = proposal["value"] if len(proposal["value"]) == 2 else (0, 0)
        return [max(0, row), max(0, column)]

    @t.validate("sort")
    def _orderly(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        sort = proposal["value"]
        column, way = sort.get("column"), sort.get("way")
        known = type(column) is int and 0 <= column < len(self.columns)
        if sort and not (known and way in ("asc", "desc")):
            raise self.refusal(
                f"sort={sort!r} names no column of this table", "view.sort_by('width desc')"
            )
        return sort

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        if isinstance(content, Mapping) and content.get("ask") == "cancel":
            super()._receive(widget, content, buffers)
            return
        receive = super()._receive
        self._lane.do(lambda: receive(widget, content, buffers))

    def _answer_rows(self, offset: int, limit: int, columns: list[int], epoch: int) -> Any:
        rows = self._rows
        if epoch != self.epoch:
            return {}
        return page(rows, [self.columns[p] for p in columns], offset, min(limit, _PAGE))

    def _answer_value(self, row: int, column: int, epoch: int, start: int = 0) -> Any:
        title = f"row {count(row)} of {self.columns[column]['name']}"
        return self._value(row, column, epoch).answer(start, title)

    def _answer_sound(self, row: int, column: int, epoch: int, start: int = 0) -> Any:
        clip = self._value(row, column, epoch).clip
        return {}, [clip.data[start : start + 512_000]] if clip is not None else []

    def _answer_nothing(self) -> dict[str, Any]:
        return {}

    def _value(self, row: int, column: int, epoch: int) -> Value:
        """Return one value, read once for all the parts the front end asks for."""
        key = (row, column, epoch)
        if self._seen is not None and self._seen[0] == key:
            return self._seen[1]
        if epoch != self.epoch:
            raise InvalidArgument("the rows have changed", hint="choose the value again")
        info = self.columns[column]
        if not readable(info["name"]):
            raise InvalidArgument(f"Lance finds no column by the name {info['name']!r}")
        table = self._rows.page(row, 1, [info["name"]])[1]
        value = Value(table.column(0)[0], info["role"] == "image")
        self._seen = (key, value)
        return value
