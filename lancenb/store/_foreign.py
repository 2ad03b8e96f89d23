"""Tables of strangers: do they hold their data themselves?

A Lance table may refer to files anywhere: cells of a blob column to any address or file of the
machine that reads them, whole data files to other base paths. Whoever reads such a table copies
what it names, a private key for instance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lancenb.errors import UnsafeInput

from ._raw import lance_errors
from ._redact import redact

if TYPE_CHECKING:
    import pyarrow as pa

_HINT = "it may be meant to copy files of yours; tell its owner"


def check_self_contained(dataset: Any, where: str) -> None:
    """Refuse a table of strangers that names files which are not its own.

    Args:
        dataset: an open table, at the version that will be read.
        where: what to call it.

    Raises:
        UnsafeInput: a cell or a data file lies elsewhere.
    """
    with lance_errors(where):
        if dataset.base_paths():
            raise UnsafeInput(f"{where} keeps data files elsewhere", hint=_HINT)
        for column in _blobs(dataset.schema):
            names = ".".join(f"`{step}`" for step in (*column, "blob_uri"))
            found = dataset.scanner(
                columns=[column[0]], filter=f"{names} != ''", limit=1,
                blob_handling="blobs_descriptions",
            ).to_table()  # fmt: skip
            if found.num_rows:
                cell: Any = found.column(0)[0].as_py()
                for step in (*column[1:], "blob_uri"):
                    cell = cell[step]
                raise UnsafeInput(
                    f"{where}, column {'.'.join(column)!r}, names the file "
                    f"{redact(cell).rpartition('/')[2]!r} elsewhere instead of holding it",
                    hint=_HINT,
                )


def _blobs(fields: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the paths of columns whose cells may be references."""
    import pyarrow as pa

    field: pa.Field
    for field in fields:
        path = (*above, field.name)
        if str(getattr(field.type, "extension_name", "")).startswith("lance.blob"):
            yield path
        elif pa.types.is_struct(field.type):
            yield from _blobs(field.type.fields, path)
