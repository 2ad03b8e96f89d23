"""Histories in the forms people have them, as columns: results, tables, files, artefacts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lancenb.errors import EmptyInput, InvalidArgument, SourceNotFound, UnsupportedFormat

#: Columns of other programs that mean the step, the epoch or the seconds.
_STEPS = ("step", "global_step", "iteration", "iter")
_TIMES = ("time", "seconds", "elapsed")
Columns = dict[str, np.ndarray]


def histories(thing: Any) -> Iterator[tuple[str, Columns]]:
    """Yield the name and the columns of each run in ``thing``.

    Args:
        thing: a fit result, a history (mapping of columns, rows, Arrow or pandas table, numbers),
            a mapping of names to histories, a CSV file or the folder of a ``CSVLogger``, or an
            artefact that holds a history.

    Raises:
        InvalidArgument: nothing of these.
        EmptyInput: no figures in it.

    >>> [(name, sorted(columns)) for name, columns in histories({"loss": [2.0, 1.0]})]
    [('run', ['loss', 'step'])]
    """
    if isinstance(thing, str | os.PathLike):
        path = _file(thing)
        yield from _split(_csv(path), _file_title(path))
    elif hasattr(thing, "load_weights") and hasattr(thing, "kind"):
        yield from _split(_artifact(thing), str(thing.name))
    elif hasattr(thing, "history"):
        yield from _split(_table(thing.history), _result_title(thing))
    elif isinstance(thing, Mapping) and thing and all(_is_history(v) for v in thing.values()):
        for name, value in thing.items():
            for _, columns in histories(value):
                yield str(name), columns
    else:
        yield from _split(_table(thing), "run")


def _is_history(value: Any) -> bool:
    """Whether a value of a mapping is a history of its own, not a column."""
    if isinstance(value, str | os.PathLike | Mapping | pa.Table) or hasattr(value, "history"):
        return True
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return True
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _table(thing: Any) -> pa.Table:
    """Any table-like history as an Arrow table."""
    try:
        if isinstance(thing, pa.Table):
            return thing
        if isinstance(thing, pa.RecordBatch):
            return pa.table(thing)
        if hasattr(thing, "columns") and hasattr(thing, "to_dict"):
            return pa.Table.from_pandas(thing.reset_index(drop=True), preserve_index=False)
        if isinstance(thing, Mapping):
            return pa.table({str(k): _column(v) for k, v in thing.items()})
        if isinstance(thing, np.ndarray) and thing.ndim == 1:
            return pa.table({"value": thing})
        if isinstance(thing, Sequence) and thing:
            if all(isinstance(row, Mapping) for row in thing):
                names = dict.fromkeys(str(key) for row in thing for key in row)
                return pa.table({n: _column([row.get(n) for row in thing]) for n in names})
            if all(isinstance(value, Real) for value in thing):
                return pa.table({"value": _column(thing)})
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InvalidArgument(
            f"this {type(thing).__name__} is no history: {error}",
            hint="all columns of a history have the same length and hold numbers",
        ) from None
    raise InvalidArgument(
        f"{type(thing).__name__} is no history of a training",
        hint="give a fit result, a mapping of columns, a table, or a CSV file",
    )


def _column(values: Any) -> pa.Array:
    if isinstance(values, np.ndarray | pa.Array | pa.ChunkedArray):
        return pa.array(values) if isinstance(values, np.ndarray) else values
    return pa.array(
        [None if v is None or isinstance(v, str) else float(v) for v in values]
        if not all(isinstance(v, str) for v in values)
        else list(values)
    )


def _split(table: pa.Table, title: str) -> Iterator[tuple[str, Columns]]:
    """One history, or one per value of a text column ``run``."""
    if "run" in table.column_names and pa.types.is_string(table.schema.field("run").type):
        names = table["run"].unique().to_pylist()
        for name in names:
            part = table.filter(pa.compute.equal(table["run"], name)).drop_columns(["run"])
            yield str(name), _columns(part)
    else:
        yield title, _columns(table)


def _columns(table: pa.Table) -> Columns:
    """Numeric columns as arrays, nulls masked; the step is counted where nothing says it."""
    found: Columns = {}
    lower = {name.lower(): name for name in reversed(table.column_names)}
    step = next((lower[name] for name in _STEPS if name in lower), None)
    seconds = next((lower[name] for name in _TIMES if name in lower), None)
    known = (("step", step), ("time", seconds), ("epoch", lower.get("epoch")))
    renamed = {name or axis: axis for axis, name in known}
    for name in table.column_names:
        column = _numbers(table[name])
        if column is not None:
            found[renamed.get(name) or str(name)] = column
    figures = set(found) - {"step", "epoch", "time"}
    if not figures or not table.num_rows:
        raise EmptyInput("there are no figures in this history", hint="columns of numbers, by step")
    if "step" in found and not np.ma.getmaskarray(found["step"]).any():
        found["step"] = np.ma.getdata(found["step"])
    else:
        found["step"] = np.arange(1, table.num_rows + 1, dtype=np.float64)
    for axis in ("epoch", "time"):
        if axis in found:
            found[axis] = np.ma.filled(found[axis], math.nan)
    if "epoch" in found:
        found["epoch"] = _within(found["epoch"])
    return found


def _numbers(column: pa.ChunkedArray) -> np.ndarray | None:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        return None
    missing = column.is_null().to_numpy()
    values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return np.ma.MaskedArray(np.where(missing, np.nan, values), mask=missing)


def _within(epochs: np.ndarray) -> np.ndarray:
    """Whole epochs of several steps each, spread evenly, so that the steps lie beside each other.

    >>> _within(np.array([0.0, 0.0, 1.0, 1.0])).tolist()
    [0.5, 1.0, 1.5, 2.0]
    """
    known = np.isfinite(epochs)
    counts = epochs[known]
    if not len(counts) or (counts != np.floor(counts)).any() or (np.diff(counts) < 0).any():
        return epochs
    starts = np.flatnonzero(np.r_[True, np.diff(counts) > 0])
    lengths = np.diff(np.r_[starts, len(counts)])
    if (lengths == 1).all():
        return epochs
    place = np.arange(len(counts)) - np.repeat(starts, lengths) + 1
    spread = np.full(len(epochs), np.nan)
    spread[known] = counts + place / np.repeat(lengths, lengths)
    return spread


def _file(thing: str | os.PathLike[str]) -> Path:
    path = Path(thing).expanduser()
    if path.is_dir():
        path = path / "metrics.csv"
    if not path.is_file():
        raise SourceNotFound(
            f"there is no file {str(path)!r} with curves",
            hint="the CSV file of a training, or the folder of Lightning's CSVLogger",
        )
    if path.suffix.lower() not in (".csv", ".tsv", ".txt"):
        raise UnsupportedFormat(
            f"{path.name} is no CSV file", hint="read it and pass the table to lnb.curves"
        )
    return path


def _csv(path: Path) -> pa.Table:
    from pyarrow import csv

    try:
        return csv.read_csv(
            path, parse_options=csv.ParseOptions(delimiter="\t" if path.suffix == ".tsv" else ",")
        )
    except pa.ArrowException as error:
        raise UnsupportedFormat(f"{path.name} cannot be read as CSV: {error}") from None


def _file_title(path: Path) -> str:
    """The name of the file, or of its folder when the file is just called metrics.csv."""
    return path.resolve().parent.name if path.stem == "metrics" else path.stem


def _result_title(result: Any) -> str:
    name = getattr(result, "name", "") or getattr(
        getattr(result, "model", None), "architecture", ""
    )
    version = getattr(result, "version", None)
    return f"{name} v{version}" if name and version else str(name or "run")


def _tells_of_training(column: str) -> bool:
    word = column.lower()
    return word in (*_STEPS, "epoch") or "loss" in word


def _artifact(artifact: Any) -> pa.Table:
    """The history stored beside weights, or the rows of a table."""
    if artifact.kind != "weights":
        rows = artifact.search_rows(limit=None) if artifact.kind == "table" else None
        if rows is None or not any(_tells_of_training(name) for name in rows.column_names):
            raise InvalidArgument(
                f"'{artifact.name}' is no history of a training",
                hint="a history has a column 'step' or 'epoch', or a loss; lnb.preview(...) shows"
                " any table",
            )
        return rows
    one = artifact.search_rows(columns=["name"], limit=1)["name"].to_pylist()
    history = artifact.load_weights(only=one).extras.get("lancenb.history")
    if not history:
        raise EmptyInput(
            f"'{artifact.name}' holds no history of a training",
            hint="weights that lnb.fit stored hold one",
        )
    return _table(history)
