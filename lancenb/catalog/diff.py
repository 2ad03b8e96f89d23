"""What changed between two versions: columns and rows of tables, tensors of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lancenb.errors import InvalidArgument

from .. import _html
from ._rowhash import scan_hashes
from ._stats import plain_columns
from .filters import column

if TYPE_CHECKING:
    from ._weightsdiff import TensorChange

_SHOWN = 30


@dataclass(repr=False)
class Diff:
    """The difference between two versions of an artefact.

    Attributes:
        name: the artefact.
        v1: the earlier side.
        v2: the later side.
        kind: ``"weights"`` or another kind (compared as a table).
        rows1: rows (tensors) in ``v1``.
        rows2: rows (tensors) in ``v2``.
        added: count of rows (tensors) only in ``v2``.
        removed: count of rows (tensors) only in ``v1``.
        changed: count of rows with the same key (tensors with the same name) and other content;
            0 for tables compared without a key.
        columns_added: column names only in ``v2``.
        columns_removed: column names only in ``v1``.
        columns_changed: column name to (type before, type after).
        key: the key columns used.
        samples: ``{"added": [...], "removed": [...], "changed": [(before, after), ...]}``.
        tensors: for weights, one entry per tensor that differs.
    """

    name: str
    v1: int
    v2: int
    kind: str
    rows1: int
    rows2: int
    added: int = 0
    removed: int = 0
    changed: int = 0
    columns_added: list[str] = field(default_factory=list)
    columns_removed: list[str] = field(default_factory=list)
    columns_changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    key: tuple[str, ...] = ()
    samples: dict[str, list[Any]] = field(default_factory=dict)
    tensors: list[TensorChange] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether both versions have the same columns and the same content."""
        counts = (self.added, self.removed, self.changed)
        return not any(counts) and not self._schema_lines()

    def _schema_lines(self) -> list[str]:
        out = [f"column {name!r} added" for name in self.columns_added]
        out += [f"column {name!r} removed" for name in self.columns_removed]
        changes = self.columns_changed.items()
        return out + [f"column {name!r}: {old} → {new}" for name, (old, new) in changes]

    def _title(self) -> str:
        unit = "tensors" if self.kind == "weights" else "rows"
        if self.same:
            return f"{self.name}: versions {self.v1} and {self.v2} have the same content"
        text = f"{self.name} v{self.v1} → v{self.v2}: {unit} {self.rows1:,} → {self.rows2:,}"
        text += f", {self.added:,} added, {self.removed:,} removed"
        return text + (f", {self.changed:,} changed" if self.key or self.tensors else "")

    def _tensor_rows(self) -> list[tuple[str, ...]]:
        return [change.cells() for change in self.tensors[:_SHOWN]]

    def _sample_rows(self) -> list[tuple[str, str]]:
        marks = {"added": "+", "removed": "-", "changed": "~"}
        out = []
        for what, mark in marks.items():
            for row in self.samples.get(what, []):
                shown = f"{_short(row[0])} → {_short(row[1])}" if what == "changed" else _short(row)
                out.append((mark, shown))
        return out

    def __repr__(self) -> str:
        lines = [self._title(), *(f"  {line}" for line in self._schema_lines())]
        if self.tensors:
            rows = [_TENSOR_HEADERS, *self._tensor_rows()]
            lines += [f"  {line}" for line in _html.columns(rows).splitlines()]
            if len(self.tensors) > _SHOWN:
                lines.append(f"  … and {len(self.tensors) - _SHOWN} more")
        return "\n".join(lines + [f"  {mark} {row}" for mark, row in self._sample_rows()])

    def _repr_html_(self) -> str:
        parts = [_html.facts(self._title(), [("schema", line) for line in self._schema_lines()])]
        if self.tensors:
            parts.append(_html.table(_TENSOR_HEADERS, self._tensor_rows()))
            if len(self.tensors) > _SHOWN:
                parts.append(f"<div>… and {len(self.tensors) - _SHOWN} more</div>")
        if self.samples:
            parts.append(_html.table(("", "sample rows"), self._sample_rows()))
        return "".join(parts)


_TENSOR_HEADERS = ("tensor", "what", "shape", "dtype", "‖difference‖", "relative", "cosine")


def _short(row: Any) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, bytes):
            return f"<{len(value)} bytes>"
        text = repr(value)
        return text if len(text) <= 40 else text[:37] + "..."

    if isinstance(row, dict):
        return ", ".join(f"{key}={cell(value)}" for key, value in row.items())
    return cell(row)


def diff_tables(
    name: str,
    kind: str,
    before: Any,
    after: Any,
    *,
    key: str | Sequence[str] | None,
    samples: int,
) -> Diff:
    """Compare two versions of a table; memory is 32 bytes per row that may differ.

    Fragments that both versions share are not read: an append costs only the new rows.
    """
    keys = () if key is None else (key,) if isinstance(key, str) else tuple(key)
    for part in keys:
        column(before.schema, part)
        column(after.schema, part)
    types1 = {f.name: str(f.type) for f in before.schema}
    types2 = {f.name: str(f.type) for f in after.schema}
    out = Diff(
        name,
        int(before.version),
        int(after.version),
        kind,
        int(before.count_rows()),
        int(after.count_rows()),
        columns_added=[c for c in types2 if c not in types1],
        columns_removed=[c for c in types1 if c not in types2],
        columns_changed={
            c: (types1[c], types2[c]) for c in types1 if c in types2 and types1[c] != types2[c]
        },
        key=keys,
    )
    plain = set(plain_columns(after.schema))
    common = [c for c in plain_columns(before.schema) if c in plain]
    if not common:
        raise InvalidArgument(
            f"versions {out.v1} and {out.v2} of {name!r} have no column in common to compare"
        )
    if set(keys) - set(common):
        raise InvalidArgument(f"the key {', '.join(keys)} holds a blob column")
    left, right = _differing(before, after)
    rows1, keys1 = scan_hashes(before, left, common, keys)
    rows2, keys2 = scan_hashes(after, right, common, keys)
    gone, new = _surplus(rows1, rows2), _surplus(rows2, rows1)
    pairs: list[tuple[int, int]] = []
    if keys:
        for side, hashes in ((before, keys1), (after, keys2)):
            if len(np.unique(hashes)) != len(hashes):
                raise InvalidArgument(
                    f"{', '.join(keys)} is not unique in version {side.version} of {name!r}",
                    hint="compare without a key, or by more columns",
                )
        _, at1, at2 = np.intersect1d(keys1[gone], keys2[new], return_indices=True)
        pairs = list(zip(gone[np.sort(at1)], _aligned(at1, at2, new), strict=True))
        gone, new = np.delete(gone, at1), np.delete(new, at2)
    out.removed, out.added, out.changed = len(gone), len(new), len(pairs)
    chosen = pairs[:samples]
    out.samples = {
        "added": _take(after, right, common, new[:samples]),
        "removed": _take(before, left, common, gone[:samples]),
        "changed": list(
            zip(
                _take(before, left, common, [a for a, _ in chosen]),
                _take(after, right, common, [b for _, b in chosen]),
                strict=True,
            )
        ),
    }
    return out


def _aligned(at1: Any, at2: Any, new: Any) -> Any:
    return new[at2[np.argsort(at1, kind="stable")]]


def _differing(before: Any, after: Any) -> tuple[list[Any], list[Any]]:
    """Return the fragments of either side that the other side does not have just so."""

    def marks(dataset: Any) -> dict[str, Any]:
        return {str(fragment.metadata): fragment for fragment in dataset.get_fragments()}

    first, second = marks(before), marks(after)
    if before.schema.names != after.schema.names:
        return list(first.values()), list(second.values())
    return (
        [fragment for mark, fragment in first.items() if mark not in second],
        [fragment for mark, fragment in second.items() if mark not in first],
    )


def _surplus(here: Any, there: Any) -> Any:
    """Return positions of rows that occur here more often than there, in order."""
    if not len(here):
        return np.empty(0, np.int64)
    values, inverse, counts = np.unique(here, return_inverse=True, return_counts=True)
    others, other_counts = np.unique(there, return_counts=True)
    present = np.zeros(len(values), np.int64)
    if len(others):
        place = np.clip(np.searchsorted(others, values), 0, len(others) - 1)
        present = np.where(others[place] == values, other_counts[place], 0)
    # The first `present` copies of a row have a partner; the rest are surplus.
    order = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(here), np.int64)
    rank[order] = np.arange(len(here)) - np.repeat(starts, counts)
    return np.flatnonzero(rank >= present[inverse])


def _take(
    dataset: Any, fragments: Sequence[Any], columns: Sequence[str], positions: Any
) -> list[dict[str, Any]]:
    """Return rows at positions of the scan over ``fragments``."""
    out: list[dict[str, Any]] = []
    starts = np.cumsum([0, *(fragment.count_rows() for fragment in fragments)])
    for position in positions:
        at = int(np.searchsorted(starts, position, side="right")) - 1
        offset = int(position - starts[at])
        table = dataset.scanner(
            columns=list(columns), fragments=[fragments[at]], offset=offset, limit=1
        ).to_table()
        out += table.to_pylist()
    return out
