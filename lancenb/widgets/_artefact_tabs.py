"""The tabs of the workbench: what is built for an artefact, and when it is out of date."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from lancenb._html import size
from lancenb.errors import LancenbError
from lancenb.store import redact

from . import _cells
from ._display import esc
from ._fields import facts_html, html
from ._target import is_far
from ._view import sentence

if TYPE_CHECKING:
    from .workbench import Workbench

TABS = ("Preview", "Versions", "Lineage", "Diff", "Train", "Actions")


class Page:
    """What the tabs hold for one artefact.

    Attributes:
        name: the artefact.
        bench: the workbench that shows it.
        contents: widgets by title of the tab, as far as they were looked at.
        edition: grows whenever what is shown goes out of date.
    """

    def __init__(self, name: str, bench: Workbench):
        self.name, self.bench = name, bench
        self.contents: dict[str, w.Widget] = {}
        self.edition = 0
        self._outdated: set[str] = set()

    @property
    def busy(self) -> bool:
        """Whether work started here still runs."""
        return any(_runs(content) for content in self.contents.values())

    def lacks(self, title: str) -> bool:
        """Whether a tab has to be built, or built again."""
        if title not in self.contents:
            return True
        return title in self._outdated and not _runs(self.contents[title])

    def put(self, title: str, content: w.Widget, edition: int) -> w.Widget | None:
        """Keep the content of a tab, built from what held at ``edition``; return what was there."""
        if edition == self.edition:
            self._outdated.discard(title)
        else:
            self._outdated.add(title)
        old = self.contents.get(title)
        self.contents[title] = content
        return old

    def outdate(self, except_for: str = "") -> None:
        """What was built, or is just being built, is shown again only after it was built anew."""
        self.edition += 1
        self._outdated |= {title for title in self.contents if title != except_for}

    def changed(self, title: str) -> None:
        """Tell the workbench that a panel of this page has changed the artefact."""
        self.bench.changed(self.name, title)

    def close(self) -> None:
        """Close all widgets."""
        for content in self.contents.values():
            _cells.close_tree(content)
        self.contents = {}


def _runs(widget: Any) -> bool:
    card = getattr(widget, "card", None)
    if card is not None and getattr(card, "running", False):
        return True
    return any(_runs(child) for child in getattr(widget, "children", ()))


def build(title: str, page: Page, artefact: Any) -> w.Widget:
    """Make the content of a tab."""
    if title == "Preview":
        return _preview(artefact)
    if title == "Lineage":
        from ._lineage_tab import lineage

        return lineage(page, artefact)
    made: Any = _panel(title, page.bench.manager, artefact, page)
    if hasattr(made, "on_result"):
        made.on_result(lambda _: page.changed(title))
    return made


def _preview(artefact: Any) -> w.Widget:
    if artefact.kind == "images":
        from .gallery import Gallery

        return Gallery(artefact)
    if artefact.kind == "weights":
        from .tensor_browser import TensorBrowser

        return TensorBrowser(artefact)
    from .table_view import TableView

    return TableView(artefact)


def _panel(title: str, manager: Any, artefact: Any, page: Page) -> w.Widget:
    if title == "Versions":
        from .rollback_panel import RollbackPanel

        return RollbackPanel(manager, artefact.name, key="")
    if title == "Diff":
        from ._diff_tab import DiffPanel

        return DiffPanel(manager, artefact, key="")
    if title == "Train":
        from ._train_tab import TrainPanel

        if artefact.kind != "images":
            return html(_NOT_IMAGES)
        if is_far(artefact):
            return html(_FAR)
        return TrainPanel(manager, artefact.name, key="")
    from ._care_tab import Care

    return Care(page, artefact)


_NOT_IMAGES = (
    '<div class="lnb-empty"><p>Training starts from a table of labelled images.</p>'
    "<p>Choose one at the side; weights of this catalogue can be what it starts from.</p></div>"
)
_FAR = (
    '<div class="lnb-empty"><p>Training reads the table on the machine it runs on, '
    "and this catalogue is on another one.</p>"
    "<p>Open the store itself to train on it: lnb.DataManager(its path or address).</p></div>"
)


def headline(artefact: Any) -> str:
    """Return name, kind, tags and figures of an artefact as HTML."""
    try:
        state = [
            ("version", str(artefact.version)),
            ("tensors" if artefact.kind == "weights" else "rows", f"{artefact.rows:,}"),
            ("size", size(artefact.nbytes)),
        ]
    except LancenbError as error:
        state = [("problem", sentence(error))]
    aliases = [f"{tag} → {version}" for tag, version in (artefact.aliases or {}).items()]
    about = " ".join((artefact.description or "").split())
    lead = f'<p class="lnb-lead">{esc(redact(about))}</p>' if about else ""
    chips = [artefact.kind, *aliases, *(artefact.tags or ())]
    return facts_html(artefact.name, state, chips) + lead


def trouble(error: BaseException) -> w.Widget:
    """Return what a tab shows when it cannot be built: a sentence, a hint, folded details."""
    hint = redact(getattr(error, "hint", "") or "")
    trace = "".join(traceback.format_exception(error))[-8000:]
    fold = (
        ""
        if isinstance(error, LancenbError)
        else '<details class="lnb-fold"><summary>Details</summary>'
        f'<pre class="lnb-trace" tabindex="0">{esc(redact(trace))}</pre></details>'
    )
    return html(
        f'<div class="lnb-problem" role="alert"><p class="lnb-problem-text">{esc(sentence(error))}'
        f'</p><p class="lnb-hint">{esc(hint)}</p>{fold}</div>'
    )
