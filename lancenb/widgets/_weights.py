"""The list of tensors of a weights table: names, shapes, types, sizes and shares."""

from __future__ import annotations

import fnmatch
import math
from typing import Any

from ._display import Preview, bars, card, esc, heading, share, table
from ._format import count, plural, short_count, size, text_table
from ._target import Target

#: Lines of the plain text form.
TEXT_ROWS = 20


def records(target: Target) -> list[dict[str, Any]]:
    """Return one record per tensor, in state_dict order, without reading any payload."""
    from ..convert.weights import tensor_index
    from ._far_dataset import FarDataset

    wanted = ("seq", "name", "dtype", "shape", "nbytes", "alias_of")
    far = isinstance(target.dataset, FarDataset)
    index = target.dataset.to_table(wanted) if far else tensor_index(target.dataset)
    rows = index.select([n for n in wanted if n in index.schema.names]).to_pylist()
    return sorted(rows, key=lambda r: r.get("seq") or 0)


def tensor_list(target: Target, *, rows: int = 200, pattern: str | None = None) -> Preview:
    """Draw the list of tensors, all or those whose name matches a glob ``pattern``."""
    return draw_list(target, records(target), rows=rows, pattern=pattern)


def draw_list(
    target: Any, everything: list[dict[str, Any]], *, rows: int, pattern: str | None = None
) -> Preview:
    """Draw these records of ``target``, which has a title and a version."""
    found = [r for r in everything if pattern is None or fnmatch.fnmatchcase(r["name"], pattern)]
    stored = sum(r["nbytes"] or 0 for r in found if not r.get("alias_of")) or 1
    numbers = sum(_numel(r) for r in found if not r.get("alias_of"))
    facts = [plural(len(found), "tensor"), f"{short_count(numbers)} parameters"]
    if pattern is not None:
        facts[0] = f"{plural(len(found), 'tensor')} of {count(len(everything))} match {pattern}"
    facts.append(size(stored if numbers else 0))
    types = sorted({r["dtype"] for r in found})
    if types:
        facts.append(", ".join(types[:4]) + (", ..." if len(types) > 4 else ""))
    shown = found[:rows]
    largest = max((r["nbytes"] or 0 for r in found), default=1) or 1
    body = table(
        ["name", "shape", "dtype", "parameters", "size", "share"],
        [_row(r, stored, largest) for r in shown],
        numeric=[False, False, False, True, True, False],
        label="tensors",
    )
    chips = ["weights", f"version {target.version}"]
    more = len(found) - len(shown)
    foot = "".join(
        [
            f"{plural(more, 'more tensor')} not shown (rows={len(found)} shows all). "
            if more
            else "",
            "One tensor: <code>tensor=&quot;",
            esc(_interesting(found)) if found else "name",
            "&quot;</code>",
        ]
    )
    groups = _groups(found)
    fold = (
        f"<details><summary>Bytes per module</summary>{bars(groups, size)}</details>"
        if len(groups) > 1
        else ""
    )
    lines = [heading(target.title, chips, facts)]
    lines.append(
        text_table(
            ["name", "shape", "dtype", "parameters", "size"],
            [
                [r["name"], _shape(r), r["dtype"], short_count(_numel(r)), _size(r)]
                for r in shown[:TEXT_ROWS]
            ],
            [False, False, False, True, True],
        )
    )
    if len(found) > TEXT_ROWS:
        lines.append(f"... {plural(len(found) - min(TEXT_ROWS, len(shown)), 'more tensor')}")
    data = {"tensors": found, "numbers": numbers, "nbytes": stored if numbers else 0}
    html = card(target.title, chips, facts, body if shown else "", fold, foot=foot)
    return Preview(html, "\n".join(lines), data)


def _row(record: dict[str, Any], total: int, largest: int) -> list[str]:
    alias = record.get("alias_of")
    nbytes = record["nbytes"] or 0
    bar = share(nbytes / largest)
    name = f'<span title="{esc(record["name"])}">{esc(record["name"])}</span>'
    return [
        name,
        esc(_shape(record)),
        esc(record["dtype"]),
        count(_numel(record)),
        f'<span class="lnb-dim">shares {esc(alias)}</span>' if alias else esc(_size(record)),
        "" if alias else f'<span class="lnb-part">{_percent(nbytes / total)}</span>{bar}',
    ]


def _percent(part: float) -> str:
    return f"{100 * part:.1f} %" if part >= 0.0005 or not part else "< 0.1 %"


def _shape(record: dict[str, Any]) -> str:
    return " × ".join(str(n) for n in record["shape"] or []) or "scalar"


def _numel(record: dict[str, Any]) -> int:
    return math.prod(record["shape"] or [])


def _size(record: dict[str, Any]) -> str:
    return f"= {record['alias_of']}" if record.get("alias_of") else size(record["nbytes"] or 0)


def _interesting(found: list[dict[str, Any]]) -> str:
    """Name a tensor worth looking at: the first with two dimensions or more."""
    return next((r["name"] for r in found if len(r["shape"] or []) > 1), found[0]["name"])


def _groups(found: list[dict[str, Any]]) -> list[tuple[str, int]]:
    sums: dict[str, int] = {}
    for record in found:
        head = record["name"].split(".")[0]
        sums[head] = sums.get(head, 0) + (0 if record.get("alias_of") else record["nbytes"] or 0)
    return list(sums.items())[:60]
