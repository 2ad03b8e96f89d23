"""Filters on rows: typed triples ``(column, op, value)`` compiled to SQL, or SQL as written.

Rules for triples:

* Several triples are joined by AND; a list of lists is an OR of ANDs.
* Column names are matched exactly and quoted; ``"meta.width"`` reaches into a struct.
* Values are typed literals of the column's type. Text never becomes SQL.
* A null matches only tests that ask for null: ``("a", "is", None)``, ``("a", "=", None)``,
  ``("a", "in", [1, None])``.
* NaN is neither less nor greater than anything; ``("a", "=", nan)`` finds it, ``!=`` avoids it.
* A datetime without zone, compared with a column that has one, is taken as UTC.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from lancenb.errors import ColumnNotFound, InvalidFilter

from ._literals import (
    counted,
    counted_literal,
    counted_range,
    counted_type,
    list_type,
    literal,
    quote,
    text_type,
)
from ._names import did_you_mean
from ._sqldepth import check_depth
from ._sqltext import balanced, shortened

Where = Any
OPERATORS = (
    *("=", "!=", ">", ">=", "<", "<=", "in", "not in"),
    *("like", "ilike", "contains", "is", "is not"),
)
_SAME = {"==": "=", "<>": "!="}
_PARTS = 2000  # Lance runs out of stack, and takes the process with it, at some 20,000


def to_sql(where: Where, schema: pa.Schema) -> str | None:
    """Compile a filter for a table with ``schema``.

    Args:
        where: ``None``, an SQL condition (kept as it is), one triple, a list of triples (AND), or
            a list of such lists (OR).
        schema: Arrow schema of the table.

    Raises:
        ColumnNotFound: no such column.
        InvalidFilter: an unknown operator, or a value that does not fit the column.

    >>> import pyarrow as pa
    >>> to_sql([("name", "=", "o'x"), ("n", ">", 3)], pa.schema({"name": "string", "n": "int64"}))
    "(`name` = 'o''x') AND (`n` > 3)"
    """
    if where is None:
        return None
    if isinstance(where, str):
        if not where.strip():
            raise InvalidFilter("the filter is empty text", hint="pass None for all rows")
        if not balanced(where):
            raise InvalidFilter(
                f"the filter {shortened(where)} has a parenthesis without a partner",
                hint="every '(' outside quotes needs its ')'",
            )
        # In parentheses a second statement, LIMIT or ORDER BY is an error; Lance would drop it.
        return f"({check_depth(where)}\n)"
    if _is_triple(where):
        where = [where]
    if not isinstance(where, Iterable) or isinstance(where, (bytes, dict)):
        raise _shape(where)
    parts = list(where)
    if not parts:
        return None
    if len(parts) > _PARTS:
        raise InvalidFilter(f"the filter has over {_PARTS:,} parts", hint="use 'in' and a list")
    if all(isinstance(part, list) and not _is_triple(part) for part in parts):
        if any(isinstance(item, list) and not _is_triple(item) for part in parts for item in part):
            raise _shape(where)
        return " OR ".join(f"({to_sql(part, schema) or 'true'})" for part in parts)
    if not all(_is_triple(part) for part in parts):
        raise _shape(where)
    return " AND ".join(f"({_triple(schema, *part)})" for part in parts)


def column(schema: pa.Schema, name: object) -> tuple[str, pa.DataType]:
    """Return the quoted form and the type of a column or struct field.

    Raises:
        ColumnNotFound: with a suggestion.
    """
    if not isinstance(name, str):
        raise InvalidFilter(f"a column is named by text, not {type(name).__name__}")
    path: list[str] = []
    kind: pa.DataType | None = None
    if name in schema.names:
        path, kind = [name], schema.field(name).type
    else:
        fields: Any = schema
        for piece in name.split("."):
            if fields is None or piece not in fields.names:
                known = [] if fields is None else list(fields.names)
                where = f"field {'.'.join(path)!r}" if path else "table"
                raise ColumnNotFound(
                    f"the {where} has no column {name!r}", hint=did_you_mean(piece, known)
                )
            kind = fields.field(piece).type
            path.append(piece)
            fields = kind if pt.is_struct(kind) else None
    if any("`" in piece for piece in path):
        raise InvalidFilter(f"column {name!r} holds a backtick and cannot be filtered on")
    assert kind is not None
    return ".".join(f"`{piece}`" for piece in path), kind


def check_sql(dataset: Any, sql: str | None) -> str | None:
    """Let Lance plan the filter without reading rows, so that mistakes surface as typed errors.

    Raises:
        ColumnNotFound: the SQL names a column that is not there.
        InvalidFilter: the SQL cannot be understood.
    """
    if sql is None:
        return None
    try:
        dataset.scanner(filter=sql, columns=[], with_row_id=True).explain_plan()
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise sql_error(error, sql, dataset.schema) from None
    return sql


def sql_error(error: BaseException, sql: str, schema: pa.Schema) -> InvalidFilter | ColumnNotFound:
    """Return the typed error for what Lance said about ``sql``."""
    text = str(error)
    if sql.startswith("(") and sql.endswith("\n)"):
        sql = sql[1:-2]
    missing = re.search(r"No field named ([^\s,]+?)\.? |Column (\S+) does not exist", text + " ")
    if missing:
        name = (missing.group(1) or missing.group(2)).strip("\"'`.")
        hint = did_you_mean(name, schema.names)
        if re.search(rf"[=<>~]\s*{re.escape(name)}\b", sql):
            hint += f"; text needs single quotes: '{name}'"
        return ColumnNotFound(
            f"the filter {shortened(sql)} names {name!r}, which the table does not have",
            hint=hint,
        )
    text = re.sub(r", /\S+\.rs:\d+:\d+", "", text)
    text = re.sub(r"(LanceError\(\w+\)|Invalid user input|Error parsing statement): ", "", text)
    text = re.sub(r"SELECT 1 FROM t WHERE .*?\(", "(", text, flags=re.DOTALL)
    reason = " ".join(text.split())[:200]
    return InvalidFilter(
        f"the filter {shortened(sql)} cannot be used: {reason}",
        hint="or give triples, for instance [('label', '=', 3), ('path', 'like', '%.png')]",
    )


def _is_triple(value: Any) -> bool:
    return (
        isinstance(value, (tuple, list))
        and len(value) == 3
        and isinstance(value[0], str)
        and isinstance(value[1], str)
    )


def _shape(where: Any) -> InvalidFilter:
    return InvalidFilter(
        f"a filter is SQL text or a list of (column, op, value), not {type(where).__name__}",
        hint="for instance [('label', '=', 3), ('width', '>', 100)]",
    )


def _triple(schema: pa.Schema, name: str, op: str, value: Any) -> str:
    quoted, kind = column(schema, name)
    word = " ".join(op.lower().split())
    word = _SAME.get(word, word)
    if word not in OPERATORS:
        raise InvalidFilter(
            f"there is no operator {op!r}", hint=f"the operators are: {', '.join(OPERATORS)}"
        )
    if word in ("is", "is not"):
        return _is(quoted, kind, name, word, value)
    if word in ("in", "not in"):
        return _in(quoted, kind, name, word, value)
    if word in ("like", "ilike"):
        if not text_type(kind) or not isinstance(value, str):
            raise InvalidFilter(f"{word!r} compares a text column with a pattern, not {name!r}")
        return f"{quoted} {word.upper()} {quote(value)}"
    if word == "contains":
        return _contains(quoted, kind, name, value)
    return _compare(quoted, kind, name, word, value)


def _is(quoted: str, kind: pa.DataType, name: str, op: str, value: Any) -> str:
    if value is None:
        return f"{quoted} {op.upper()} NULL"
    if isinstance(value, bool) and pt.is_boolean(kind):
        return f"{quoted} {op.upper()} {'TRUE' if value else 'FALSE'}"
    if _nan(value) and pt.is_floating(kind):
        return f"isnan({quoted})" if op == "is" else f"({quoted} IS NULL OR NOT isnan({quoted}))"
    raise InvalidFilter(
        f"{op!r} on column {name!r} takes None, True, False or NaN, not {value!r}",
        hint="use '=' or '!=' for other values",
    )


def _in(quoted: str, kind: pa.DataType, name: str, op: str, value: Any) -> str:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InvalidFilter(f"{op!r} on column {name!r} takes a list of values, not {value!r}")
    values = list(value)
    exact = [v for v in values if v is not None]
    tests = [_compare(quoted, kind, name, "=", v) for v in exact]
    plain = [test.removeprefix(f"{quoted} = ") for test in tests if test.startswith(f"{quoted} = ")]
    rest = [test for test in tests if not test.startswith(f"{quoted} = ") and test != "false"]
    hits = [f"{quoted} IN ({', '.join(plain)})"] if plain else []
    hits += dict.fromkeys(rest)  # each NaN gives the same test
    if op == "in":
        if len(exact) < len(values):
            hits.append(f"{quoted} IS NULL")
        return " OR ".join(hits) or "false"
    return " AND ".join([f"{quoted} IS NOT NULL", *(f"NOT ({hit})" for hit in hits)])


def _contains(quoted: str, kind: pa.DataType, name: str, value: Any) -> str:
    if text_type(kind) and isinstance(value, str):
        return f"contains({quoted}, {quote(value)})"
    if list_type(kind) and value is not None:
        inner = kind.value_type
        if counted_type(inner):
            count, (low, high) = counted(value, inner, name), counted_range(inner)
            if count.denominator != 1 or not low <= count <= high:
                return "false"
            element = f"arrow_cast({int(count)}, '{_INT_NAMES.get(str(inner), '')}')"
            if not pt.is_integer(inner):
                element = counted_literal(int(count), inner)
        else:
            element = literal(value, inner, name)
        return f"array_has({quoted}, {element})"
    raise InvalidFilter(f"'contains' needs a text or list column and a value, not {name!r}")


_INT_NAMES = {
    **{f"int{bits}": f"Int{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"UInt{bits}" for bits in (8, 16, 32, 64)},
}


def _nan(value: Any) -> bool:
    return not isinstance(value, (str, bytes)) and value != value


def _compare(quoted: str, kind: pa.DataType, name: str, op: str, value: Any) -> str:
    if value is None:
        if op in ("=", "!="):
            return f"{quoted} IS {'' if op == '=' else 'NOT '}NULL"
        raise InvalidFilter(f"{op!r} cannot compare column {name!r} with None")
    if _nan(value) and pt.is_floating(kind):
        if op in ("=", "!="):
            return f"isnan({quoted})" if op == "=" else f"NOT isnan({quoted})"
        return "false"
    if counted_type(kind):
        if _nan(value) or (isinstance(value, float) and math.isinf(value)):
            raise InvalidFilter(f"{value!r} cannot be compared with column {name!r} of type {kind}")
        return _compare_counted(quoted, kind, op, counted(value, kind, name))
    test = f"{quoted} {op} {literal(value, kind, name)}"
    if pt.is_floating(kind) and op in (">", ">="):
        return f"{test} AND NOT isnan({quoted})"  # Arrow sorts NaN above everything
    return test


def _compare_counted(quoted: str, kind: pa.DataType, op: str, value: Fraction) -> str:
    """Compare with a value that may lie between or outside what the column can hold."""
    low, high = counted_range(kind)
    whole = value.denominator == 1
    if op in ("=", "!="):
        if not whole or not low <= value <= high:
            return "false" if op == "=" else f"{quoted} IS NOT NULL"
        return f"{quoted} {op} {counted_literal(int(value), kind)}"
    if not whole:
        # a < 2.5 is a <= 2, a > 2.5 is a >= 3
        value = Fraction(math.floor(value) if op[0] == "<" else math.ceil(value))
        op = op[0] + "="
    if value > high:
        return f"{quoted} IS NOT NULL" if op[0] == "<" else "false"
    if value < low:
        return f"{quoted} IS NOT NULL" if op[0] == ">" else "false"
    return f"{quoted} {op} {counted_literal(int(value), kind)}"
