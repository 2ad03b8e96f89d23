"""What a gallery shares with the pages that show it: its traits, checked, and the selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import traitlets as t

from ..errors import InvalidArgument
from ._assets import css, esm
from ._from_page import FromPage, masked
from ._gallery_rows import Shown
from ._latest import Latest
from ._ranges import joined, members, row_of

#: Sides of a picture on the screen, in pixels.
SIDES = (48, 256)


class GalleryTraits(FromPage):
    """The traits of a gallery; ranges of places travel, rows of the table are what people get."""

    _esm = esm("gallery_parts", "gallery")
    _css = css("gallery")

    kind = t.Unicode("gallery").tag(sync=True)
    facts = t.Dict().tag(sync=True)
    size = t.Int(112).tag(sync=True)
    total = t.Int(0).tag(sync=True)
    matches = t.Int(0).tag(sync=True)
    where = t.Unicode("").tag(sync=True, **masked("where"))
    chosen = t.List().tag(sync=True)
    classes = t.List().tag(sync=True)
    busy = t.Bool(False).tag(sync=True)
    problem = t.Dict().tag(sync=True)
    view = t.Int(0).tag(sync=True)
    first = t.Bytes(b"").tag(sync=True)
    first_items = t.List().tag(sync=True)
    picked = t.List().tag(sync=True)
    selected = t.List()

    _shown: Shown
    _filtering: Latest
    #: False until the arguments have been accepted.
    _born = False
    _setting = False

    def _check(self, where: str, chosen: Sequence[str | int]) -> None:
        raise NotImplementedError

    @t.validate("where", "chosen")
    def _filterable(self, proposal: Mapping[str, Any]) -> Any:
        """Refuse a wrong filter where Python sets it; what pages ask is answered beside it."""
        value = proposal["value"]
        if self._born and not self.by_page:
            new = {"where": self.where, "chosen": self.chosen, proposal["trait"].name: value}
            self._check(new["where"], new["chosen"])
        return value

    @t.validate("size")
    def _drawable(self, proposal: Mapping[str, Any]) -> int:
        return max(SIDES[0], min(SIDES[1], proposal["value"]))

    @t.validate("picked")
    def _pickable(self, proposal: Mapping[str, Any]) -> list[list[int]]:
        self._caught_up()
        try:
            return joined(proposal["value"], self._shown.count)
        except (TypeError, ValueError, OverflowError):
            raise self.refusal(
                "a selection is a list of ranges [first, last]", "selected= takes rows"
            ) from None

    @t.validate("selected")
    def _selectable(self, proposal: Mapping[str, Any]) -> list[int]:
        if self._setting:
            return proposal["value"]
        self._caught_up()
        rows = sorted({row_of(each) for each in proposal["value"]})
        strange = [row for row in rows if not self._shown.holds(row)]
        if strange:
            hint = "rows are counted from 0" + ("; the filter hides some" if self.where else "")
            raise InvalidArgument(f"row {strange[0]} is not shown", hint=hint)
        return rows

    def _caught_up(self) -> None:
        """Wait for a filter that was set before: it would clear what is selected now."""
        if self._born and not self._setting and not self.by_page:
            self._filtering.settle(30)

    def _on_picked(self, _change: object) -> None:
        with self._guard:
            if self._setting:
                return
            self._setting = True
            try:
                self.selected = [self._shown.row(i) for i in members(self.picked)]
            finally:
                self._setting = False

    def _on_selected(self, change: Mapping[str, Any]) -> None:
        with self._guard:
            if self._setting:
                return
            self._setting = True
            try:
                places = [self._shown.index(row) for row in change["new"]]
                self.picked = [[place, place] for place in places]
            finally:
                self._setting = False
