"""Tables of the namespace, without their rows: what there is, where it lies, its names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lancenb.catalog._entry import READY
from lancenb.errors import AlreadyExists, ArtifactNotFound, InvalidArgument

from ._rest_ask import no_namespace
from ._rest_schema import json_schema
from ._rest_wire import Code, Problem, invalid, unsupported

if TYPE_CHECKING:
    from lancenb.catalog._entry import Entry

    from ._rest_ask import Asked, Space


def describe_table(space: Space, asked: Asked) -> Any:
    """Return where a table lies, and its schema and figures if they are wanted."""
    name = asked.table()
    asked.main_branch()
    promised = space.declared.get(name)
    if promised is not None:
        if asked.flag("load_detailed_metadata"):
            raise declared_only(name)
        return {**_place(space, promised), "is_only_declared": True}
    entry = space.manager._entry(name)
    out = {**_place(space, entry), "properties": properties(entry)}
    version: int | str | None = asked.count("version")
    if asked.text("tag") is not None:
        if version is not None:
            raise invalid("give a version or a tag, not both")
        version = asked.text("tag", required=True)
    detailed = asked.flag("load_detailed_metadata")
    if detailed or version is not None:
        dataset = space.manager._open(entry, version or None)
        out["version"] = int(dataset.version)
        if detailed:
            fragments = dataset.get_fragments()
            deleted = sum(fragment.num_deletions for fragment in fragments)
            out["schema"] = json_schema(dataset.schema)
            out["stats"] = {"num_deleted_rows": deleted, "num_fragments": len(fragments)}
            out["metadata"] = _facts(entry)
    if detailed or asked.flag("check_declared"):
        out["is_only_declared"] = False
    return out


def declared_only(name: str) -> Problem:
    """Return the error for a table that has no version yet."""
    return Problem(
        Code.INVALID_TABLE_STATE,
        f"the table {name!r} is declared and not written yet",
        hint="write its first version at the location that declaring it gave",
    )


def _place(space: Space, entry: Entry) -> dict[str, Any]:
    """Return where a table lies; never with options that open the storage."""
    place = location(space, entry)
    full = f"file://{place}" if place.startswith("/") else place
    return {"table": entry.name, "namespace": [], "location": place, "table_uri": full}


def location(space: Space, entry: Entry) -> str:
    """Return the address of a table as a client may open it, given access of its own."""
    from lancenb.store import redact

    return redact(space.manager._uri(entry)).removeprefix("shared-")


def properties(entry: Entry) -> dict[str, str]:
    """Return the facts that the catalogue keeps about a table, as texts."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, default=str)
        for key, value in entry.metadata.items()
    }


def _facts(entry: Entry) -> dict[str, str]:
    facts = {
        "lancenb.kind": entry.kind,
        "lancenb.description": entry.description,
        "lancenb.labels": ", ".join(entry.tags),
    }
    return {key: value for key, value in facts.items() if value}


def table_exists(space: Space, asked: Asked) -> Any:
    """Answer with nothing if the table is there."""
    name = asked.table()
    asked.main_branch()
    if space.declared.get(name) is None:
        entry = space.manager._entry(name)
        version = asked.count("version")
        if version:
            space.manager._open(entry, version)


def declare_table(space: Space, asked: Asked) -> Any:
    """Reserve a name, and say where the client is to write its first version."""
    name = asked.table()
    if asked.text("location") is not None:
        raise unsupported("put tables where a client wants", "leave 'location' out")
    given = asked.properties()
    entry = space.declared.declare(space.manager, name, given, asked.adopted)
    out: dict[str, Any] = {"location": location(space, entry)}
    return {**out, "properties": given} if given else out


def register_table(space: Space, asked: Asked) -> Any:
    """Give a name to a table that lies below the root already."""
    name = asked.table()
    given = asked.text("location", required=True) or ""
    given = given.removeprefix("file://") if given.startswith("file:///") else given
    place = space.confine.uri(given, field="location")
    space.declared.get(name)  # publishes a declared table that was written meanwhile
    artifact = space.manager.register(
        name,
        place,
        metadata=asked.properties() or None,
        replace=asked.mode("create", "overwrite") == "overwrite",
    )
    asked.after = artifact.version
    entry = space.manager._entry(name)
    return {"location": location(space, entry), "properties": properties(entry)}


def deregister_table(space: Space, asked: Asked) -> Any:
    """Forget a name; the files stay, and can be registered again."""
    name = asked.table()
    promised = space.declared.release(name)
    if promised is not None:
        return _gone(space, promised)
    entry = space.manager._entry(name)
    with space.manager._writing(name) as held:

        def forget(entries: dict[str, Entry]) -> None:
            mine = entries.get(held.id)
            if mine is None or mine.state != READY or mine.name != name:
                raise ArtifactNotFound(f"{name!r} was deleted or renamed a moment ago")
            del entries[held.id]

        space.manager.registry.change(forget, f"deregister {name}")
    return _gone(space, entry)


def _gone(space: Space, entry: Entry) -> dict[str, Any]:
    return {
        "id": [entry.name],
        "location": location(space, entry),
        "properties": properties(entry),
    }


def drop_table(space: Space, asked: Asked) -> Any:
    """Delete a table with all its versions, unless tags or other tables protect it."""
    name = asked.table()
    promised = space.declared.release(name)
    if promised is not None:
        return _gone(space, promised)
    entry = space.manager._entry(name)
    space.manager.delete(name, confirm=name)
    return _gone(space, entry)


def rename_table(space: Space, asked: Asked) -> Any:
    """Give a table another name."""
    name, new = asked.table(), asked.text("new_table_name", required=True) or ""
    elsewhere = asked.body.get("new_namespace_id") or []
    if elsewhere:
        raise no_namespace([str(part) for part in elsewhere] if isinstance(elsewhere, list) else [])
    if space.declared.get(name) is not None:
        raise declared_only(name)
    if space.declared.get(new) is not None:
        raise AlreadyExists(f"the name {new!r} is promised to somebody", hint="choose another")
    asked.after = space.manager.rename(name, new).version
    return {}


def table_stats(space: Space, asked: Asked) -> Any:
    """Return bytes, rows, indices and how rows are spread over fragments."""
    entry = opened(space, asked)
    artifact = space.manager._artifact(entry)
    dataset = space.manager._open(entry)
    lengths = sorted(int(f.count_rows()) for f in dataset.get_fragments())
    return {
        "total_bytes": artifact.nbytes,
        "num_rows": artifact.rows,
        "num_indices": len(dataset.describe_indices()),
        "fragment_stats": {
            "num_fragments": len(lengths),
            "num_small_fragments": sum(length < 1 << 20 for length in lengths),
            "lengths": _spread(lengths or [0]),
        },
    }


def _spread(lengths: list[int]) -> dict[str, int]:
    at = {f"p{share}": lengths[min(len(lengths) * share // 100, len(lengths) - 1)]
          for share in (25, 50, 75, 99)}  # fmt: skip
    return {"min": lengths[0], "max": lengths[-1], "mean": sum(lengths) // len(lengths), **at}


def opened(space: Space, asked: Asked) -> Entry:
    """Return the entry of the table asked for, which must have been written.

    Raises:
        Problem: it is declared only.
        ArtifactNotFound: there is none.
    """
    name = asked.table()
    asked.main_branch()
    if space.declared.get(name) is not None:
        raise declared_only(name)
    return space.manager._entry(name)


def list_indices(space: Space, asked: Asked) -> Any:
    """Return the indices of a table."""
    entry = opened(space, asked)
    dataset = space.manager._open(entry)
    rows = int(dataset.count_rows())
    return {
        "indexes": [
            {
                "index_name": index.name,
                "index_uuid": str(index.segments[0].uuid),
                "columns": list(index.field_names),
                "status": "SUCCEEDED",
                "index_type": index.index_type,
                "num_indexed_rows": int(index.num_rows_indexed),
                "num_unindexed_rows": max(0, rows - int(index.num_rows_indexed)),
            }
            for index in dataset.describe_indices()
        ]
    }


def update_schema_metadata(space: Space, asked: Asked) -> Any:
    """Set texts in the schema of a table, as a new version; the rest of them stays."""
    given = {key: value for key, value in asked.body.items() if key != "id"}
    if not all(isinstance(value, str) for value in given.values()):
        raise invalid("schema metadata is an object of texts")
    taken = [key for key in given if key.startswith("lancenb.") or key == "huggingface"]
    if taken:
        raise InvalidArgument(f"the schema metadata {taken[0]!r} belongs to the catalogue")
    entry = opened(space, asked)
    from lancenb.store import lance_errors

    with space.manager._writing(entry.name) as held:
        dataset = space.manager._open(held)
        with lance_errors(space.manager._uri(held), space.manager.store):
            if given:
                dataset.update_schema_metadata(given)
        asked.after = int(dataset.version)
        space.manager._refresh(held, "", (), {}, ())
    texts = (space.manager._open(held).schema.metadata or {}).items()
    return {
        key.decode("utf-8", "replace"): value.decode("utf-8", "replace") for key, value in texts
    }
