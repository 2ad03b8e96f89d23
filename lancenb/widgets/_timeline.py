"""The list of an artefact's versions, newest first, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import traitlets as t

from lancenb._html import size, when
from lancenb.errors import Conflict
from lancenb.store import redact

from ._assets import css, esm
from ._display import card, esc, table
from ._view import View, sentence

_FIRST = 100
_SHOWN = 20


class Timeline(View):
    """Versions to choose from; only those in view travel to the page.

    Attributes:
        versions: what is shown, oldest first as ``dm.versions`` gives them.
        at: place of the chosen one, counted from the newest; -1 when none is.
    """

    _esm, _css = esm("timeline"), css("timeline")
    kind = t.Unicode("timeline").tag(sync=True)
    total = t.Int(0).tag(sync=True)
    stamp = t.Int(0).tag(sync=True)
    at = t.Int(-1).tag(sync=True)
    first = t.List().tag(sync=True)
    state = t.Unicode("empty").tag(sync=True)
    error = t.Unicode("").tag(sync=True)
    hint = t.Unicode("").tag(sync=True)

    def __init__(self, **traits: Any):
        self.versions: list[Any] = []
        self.unit = "rows"
        super().__init__(**{"label": "Versions", **traits})

    def load(self, versions: Sequence[Any], *, unit: str = "rows", keep: int | None = None) -> None:
        """Show other versions; ``keep`` stays chosen if it is among them."""
        with self._guard:
            self.versions, self.unit = list(versions), unit
            first = self._items(0, _FIRST)
            place = self.place(keep)
            self.put(
                total=len(self.versions), first=first, at=place, stamp=self.stamp + 1,
                state="ready", error="", hint="",
            )  # fmt: skip

    def wait_for(self, name: str) -> None:
        """Say that versions are being read; with no name, that there is nothing to read."""
        self.put(state="loading" if name else "empty", error="", hint="")

    def fail(self, error: BaseException) -> None:
        """Show why there are no versions."""
        with self._guard:
            self.versions = []
            self.put(
                total=0, first=[], at=-1, stamp=self.stamp + 1, state="failed",
                error=sentence(error), hint=redact(getattr(error, "hint", "") or ""),
            )  # fmt: skip

    def clear(self) -> None:
        """Show nothing."""
        self.load(())
        self.put(state="empty")

    @property
    def chosen(self) -> Any:
        """The chosen version, or ``None``."""
        with self._guard:
            return self.versions[-1 - self.at] if 0 <= self.at < len(self.versions) else None

    @property
    def current(self) -> Any:
        """The head, or ``None``."""
        with self._guard:
            return next((v for v in reversed(self.versions) if v.current), None)

    def place(self, version: int | None) -> int:
        """Return where a version stands, counted from the newest; -1 when it is not there."""
        for place, each in enumerate(reversed(self.versions)):
            if each.version == version:
                return place
        return -1

    def find(self, text: str) -> Any:
        """Return the version that a number or a tag names, or ``None``."""
        with self._guard:
            version = number(text)
            if version is not None:
                place = self.place(version)
                return self.versions[-1 - place] if place >= 0 else None
            return next((v for v in self.versions if text in v.tags), None)

    def _answer_page(self, offset: int, limit: int, stamp: int) -> dict[str, Any]:
        with self._guard:
            if stamp != self.stamp:
                raise Conflict("the list has changed meanwhile")
            return {"items": self._items(int(offset), min(int(limit), 500))}

    def _items(self, offset: int, limit: int) -> list[dict[str, Any]]:
        total = len(self.versions)
        places = range(max(0, offset), min(total, offset + limit))
        return [self._item(total - 1 - place) for place in places]

    def _item(self, index: int) -> dict[str, Any]:
        version = self.versions[index]
        before = self.versions[index - 1] if index else None
        return {
            "version": version.version,
            "when": when(version.time),
            "words": redact(what_changed(version)),
            "who": redact(who(version)),
            "origin": redact(came_from(version)),
            "tags": list(version.tags),
            "current": version.current,
            "rows": version.rows,
            "bytes": version.bytes,
            "unit": self.unit,
            "rows_net": version.rows - before.rows if before else version.rows,
            "bytes_net": version.bytes - before.bytes if before else version.bytes,
            **{
                name: getattr(version, name, None)
                for name in ("rows_added", "rows_removed", "bytes_added", "bytes_removed")
            },
        }

    def _static(self) -> tuple[str, str]:
        newest = [self.versions[i] for i in range(len(self.versions) - 1, -1, -1)][:_SHOWN]
        rows = [
            (
                f"{v.version}{' (current)' if v.current else ''}", when(v.time), f"{v.rows:,}",
                size(v.bytes), ", ".join(v.tags), redact(what_changed(v)),
            )
            for v in newest
        ]  # fmt: skip
        head = ("version", "time", self.unit, "size", "tags", "what changed")
        body = table(
            head,
            [[esc(cell) for cell in row] for row in rows],
            numeric=[False, False, True, True, False, False],
            label="versions",
        )
        more = len(self.versions) - len(rows)
        foot = f"and {more:,} earlier versions" if more > 0 else ""
        text = "\n".join("  ".join(cell for cell in row if cell) for row in rows)
        return card(self.label, [], [], body if rows else "", foot=foot), text or self.label


def number(text: str) -> int | None:
    """Return the version number that a text is, or ``None``; never raises.

    >>> number("12"), number("prod"), number("²"), number("9" * 5000)
    (12, None, None, None)
    """
    plain = text.isascii() and text.isdecimal() and len(text) < 19
    return int(text) if plain else None


def what_changed(version: Any) -> str:
    """Return what a version did, in words."""
    back = version.properties.get("lancenb.restored_from")
    action = version.properties.get("lancenb.action")
    words = " ".join((version.message or "").split()) or "change of the table"
    if back and words == f"{action} to version {back}":
        return (
            f"back to what version {back} was"
            if action == "rollback"
            else f"forward to version {back}"
        )
    return words


def who(version: Any) -> str:
    """Return who made a version, as far as it is noted."""
    return str(version.properties.get("lancenb.actor", ""))


def came_from(version: Any) -> str:
    """Return what a version was made from: sources, parents, converter."""
    import json

    from lancenb.catalog._origins import origin_of

    origin = origin_of(version.version, version.time, version.properties)
    parts: list[str] = []
    if origin is not None:
        labels = origin.labels
        parts += [
            ", ".join(labels[:2]) + (f" and {len(labels) - 2} more" if len(labels) > 2 else "")
        ]
        parts += [f"({origin.converter})" if origin.converter and labels else origin.converter]
    try:
        parents = json.loads(version.properties.get("lancenb.parents") or "[]")
        parts += [f"{p['name']} version {p['version']}" for p in parents if p.get("name")]
    except (ValueError, TypeError, KeyError, AttributeError):
        pass  # noted by somebody else, in another form
    return " ".join(part for part in parts if part)
