"""A panel about one version of an artefact: the list to choose from, and what choosing means."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from lancenb.errors import InvalidArgument

from ._artefact_box import artefact_box, suggest
from ._diff_view import difference
from ._display import esc
from ._fields import html, text
from ._identity import identity
from ._latest import Latest
from ._side_work import SideWork
from ._timeline import Timeline
from ._view import sentence

if TYPE_CHECKING:
    from lancenb.catalog import Diff

_BUSY = '<div class="lnb-skeleton" style="height:44px" role="status" aria-label="comparing"></div>'


class VersionChoice(SideWork):
    """A panel with an artefact, its versions, and the difference to the one chosen.

    Attributes:
        timeline: the list of versions.
        diff: what going back to the chosen version would do, once it is known.
    """

    def __init__(self, manager: Any, name: str = "", *, key: str | None = None):
        self.diff: Diff | None = None
        self._named = ""
        self._known: tuple[Any, ...] | None = None  # which artefact the list is about
        self._choosing = threading.RLock()  # held before the list's own guard, never after it
        self._follower: int | None = None
        self._loader = Latest(self._load, pause=0.2)
        self._differ = Latest(self._compare, pause=0.25)
        super().__init__(manager, key=key)
        self._loader.ask()  # the names to suggest, at least
        self._start_with(name=getattr(name, "name", name))
        if name and key == "":  # inside something that says whose versions these are
            self.fields["name"].layout.display = "none"

    def _inputs(self) -> Iterable[w.Widget]:
        self.timeline = Timeline()
        self.timeline.observe(self._chosen, names="at")
        place = "a version of the list, its number or a tag"
        self._change = html("")
        return [
            artefact_box("Artefact", key="name"),
            self.timeline,
            text("Go back to", key="version", placeholder=place),
        ]

    def _fill(self, inputs: dict[str, Any]) -> None:
        if isinstance(inputs.get("version"), int):
            inputs["version"] = str(inputs["version"])
        super()._fill(inputs)

    def _offer(self) -> None:
        """Say what can be done now; called whenever the choice or what is known of it changes."""
        with self._choosing:  # or a thread that looked earlier could be the last to say so
            self._say()

    def _say(self) -> None:
        """Let buttons and notes say what can be done now."""

    # Versions ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the versions again."""
        self._loader.ask()

    def settle(self, timeout: float = 30) -> bool:
        """Wait until versions and the difference are shown; False when that takes too long."""
        return self._loader.settle(timeout) and self._differ.settle(timeout)

    @property
    def _name(self) -> str:
        return self.fields["name"].value.strip()

    @property
    def _version(self) -> str:
        return self.fields["version"].value.strip()

    def _load(self) -> None:
        """Show the versions of the name in the form; runs in a thread, which must not die."""
        try:
            suggest(self.fields["name"], self.manager)
            self._read(self._name)
        except Exception as error:
            with self._following():
                self._named, self._known = "", None
                self.timeline.fail(error)
                self._select()

    def _read(self, name: str) -> None:
        if not name:
            with self._following():
                self._named, self._known = "", None
                self.timeline.clear()
                self._select()
            return
        artefact = self.manager.get(name)  # first: one made again after this is another one
        versions = self.manager.versions(name)
        unit = "tensors" if artefact.kind == "weights" else "rows"
        with self._following():
            if name != self._name:  # another one was typed meanwhile, and is read next
                return
            chosen = self.timeline.chosen
            self.timeline.load(versions, unit=unit, keep=chosen and chosen.version)
            self.timeline.put(label=f"versions of {name}")
            self._named, self._known = name, identity(artefact)
            self._select()

    @contextmanager
    def _following(self) -> Iterator[None]:
        """Let the list follow the field, one thread at a time: nobody chooses in it then."""
        with self._choosing:
            before, self._follower = self._follower, threading.get_ident()
            try:
                yield
            finally:
                self._follower = before

    def _chosen(self, _change: object = None) -> None:
        """A version was chosen in the list: the field says so too."""
        if self._follower == threading.get_ident():
            return
        chosen, field = self.timeline.chosen, self.fields["version"]
        if chosen is not None and self.timeline.find(self._version) is not chosen:
            field.value = str(chosen.version)

    def _select(self) -> None:
        """Choose in the list what the field says, and show what it would change."""
        with self._following():
            found = self.timeline.find(self._version) if self._version else None
            self.timeline.put(at=self.timeline.place(found.version) if found else -1)
            current = self.timeline.current
            self.diff = None
            if found is None or found is current:
                self._change.value = ""
            else:
                self._change.value = _BUSY
                self._differ.ask(self._named, current.version, found.version)
            self._offer()

    def _compare(self, name: str, current: int, version: int) -> None:
        """Show what going back would change; runs in a thread."""
        try:
            diff = self._diff(name, current, version)
            words = difference(diff)
        except Exception as error:
            diff, words = None, f'<p class="lnb-hint">{esc(sentence(error))}</p>'
        with self._choosing:
            chosen = self.timeline.chosen
            if name == self._named and chosen is not None and chosen.version == version:
                self.diff, self._change.value = diff, words
                self._offer()

    def _diff(self, name: str, current: int, version: int) -> Diff:
        artefact = self.manager.get(name)
        if artefact.kind != "weights" and "id" in artefact.columns:
            try:  # then changed rows are known as such
                return self.manager.diff(name, current, version, key="id")
            except InvalidArgument:
                pass  # it names no single row
        return self.manager.diff(name, current, version)

    def _changed(self, _change: object = None) -> None:
        super()._changed()
        with self._following():
            if self._name != self._named:
                if self._named:
                    self._named, self._known = "", None
                    self.timeline.clear()
                    self._offer()  # a question about the earlier name is not confirmed
                self.timeline.wait_for(self._name)
                self._loader.ask()
            elif self.timeline.total:
                self._select()

    def close(self) -> None:
        """Close the panel; nothing is read any more."""
        self._loader.close()
        self._differ.close()
        super().close()
