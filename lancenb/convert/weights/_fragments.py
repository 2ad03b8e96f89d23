"""Which fragments a delta writes, and what becomes of those that are there.

One commit has to change rows and metadata together. The only such operation of Lance (``Merge``)
keeps every fragment and its number of rows. A fragment all of whose rows disappear is therefore
given new content of exactly as many rows; where the changes have too few, a few of the smallest
unchanged tensors move there.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from typing import Any

from ._compare import Changes
from ._rows import Row, ordered, stored_size

_MAX_PADDING = 16 << 10


def group_rows(changes: Changes, dataset: Any) -> list[tuple[int, list[Row]]] | None:
    """Return ``(fragment id, rows)`` to write; ``changes`` is completed where rows have to move.

    Returns:
        ``None`` when the table should be written as a whole.
    """
    physical = {f.fragment_id: f.metadata.physical_rows for f in dataset.get_fragments()}
    lost = Counter(address >> 32 for address in changes.gone)
    empty = [number for number in physical if lost[number] == changes.live[number]]
    if empty and dataset.describe_indices():
        return None  # an index would still point at the rows that were in this fragment
    lack = sum(physical[number] for number in empty) - len(changes.write)
    if lack > 0 and not _move(changes, lack, set(empty), lost):
        return None
    rows = ordered(changes.write)
    groups: list[tuple[int, list[Row]]] = []
    for number in empty:
        size = physical[number]
        groups.append((number, rows[:size]))
        rows = rows[size:]
    if rows:
        groups.append((1 + max(physical, default=-1), rows))
    return groups


def _move(changes: Changes, lack: int, empty: set[int], lost: Counter[int]) -> bool:
    """Choose the smallest unchanged rows to be written anew, never emptying a fragment."""
    room = 0
    moved: set[int] = set()
    for row, address in sorted(changes.kept, key=lambda pair: stored_size(pair[0].item)):
        number = address >> 32
        if len(moved) == lack or room + stored_size(row.item) > _MAX_PADDING:
            break
        if number in empty or changes.live[number] - lost[number] < 2:
            continue
        room += stored_size(row.item)
        lost[number] += 1
        moved.add(address)
        changes.write.append(row)
        changes.gone.append(address)
    changes.kept = [pair for pair in changes.kept if pair[1] not in moved]
    changes.touch = [pair for pair in changes.touch if pair[1] not in moved]
    return len(moved) == lack


def kept_fragments(changes: Changes, dataset: Any, replaced: set[int]) -> list[Any]:
    """Return the fragments that stay, with new deletion marks and rewritten small columns."""
    import pyarrow as pa

    gone: dict[int, list[int]] = defaultdict(list)
    for address in changes.gone:
        gone[address >> 32].append(address & 0xFFFFFFFF)
    touched: dict[int, list[Row]] = defaultdict(list)
    for row, address in changes.touch:
        touched[address >> 32].append(row)
    out = []
    for fragment in dataset.get_fragments():
        number = fragment.fragment_id
        if number in replaced:
            continue
        metadata = fragment.metadata
        if number in gone:
            metadata = fragment.delete_rows(gone[number])
        if number in touched:
            update = pa.table(
                {
                    "name": pa.array([r.item.name for r in touched[number]], pa.string()),
                    "seq": pa.array([r.seq for r in touched[number]], pa.int32()),
                    "sha256": pa.array([r.sha256 for r in touched[number]], pa.string()),
                }
            )
            updated, _ = fragment.update_columns(update, left_on="name")
            metadata = dataclasses.replace(metadata, files=updated.files)
        out.append(metadata)
    return out
