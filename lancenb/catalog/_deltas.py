"""How many rows and bytes a version brought and took away, from its transaction alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# What these commits write replaces nothing and adds nothing that a reader would call a row.
_NO_ROWS = ("Delete", "ReserveFragments", "CreateIndex", "Project", "UpdateConfig", "Merge")


@dataclass(frozen=True)
class Written:
    """What one commit wrote: rows, and bytes when every file says its size."""

    rows: int
    bytes: int | None


@dataclass(frozen=True)
class Delta:
    """Rows and bytes of a version against the one before; ``None`` is not known."""

    rows_added: int | None = None
    rows_removed: int | None = None
    bytes_added: int | None = None
    bytes_removed: int | None = None


def written(operation: Any) -> Written | None:
    """Return what a commit wrote; ``None`` for a restore and for what is not known."""
    name = type(operation).__name__
    if name in ("Append", "Overwrite"):
        fragments = operation.fragments
    elif name == "Update":
        fragments = operation.new_fragments
    elif name == "Rewrite":
        fragments = [f for group in operation.groups for f in group.new_fragments]
    elif name in _NO_ROWS:
        return Written(0, None if name == "Merge" else 0)
    else:
        return None
    sizes = [file.file_size_bytes for fragment in fragments for file in fragment.files]
    rows = 0 if name == "Rewrite" else sum(int(f.physical_rows or 0) for f in fragments)
    return Written(rows, None if None in sizes else sum(sizes))


def delta(
    wrote: Written | None, before: tuple[int, int] | None, after: tuple[int, int], *, sidecars: bool
) -> Delta:
    """Compare ``(rows, bytes)`` of a version with those of the version before it.

    Args:
        wrote: what its commit wrote.
        before: rows and bytes of the version before, ``None`` when that was cleaned up.
        after: rows and bytes of the version.
        sidecars: payloads lie in files beside the data files, whose sizes no commit notes.

    >>> delta(Written(2, 60), (10, 500), (11, 560), sidecars=False)
    Delta(rows_added=2, rows_removed=1, bytes_added=60, bytes_removed=0)
    """
    if wrote is None or before is None:
        return Delta()
    gone = max(0, before[0] + wrote.rows - after[0])
    if sidecars or wrote.bytes is None:
        grown = after[1] - before[1]
        replaced = wrote.rows and gone == before[0]  # nothing of the version before is left
        brought = after[1] if replaced else max(0, grown)
        return Delta(wrote.rows, gone, brought, before[1] if replaced else max(0, -grown))
    return Delta(wrote.rows, gone, wrote.bytes, max(0, before[1] + wrote.bytes - after[1]))
