"""What is said when the version that is read has been cleaned up meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import CorruptInput, VersionNotFound
from ..store import lance_errors, open_table


@contextmanager
def pinned_reads(*tables: Any) -> Iterator[None]:
    """Read from pinned tables.

    Raises:
        VersionNotFound: the version of one of them was removed while it was read, which Lance
            calls damaged.
    """
    try:
        yield
    except CorruptInput as error:
        for table in tables:
            if not _is_there(table):
                raise VersionNotFound(
                    f"version {table.version} of '{table.name}' was cleaned up while it was read",
                    hint="read the newest version; a version that has a tag is never cleaned up",
                ) from error
        raise


@contextmanager
def table_reads(table: Any) -> Iterator[None]:
    """Read from a pinned table; what Lance raises comes as an error of the house.

    Raises:
        VersionNotFound: its version was removed while it was read.
        LancenbError: it is damaged, or cannot be reached.
    """
    with pinned_reads(table), lance_errors(table.uri, table.store):
        yield


def _is_there(table: Any) -> bool:
    if table is None or table.options is not None:
        return True
    try:
        open_table(table.uri, table.store, table.version)
    except VersionNotFound:
        return False
    return True


def tables_of(dataset: Any) -> list[Any]:
    """The pinned tables that a data set, or a mixture of some, reads from."""
    sources = getattr(dataset, "sources", None) or [dataset]
    return [getattr(source, "table", None) for source in sources]
