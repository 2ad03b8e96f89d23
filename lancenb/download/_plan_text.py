"""Plans as text for people: one line, a table, a card for notebooks."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .. import _html

if TYPE_CHECKING:
    from .plan import DownloadPlan, PlannedFile

_ROWS = 30
_TENSORS = 200
_SHOWN = ("pretty_name", "task_categories", "pipeline_tag", "library_name", "language", "config",
          "split", "other_splits", "format", "rows", "classes", "columns", "configs", "num_params",
          "recipe", "base_model", "modified")  # fmt: skip


def line(plan: DownloadPlan) -> str:
    """Return the plan in one line."""
    to_come = f"{_html.size(plan.missing_bytes)} to download"
    if not plan.missing_bytes:
        to_come = "all here" if plan.files else "nothing to download"
    return f"<DownloadPlan {plan.spec}: {_html.count(len(plan.files), 'file')}, {to_come}>"


def text(plan: DownloadPlan) -> str:
    """Return the plan as a table."""
    lines = [_title(plan), *(f"  {key:<12} {value}" for key, value in _facts(plan))]
    if plan.files:
        rows = [_cells(item) for item in plan.files[:_ROWS]]
        table = _html.columns([("file", "size", "hash", "kind", "here"), *rows])
        lines += ["", *(f"  {row}" for row in table.splitlines())]
        if len(plan.files) > _ROWS:
            lines.append(f"  … and {len(plan.files) - _ROWS:,} more")
    if plan.notes:
        lines += ["", *(f"  note: {note}" for note in plan.notes)]
    return "\n".join(lines)


def html(plan: DownloadPlan) -> str:
    """Return the plan as a card in the notebook's own colours."""
    pairs = [(key, _html.text(value)) for key, value in _facts(plan)]
    parts = [_html.facts(_title(plan), [(key, _html.Raw(value)) for key, value in pairs])]
    headers = ("file", "size", "hash", "kind", "here")
    if plan.files:
        listed = _html.table(headers, [_cells(item) for item in plan.files[:200]])
        title = _html.count(len(plan.files), "file")
        parts.append(_fold(title, listed, opened=len(plan.files) <= 12))
    if plan.tensors:
        rows = [
            (t.name, t.dtype, " × ".join(map(str, t.shape)) or "one value", _html.size(t.nbytes))
            for t in plan.tensors[:_TENSORS]
        ]
        listed = _html.table(("tensor", "type", "shape", "size"), rows)
        more = len(plan.tensors) - _TENSORS
        title = _html.count(len(plan.tensors), "tensor")
        parts.append(_fold(title + (f", the first {_TENSORS}" if more > 0 else ""), listed))
    if plan.notes:
        items = "".join(f"<li>{_html.text(note)}</li>" for note in plan.notes)
        style = f"margin:6px 0 0 0;padding-left:18px;color:{_html.INK}"
        parts.append(f'<ul style="{style}">{items}</ul>')
    frame = (
        f"border:1px solid {_html.LINE};border-radius:4px;padding:8px 12px;max-width:960px;"
        f"overflow-x:auto;color:{_html.INK};{_html.CLEAR}"
    )
    return f'<div style="{frame}">{"".join(parts)}</div>'


def _title(plan: DownloadPlan) -> str:
    return f"Download plan: {plan.spec}"


def _facts(plan: DownloadPlan) -> list[tuple[str, str]]:
    free = f" ({_html.size(plan.free_bytes)} free)" if plan.free_bytes is not None else ""
    status = [word for word, is_so in (("gated", plan.gated), ("private", plan.private)) if is_so]
    pairs = [
        ("source", plan.source if plan.source != plan.spec else ""),
        ("revision", _revision(plan)),
        ("license", plan.license or ("not stated" if plan.commit else "")),
        ("access", ", ".join(status)),
        ("to download", _amount(plan)),
        ("goes to", f"{plan.folder}{free}" if plan.folder else ""),
        ("tensors", _tensors(plan)),
        *((key.replace("_", " "), _short(plan.card.get(key))) for key in _SHOWN),
        ("tags", _short([tag for tag in plan.card.get("tags", []) if ":" not in tag])),
    ]
    return [(key, value) for key, value in pairs if value]


def _amount(plan: DownloadPlan) -> str:
    if not plan.files:
        return "nothing"
    total, missing = _html.size(plan.total_bytes), _html.size(plan.missing_bytes)
    if any(item.size is None for item in plan.files):
        return f"at least {missing}"
    if plan.request is None:
        return f"{total}, by hand"
    if not plan.missing_bytes:
        return f"nothing: all {total} are here"
    return f"{missing} of {total}" if plan.cached_bytes else total


def _revision(plan: DownloadPlan) -> str:
    if plan.commit is None:
        return plan.revision or ""
    commit = f"commit {plan.commit[:12]}"
    return commit if plan.revision in (None, plan.commit) else f"{plan.revision} ({commit})"


def _tensors(plan: DownloadPlan) -> str:
    if not plan.tensors:
        return ""
    kinds = Counter[str]()
    for tensor in plan.tensors:
        kinds[tensor.dtype] += tensor.nbytes
    types = ", ".join(kind for kind, _ in kinds.most_common())
    values = f"{plan.parameters:,} values"
    return f"{_html.count(len(plan.tensors), 'tensor')}, {values} ({types})"


def _cells(item: PlannedFile) -> tuple[str, ...]:
    digest = f"sha256 {item.sha256[:12]}" if item.sha256 else ""
    if not digest and item.git_sha1:
        digest = f"git {item.git_sha1[:12]}"
    return (item.name, _html.size(item.size), digest, item.kind, "yes" if item.cached else "no")


def _short(value: Any) -> str:
    """Return a fact of a card in at most a line."""
    if isinstance(value, dict):
        value = [f"{key}: {_short(inner)}" for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        shown = ", ".join(_short(item) for item in value[:12])
        return shown + (f", … ({len(value)})" if len(value) > 12 else "")
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return "" if value is None else str(value)[:160]


def _fold(title: str, body: str, *, opened: bool = False) -> str:
    state = " open" if opened else ""
    style = f"cursor:pointer;color:{_html.PALE};margin-top:6px"
    return f'<details{state}><summary style="{style}">{_html.text(title)}</summary>{body}</details>'
