"""Rows of the namespace, read: count, query, explain."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lancenb.catalog._stats import plain_columns
from lancenb.catalog.filters import check_sql, column, sql_error, to_sql

from ._arrow import eager
from ._rest_ask import shown
from ._rest_body import arrow_file
from ._rest_tables import opened
from ._rest_wire import invalid, unsupported

if TYPE_CHECKING:
    import pyarrow as pa

    from ._rest_ask import Asked, Space

FILE = "application/vnd.apache.arrow.file"
_METRICS = ("l2", "cosine", "dot", "hamming")
_ROWS = 512
# Where the table lies on the server tells a reader of plans nothing.
_PLACE = re.compile(r"uri=[^,]*, ")


class ArrowFile:
    """An answer that is an Arrow IPC file, made piece by piece.

    Args:
        pieces: the file, a generator.
    """

    def __init__(self, pieces: Any):
        self._pieces = pieces
        self.release: Callable[[], None] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """End the scan where it is, and let go of the place it holds."""
        release, self.release = self.release, None
        with contextlib.suppress(ValueError):  # it is being read in another thread
            self._pieces.close()
        if release is not None:
            release()


def count_rows(space: Space, asked: Asked) -> Any:
    """Return how many rows match, as a bare number."""
    entry = opened(space, asked)
    dataset = space.manager._open(entry, asked.count("version") or None)
    sql = check_sql(dataset, to_sql(asked.condition(space, "predicate"), dataset.schema))
    return space.manager._matching(entry, dataset, sql) if sql else int(dataset.count_rows())


def query_table(space: Space, asked: Asked) -> Any:
    """Return the rows that match, or the nearest to a vector, as an Arrow IPC file."""
    entry = opened(space, asked)
    given = asked.body.get("columns")
    plain = not (isinstance(given, dict) and given.get("column_aliases"))
    columns = _names(given) if plain else None
    plain = plain and not any("." in str(name) for name in columns or ())
    searched = _vector(asked) is not None or asked.body.get("full_text_query") is not None
    if searched or not plain or asked.flag("with_row_id"):
        return _searched(space, asked)
    reader = space.manager.read(
        entry.name,
        asked.condition(space, "filter"),
        columns=columns,
        limit=asked.count("k") or None,  # 0 is all of them
        offset=asked.count("offset"),
        version=asked.count("version") or None,
    )
    return ArrowFile(eager(arrow_file(reader.schema, reader)))


def _searched(space: Space, asked: Asked) -> ArrowFile:
    scanner, failed = _scanner(space, asked)
    with failed:
        schema = scanner.projected_schema
        batches = failed.over(_fitting(schema, scanner.to_batches()))
        return ArrowFile(eager(arrow_file(schema, batches)))


def _fitting(schema: pa.Schema, batches: Any) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch if batch.schema.equals(schema) else batch.cast(schema)


def explain_plan(space: Space, asked: Asked) -> Any:
    """Return how a query would be run, as text."""
    verbose, query = asked.flag("verbose"), asked.body.get("query")
    if not isinstance(query, dict):
        raise invalid(f"'query' is an object, not {shown(query)}")
    asked.body = query
    scanner, failed = _scanner(space, asked)
    with failed:
        return _PLACE.sub("", scanner.explain_plan(verbose))


def analyze_plan(space: Space, asked: Asked) -> Any:
    """Run a query and return how that went, as text."""
    scanner, failed = _scanner(space, asked)
    with failed:
        return _PLACE.sub("", scanner.analyze_plan())


class _Failed:
    """Turns what Lance raises while it reads into typed errors."""

    def __init__(self, space: Space, uri: str, sql: str | None, schema: pa.Schema):
        self._space, self._uri, self._sql, self._schema = space, uri, sql, schema

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from lancenb.errors import LancenbError
        from lancenb.store import lance_errors

        if error is None or isinstance(error, LancenbError):
            return
        if isinstance(error, (ValueError, TypeError)):
            if self._sql is not None:
                raise sql_error(error, self._sql, self._schema) from None
            text = str(error).split(", /")[0].removeprefix("Invalid user input: ")
            raise invalid(f"the query cannot be run: {text:.200}") from None
        with lance_errors(self._uri, self._space.manager.store):
            raise error

    def over(self, batches: Any) -> Iterator[pa.RecordBatch]:
        with self:
            yield from batches


def _scanner(space: Space, asked: Asked) -> tuple[Any, _Failed]:
    entry = opened(space, asked)
    dataset = space.manager._open(entry, asked.count("version") or None)
    schema = dataset.schema
    sql = check_sql(dataset, to_sql(asked.condition(space, "filter"), schema))
    options: dict[str, Any] = {
        "columns": _columns(asked, schema),
        "filter": sql,
        "offset": asked.count("offset"),
        "with_row_id": asked.flag("with_row_id"),
        "batch_size": _ROWS,
        "io_buffer_size": 32 << 20,
    }
    limit = asked.count("k") or None  # 0 is all of them
    vector = _vector(asked)
    words = _words(asked, schema)
    if vector is not None and words is not None:
        raise unsupported("search by vector and by words at once", "ask twice")
    if vector is not None:
        options |= {"nearest": _nearest(asked, schema, vector, limit)}
        options["prefilter"] = asked.flag("prefilter")
    else:
        options["limit"] = limit
        if words is not None:
            options |= {"full_text_query": words, "prefilter": asked.flag("prefilter")}
    failed = _Failed(space, space.manager._uri(entry), sql, schema)
    with failed:
        scanner = dataset.scanner(**options)
    return scanner, failed


def _names(given: Any) -> list[str] | None:
    """Return the columns asked for by name, ``None`` for all but blob payloads."""
    if isinstance(given, dict):
        given = given.get("column_names")
    if given in (None, []):
        return None
    if not isinstance(given, list):
        raise invalid(f"'columns' holds column_names or column_aliases, not {shown(given)}")
    return given


def _columns(asked: Asked, schema: pa.Schema) -> list[str] | dict[str, str]:
    """Return what a scan is to read: columns by name, or columns under other names."""
    given = asked.body.get("columns")
    aliases = given.get("column_aliases") if isinstance(given, dict) else None
    names = _names(given)
    if not aliases:
        paths = plain_columns(schema) if names is None else names
        for path in paths:
            column(schema, path)
        return paths
    if names is not None or not isinstance(aliases, dict):
        raise invalid("give column_names, a list, or column_aliases, an object")
    return {alias: column(schema, path)[0] for alias, path in aliases.items()}


def _vector(asked: Asked) -> list[float] | None:
    given = asked.body.get("vector")
    if isinstance(given, dict):
        if given.get("multi_vector"):
            raise unsupported("search for several vectors at once", "ask once for each")
        given = given.get("single_vector")
    if given is None or given == []:
        return None
    if not isinstance(given, list) or not all(
        isinstance(x, (int, float)) and not isinstance(x, bool) for x in given
    ):
        raise invalid(f"a vector is a list of numbers, not {shown(given)}")
    return [float(x) for x in given]


def _nearest(
    asked: Asked, schema: pa.Schema, vector: list[float], limit: int | None
) -> dict[str, Any]:
    import pyarrow.types as t

    name = asked.text("vector_column")
    if not name:
        fixed = [f.name for f in schema if t.is_fixed_size_list(f.type)]
        if len(fixed) != 1:
            raise invalid("'vector_column' says which column holds the vectors")
        name = fixed[0]
    column(schema, name)
    out: dict[str, Any] = {"column": name, "q": vector, "k": limit or 10}
    metric = asked.text("distance_type")
    if metric:
        if metric.lower() not in _METRICS:
            raise invalid(f"distance_type={metric!r:.40} is not one of {', '.join(_METRICS)}")
        out["metric"] = metric.lower()
    if asked.flag("bypass_vector_index"):
        out["use_index"] = False
    for theirs, ours in (("nprobes", "nprobes"), ("minimum_nprobes", "minimum_nprobes"),
                         ("maximum_nprobes", "maximum_nprobes"), ("ef", "ef"),
                         ("refine_factor", "refine_factor")):  # fmt: skip
        if asked.count(theirs) is not None:
            out[ours] = asked.count(theirs)
    bounds = (asked.body.get("lower_bound"), asked.body.get("upper_bound"))
    if bounds != (None, None):
        out["distance_range"] = bounds
    return out


def _words(asked: Asked, schema: pa.Schema) -> dict[str, Any] | None:
    given = asked.body.get("full_text_query")
    if given is None:
        return None
    if not isinstance(given, dict):
        raise invalid(f"'full_text_query' is an object, not {shown(given)}")
    if given.get("structured_query") is not None:
        raise unsupported("take structured text queries", "give a string_query")
    plain = given.get("string_query")
    if not isinstance(plain, dict) or not isinstance(plain.get("query"), str):
        raise invalid("'string_query' is an object with the text 'query'")
    columns = plain.get("columns") or []
    for name in columns if isinstance(columns, list) else [columns]:
        column(schema, name)
    return {"query": plain["query"], **({"columns": columns} if columns else {})}
