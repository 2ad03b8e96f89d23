"""Deleting rows in a commit that carries facts of its own, which Lance's delete cannot."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from typing import Any

from lancenb.errors import Conflict

from ._base import CatalogBase
from ._debris import remove_deletion_files
from ._entry import Entry

_TRIES = 30


def delete_marked(manager: CatalogBase, entry: Entry, sql: str, marks: Mapping[str, str]) -> int:
    """Delete the rows of the head that ``sql`` selects, as one version that carries ``marks``.

    Rows that others append meanwhile stay, as with Lance's own delete; when others change the
    same rows it is done anew on what they left.

    Returns:
        How many rows were deleted; none makes no version.

    Raises:
        Conflict: others kept changing the same rows.
    """
    from lancenb.store import lance_errors, lance_module

    lance = lance_module()
    uri, store = manager._uri(entry), manager.store
    for attempt in range(_TRIES):
        head = manager._open(entry)
        present = {f.fragment_id: f.metadata for f in head.get_fragments()}
        updated: list[Any] = []
        try:
            with lance_errors(uri, store):
                gone, count = _mark(head, sql, updated)
                if not count:
                    return 0
                operation = lance.LanceOperation.Delete(updated, gone, sql)
                transaction = lance.Transaction(
                    head.version, operation, transaction_properties=dict(marks)
                )
                lance.LanceDataset.commit(
                    uri, transaction, max_retries=0, storage_options=store.storage_options
                )
            return count
        except Conflict:
            remove_deletion_files(store, uri, updated, present.values())
            time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 30)))
    raise Conflict(
        f"{entry.name!r} was changed by other writers {_TRIES} times in a row",
        hint="nothing was lost; run it again when fewer writers are busy",
    )


def _mark(head: Any, sql: str, updated: list[Any]) -> tuple[list[int], int]:
    """Write marks on the rows to delete; returns fragments left without rows, and the count."""
    gone: list[int] = []
    count = 0
    for fragment in head.get_fragments():
        before = fragment.metadata
        left = fragment.delete(sql)
        if left is None:
            gone.append(fragment.fragment_id)
            count += before.num_rows
        elif left.deletion_file != before.deletion_file:
            updated.append(left)
            count += before.num_rows - left.num_rows
    return gone, count
