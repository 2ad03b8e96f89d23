"""Rows of an artefact: search, fetch, history, delete."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter, LancenbError

from ._base import CatalogBase
from ._delete import delete_marked
from ._edges import check_count
from ._log import in_utc
from ._once import once_properties
from ._stats import plain_columns
from .filters import check_sql, column, sql_error, to_sql
from .results import RowChange

if TYPE_CHECKING:
    import pyarrow as pa

    from .artifact import Artifact

_ORDER = re.compile(
    r"(?P<name>.+?)(?:\s+(?P<way>asc|desc))?(?:\s+nulls\s+(?P<nulls>first|last))?\s*\Z",
    re.IGNORECASE | re.DOTALL,
)


class Query(NamedTuple):
    """A search that was checked: the table, the filter and the other options of Lance's scan."""

    entry: Any
    dataset: Any
    sql: str | None
    options: dict[str, Any]


class Rows(CatalogBase):
    """Reading and removing rows."""

    def search_rows(
        self,
        name: str | Artifact,
        where: Any = None,
        *,
        columns: Sequence[str] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        order_by: str | Sequence[Any] | None = None,
        version: int | str | None = None,
    ) -> pa.Table:
        """Find rows.

        Args:
            name: the artefact.
            where: ``[(column, op, value), ...]``, or SQL as text; see
                :mod:`lancenb.catalog.filters`.
            columns: which columns; all but blob payloads when ``None``.
            limit: at most so many rows.
            offset: skip so many rows first.
            order_by: ``"width"``, ``"width desc"``, ``"width desc nulls first"``, or a list of
                such texts or of pairs ``("width", "desc")``.
            version: a number or a tag; the head when ``None``.

        Raises:
            ColumnNotFound: a column that the table does not have.
            InvalidFilter: the filter cannot be understood or a value does not fit its column.
            VersionNotFound: no such version.
        """
        return self._scan(*self._query(name, where, columns, limit, offset, order_by, version))

    def _query(
        self,
        name: str | Artifact,
        where: Any,
        columns: Sequence[str] | None,
        limit: int | None,
        offset: int | None,
        order_by: str | Sequence[Any] | None,
        version: int | str | None,
    ) -> Query:
        """Check a search and say what Lance has to scan."""
        entry = self._entry(name)
        dataset = self._open(entry, version)
        schema = dataset.schema
        names = plain_columns(schema) if columns is None else _columns(schema, columns)
        sql = to_sql(where, schema)
        if isinstance(where, str):
            check_sql(dataset, sql)
        order = None if order_by is None else _ordering(schema, order_by)
        if limit == 0:
            order = None  # Lance aborts when it has to sort the first 0 rows
        options = {"columns": names, "limit": _count("limit", limit)}
        options |= {"offset": _count("offset", offset), "order_by": order}
        return Query(entry, dataset, sql, options)

    def _scan(self, entry: Any, dataset: Any, sql: str | None, options: dict[str, Any]) -> pa.Table:
        with self._scan_errors(entry, dataset, sql):
            return dataset.scanner(filter=sql, **options).to_table()
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _scan_errors(self, entry: Any, dataset: Any, sql: str | None) -> Iterator[None]:
        """Tell what goes wrong in a scan as what the reader of rows can understand."""
        from lancenb.store import lance_errors

        try:
            yield
        except ValueError as error:
            if sql is not None and not isinstance(error, LancenbError):
                raise sql_error(error, sql, dataset.schema) from None
            with lance_errors(self._uri(entry), self.store):
                raise
        except OSError:
            with lance_errors(self._uri(entry), self.store):
                raise

    def _matching(self, entry: Any, dataset: Any, sql: str) -> int:
        from lancenb.store import lance_errors

        try:
            return int(dataset.count_rows(filter=sql))
        except (ValueError, OSError) as error:
            if "Query Execution error" in str(error):  # a division by zero, a cast that fails
                raise sql_error(error, sql, dataset.schema) from None
            with lance_errors(self._uri(entry), self.store):
                raise
        raise AssertionError("unreachable")

    def get_row(
        self, name: str | Artifact, key: str, value: Any, *, version: int | str | None = None
    ) -> dict[str, Any] | None:
        """Return the one row whose column ``key`` equals ``value``, ``None`` if there is none.

        Raises:
            InvalidArgument: several rows have that value.
        """
        entry = self._entry(name)
        return self._one(entry, self._open(entry, version), key, value)

    def _one(self, entry: Any, dataset: Any, key: str, value: Any) -> dict[str, Any] | None:
        sql = to_sql([(key, "=", value)], dataset.schema)
        names = plain_columns(dataset.schema)
        rows = self._scan(entry, dataset, sql, {"columns": names, "limit": 2}).to_pylist()
        if len(rows) > 1:
            raise InvalidArgument(
                f"several rows of {entry.name!r} have {key} = {value!r}",
                hint="dm.search_rows(name, [(column, '=', value)]) returns all of them",
            )
        return rows[0] if rows else None

    def row_history(self, name: str | Artifact, key: str, value: Any) -> list[RowChange]:
        """Return when the row with ``key`` = ``value`` was added, changed and removed.

        Every version that still exists is looked at, oldest first.

        Raises:
            ColumnNotFound: no version has such a column.
            InvalidFilter: the value fits the column in no version.
        """
        entry = self._entry(name)
        head = self._open(entry)
        changes: list[RowChange] = []
        misfit: Exception | None = None
        fits = False
        before: dict[str, Any] | None = None
        for facts in head.versions():
            number = int(facts["version"])
            dataset = self._open(entry, number)
            try:
                row, fits = self._one(entry, dataset, key, value), True
            except (ColumnNotFound, InvalidFilter) as error:
                row, misfit = None, error  # the column came later, or was of another type
            if repr(row) != repr(before):
                action = "added" if before is None else "removed" if row is None else "changed"
                changes.append(RowChange(number, in_utc(facts["timestamp"]), action, row))
            before = row
        if not fits and misfit is not None:
            raise misfit
        return changes

    def delete_rows(self, name: str | Artifact, where: Any, *, dry_run: bool = False) -> int:
        """Delete the rows that match, as a new version; older versions keep them.

        Args:
            name: the artefact.
            where: as for :meth:`search_rows`; must be given (``"true"`` is every row).
            dry_run: only count.

        Returns:
            How many rows were (or would be) deleted.

        Raises:
            InvalidArgument: no filter.
            ColumnNotFound, InvalidFilter: the filter is wrong; nothing was deleted.
        """
        from lancenb.store import lance_errors

        with self._writing(name, dry_run=dry_run) as entry:
            dataset = self._open(entry)
            sql = to_sql(where, dataset.schema)
            if sql is None:
                raise InvalidArgument(
                    f"no filter says which rows of {entry.name!r} to delete",
                    hint="where='true' deletes every row",
                )
            check_sql(dataset, sql)
            count = self._matching(entry, dataset, sql)
            with lance_errors(self._uri(entry), self.store):
                if dry_run or count == 0:
                    return count
                marks = once_properties()
                if marks:
                    return delete_marked(self, entry, sql, marks)
                result = dataset.delete(sql)
            return _deleted(result, count)


def _deleted(result: Any, counted: int) -> int:
    exact = getattr(result, "num_deleted_rows", None)
    if exact is None and isinstance(result, dict):
        exact = result.get("num_deleted_rows")
    return counted if exact is None else int(exact)


def _count(name: str, value: Any) -> int | None:
    return None if value is None else check_count(name, value)


def check_names(columns: Any) -> list[str]:
    """Return names of columns as a list.

    Raises:
        InvalidArgument: there is nothing to list.
        InvalidFilter: one is no text.
    """
    if not isinstance(columns, Iterable):
        raise InvalidArgument(f"columns={columns!r} is no list of columns")
    names = [columns] if isinstance(columns, str) else list(columns)
    for name in names:
        if not isinstance(name, str):
            raise InvalidFilter(f"a column is named by text, not {type(name).__name__}")
    return names


def _columns(schema: pa.Schema, columns: Sequence[str]) -> list[str]:
    names = check_names(columns)
    for name in names:
        column(schema, name)
        if names.count(name) > 1:
            raise InvalidArgument(f"columns names {name!r} twice", hint="name every column once")
    return names


def _ordering(schema: pa.Schema, order_by: str | Sequence[Any]) -> list[Any]:
    """Return Lance's ordering for ``order_by``; text is never handed on unparsed."""
    from lancenb.store import lance_module

    lance_module()
    from lance.dataset import ColumnOrdering

    if not isinstance(order_by, Iterable):
        raise InvalidArgument(
            f"order_by={order_by!r} is no list of columns", hint="for instance 'width desc'"
        )
    items = [order_by] if isinstance(order_by, str) else list(order_by)
    if len(items) == 2 and isinstance(order_by, tuple) and str(items[1]).lower() in ("asc", "desc"):
        items = [tuple(items)]
    out = []
    for item in items:
        nulls = None
        if isinstance(item, (tuple, list)) and len(item) == 2:
            name, way = str(item[0]), str(item[1]).lower()
        elif isinstance(item, str) and item in schema.names:
            name, way = item, "asc"
        else:
            match = _ORDER.match(str(item).strip())
            if match is None:
                raise InvalidArgument("order_by is empty", hint="for instance 'width desc'")
            name, way = match["name"].strip('`"'), (match["way"] or "asc").lower()
            nulls = match["nulls"]
        if way not in ("asc", "desc"):
            raise InvalidArgument(f"{way!r} is no order", hint="'asc' or 'desc'")
        column(schema, name)
        first = nulls is not None and nulls.lower() == "first"
        out.append(ColumnOrdering(name, ascending=way == "asc", nulls_first=first))
    if not out:
        raise InvalidArgument("order_by is empty", hint="for instance 'width desc'")
    return out
