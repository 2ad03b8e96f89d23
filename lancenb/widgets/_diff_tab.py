"""Two versions of an artefact compared: choose them, see what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as w

from lancenb.errors import InvalidArgument

from ._fields import choice, html, tags
from ._panel import Panel


class DiffPanel(Panel):
    """Compares two versions of an artefact.

    Args:
        manager: a ``DataManager``, or anything with its methods.
        artefact: the artefact.
        key: see :class:`Panel`.
    """

    title = "Compare two versions"
    lead = "Reads both versions once; Cancel takes effect when that is done."
    verb = "Compare"

    def __init__(self, manager: Any, artefact: Any, *, key: str | None = None):
        self._artefact = artefact
        self._versions = [
            (version_label(each), each.version) for each in manager.versions(artefact.name)
        ]
        super().__init__(manager, key=key)
        self.add_class("lnb-wide")

    def _inputs(self) -> Iterable[w.Widget]:
        numbers = [number for _, number in self._versions]
        newest_first = self._versions[::-1]
        before = numbers[-2] if len(numbers) > 1 else numbers[-1]
        self._before = choice("From", newest_first, key="before", value=before)
        self._after = choice("To", newest_first, key="after", value=numbers[-1])
        return (self._before, self._after)

    def _advanced(self) -> Iterable[w.Widget]:
        if self._artefact.kind == "weights":
            return ()
        return (tags("Row key", key="by", placeholder="columns that name a row, such as id"),)

    def _by(self) -> list[str]:
        field = self.fields.get("by")
        return field.words if field is not None else []

    def _work(self) -> Callable[..., Any]:
        if self._before.value == self._after.value:
            hint = "choose two" if len(self._versions) > 1 else "there is only this one yet"
            raise InvalidArgument("a version does not differ from itself", hint=hint)
        manager, name, key = self.manager, self._artefact.name, self._by()
        before, after = self._before.value, self._after.value

        def work(progress: Any = None, cancel: Any = None) -> Any:
            found = manager.diff(name, before, after, **({"key": key} if key else {}))
            if cancel is not None:
                cancel.check()
            return found

        return work

    def _code(self) -> str:
        key = f", key={self._by()!r}" if self._by() else ""
        return f"dm.diff({self._artefact.name!r}, {self._before.value}, {self._after.value}{key})"

    def _show(self, result: Any) -> Iterable[w.Widget]:
        return [html(result._repr_html_())]

    def _job_name(self) -> str:
        return f"compare versions {self._before.value} and {self._after.value}"


def version_label(version: Any) -> str:
    """Return a version as one line of a drop-down list."""
    parts = [f"{version.version}", "head" if version.current else "", *version.tags]
    message = " ".join((version.message or "").split())
    parts.append(message if len(message) <= 48 else message[:47] + "…")
    return " · ".join(part for part in parts if part)
