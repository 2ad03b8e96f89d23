"""A download plan inside a panel: what comes, from where, and whether it fits."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lancenb import _html

from ._display import bars, esc, stats, table
from ._hints import in_panel

if TYPE_CHECKING:
    from lancenb.download import DownloadPlan

_FILES = 100
_TENSORS = 200


def button_words(plan: DownloadPlan) -> str:
    """Return what the button does next: ``Download 98.0 MB``."""
    if not plan.missing_bytes and plan.files:
        unknown = any(item.size is None for item in plan.files)
        return "Download" if unknown else "Take it from the cache"
    return f"Download {_html.size(plan.missing_bytes)}" if plan.missing_bytes else "Download"


def obstacle(plan: DownloadPlan | None) -> str:
    """Return why this plan cannot be carried out, or nothing."""
    if plan is None:
        return ""
    if plan.request is None:
        return "This has to be fetched by hand; the notes of the plan say how."
    if plan.free_bytes is not None and plan.missing_bytes > plan.free_bytes:
        return (
            f"Not enough room: {_html.size(plan.missing_bytes)} to download, "
            f"{_html.size(plan.free_bytes)} free in {plan.folder}."
        )
    return ""


def headline(plan: DownloadPlan) -> list[tuple[str, str]]:
    """Return the figures that decide: how much, of what, under which terms."""
    total = _html.size(plan.total_bytes)
    if any(item.size is None for item in plan.files):
        total = f"at least {total}" if plan.total_bytes else "not said"
    figures = [("files", f"{len(plan.files):,}"), ("together", total)] if plan.files else []
    if plan.cached_bytes:
        figures.append(("here already", _html.size(plan.cached_bytes)))
    if plan.tensors:
        figures.append(("tensors", f"{len(plan.tensors):,}"))
        figures.append(("values", _short(plan.parameters)))
        figures.append(("types", ", ".join(_dtypes(plan))))
    if plan.card.get("rows") is not None:
        rows = plan.card["rows"]
        figures.append(("rows", f"{rows:,}" if isinstance(rows, int) else str(rows)))
    if plan.card.get("split"):
        figures.append(("split", str(plan.card["split"])))
    figures.append(("license", plan.license or "not stated"))
    return figures


def _short(number: int) -> str:
    for limit, unit in ((1e9, "billion"), (1e6, "million")):
        if number >= limit:
            return f"{number / limit:.3g} {unit}"
    return f"{number:,}"


def _dtypes(plan: DownloadPlan) -> list[str]:
    kinds = Counter[str]()
    for tensor in plan.tensors:
        kinds[tensor.dtype] += tensor.nbytes
    return [name for name, _ in kinds.most_common(4)]


def plan_html(plan: DownloadPlan) -> str:
    """Return the plan as a block of a panel; all data is escaped."""
    parts = [stats(headline(plan)), _places(plan)]
    if plan.files:
        parts.append(_fold(_html.count(len(plan.files), "file"), _files(plan), len(plan.files) < 9))
    if plan.tensors:
        parts.append(_fold(_html.count(len(plan.tensors), "tensor"), _tensors(plan)))
        parts.append(_fold("Largest layers", _layers(plan)))
    parts += [f'<p class="lnb-dim lnb-flat">{esc(in_panel(note, {}))}</p>' for note in plan.notes]
    return f'<div class="lnb lnb-plan">{"".join(parts)}</div>'


def _places(plan: DownloadPlan) -> str:
    free = f", {_html.size(plan.free_bytes)} free" if plan.free_bytes is not None else ""
    commit = f"commit {plan.commit[:12]}" if plan.commit else ""
    state = [word for word, so in (("gated", plan.gated), ("private", plan.private)) if so]
    lines = [
        ("from", " · ".join(filter(None, (plan.source, plan.revision or "", commit, *state)))),
        ("into", f"{plan.folder}{free}" if plan.folder else ""),
    ]
    cells = "".join(f"<dt>{key}</dt><dd>{esc(value)}</dd>" for key, value in lines if value)
    return f'<dl class="lnb-where">{cells}</dl>'


def _files(plan: DownloadPlan) -> str:
    rows = []
    for item in plan.files[:_FILES]:
        digest = f"sha256 {item.sha256[:12]}" if item.sha256 else ""
        if not digest and item.git_sha1:
            digest = f"git {item.git_sha1[:12]}"
        here = "here" if item.cached else "to fetch"
        cells = (item.name, _html.size(item.size), item.kind, digest or "none", here)
        rows.append([esc(cell) for cell in cells])
    head = ("file", "size", "kind", "hash", "state")
    listed = table(head, rows, numeric=(False, True, False, False, False), label="files")
    return listed + _more(len(plan.files), _FILES)


def _tensors(plan: DownloadPlan) -> str:
    rows = [
        [esc(t.name), esc(t.dtype), esc(" × ".join(map(str, t.shape)) or "one value"),
         esc(_html.size(t.nbytes))]
        for t in plan.tensors[:_TENSORS]
    ]  # fmt: skip
    head = ("tensor", "type", "shape", "size")
    listed = table(head, rows, numeric=(False, False, False, True), label="tensors")
    return listed + _more(len(plan.tensors), _TENSORS)


def _layers(plan: DownloadPlan) -> str:
    sizes = Counter[str]()
    for tensor in plan.tensors:
        sizes[tensor.name.rpartition(".")[0] or tensor.name] += tensor.nbytes
    return bars(sizes.most_common(8), _html.size)


def _more(count: int, shown: int) -> str:
    return f'<p class="lnb-dim lnb-flat">and {count - shown:,} more</p>' if count > shown else ""


def _fold(title: str, body: str, opened: bool = False) -> str:
    state = " open" if opened else ""
    return f'<details class="lnb-fold"{state}><summary>{esc(title)}</summary>{body}</details>'
