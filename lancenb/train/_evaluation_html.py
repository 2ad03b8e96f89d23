"""An evaluation in a notebook, in the colours of the theme, and its confusion as a figure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _html
from ._ink import axes_in, ink, new_figure

if TYPE_CHECKING:
    from ._evaluation import Evaluation

#: More classes than these make a table that nobody can read: the largest confusions are listed.
_WHOLE, _LISTED = 24, 12
#: Classes in the list to unfold.
_CLASSES = 40
#: Figures in the cells of the picture up to so many classes; names at its sides up to so many.
_NUMBERS, _NAMES = 20, 60


def page(found: Evaluation) -> str:
    """The figures, the confusion, and a list per class to unfold."""
    source = f" of {escape(found.data[0])} version {found.data[1]}" if found.data else ""
    model = f"{escape(found.model[0])} version {found.model[1]}: " if found.model else ""
    skipped = f", {found.skipped:,} unreadable rows left out" if found.skipped else ""
    top = f", top-5 {found.top5:.1%}" if found.tells_top5 else ""
    head = (
        f"<div>{model}<b>accuracy {found.accuracy:.1%}</b>{top},"
        f" F1 {found.f1:.3f}, loss {found.loss:.3f} on {found.rows_told}{source}{skipped}</div>"
    )
    counts = _counts(found) if len(found.confusion) <= _WHOLE else _largest(found)
    return f'<div style="color:{_html.INK}">{head}{counts}{_classes(found)}</div>'


def _counts(found: Evaluation) -> str:
    names = _names(found)
    most = max(1, int(found.confusion.max(initial=1)))
    edge = f"padding:3px 8px;border:1px solid {_html.LINE};color:{_html.INK}"
    head = "".join(
        f'<th scope="col" style="{edge};text-align:right;font-weight:500">{escape(name)}</th>'
        for name in names
    )
    body = ""
    for number, row in enumerate(found.confusion.tolist()):
        cells = "".join(
            f'<td style="{edge};text-align:right;'
            f'background:{_shade(count / most, number == at)}">{count:,}</td>'
            for at, count in enumerate(row)
        )
        body += (
            f'<tr style="{_html.CLEAR}"><th scope="row" style="{edge};text-align:left;'
            f'font-weight:500">{escape(names[number])}</th>{cells}</tr>'
        )
    caption = (
        f'<caption style="text-align:left;color:{_html.PALE};padding:4px 0;'
        'white-space:nowrap">rows: true class, columns: predicted class</caption>'
    )
    return (
        f'<div style="overflow-x:auto"><table>{caption}<tr style="{_html.CLEAR}">'
        f"<td></td>{head}</tr>{body}</table></div>"
    )


def _shade(share: float, right: bool) -> str:
    """Blue for right answers, orange for wrong ones; text stays readable on both themes."""
    if not share:
        return "transparent"
    colour = "70,130,220" if right else "225,120,30"
    return f"rgba({colour},{0.08 + 0.47 * share:.2f})"


def _largest(found: Evaluation) -> str:
    names = _names(found)
    off = found.confusion.copy()
    np.fill_diagonal(off, 0)
    order = np.argsort(-off, axis=None, kind="stable")[:_LISTED]
    pairs = [divmod(int(at), len(off)) for at in order if off.flat[at]]
    if not pairs:
        return ""
    rows = [
        (
            names[true],
            names[claimed],
            int(off[true, claimed]),
            f"{_share(found, true, claimed):.2f}",
        )
        for true, claimed in pairs
    ]
    return _html.table(
        ["true class", "predicted", "rows", "share of the class"],
        rows,
        caption=f"most frequent of {found.wrong:,} mistakes, {len(names):,} classes",
    )


def _share(found: Evaluation, true: int, claimed: int) -> float:
    return float(found.confusion[true, claimed] / max(1, found.confusion[true].sum()))


def _classes(found: Evaluation) -> str:
    rows = [
        (
            item["class"], item["rows"], f"{item['precision']:.3f}", f"{item['recall']:.3f}",
            f"{item['f1']:.3f}",
        )
        for item in found.per_class.sort_by("f1").slice(0, _CLASSES).to_pylist()
    ]  # fmt: skip
    many = found.per_class.num_rows
    some = f", {_CLASSES} of {many:,}; to_pandas() has all" if many > _CLASSES else ""
    table = _html.table(
        ["class", "rows", "precision", "recall", "F1"], rows, caption=f"lowest F1 first{some}"
    )
    return f'<details style="margin-top:6px"><summary>per class</summary>{table}</details>'


def _names(found: Evaluation) -> list[str]:
    return found.class_names or [str(i) for i in range(len(found.confusion))]


def confusion_figure(found: Evaluation, *, dark: bool = False) -> Any:
    """The confusion counts as a heat map: the share of each true class, numbers where they fit."""
    names, counts = _names(found), found.confusion
    classes = len(names)
    side = min(9.0, 2.4 + 0.42 * classes)
    figure = new_figure((side + 0.9, side), dark)
    axes = figure.add_subplot()
    axes_in(axes, dark)
    share = counts / np.maximum(1, counts.sum(1, keepdims=True))
    drawn = axes.imshow(share, cmap="viridis", vmin=0, vmax=1)
    if classes <= _NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            pen = "#111111" if share[row, column] > 0.55 else "#ffffff"
            axes.text(column, row, f"{count:,}", ha="center", va="center", color=pen, fontsize=8)
    if classes <= _NAMES:
        axes.set_xticks(range(classes), names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(classes), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    title = f"accuracy {found.accuracy:.1%} on {found.rows:,} rows"
    axes.set_title(title, fontsize=10, loc="left", color=ink(dark))
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, label="share of the true class")
    axes_in(bar.ax, dark)
    return figure
