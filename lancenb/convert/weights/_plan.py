"""From a source of tensors to a plan for the write path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, SchemaMismatch

from .._base import Existing, Plan
from ._delta import commit_rows
from ._items import TensorItem, TensorSource
from ._pages import PageDropper
from ._rows import Row, batches, is_weights, ordered, stored_size, weights_schema
from .table import select

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import Tracker

EXTRAS_KEY = "lancenb.extras"
FORM_KEY = "lancenb.weights"


def weights_plan(
    source: TensorSource,
    *,
    existing: Existing | None = None,
    hashed: bool = True,
    only: Any = None,
    extras: dict[str, Any] | None = None,
    properties: dict[str, Any] | None = None,
) -> Plan:
    """Say what storing ``source`` would write.

    Args:
        source: what :func:`read_tensors` found.
        existing: the table that is overwritten (only changes are written) or appended to.
        hashed: store the SHA-256 of every tensor.
        only: names or patterns; everything when ``None``.
        extras: JSON-able facts kept beside those of the source.
        properties: facts on the origin.

    Raises:
        SchemaMismatch: an appended tensor has a name that the table holds already.
        InvalidArgument: ``extras`` does not fit JSON.
    """
    items = _chosen(source, only)
    first = _first_seq(items, existing) if existing and existing.mode == "append" else 0
    rows = ordered([Row(first + i, item) for i, item in enumerate(items)])
    metadata = {
        EXTRAS_KEY: _json({**source.extras, **(extras or {})}),
        FORM_KEY: json.dumps({**source.notes, "left_out": source.left_out}, ensure_ascii=False),
    }
    schema = weights_schema()
    plan = Plan(
        kind="weights",
        schema=schema,
        batches=partial(_stream, rows, schema, source.regions, hashed),
        skipped=[
            (where, f"a {kind} is neither a tensor nor JSON") for where, kind in source.left_out
        ],
        total_rows=len(rows),
        total_bytes=sum(stored_size(row.item) for row in rows),
        properties={**_form(source), **(properties or {})},
        metadata=metadata,
        on_close=source.close,
    )
    if not items:
        plan.skipped.append(("(everything)", "the source holds no tensors"))
    if existing is None or existing.mode == "overwrite":
        plan.commit = partial(commit_rows, rows, source.regions, hashed)
    elif is_weights(existing.schema):
        plan.schema_metadata_updates = _merged_metadata(existing, metadata)
    return plan


def _stream(
    rows: list[Row],
    schema: pa.Schema,
    regions: list[tuple[int, int]],
    hashed: bool,
    tracker: Tracker,
) -> Iterator[pa.RecordBatch]:
    with PageDropper(regions):
        yield from batches(rows, schema, tracker, hashed=hashed)


def _chosen(source: TensorSource, only: Any) -> list[TensorItem]:
    if only is None:
        return source.items
    by_name = {item.name: item for item in source.items}
    names = set(select(by_name, only, "the source"))
    new_base: dict[str, str] = {}
    chosen = []
    for item in source.items:
        if item.name not in names:
            continue
        if item.alias_of is not None and item.alias_of not in names:
            # The tensor it repeats is left behind: the first of the rest takes its place.
            item.alias_of = new_base.get(item.alias_of) or new_base.setdefault(
                item.alias_of, item.name
            )
            item.alias_of = None if item.alias_of == item.name else item.alias_of
        chosen.append(item)
    return chosen


def _first_seq(items: list[TensorItem], existing: Existing) -> int:
    if not is_weights(existing.schema):
        return 0
    table = existing.dataset.to_table(columns=["name", "seq"])
    held = set(table.column("name").to_pylist())
    clash = [item.name for item in items if item.name in held]
    if clash:
        raise SchemaMismatch(
            f"{existing.uri} holds a tensor {clash[0]!r} already"
            + (f" (and {len(clash) - 1:,} others)" if len(clash) > 1 else ""),
            hint='one table is one checkpoint: mode="overwrite" makes this the next version',
        )
    return 1 + max(table.column("seq").to_pylist(), default=-1)


def _merged_metadata(existing: Existing, metadata: dict[str, str]) -> dict[str, str]:
    raw = (existing.schema.metadata or {}).get(EXTRAS_KEY.encode(), b"{}")
    return {EXTRAS_KEY: _json({**json.loads(raw), **json.loads(metadata[EXTRAS_KEY])})}


def _json(extras: dict[str, Any]) -> str:
    try:
        return json.dumps(extras, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            f"extras do not fit JSON: {error}",
            hint="use text, numbers, lists and dictionaries; store tensors under their own names",
        ) from None


def _form(source: TensorSource) -> dict[str, Any]:
    keys = ("format", "wrapper", "prefix", "checksums", "unknown_classes", "reader")
    return {key: source.notes[key] for key in keys if key in source.notes}


def file_facts(files: list[Path], known: dict[str, str], *, hashed: bool) -> list[dict[str, Any]]:
    """Describe source files for the lineage: name, size and SHA-256.

    Args:
        files: the files.
        known: path -> hash, for those that were hashed before (downloads).
        hashed: compute the hashes that are not known.
    """
    facts = []
    for path in files:
        fact: dict[str, Any] = {"path": str(path), "size": path.stat().st_size}
        digest = known.get(str(path.resolve()))
        if digest is None and hashed:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest:
            fact["sha256"] = digest
        facts.append(fact)
    return facts
