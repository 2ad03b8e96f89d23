"""The list of artefacts at the side of the workbench: search, kind, refresh, one selected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import traitlets as t

from lancenb._html import count
from lancenb.store import redact

from ._assets import css, esm
from ._display import card, esc, table
from ._latest import Latest
from ._public import public
from ._view import View, sentence

SHOWN = 500  # more rows than anybody scrolls through; the search finds the others
_KINDS = ("", "weights", "images", "text", "table")


class Catalogue(View):
    """A searchable list of a manager's artefacts; ``selected`` is the chosen name.

    Args:
        manager: a ``DataManager``, or anything with its ``search``.

    >>> import lancenb as lnb
    >>> found = Catalogue(lnb.DataManager("memory://side"))
    >>> found.settle(), found.names
    (True, [])
    """

    _esm, _css = esm("catalogue"), css("catalogue")
    kind = t.Unicode("catalogue").tag(sync=True)
    label = t.Unicode("catalogue").tag(sync=True)
    query = t.Unicode("").tag(sync=True)
    of_kind = t.Enum(_KINDS, "").tag(sync=True)
    items = t.List(t.Dict()).tag(sync=True)
    total = t.Int(0).tag(sync=True)
    selected = t.Unicode("").tag(sync=True)
    busy = t.Bool(True).tag(sync=True)
    error = t.Unicode("").tag(sync=True)
    hint = t.Unicode("").tag(sync=True)

    def __init__(self, manager: Any, **traits: Any):
        self._manager = manager
        self._latest = Latest(self._look, pause=0.05)
        super().__init__(**traits)
        self.observe(lambda _: self.refresh(), names=["query", "of_kind"])
        self.refresh()

    @t.validate("query")
    def _without_secrets(self, proposal: Any) -> str:
        return public(proposal["value"])

    @property
    def names(self) -> list[str]:
        """The names in the list, in its order."""
        return [item["name"] for item in self.items]

    def refresh(self) -> None:
        """Read the catalogue again, in the background."""
        self._latest.ask()

    def settle(self, timeout: float = 10) -> bool:
        """Wait until the list is up to date; False when that takes too long."""
        return self._latest.settle(timeout)

    def _look(self) -> None:
        try:
            text = self.query.strip() or None
            found = self._manager.search(text, kind=self.of_kind or None, limit=10**6)
            self.put(
                items=[_item(artefact) for artefact in found[:SHOWN]], total=len(found),
                busy=False, error="", hint="",
            )  # fmt: skip
        except Exception as error:
            hint = redact(getattr(error, "hint", "") or "")
            self.put(items=[], total=0, busy=False, error=sentence(error), hint=hint)

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("do") == "refresh":
            self.refresh()
        else:
            super()._receive(widget, content, buffers)

    def close(self) -> None:
        """Close the list; a search that runs is forgotten."""
        self._latest.close()
        super().close()

    def _static(self) -> tuple[str, str]:
        head = ("name", "kind", "tags", "description")
        rows = [(i["name"], i["kind"], ", ".join(i["tags"]), i["about"]) for i in self.items]
        facts = [count(self.total, "artefact")]
        if self.total > len(rows):
            facts.append(f"the first {len(rows)} are shown")
        shown = table(
            head,
            ([esc(cell) for cell in row] for row in rows),
            numeric=[False] * 4,
            label="artefacts",
        )
        trouble = f"<div>{esc(self.error)}</div>" if self.error else ""
        html = card("Catalogue", [], facts, trouble, shown if rows else "")
        lines = [
            f"Catalogue: {' · '.join(facts)}",
            *(f"  {'  '.join(row)}".rstrip() for row in rows),
        ]
        return html, "\n".join(lines + ([self.error] if self.error else []))


def _item(artefact: Any) -> dict[str, Any]:
    """Return what the list says about an artefact, without opening its table."""
    aliases = getattr(artefact, "aliases", None) or {}
    return {
        "name": artefact.name,
        "kind": artefact.kind,
        "tags": [*(f"{tag} → {version}" for tag, version in aliases.items()), *_words(artefact)],
        "about": " ".join((artefact.description or "").split())[:120],
    }


def _words(artefact: Any) -> Iterable[str]:
    return (str(tag) for tag in getattr(artefact, "tags", None) or ())
