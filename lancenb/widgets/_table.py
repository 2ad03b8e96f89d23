"""The first rows of any table, and what each column holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ColumnNotFound, InvalidArgument
from ._display import Preview, card, esc, heading, table
from ._filter import combine
from ._format import cell, count, number, plural, text_table
from ._plots import bin_counts, spark
from ._target import Target
from ._values import value_of, values_of

if TYPE_CHECKING:
    import pyarrow as pa

#: Column figures come from at most so many rows and bytes.
STAT_ROWS = 50_000
STAT_BYTES = 64_000_000
#: Columns drawn unless chosen by name.
MAX_COLUMNS = 30


def summary(
    target: Target,
    *,
    rows: int = 10,
    page: int | None = None,
    columns: Sequence[str] | None = None,
    where: Any = None,
) -> Preview:
    """Draw rows of a table with a line of figures per column.

    Raises:
        ColumnNotFound: ``columns`` names one that the table does not have.
    """
    names = _chosen(target, columns)
    condition = combine(target, where)
    total = int(target.dataset.count_rows(condition))
    start = ((page or 1) - 1) * rows
    found = _rows(target, names, condition, rows, start)
    taken = [values_of(column) for column in found.columns]
    records = [dict(zip(names, row, strict=True)) for row in zip(*taken, strict=True)]
    fields = [target.schema.field(n) for n in names]
    figures, sampled = _figures(target, fields, condition)
    facts = [plural(target.dataset.count_rows() if condition else total, "row")]
    if condition:
        facts.append(f"{count(total)} match")
    facts.append(plural(len(target.schema.names), "column"))
    left_out = len(target.schema.names) - len(names) if columns is None else 0
    numeric = [_is_number(f.type) for f in fields]
    rows_html = rows_table(fields, records)
    columns_html = figures_table(figures)
    if records:
        foot = f"Rows {count(start + 1)}-{count(start + len(records))} of {count(total)}."
    else:
        foot = "No row matches." if condition else "The table is empty."
    if sampled < total:
        foot += f" Figures per column from the first {count(sampled)} rows."
    if left_out:
        foot += f" {plural(left_out, 'column')} not shown; choose with columns=[...]."
    chips = [target.kind, f"version {target.version}"]
    fold = f"<details><summary>Columns in figures</summary>{columns_html}</details>"
    html = card(
        target.title,
        chips,
        facts,
        rows_html if records else "",
        fold if total else "",
        foot=esc(foot),
    )
    lines = [heading(target.title, chips, facts)]
    if records:
        lines.append(
            text_table(names, [[cell(record[n], 60) for n in names] for record in records], numeric)
        )
    lines.append(foot)
    data = {"rows": total, "columns": figures, "sampled": sampled, "shown": len(records)}
    return Preview(html, "\n".join(lines), data)


def rows_table(fields: Sequence[pa.Field], records: Sequence[dict[str, Any]]) -> str:
    """Return rows as an HTML table with the type below every name."""
    return table(
        [f"{esc(f.name)}<small>{esc(_type(f.type))}</small>" for f in fields],
        [[_cell(record[f.name], f.type) for f in fields] for record in records],
        numeric=[_is_number(f.type) for f in fields],
        label="rows",
        row_header=False,
    )


def figures_table(figures: Sequence[dict[str, Any]]) -> str:
    """Return one row of figures per column as an HTML table."""
    return table(
        ["column", "type", "null", "distinct", "min", "max", "mean", "values"],
        [
            [
                esc(f["column"]),
                esc(f["type"]),
                _percent(f["nulls"]),
                f["distinct"],
                esc(f["min"]),
                esc(f["max"]),
                esc(f["mean"]),
                spark(f["bins"], f"values of {f['column']}") if f["bins"] else esc(f["top"]),
            ]
            for f in figures
        ],
        numeric=[False, False, True, True, True, True, True, False],
        label="columns",
    )


def _chosen(target: Target, columns: Sequence[str] | None) -> list[str]:
    known = list(target.schema.names)
    if columns is None:
        return known[:MAX_COLUMNS]
    if not isinstance(columns, (str, Sequence)):
        raise InvalidArgument(f"columns={columns!r:.60} is no list of names")
    wanted = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    for name in wanted:
        if name not in known:
            raise ColumnNotFound(
                f"{target.title} has no column {name!r}", hint="columns: " + ", ".join(known[:30])
            )
    return wanted


def _rows(
    target: Target, names: list[str], condition: str | None, limit: int, offset: int
) -> pa.Table:
    scanner = target.dataset.scanner(columns=names, filter=condition, limit=limit, offset=offset)
    return scanner.to_table()


def _figures(
    target: Target, fields: list[pa.Field], condition: str | None
) -> tuple[list[dict[str, Any]], int]:
    """Measure the cheap columns over a bounded number of rows and bytes."""
    import pyarrow as pa

    cheap = [f for f in fields if _is_cheap(f.type)]
    batches, nbytes, sampled = [], 0, 0
    if cheap:
        scanner = target.dataset.scanner(
            columns=[f.name for f in cheap], filter=condition, limit=STAT_ROWS, batch_size=4096
        )
        for batch in scanner.to_batches():
            batches.append(batch)
            sampled += batch.num_rows
            nbytes += batch.nbytes
            if nbytes > STAT_BYTES:
                break
    sample = pa.Table.from_batches(batches) if batches else None
    result = []
    for field in fields:
        known = sample is not None and field.name in sample.schema.names and sample.num_rows > 0
        result.append(_column(field, sample[field.name] if sample is not None and known else None))
    return result, sampled


def _column(field: pa.Field, values: pa.ChunkedArray | None) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    facts: dict[str, Any] = {"column": field.name, "type": _type(field.type)}
    facts.update(nulls=None, distinct="", min="", max="", mean="", top="", bins=[])
    if values is None:
        return facts
    kind = field.type
    facts["nulls"] = values.null_count / max(1, len(values))
    present = values.drop_null()
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        present = present.cast(kind)
    if not len(present):
        return facts
    facts["distinct"] = count(pc.count_distinct(present).as_py())
    if _is_number(kind):
        _measure(facts, present, kind)
        return facts
    if pa.types.is_boolean(kind):
        facts["mean"] = f"{100 * (pc.mean(present).as_py() or 0):.3g} % true"
        return facts
    bounds = pc.min_max(present)
    facts["min"], facts["max"] = (cell(value_of(bounds[end]), 24) for end in ("min", "max"))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        length = pc.mean(pc.utf8_length(present)).as_py() or 0.0
        facts["mean"] = f"{number(length)} characters"
    tally = pc.value_counts(present)
    times = tally.field("counts").to_pylist()
    if max(times) > 1:
        common = value_of(tally.field("values")[times.index(max(times))])
        facts["top"] = f"{cell(common, 24)} ({count(max(times))} times)"
    return facts


def _measure(facts: dict[str, Any], present: pa.ChunkedArray, kind: pa.DataType) -> None:
    import numpy as np
    import pyarrow as pa

    values = present.to_numpy()
    floats = np.asarray(values, dtype=np.float64)
    finite = floats[np.isfinite(floats)]
    if not finite.size:
        return
    whole = pa.types.is_integer(kind)
    low, high = float(finite.min()), float(finite.max())
    facts["min"] = number(int(values.min()) if whole else low)
    facts["max"] = number(int(values.max()) if whole else high)
    facts["mean"] = number(float(finite.mean()))
    if high > low:
        counted = bin_counts(
            finite, int(high - low) + 1 if whole and high - low < 22 else 22, low, high
        )
        facts["bins"] = counted[0].tolist() if counted else []


def _percent(part: float | None) -> str:
    return "" if part is None else "0" if part == 0 else f"{max(100 * part, 0.1):.3g} %"


def _cell(value: Any, kind: pa.DataType) -> str:
    if value is None:
        return '<span class="lnb-dim">null</span>'
    text = cell(value)
    if isinstance(value, bytes):
        return f'<span class="lnb-dim">{esc(text)}</span>'
    if isinstance(value, str) and len(value) > 60:
        return f'<span title="{esc(cell(value, 600))}">{esc(text)}</span>'
    return esc(text)


def _type(kind: pa.DataType) -> str:
    text = str(getattr(kind, "extension_name", "") or kind)
    return text if len(text) <= 40 else text[:39] + "…"


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    )


def _is_cheap(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_cheap(kind.value_type)
    return bool(
        _is_number(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_temporal(kind)
    )
