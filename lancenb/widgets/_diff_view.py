"""A difference in words and figures: what going back to a version would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lancenb._html import count

from ._display import esc, table
from ._thumbs import Undrawable, thumbnail

_COLUMNS = 6
_TENSORS = 30
_TITLES = {"removed": "would go", "added": "would come back", "changed": "would be as before"}


def sentence(diff: Any) -> str:
    """Say what going from the current version to the chosen one does.

    >>> from types import SimpleNamespace as S
    >>> sentence(S(same=False, kind="table", v1=5, v2=3, added=0, removed=20, changed=0))
    'Going back to version 3 takes away 20 rows.'
    """
    if diff.same:
        return f"Version {diff.v2} has the same content as the current version {diff.v1}."
    unit = "tensor" if diff.kind == "weights" else "row"
    parts = [
        f"takes away {count(diff.removed, unit)}" if diff.removed else "",
        f"brings {count(diff.added, unit)} back" if diff.added else "",
        f"changes {count(diff.changed, unit)}" if diff.changed else "",
    ]
    said = [part for part in parts if part] or ["changes the columns"]
    listed = said[0] if len(said) == 1 else f"{', '.join(said[:-1])} and {said[-1]}"
    return f"Going back to version {diff.v2} {listed}."


def difference(diff: Any) -> str:
    """Return a difference as escaped HTML: the sentence, columns, tensors, sample rows."""
    parts = [f'<p class="lnb-change-lead">{esc(sentence(diff))}</p>', _columns(diff)]
    if diff.tensors:
        parts.append(_tensors(diff))
    for what, title in _TITLES.items():
        rows = (diff.samples or {}).get(what) or []
        rows = [pair[1] for pair in rows] if what == "changed" else rows
        total = getattr(diff, what)
        if rows:
            shown = f"{count(total, 'row')} {title}" + (
                f", {len(rows)} of them:" if total > len(rows) else ":"
            )
            parts.append(f'<p class="lnb-change-title">{esc(shown)}</p>{_rows(rows, shown)}')
    return f'<div class="lnb-change">{"".join(parts)}</div>'


def _columns(diff: Any) -> str:
    lines = [f"column {name} comes back" for name in diff.columns_added]
    lines += [f"column {name} goes" for name in diff.columns_removed]
    lines += [
        f"column {name}: {old} becomes {new}" for name, (old, new) in diff.columns_changed.items()
    ]
    return f"<ul>{''.join(f'<li>{esc(line)}</li>' for line in lines)}</ul>" if lines else ""


def _tensors(diff: Any) -> str:
    rows = [[esc(cell) for cell in change.cells()] for change in diff.tensors[:_TENSORS]]
    head = ("tensor", "what", "shape", "dtype", "norm of change", "relative", "cosine")
    made = table(head, rows, numeric=[False] * 4 + [True] * 3, label="tensors that differ")
    more = len(diff.tensors) - len(rows)
    return made + (f'<p class="lnb-dim">and {more:,} more</p>' if more > 0 else "")


def _rows(rows: list[Mapping[str, Any]], label: str) -> str:
    pictures = [figure for row in rows if (figure := _figure(row))]
    if pictures:
        return f'<div class="lnb-samples">{"".join(pictures)}</div>'
    names = [name for name in rows[0] if not isinstance(rows[0][name], bytes)]
    shown = names[:_COLUMNS]
    cells = [[esc(_short(row.get(name))) for name in shown] for row in rows]
    return table([esc(name) for name in shown], cells, numeric=[False] * len(shown), label=label)


def _figure(row: Mapping[str, Any]) -> str:
    """Return the picture of a row, if it has one."""
    data = row.get("image")
    if not isinstance(data, bytes):
        return ""
    name = str(row.get("path") or row.get("label") or "row")
    try:
        address, pixels = thumbnail(data)
    except Undrawable:
        return ""
    sharp = ' class="lnb-pixels"' if pixels else ""
    return (
        f'<figure><img src="{address}" alt="{esc(name)}"{sharp}>'
        f'<figcaption title="{esc(name)}">{esc(name.rpartition("/")[2])}</figcaption></figure>'
    )


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
