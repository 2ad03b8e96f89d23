"""A table of any length, looked at page by page: filter, order, figures per column, one value."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import traitlets as t

from lancenb.errors import ColumnNotFound
from lancenb.store import redact

from ._filter import written
from ._source import is_blob, open_source
from ._table import MAX_COLUMNS
from ._table_measuring import Measuring
from ._table_page import columns_of, readable
from ._table_rows import Rows
from ._table_static import static_form
from ._table_words import code_line, order_of, text_of
from ._view import sentence

if TYPE_CHECKING:
    import pyarrow as pa


class TableView(Measuring):
    """A table in a notebook: rows come from the kernel as they are scrolled to.

    Args:
        target: an artefact (``dm["name"]``), a table's path or URI, a conversion report, or an
            open Lance dataset.
        where: only rows that match: SQL text or ``(column, op, value)`` triples.
        columns: columns shown first; the first thirty when left out.
        order_by: ``"width"`` or ``"width desc"``.
        version: number or tag; the latest when left out.
        store: credentials and options for a URI that needs them.

    Attributes:
        where: the filter that applies, as SQL, empty for all rows; settable, like ``filter()``.
        selected: numbers of the selected rows.

    Raises:
        InvalidFilter: the filter cannot be understood.
        NotFound: no such table, version, tag or column.

    >>> import tempfile, lancenb as lnb, pyarrow as pa
    >>> table = pa.table({"word": ["one", "two", "three"], "n": [1, 2, 3]})
    >>> report = lnb.convert(table, tempfile.mkdtemp() + "/words.lance")
    >>> view = lnb.TableView(report, where="n > 1", order_by="n desc")
    >>> view.rows()["word"].to_pylist()
    ['three', 'two']
    >>> view.filter(None); view.rows(limit=1)["word"].to_pylist()
    ['three']
    >>> view.close()
    """

    _born = False
    #: The thread that puts a new filter in effect.
    _applying: int | None = None

    def __init__(
        self,
        target: Any,
        *,
        where: Any = None,
        columns: Sequence[str] | None = None,
        order_by: str | None = None,
        version: int | str | None = None,
        store: Any = None,
    ):
        self._start_measuring()
        source = open_source(target, version=version, store=store)
        self.source = source
        self._artefact = callable(getattr(target, "search_rows", None))
        self._names = list(source.schema.names)
        order = None if order_by is None else order_of(source, order_by)
        asked = text_of(source, where)
        self._rows = Rows(source, asked or None, order)
        self._figures.turn_to(self._rows)
        self._swap = threading.RLock()
        self._refused: str | None = None
        infos = columns_of(source.schema)
        version_chip = [f"version {source.version}"] if source.version is not None else []
        super().__init__(
            title=source.title,
            label=f"table {source.title}",
            chips=[source.kind, *version_chip],
            columns=infos,
            shown=self._places(columns),
            total=source.count(),
            count=self._rows.count,
            asked=asked,
            where=asked,
            sort={} if order is None else {"column": self._names.index(order[0]), "way": order[1]},
        )
        self._born = True
        texts = [p for p in self.shown if infos[p]["role"] == "text"]
        if source.kind == "text" and texts and self.count:
            self.put(at=[0, self.shown.index(texts[0])], reading=True)
        self._describe()
        self.observe(self._ask_again, ["asked", "sort"])
        self.observe(self._choose, ["shown"])

    # What the view shows, as objects.

    def rows(self, limit: int | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows the view shows, filtered and in order.

        Args:
            limit: at most so many rows.
            columns: all the view shows when left out, but for payloads kept beside the table.
        """
        rows, names = self._rows, self._wanted(columns)
        if rows.order is None:
            return rows.source.rows(0, limit, names, where=rows.where)
        return rows.page(0, limit, names)[1]

    def selected_rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the selected rows."""
        return self._rows.numbered_rows(self.selected, self._wanted(columns))

    def sql(self) -> str:
        """Return the filter that applies as SQL, empty for all rows."""
        return self.where

    def filter(self, where: Any = None) -> None:
        """Show only rows that match, or all.

        Raises:
            InvalidFilter: the filter cannot be understood; the view stays as it was.
        """
        asked = text_of(self.source, where)
        with self._swap:  # the order in effect may be another one by then
            self._apply(asked, self._rows.order)

    def sort_by(self, order_by: str | None) -> None:
        """Order rows by one column (``"width desc"``), or as in the table.

        Raises:
            InvalidArgument: the values have no order, or there are too many.
        """
        order = None if order_by is None else order_of(self.source, order_by)
        with self._swap:
            self._apply(self.where, order, sort=True)

    def settle(self, timeout: float = 10) -> bool:
        """Wait until everything the front end asked for is answered."""
        return self._lane.settle(timeout)

    def close(self) -> None:
        """Close the widget; its work stops."""
        self._lane.close()
        self._figures.close()
        super().close()

    # Filter and order.

    @t.validate("where")
    def _filtered(self, proposal: Any) -> str:
        """Assigning ``where`` filters; when that is refused, nothing has changed."""
        value = proposal["value"]
        if not self._born or self._applying == threading.get_ident() or value == self.where:
            return value
        if self.by_page:
            raise self.refusal("pages ask for a filter, they do not set it")
        self.filter(value)
        return self.where

    def _ask_again(self, _change: object) -> None:
        self._lane.do(self._catch_up)

    def _catch_up(self) -> None:
        with self._swap:  # or a wish that was read earlier would come after a filter of Python
            self._do_as_wished()

    def _do_as_wished(self) -> None:
        """Apply what the front end wants; what is wrong is said beside it, the rows stay."""
        sort, rows, typed = self.sort, self._rows, self.asked
        order = (self._names[sort["column"]], str(sort["way"])) if sort else None
        asked = typed.strip()
        if asked == self._refused and order != rows.order:
            asked = self.where  # a wrong filter does not keep from sorting
        if (asked or None, order) == (rows.where, rows.order):
            if self.problem.get("about") != "sort":  # that sort was taken back just now
                self.put(problem={})
            return
        about = "filter" if (asked or None) != rows.where else "sort"
        self.put(busy="Filtering …" if about == "filter" else "Sorting …")
        try:
            self._apply(written(asked), order, typed)
        except Exception as error:
            wrong = {"about": about, "message": sentence(error)}
            self.put(problem={**wrong, "hint": redact(getattr(error, "hint", ""))}, busy="")
            self._refused = asked if about == "filter" else None
            if about == "sort" and self.sort == sort:
                self.put(sort=self._sorted())

    def _apply(
        self,
        asked: str,
        order: tuple[str, str] | None,
        typed: str | None = None,
        sort: bool = False,
    ) -> None:
        with self._swap:
            old, new = self._rows, Rows(self.source, asked or None, order)
            self._rows = new
            other = new.where != old.where
            job = self._figures.turn_to(new, same=not other)
            keep = new.numbered and old.numbered
            # What was wished while this one was read is the next question, not ours to overwrite.
            # The order a page wished stands in ``sort`` already: only Python's has to be told.
            kept: dict[str, Any] = {"sort": self._sorted()} if sort else {}
            if typed is None or self.asked == typed:
                kept["asked"] = asked
            self._applying = threading.get_ident()
            self.put(
                where=asked, **kept, count=new.count, problem={}, busy="",
                epoch=self.epoch + 1, at=[0, max(0, self.at[1])],
                **({} if keep else {"selected": []}), **({"stats": {}} if other else {}),
            )  # fmt: skip
            self._applying = None
        self._describe()
        if other and job is not None and new.count:
            self._measure_first(job)

    def _sorted(self) -> dict[str, Any]:
        order = self._rows.order
        return {} if order is None else {"column": self._names.index(order[0]), "way": order[1]}

    def _choose(self, _change: object) -> None:
        self._describe()
        job = self._figures.job
        if job is not None and job.state != "running" and self._missing():
            self._measure_first(job)

    # Words.

    def _places(self, columns: Sequence[str] | None) -> list[int]:
        if columns is None:
            return list(range(min(len(self._names), MAX_COLUMNS)))
        return [self._names.index(name) for name in self._wanted(columns)]

    def _wanted(self, columns: Sequence[str] | None) -> list[str]:
        if columns is None:
            schema = self.source.schema
            names = [self._names[p] for p in self.shown]
            return [n for n in names if readable(n) and not is_blob(schema.field(n))] or names[:1]
        wanted = [columns] if isinstance(columns, str) else list(columns)
        for name in wanted:
            if name not in self._names:
                known = ", ".join(self._names[:30])
                raise ColumnNotFound(
                    f"{self.source.title} has no column {name!r}", hint=f"columns: {known}"
                )
        return list(dict.fromkeys(wanted))

    def _describe(self) -> None:
        """Keep the line of Python that gives the same rows."""
        names = [self._names[p] for p in self.shown]
        self.put(code=code_line(self._rows, names, self._artefact))

    def _static(self) -> tuple[str, str]:
        return static_form(self)
