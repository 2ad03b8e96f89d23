"""Back-filling a column: computed by Ray's workers, fragment by fragment."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..data._hash import whole
from ..data._table import PinnedTable
from ..errors import AlreadyExists, EmptyInput, InvalidArgument, InvalidName
from ..store import lance_errors, lance_module, redact
from ._ray import lance_ray_module, running
from .reading import check_columns, storage_options

if TYPE_CHECKING:
    import pyarrow as pa

    from ..store import Store


def add_column(
    source: Any,
    name: str,
    fn: Callable[[pa.RecordBatch], Any],
    *,
    columns: Sequence[str] | None = None,
    type: pa.DataType | None = None,
    batch_size: int = 1024,
    tasks: int | None = None,
    store: Store | None = None,
) -> int:
    """Add a column to every row of a table as its next version, by lance-ray's ``add_columns``.

    The rows there are stay where they are: only the new column is written. Older versions stay
    without it.

    Args:
        source: artefact, path or URI.
        name: the new column.
        fn: called with a record batch of ``columns``; returns one value per row: an Arrow or
            numpy array, or a list.
        columns: columns that ``fn`` needs; all by default, which may be much to read.
        type: Arrow type of the column; default: that of the values for the first rows.
        batch_size: rows that ``fn`` gets at once.
        tasks: workers at the same time; as many as Ray has processors by default.
        store: credentials for a URI.

    Returns:
        The number of the new version.

    Raises:
        MissingDependency: Ray or lance-ray is not installed.
        AlreadyExists: there is such a column.
        Conflict: another writer changed the table meanwhile; nothing was changed here.
        EmptyInput: the table has no rows.
        InvalidArgument: ``fn`` fails, or gives values of another number or type; an argument of
            a wrong type.
        InvalidName: Lance has no column of such a name (one with a dot or a backtick in it).

    >>> add_column(dm["points"], "square", lambda b: pc.multiply(b["x"], b["x"]))  # doctest: +SKIP
    """
    _check_arguments(name, fn, columns, type, batch_size, tasks, store)
    adder = lance_ray_module()
    with _lease(source):
        table = PinnedTable(source, None, store)
        if name in table.dataset.schema.names:
            raise AlreadyExists(
                f"'{table.name}' has a column {name!r} already", hint="choose another name"
            )
        check_columns(table, columns)
        needed = None if columns is None else list(columns)
        column = Column(name, fn, type or _found_type(table, name, fn, needed, batch_size))
        with running() as ray, lance_errors(table.uri, table.store), _failed(name):
            adder.add_columns(
                table.uri,
                transform=column.udf(),
                read_columns=needed,
                read_version=table.version,
                storage_options=storage_options(table),
                batch_size=batch_size,
                concurrency=tasks or max(1, int(ray.cluster_resources().get("CPU", 1))),
            )
        head = PinnedTable(source, None, store)
        manager = getattr(source, "_manager", None)
        if manager is not None:
            manager._refresh(manager._entry(source), "", (), {}, ())
    return head.version


def _check_arguments(
    name: Any, fn: Any, columns: Any, type: Any, batch_size: Any, tasks: Any, store: Any
) -> None:
    """Refuse what is of a wrong type, before Ray is started and anything is opened."""
    import pyarrow as pa

    from ..store import Store

    _check_name(name)
    if not callable(fn):
        raise InvalidArgument(
            f"fn={fn!r:.60} is no function, so it gives no values for the column {name!r}",
            hint="lambda batch: [5] * batch.num_rows gives every row the same one",
        )
    listed = isinstance(columns, Sequence) and all(isinstance(each, str) for each in columns)
    if columns is not None and (isinstance(columns, str) or not listed):
        raise InvalidArgument(f"columns={columns!r:.60} is no list of names")
    if type is not None and not isinstance(type, pa.DataType):
        raise InvalidArgument(
            f"type={type!r:.60} is no Arrow type", hint="for example type=pa.float32()"
        )
    whole("batch_size", batch_size, 1)
    if tasks is not None:
        whole("tasks", tasks, 1)
    if store is not None and not isinstance(store, Store):
        raise InvalidArgument(f"store is a lancenb.Store, not {store.__class__.__name__}")


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name or name.startswith("_row"):
        raise InvalidName(f"{name!r:.60} cannot be the name of a column")
    # Lance takes a dot for a field inside another one and does not find the others again, which it
    # says after all of the work is done
    wrong = next((mark for mark in name if mark in ".`\0" or "\ud800" <= mark <= "\udfff"), None)
    if wrong is not None:
        raise InvalidName(
            f"{name!r:.60} cannot be the name of a column, because of the character {wrong!r}",
            hint="letters, digits and _ always work",
        )


_OF_FUNCTION = re.compile(r"Failed to add columns: Invalid user input: (?P<told>[^\n]+)")


class Column:
    """Makes batches of the one new column; travels to Ray's workers.

    Args:
        name: the column.
        fn: gives its values.
        type: their Arrow type.
    """

    def __init__(self, name: str, fn: Callable[[pa.RecordBatch], Any], type: pa.DataType):
        self.name, self.fn, self.type = name, fn, type

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the new column for the rows of a batch.

        Raises:
            InvalidArgument: values of another number or type.
        """
        import pyarrow as pa

        try:
            values = as_array(self.fn(batch), self.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
            raise InvalidArgument(
                f"values for the column {self.name!r} are no {self.type}: "
                f"{str(error).splitlines()[0]}",
                hint="type= says what the column holds",
            ) from None
        if len(values) != batch.num_rows:
            raise InvalidArgument(
                f"{batch.num_rows} rows were given {len(values)} values for the column "
                f"{self.name!r}"
            )
        return pa.RecordBatch.from_arrays([values], names=[self.name])

    def udf(self) -> Any:
        """Return it as Lance wants it: a plain function would be tried on a single row first."""
        import pyarrow as pa

        made = lance_module().batch_udf(output_schema=pa.schema([(self.name, self.type)]))
        return made(self)


def as_array(values: Any, type: pa.DataType | None = None) -> pa.Array:
    """Turn values (Arrow, numpy of one or more axes, or a list) into one Arrow array."""
    import numpy as np
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values if type is None or values.type.equals(type) else values.cast(type)
    if isinstance(values, np.ndarray) and values.ndim > 1:
        made = pa.array(values.reshape(-1))
        for size in reversed(values.shape[1:]):
            made = pa.FixedSizeListArray.from_arrays(made, size)
        return made if type is None else made.cast(type)
    return pa.array(values, type)


def _found_type(
    table: PinnedTable, name: str, fn: Callable[[Any], Any], columns: list[str] | None, rows: int
) -> pa.DataType:
    """Ask ``fn`` about the first rows: its type, and whether it works at all."""
    import pyarrow.types as pt

    with lance_errors(table.uri, table.store):
        scanner = table.dataset.scanner(columns=columns, limit=rows, batch_size=rows)
        batch = next(iter(scanner.to_batches()), None)
    if batch is None or not batch.num_rows:
        raise EmptyInput(f"'{table.name}' has no rows to compute {name!r} for")
    try:
        values = fn(batch)
    except Exception as error:
        raise InvalidArgument(
            f"the function for the column {name!r} failed:"
            f" {error.__class__.__name__}: {redact(str(error))}",
            hint="nothing was changed",
        ) from error
    try:
        found = as_array(values)
    except Exception as error:  # Arrow asks the values themselves, whatever they are
        said = str(error).partition("\n")[0] or error.__class__.__name__
        raise InvalidArgument(
            f"the function for the column {name!r} gave no values of one type, but"
            f" {values.__class__.__name__}: {said}",
            hint="one value per row: an Arrow or numpy array, or a list",
        ) from error
    if pt.is_null(found.type):
        raise InvalidArgument(
            f"the values of {name!r} for the first rows are all missing, so they have no type",
            hint="give one, such as type=pa.float32()",
        )
    return Column(name, lambda _: found, found.type)(batch).column(0).type


@contextlib.contextmanager
def _failed(name: str) -> Iterator[None]:
    """Tell a failure of the user's function from one of the store; Lance keeps its text only."""
    try:
        yield
    except RuntimeError as error:
        found = _OF_FUNCTION.search(str(error))
        if found is None:
            raise
        kind, _, told = redact(found["told"]).partition(": ")
        if kind != "InvalidArgument":  # what Column itself says says it all
            told = f"the function for the column {name!r} failed: {kind}: {told}"
        raise InvalidArgument(told, hint="nothing was changed") from error


@contextlib.contextmanager
def _lease(source: Any) -> Iterator[None]:
    """Hold the writer's lease of an artefact; a bare table has none."""
    manager = getattr(source, "_manager", None)
    if manager is None:
        yield
        return
    with manager._writing(source):
        yield
