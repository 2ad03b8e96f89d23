"""The workbench: the catalogue at the side, and everything one does with an artefact beside it."""

from __future__ import annotations

import threading
from typing import Any

import ipywidgets as w
import traitlets as t

from lancenb.errors import InvalidArgument

from . import _cells
from ._artefact_tabs import TABS, Page, build, headline, trouble
from ._bring import WAYS, bring, welcome
from ._catalogue_list import Catalogue
from ._display import card, esc
from ._fields import button, facts_html, html, row
from ._frame import Shown
from ._latest import Latest


class Workbench(Shown, w.Box):
    """A data and model workbench: choose an artefact at the side, work on it in tabs.

    The tabs show its content, versions, lineage and differences, train on it, and take care of it;
    each is built when first shown. Download and Convert bring new artefacts.

    Args:
        manager: a ``DataManager``, or anything with the same methods.
        key: name of this workbench; making it again with the same name (default: in the same
            notebook cell) closes the earlier one and goes on showing its running work.

    >>> import lancenb as lnb
    >>> bench = Workbench(lnb.DataManager("memory://bench"))
    >>> bench.selected
    ''
    """

    selected = t.Unicode("")
    _closed = True  # until there is something to close

    def __init__(self, manager: Any, *, key: str | None = None):
        if not hasattr(manager, "search"):
            raise InvalidArgument(
                f"{type(manager).__name__} is no data manager",
                hint="Workbench(lnb.DataManager(...))",
            )
        self.manager = manager
        self._guard = threading.RLock()
        self._closed = False
        self._page: Page | None = None
        self._parked: dict[str, Page] = {}  # left while their work runs
        self._new: dict[str, Any] = {}
        self._latest = Latest(self._fill, pause=0.02)
        super().__init__()
        self.add_class("lnb")
        self.add_class("lnb-workbench")
        self._build()
        self._place = _cells.place(type(self), key)
        earlier = _cells.enter(self._place, self)
        if earlier is not None:
            self._take_over(earlier)

    def _build(self) -> None:
        self.catalogue = Catalogue(self.manager)
        self._loading = html('<div class="lnb-skeleton" style="height:160px"></div>')
        self._header = html("")
        self._welcome = html(welcome(False))
        self.tabs = w.Tab([w.VBox() for _ in TABS], titles=TABS, selected_index=0)
        self.main = w.VBox([self._welcome])
        self.main.add_class("lnb-workbench-main")
        new = row(*(button(f"{name} …", lambda name=name: self.new(name)) for name in WAYS))
        side = w.VBox([html('<h2 class="lnb-workbench-title">Catalogue</h2>'), self.catalogue, new])
        side.add_class("lnb-workbench-side")
        body = w.Box([side, self.main])
        body.add_class("lnb-workbench-body")
        self.children = (body,)
        t.link((self.catalogue, "selected"), (self, "selected"))
        self.observe(self._chosen, names="selected")
        self.tabs.observe(lambda _: self._latest.ask(), names="selected_index")
        self.catalogue.observe(self._counted, names=["total", "busy"])
        self._counted()  # it may have been read already

    # What one does with it -------------------------------------------------------------------

    @property
    def tab(self) -> str:
        """The tab in front."""
        return TABS[self.tabs.selected_index or 0]

    @property
    def content(self) -> Any:
        """What the tab in front shows: a preview or a panel; None while it is being built."""
        page = self._page
        return page.contents.get(self.tab) if page is not None else None

    def select(self, name: str, tab: str | None = None) -> Workbench:
        """Choose an artefact, and a tab; what it shows is built in the background.

        Args:
            name: the artefact; an empty text chooses nothing.
            tab: one of the tabs' titles.

        Raises:
            InvalidArgument: there is no such tab.
        """
        if tab is not None and tab not in TABS:
            raise InvalidArgument(f"there is no tab {tab!r}", hint="tabs: " + ", ".join(TABS))
        self.selected = name
        if tab is not None:
            self.tabs.selected_index = TABS.index(tab)
        self._show_page()
        return self

    def wait(self, timeout: float = 30) -> Workbench:
        """Wait until the list and the tab in front are built (running jobs are not waited for).

        Raises:
            TimeoutError: they are not after ``timeout`` seconds.
        """
        if not (self.catalogue.settle(timeout) and self._latest.settle(timeout)):
            raise TimeoutError(f"the workbench is not ready after {timeout} s")
        return self

    def new(self, what: str) -> Any:
        """Show the panel that brings something new, and return it.

        Args:
            what: ``"Download"`` or ``"Convert"``.
        """
        if what not in WAYS:
            raise InvalidArgument(f"{what!r} brings nothing", hint="Download or Convert")
        with self._guard:
            if what not in self._new:
                self._new[what] = bring(self, what)
            self.main.children = (self._new[what],)
        return self._new[what]

    def refresh(self) -> None:
        """Read the catalogue and what is shown again, in the background."""
        self.catalogue.refresh()
        page = self._page
        if page is not None:
            with self._guard:
                page.outdate()
            self._latest.ask()

    def close(self) -> None:
        """Close the workbench with everything in it; running work goes on, cancel it first."""
        if self._closed:
            return
        with self._guard:
            self._closed = True
            pages = [*self._parked.values(), *([self._page] if self._page else [])]
        self._latest.close()
        _cells.leave(self._place, self)
        for holder in (*self.tabs.children, self.main):
            holder.children = ()  # what they hold is closed by its owner, if at all
        for page in pages:
            page.close()
        for each in (*self._new.values(), self._loading, self._header, self._welcome, self.tabs):
            _cells.close_tree(each)
        for child in self.children:
            _cells.close_tree(child)
        layout = self.layout
        super().close()
        vars(self).pop("_repr_mimebundle_", None)
        layout.close()

    # How it comes about ------------------------------------------------------------------------

    def _chosen(self, change: Any) -> None:
        """Another artefact: leave the old page (parked, if it works), show what is there."""
        name = change["new"]
        with self._guard:
            old = self._page
            ended = [each for each, page in self._parked.items() if not page.busy]
            leaving = [self._parked.pop(each) for each in ended if each != name]
            if old is not None and old.busy:
                self._parked[old.name] = old
            elif old is not None:
                leaving.append(old)
            self._page = (self._parked.pop(name, None) or Page(name, self)) if name else None
            self._show_page()
        for page in leaving:
            page.close()
        self._latest.ask()

    def _show_page(self) -> None:
        page = self._page
        if page is None:
            self.main.children = (self._welcome,)
            return
        self._hold(page)
        if self.main.children != (self._header, self.tabs):
            self.main.children = (self._header, self.tabs)

    def _hold(self, page: Page) -> None:
        for title, holder in zip(TABS, self.tabs.children, strict=True):
            content = (page.contents.get(title, self._loading),)
            if holder.children != content:
                holder.children = content

    def _fill(self) -> None:
        """Build the header and the tab in front; runs in a thread of its own."""
        page, title = self._page, self.tab
        if page is None or self._closed:
            return
        old, artefact, edition = None, None, page.edition
        try:
            artefact = self.manager.get(page.name)
            self._header.value = headline(artefact)
            if not page.lacks(title):
                return
            made = build(title, page, artefact)
        except Exception as error:
            made = trouble(error)
            if artefact is None:  # the header would go on speaking of the one before
                self._header.value = facts_html(page.name, [], [])
        with self._guard:
            if self._closed or page is not self._page:
                old = made
            else:
                old = page.put(title, made, edition)
                self._hold(page)
        if old is not None:
            _cells.close_tree(old)

    def changed(self, name: str, tab: str) -> None:
        """A panel has changed an artefact: what other tabs show of it is out of date."""
        with self._guard:
            page = self._page if self._page and self._page.name == name else self._parked.get(name)
            if page is not None:
                page.outdate(except_for=tab)
        self.catalogue.refresh()
        self._latest.ask()

    def _counted(self, _change: Any = None) -> None:
        with self._guard:  # the list is read in a thread of its own
            side = self.catalogue
            some = side.query or side.of_kind or side.total or side.error or side.busy
            self._welcome.value = welcome(not some)

    def _take_over(self, earlier: Workbench) -> None:
        """Go on where the earlier workbench of the same place was, with its running work."""
        with earlier._guard:
            pages = [*earlier._parked.values(), *([earlier._page] if earlier._page else [])]
            selected, index = earlier.selected, earlier.tabs.selected_index
            query, of_kind = earlier.catalogue.query, earlier.catalogue.of_kind
            self._parked = {page.name: page for page in pages if page.busy}
            earlier._parked, earlier._page = {}, None
            for page in pages:
                if not page.busy:
                    page.close()
            earlier.close()
        for page in self._parked.values():
            page.bench = self
        self.catalogue.put(query=query, of_kind=of_kind)
        self.tabs.selected_index = index
        self.selected = selected

    # Static form -------------------------------------------------------------------------------

    def _static(self) -> tuple[str, str]:
        """Return the catalogue as HTML and as text."""
        self.catalogue.settle(5)
        body, text = self.catalogue._static()
        if not self.selected:
            return body, text.replace("Catalogue:", "Workbench:", 1)
        line = f"selected: {self.selected}, {self.tab}"
        chosen = card("Workbench", [], [], f"<div>{esc(line)}</div>")
        return body + chosen, text.replace("Catalogue:", "Workbench:", 1) + f"\n{line}"
