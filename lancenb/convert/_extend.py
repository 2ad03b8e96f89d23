"""Appending rows together with new schema metadata, such as class names that were not there."""

from __future__ import annotations

from typing import Any

from lancenb.errors import Conflict

from ._base import Existing, Plan, StaleLabels


def extend(head: Any, existing: Existing, plan: Plan, fragments: list[Any], operation: Any) -> Any:
    """Append fragments and new schema metadata in one commit, if the metadata is still as read."""
    from lance.schema import LanceSchema

    updates = plan.schema_metadata_updates or {}
    before, now = existing.schema.metadata or {}, head.schema.metadata or {}
    if any(before.get(key.encode()) != now.get(key.encode()) for key in updates):
        raise StaleLabels(f"the classes of {existing.uri} changed while new rows were read")
    check_same_fields(head, existing)
    encoded = {key.encode(): value.encode() for key, value in updates.items()}
    schema = LanceSchema.from_pyarrow(head.schema.with_metadata({**now, **encoded}))
    if _field_ids(schema) != _field_ids(head.lance_schema):
        raise Conflict(
            f"columns were dropped from {existing.uri}, so its classes cannot grow in place",
            hint='convert everything again with mode="overwrite"',
        )
    kept = [fragment.metadata for fragment in head.get_fragments()]
    start = 1 + max((fragment.id for fragment in kept), default=-1)
    for offset, fragment in enumerate(fragments):
        fragment.id = start + offset
    return operation.Merge(kept + fragments, schema)


def _field_ids(schema: Any) -> list[int]:
    def walk(field: Any) -> list[int]:
        return [field.id(), *(i for child in field.children() for i in walk(child))]

    return [i for field in schema.fields() for i in walk(field)]


def check_same_fields(head: Any, existing: Existing) -> None:
    """Refuse to append files written for columns that were replaced meanwhile."""
    if not head.schema.equals(existing.schema, check_metadata=False):
        raise Conflict(
            f"the columns of {existing.uri} were changed by another writer",
            hint="nothing was written; run it again",
        )
