"""The workbench's tab of actions: one small panel at a time, built when it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as w

from . import _cells
from ._fields import choice, html
from ._latest import Latest

if TYPE_CHECKING:
    from ._artefact_tabs import Page

ACTIONS = (
    "Edit details", "Set or remove a tag", "Rename", "Optimize", "Clean up old versions",
    "Check the store", "Delete",
)  # fmt: skip


class Care(w.VBox):
    """A choice of actions, and the panel of the chosen one.

    Args:
        page: the page of the artefact.
        artefact: the artefact.
    """

    def __init__(self, page: Page, artefact: Any):
        self._page, self._artefact = page, artefact
        self.panels: dict[str, Any] = {}
        self.chooser = choice("Action", ACTIONS)
        self._holder = w.VBox()
        self._loading = html('<div class="lnb-skeleton" style="height:96px"></div>')
        self._latest = Latest(self._fill, pause=0.02)
        super().__init__([self.chooser, self._holder])
        self.add_class("lnb-care")
        self.chooser.observe(lambda _: self._open(), names="value")
        self._fill()

    @property
    def panel(self) -> Any:
        """The panel in front, None while it is being built."""
        return self.panels.get(str(self.chooser.value))

    def choose(self, action: str) -> Any:
        """Choose an action and return its panel, ready to ``run``."""
        self.chooser.value = action
        self._latest.settle(30)
        return self.panel

    def _open(self) -> None:
        self._put(self.panel or self._loading)
        self._latest.ask()

    def _fill(self) -> None:
        from ._artefact_tabs import trouble

        action = str(self.chooser.value)
        if action not in self.panels:
            try:
                self.panels[action] = self._make(action)
            except Exception as error:
                self._put(trouble(error))
                return
        if action == self.chooser.value:
            self._put(self.panels[action])

    def _put(self, shown: w.Widget) -> None:
        """Show a panel, or why there is none; such a note is gone with the next choice."""
        before = self._holder.children
        self._holder.children = (shown,)
        for each in before:
            if each is not self._loading and each not in self.panels.values():
                _cells.close_tree(each)

    def _make(self, action: str) -> Any:
        manager, artefact, page = self._page.bench.manager, self._artefact, self._page
        if action == "Edit details":
            from ._details_panel import DetailsPanel

            panel: Any = DetailsPanel(manager, artefact.name, key="")
        else:
            from . import _care_panels as care

            kinds = (
                care.TagPanel, care.RenamePanel, care.OptimizePanel, care.CleanupPanel,
                care.CheckPanel, care.DeletePanel,
            )  # fmt: skip
            panel = kinds[ACTIONS.index(action) - 1](manager, artefact, key="")
        panel.on_result(lambda result: self._done(page, action, result))
        return panel

    def _done(self, page: Page, action: str, result: Any) -> None:
        bench = page.bench
        gone = action == "Delete" or (action == "Rename" and result.name != page.name)
        if gone and bench.selected == page.name:
            bench.catalogue.refresh()
            bench.select(result.name if action == "Rename" else "")
        else:
            page.changed("Actions")

    def close(self) -> None:
        """Close the panels, also those not in front."""
        self._latest.close()
        for each in (*self.panels.values(), self._loading):
            _cells.close_tree(each)
        super().close()
