"""Rows of the namespace, written: create, insert, merge, update and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lancenb.catalog.filters import check_sql, column, sql_error, to_sql
from lancenb.errors import AlreadyExists, SchemaMismatch

from ._rest_ask import shown
from ._rest_tables import location, opened, properties
from ._rest_wire import invalid, unsupported

if TYPE_CHECKING:
    from lancenb.convert import ConvertReport

    from ._rest_ask import Asked, Space


def create_table(space: Space, asked: Asked) -> Any:
    """Make a table of the rows in the body; one atomic version."""
    name = asked.table()
    mode = asked.mode("create", "exist_ok", "overwrite")
    given = asked.properties()
    if asked.query.get("storage_options") or asked.request.headers.get("x-lance-table-location"):
        raise unsupported("put tables where a client wants", "the catalogue decides where")
    space.declared.get(name)  # publishes a declared table that was written meanwhile
    if mode == "exist_ok" and name in space.manager:
        return _as_it_is(space, name)
    try:
        # A name that is taken is said before a long body is read.
        if mode == "create" and name in space.manager:
            raise AlreadyExists(
                f"the name {name!r} is taken",
                hint="mode=overwrite makes its next version, insert adds rows",
            )
        written = "overwrite" if mode == "overwrite" else "create"
        report = _convert(space, asked, name, written, given)
    except AlreadyExists:
        if mode == "exist_ok" and name in space.manager:
            return _as_it_is(space, name)  # somebody made it meanwhile
        raise
    entry = space.manager._entry(name)
    return {
        "location": location(space, entry),
        "version": report.version,
        "properties": properties(entry),
    }


def _as_it_is(space: Space, name: str) -> dict[str, Any]:
    entry = space.manager._entry(name)
    version = int(space.manager._open(entry).version)
    return {
        "location": location(space, entry),
        "version": version,
        "properties": properties(entry),
    }


def _convert(
    space: Space, asked: Asked, name: str, mode: str, metadata: dict[str, str] | None = None
) -> ConvertReport:
    assert asked.stream is not None
    rows = space.confine.rows(asked.stream.rows())
    report = space.manager.convert(
        rows, name, mode=mode, metadata=metadata, lineage={"engine": "rest"}
    )
    asked.after = report.version
    return report


def insert_into_table(space: Space, asked: Asked) -> Any:
    """Append the rows in the body, or put them in the place of those there are."""
    entry = opened(space, asked)
    mode = asked.mode("append", "overwrite")
    report = _convert(space, asked, entry.name, mode)
    return {"num_inserted_rows": report.rows, "version": report.version}


def merge_insert(space: Space, asked: Asked) -> Any:
    """Replace the rows whose key is there and add the others, in one version."""
    entry = opened(space, asked)
    keys = [key for key in _all(asked, "on") if key]
    if not keys:
        raise invalid("'on' names the key column or columns")
    if not (asked.flag("when_matched_update_all") and asked.flag("when_not_matched_insert_all")):
        raise unsupported(
            "merge rows but by replacing those that match and adding the others",
            "when_matched_update_all=true and when_not_matched_insert_all=true",
        )
    more = ("when_matched_update_all_filt", "when_not_matched_by_source_delete_filt")
    if any(asked.text(name) for name in more) or asked.flag("when_not_matched_by_source_delete"):
        raise unsupported("merge rows under conditions", "delete rows in a call of its own")
    assert asked.stream is not None
    done = space.manager.upsert(entry.name, space.confine.rows(asked.stream.rows()), key=keys)
    asked.after = done.version
    return {
        "num_updated_rows": done.updated,
        "num_inserted_rows": done.inserted,
        "num_deleted_rows": 0,
        "version": done.version,
    }


def _all(asked: Asked, name: str) -> list[str]:
    """Return all values of an argument that may be given several times."""
    return list(asked.request.query_params.getlist(name))


def delete_rows(space: Space, asked: Asked) -> Any:
    """Delete the rows that match, as a new version."""
    entry = opened(space, asked)
    space.manager.delete_rows(entry.name, asked.condition(space, "predicate", required=True))
    asked.after = int(space.manager.dataset(entry.name).version)
    return {"version": asked.after}


def update_rows(space: Space, asked: Asked) -> Any:
    """Set columns of the rows that match to what expressions say, as a new version."""
    from lancenb.store import lance_errors

    entry = opened(space, asked)
    manager = space.manager
    with manager._writing(entry.name) as held:
        dataset = manager._open(held)
        schema = dataset.schema
        if held.kind == "weights":
            raise SchemaMismatch(
                f"{held.name!r} holds weights, whose rows are not changed one by one"
            )
        changes = _updates(space, asked, schema)
        where = check_sql(dataset, to_sql(asked.condition(space, "predicate"), schema))
        try:
            done = dataset.update(changes, where=where)
        except ValueError as error:
            raise sql_error(error, ", ".join(changes.values()), schema) from None
        except OSError:
            with lance_errors(manager._uri(held), manager.store):
                raise
        asked.after = int(dataset.version)
    return {"updated_rows": int(done["num_rows_updated"]), "version": asked.after}


def _updates(space: Space, asked: Asked, schema: Any) -> dict[str, str]:
    """Return expressions by column, each in parentheses: an expression and nothing more."""
    given = asked.body.get("updates")
    pairs = given if isinstance(given, list) else []
    out: dict[str, str] = {}
    for pair in pairs:
        if not (
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair)
        ):
            raise invalid(f"an update is [column, expression], not {shown(pair)}")
        name, expression = pair
        column(schema, name)
        if name not in schema.names:
            raise unsupported("update fields within a column", "update the column as a whole")
        if name in out:
            raise invalid(f"column {name!r} is updated twice")
        out[name] = to_sql(space.confine.where(expression, field="updates"), schema) or ""
    if not out:
        raise invalid("'updates' is a list of [column, expression]", "[['label', '3']]")
    return out
