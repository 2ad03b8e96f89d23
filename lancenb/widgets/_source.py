"""Where a widget reads its rows: a Lance table opened here, or the public verbs of a manager."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ._filter import combine
from ._target import Target, is_far, resolve

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class Source(Protocol):
    """One version of a table, read by rows. Safe to use from several threads.

    Attributes:
        title: what people call it.
        kind: ``weights``, ``images``, ``text`` or ``table``.
        version: the version read, whatever is written meanwhile; None when it is not known.
        schema: of the table; columns of payloads appear as binary.
        uri: where the table is, None when only a manager can reach it.
    """

    title: str
    kind: str
    version: int | None
    schema: pa.Schema
    uri: str | None

    def count(self, where: Any = None) -> int:
        """Return how many rows there are, or match."""
        ...

    def rows(
        self,
        offset: int = 0,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        where: Any = None,
        order_by: Any = None,
    ) -> pa.Table:
        """Return a range of rows; ``where`` is SQL text or triples, ``order_by`` ``"n desc"``.

        Without ``columns``, columns of payloads kept beside the table (blobs) are left out.
        """
        ...

    def take(self, positions: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Return the rows at these positions of the table, in this order."""
        ...

    def positions(self, where: Any) -> np.ndarray | None:
        """Return the positions of the rows that match, None when they cannot be known."""
        ...


def open_source(target: Any, *, version: int | str | None = None, store: Any = None) -> Source:
    """Return the source behind anything :func:`lancenb.preview` takes, opened at one version.

    Raises:
        InvalidArgument: ``target`` is nothing that holds rows.
        NotFound: there is no such table, version or tag.

    >>> import tempfile, lancenb as lnb, pyarrow as pa
    >>> report = lnb.convert(pa.table({"n": [5, 6, 7]}), tempfile.mkdtemp() + "/numbers.lance")
    >>> source = open_source(report)
    >>> source.count("n > 5"), source.take([2, 0], ["n"])["n"].to_pylist()
    (2, [7, 5])
    """
    if is_far(target):
        from ._far_source import FarSource

        return FarSource(target, version)
    return TableSource(resolve(target, version=version, store=store), store)


class TableSource:
    """A Lance table opened here, on a disk or an object store."""

    def __init__(self, target: Target, store: Any = None):
        self.target, self.dataset, self._store = target, target.dataset, store
        self.title, self.kind = target.title, target.kind
        self.version: int | None = target.version
        self.schema: pa.Schema = target.schema
        self.uri: str | None = str(target.dataset.uri)
        self._total: int | None = None

    def count(self, where: Any = None) -> int:
        """Return how many rows there are, or match."""
        condition = combine(self.target, where)
        if condition is not None:
            with self._explained(condition):
                return int(self.dataset.count_rows(condition))
        if self._total is None:  # a version never changes
            with self._explained(None):
                self._total = int(self.dataset.count_rows())
        return self._total

    def rows(
        self,
        offset: int = 0,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        where: Any = None,
        order_by: Any = None,
    ) -> pa.Table:
        """Return a range of rows."""
        blobs = self._blobs()
        names = list(columns) if columns is not None else list(self.schema.names)
        wanted = [n for n in names if n not in blobs]
        condition = combine(self.target, where)
        options: dict[str, Any] = {"columns": wanted, "filter": condition}
        if offset or limit is not None:
            options |= {"offset": offset, "limit": limit}
        if order_by:
            options["order_by"] = _ordering(order_by)
        asked = [n for n in names if n in blobs] if columns is not None else []
        if asked:
            options["with_row_id"] = True
        with self._explained(condition):
            table = self.dataset.scanner(**options).to_table()
            if asked:
                ids = table["_rowid"].to_pylist()
                table = self._with_blobs(table.drop_columns(["_rowid"]), asked, ids=ids)
        return table if columns is None else table.select(names)

    def take(self, positions: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """Return the rows at these positions of the table, in this order."""
        blobs, indices = self._blobs(), [int(p) for p in positions]
        names = list(columns)
        plain = [n for n in names if n not in blobs]
        asked = [n for n in names if n in blobs]
        if not indices:
            return self.rows(0, 1, names).slice(0, 0)
        with self._explained(None):
            table = self.dataset.take(indices, columns=plain or [self._any_column()])
            if asked:
                table = self._with_blobs(table, asked, indices=indices)
        return table.select(names)

    def positions(self, where: Any) -> np.ndarray | None:
        """Return the positions of the rows that match."""
        condition = combine(self.target, where)
        with self._explained(condition):
            found = self.dataset.scanner(columns=["_rowoffset"], filter=condition).to_table()
        return found["_rowoffset"].to_numpy()

    def _blobs(self) -> set[str]:
        return {field.name for field in self.schema if is_blob(field)}

    def _any_column(self) -> str:
        blobs = self._blobs()
        return next((n for n in self.schema.names if n not in blobs), self.schema.names[0])

    def _with_blobs(self, table: pa.Table, names: Sequence[str], **which: Any) -> pa.Table:
        import pyarrow as pa

        for name in names:
            files = self.dataset.take_blobs(name, **which)
            data = [file.readall() for file in files]
            table = table.append_column(name, pa.array(data, pa.large_binary()))
        return table

    @contextmanager
    def _explained(self, condition: str | None) -> Iterator[None]:
        """Turn what Lance says into the errors of this library."""
        from ..catalog.filters import sql_error
        from ..store import lance_errors

        with lance_errors(self.uri or "", self._store):
            try:
                yield
            except (ValueError, OSError) as error:
                if condition is None or "Query Execution error" not in str(error):
                    raise
                raise sql_error(error, condition, self.schema) from None


def is_blob(field: Any) -> bool:
    """Tell whether a column's payloads lie beside the table and are read by themselves."""
    return (field.metadata or {}).get(b"lance-encoding:blob") == b"true" or "blob" in str(
        getattr(field.type, "extension_name", "")
    )


def _ordering(order_by: Any) -> list[Any]:
    """Return Lance's ordering of ``"n"``, ``"n desc"``, or a list of such texts or pairs."""
    from ..store import lance_module

    lance_module()
    from lance.dataset import ColumnOrdering

    out = []
    for item in [order_by] if isinstance(order_by, str) else order_by:
        name, way = item if isinstance(item, tuple) else (item, "asc")
        head, _, tail = name.rpartition(" ")
        if head and tail.lower() in ("asc", "desc"):
            name, way = head, tail
        out.append(ColumnOrdering(name.strip("`"), ascending=way.lower() == "asc"))
    return out
