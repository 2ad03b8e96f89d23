"""How the workbench gets something new: the panels that download and convert, tied together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._fields import button, row

if TYPE_CHECKING:
    from .workbench import Workbench

WAYS = ("Download", "Convert")


def bring(bench: Workbench, what: str) -> Any:
    """Return the panel for one of :data:`WAYS`; what it makes is offered to go on with."""
    if what == "Download":
        from .download_panel import DownloadPanel

        download = DownloadPanel(bench.manager, key="")
        download.on_convert(lambda found: _hand_over(bench, found))
        return download
    from .convert_panel import ConvertPanel

    convert = ConvertPanel(bench.manager, key="")
    convert.on_result(lambda report: _offer(bench, convert, report.name))
    return convert


def _hand_over(bench: Workbench, found: Any) -> None:
    bench.new("Convert")._start_with(source=found)


def _offer(bench: Workbench, panel: Any, name: str) -> None:
    """Add a button that opens what was made; the catalogue has it already."""
    bench.catalogue.refresh()
    go = button(f"Open {name}", lambda: bench.select(name))
    panel.result_row.children = (*panel.result_row.children, row(go))


def welcome(empty: bool) -> str:
    """Return what is said while nothing is selected, as HTML."""
    first, second = (
        (
            "This store is empty.",
            "<b>Download</b> brings models and datasets to this machine; "
            "<b>Convert</b> turns files into an artefact.",
        )
        if empty
        else (
            "Choose an artefact in the catalogue.",
            "You see what is in it, its versions and where it came from, and can train on it.",
        )
    )
    return f'<div class="lnb-empty"><p>{first}</p><p>{second}</p></div>'
