"""Comparing two versions of weights, one tensor at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .diff import Diff


@dataclass(frozen=True)
class TensorChange:
    """One tensor that differs.

    Attributes:
        name: its name.
        what: ``"changed"``, ``"added"``, ``"removed"`` or ``"reshaped"`` (shape or dtype).
        shape: shape now (before, if removed).
        dtype: torch dtype name now.
        norm: Euclidean norm of the difference, ``None`` unless both shapes agree.
        relative: norm of the difference by the norm before (``inf`` if that was zero).
        cosine: cosine of the angle between before and after, ``None`` for a zero tensor.
    """

    name: str
    what: str
    shape: tuple[int, ...]
    dtype: str
    norm: float | None = None
    relative: float | None = None
    cosine: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the row shown for it."""
        figures = (self.norm, self.relative, self.cosine)
        shown = ("" if f is None else f"{f:.6g}" for f in figures)
        shape = " × ".join(map(str, self.shape)) or "scalar"
        return (self.name, self.what, shape, self.dtype, *shown)


def diff_weights(name: str, before: Any, after: Any) -> Diff:
    """Compare weights by the hashes of their tensors; only tensors that differ are read."""
    from lancenb.convert.weights import tensor_index

    from .diff import Diff

    first = {row["name"]: row for row in tensor_index(before).to_pylist()}
    second = {row["name"]: row for row in tensor_index(after).to_pylist()}
    out = Diff(name, int(before.version), int(after.version), "weights", len(first), len(second))
    for tensor, row in second.items():
        old = first.get(tensor)
        if old is None:
            out.tensors.append(_change(row, "added"))
            out.added += 1
        elif _form(old) != _form(row):
            out.tensors.append(_compare(before, after, row, "reshaped"))
            out.changed += 1
        elif row.get("sha256") is None or old.get("sha256") != row["sha256"]:
            change = _compare(before, after, row, "changed")
            if change.norm != 0.0 or row.get("sha256") is not None:
                out.tensors.append(change)
                out.changed += 1
    for tensor, row in first.items():
        if tensor not in second:
            out.tensors.append(_change(row, "removed"))
            out.removed += 1
    return out


def _form(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["dtype"], tuple(row["shape"]))


def _change(row: dict[str, Any], what: str, **figures: Any) -> TensorChange:
    return TensorChange(row["name"], what, tuple(row["shape"]), row["dtype"], **figures)


def _compare(before: Any, after: Any, row: dict[str, Any], what: str) -> TensorChange:
    import torch

    from lancenb.convert.weights import load_tensors

    name = row["name"]
    old = load_tensors(before, only=[name])[name]
    new = load_tensors(after, only=[name])[name]
    if old.shape != new.shape:
        return _change(row, what)
    wide = torch.complex128 if old.is_complex() or new.is_complex() else torch.float64
    a, b = old.to(wide).flatten(), new.to(wide).flatten()
    norm = float(torch.linalg.vector_norm(b - a))
    size = float(torch.linalg.vector_norm(a))
    other = float(torch.linalg.vector_norm(b))
    relative = norm / size if size else (0.0 if norm == 0 else math.inf)
    cosine = None
    if size and other:
        cosine = float(torch.real(torch.vdot(a, b))) / (size * other)
        cosine = max(-1.0, min(1.0, cosine)) if math.isfinite(cosine) else cosine
    return _change(row, what, norm=norm, relative=relative, cosine=cosine)
