"""What a write answered, found out from its commit: for a key whose answer died with a server."""

from __future__ import annotations

from typing import Any

from lancenb.catalog.results import Deletion, Rollback, Upsert
from lancenb.convert import ConvertReport

from ._context import Context
from ._typed import dump

_TABLE_WRITES = ("write", "convert", "save_weights", "upsert", "delete_rows")


def recovered(ctx: Context, args: dict[str, Any], mark: str) -> Any:
    """Return the answer of a write whose commit carries ``mark``, ``None`` if there is no such."""
    from lancenb.catalog._once import find_once, find_once_in_registry

    name = str(args.get("name", ""))
    if not name:
        return None
    if ctx.op.name in _TABLE_WRITES:
        version = find_once(ctx.manager, name, mark)
        value = None if version is None else _of_version(ctx, args, name, version)
    elif find_once_in_registry(ctx.manager, mark):
        value = _of_registry(ctx, args, name)
    else:
        return None
    return None if value is None else dump(ctx.op.result, value)


def _of_version(ctx: Context, args: dict[str, Any], name: str, version: int) -> Any:
    by_number = {each.version: each for each in ctx.manager.versions(name)}
    made, before = by_number[version], by_number.get(version - 1)
    grown = made.rows - (before.rows if before else 0)
    if ctx.op.name == "delete_rows":
        return -grown
    written = made.rows_added if made.rows_added is not None else max(grown, 0)
    if ctx.op.name == "upsert":
        return Upsert(name, inserted=grown, updated=max(written - grown, 0), version=version)
    artifact = ctx.manager.get(name)
    dataset = ctx.manager.dataset(name, version)
    facts = {k.removeprefix("lancenb."): v for k, v in made.properties.items()}
    return ConvertReport(
        uri=artifact.uri,
        version=version,
        rows=written,
        bytes=made.bytes_added or 0,
        seconds=0.0,
        skipped=[],
        schema=dataset.schema,
        kind=artifact.kind,
        converter=facts.get("converter", ""),
        mode=facts.get("mode", str(args.get("mode", ""))),
        name=name,
        notes=["done by an earlier request with the same key"],
    )


def _of_registry(ctx: Context, args: dict[str, Any], name: str) -> Any:
    op, manager = ctx.op.name, ctx.manager
    if op in ("register", "update"):
        return manager.get(name)
    if op == "rename":
        return manager.get(args["new"])
    if op == "tag":
        return manager.tags(name)[args["tag"]]
    if op == "delete":
        return Deletion(name, "", 0, 0, 0, {}, (), erased=True, dry_run=False)
    if op in ("rollback", "forward"):
        versions = manager.versions(name)
        head = versions[-1]
        same = [v for v in versions[:-1] if v.rows == head.rows and v.bytes == head.bytes]
        wanted = args.get("version")
        source = wanted if isinstance(wanted, int) else (same[-1].version if same else head.version)
        return Rollback(name, source, head.version - 1, head.version)
    return None
