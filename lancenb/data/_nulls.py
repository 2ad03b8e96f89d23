"""Which keys of a sample miss values somewhere in the table."""

from __future__ import annotations

from ._gone import table_reads
from ._plan import SamplePlan
from ._table import PinnedTable


def masked_keys(table: PinnedTable, plan: SamplePlan) -> frozenset[str]:
    """Keys whose column has missing values in the pinned version, whatever rows are chosen.

    Only top-level values count: a number missing inside a list cannot be filled.
    """
    if plan.form != "dict":
        return frozenset()
    found: set[str] = set()
    with table_reads(table):
        for key, column in plan.keys.items():
            quoted = column.replace("`", "``")
            if table.dataset.count_rows(filter=f"`{quoted}` IS NULL"):
                found.add(key)
    return frozenset(found)
