"""A table of the catalogue as a Ray data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..catalog.filters import check_sql, to_sql
from ..data._table import PinnedTable
from ..store import lance_errors
from ._ray import lance_ray_module, start

if TYPE_CHECKING:
    from ..data._rows import Filter
    from ..store import Store


def to_ray(
    source: Any,
    *,
    columns: Sequence[str] | None = None,
    filter: Filter | None = None,
    version: int | str | None = None,
    store: Store | None = None,
    **options: Any,
) -> Any:
    """Read a table as a ``ray.data.Dataset``, by lance-ray's ``read_lance``.

    Ray is started when it does not run yet, and goes on running, since the data set is read when
    it is used; ``ray.shutdown()`` ends it.

    Args:
        source: artefact, path, URI or open Lance dataset.
        columns: these columns; all by default.
        filter: SQL text, or triples ``(column, op, value)``.
        version: version number or tag; None pins what is the head now.
        store: credentials for a URI.
        **options: for ``lance_ray.read_lance``: ``concurrency``, ``override_num_blocks``,
            ``ray_remote_args``, ``scanner_options`` ...

    Raises:
        MissingDependency: Ray or lance-ray is not installed.
        NotFound: no such table, version or tag.
        ColumnNotFound: a column that the table does not have.
        InvalidFilter: a filter that cannot be understood.

    >>> to_ray(dm["points"], filter="x > 1").count()  # doctest: +SKIP
    """
    reader = lance_ray_module()
    table = PinnedTable(source, version, store)
    dataset = table.dataset
    check_columns(table, columns)
    sql = check_sql(dataset, to_sql(filter, dataset.schema)) if filter else None
    start()
    with lance_errors(table.uri, table.store):
        return reader.read_lance(
            table.uri,
            columns=None if columns is None else list(columns),
            filter=sql,
            storage_options=storage_options(table),
            dataset_options={"version": table.version},
            **options,
        )


def storage_options(table: PinnedTable) -> dict[str, str] | None:
    """Return the options that open a pinned table again in another process (they hold secrets)."""
    if table.store is not None:
        return table.store.storage_options
    if table.options is not None:
        return table.options
    from ..store import Store

    return Store(table.uri).storage_options if "://" in table.uri else None


def check_columns(table: PinnedTable, columns: Sequence[str] | None) -> None:
    """Refuse columns that a table does not have.

    Raises:
        ColumnNotFound: naming the first.
        InvalidArgument: a single text instead of a list.
    """
    from ..errors import ColumnNotFound, InvalidArgument

    names = table.dataset.schema.names
    if isinstance(columns, str):
        raise InvalidArgument(f"columns is a list of names, not the text {columns!r}")
    for column in columns or ():
        if column not in names:
            raise ColumnNotFound(
                f"'{table.name}' has no column '{column}'", hint=f"it has {', '.join(names)}"
            )
