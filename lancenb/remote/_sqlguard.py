"""Which functions strangers may call in a filter: those that stay small, quick and silent.

A filter sees one table and cannot write, Lance sees to that. But ``repeat`` and its kin fill the
memory of the server from a short text, and what Lance may learn next is not known: so functions
are let through by name.
"""

from __future__ import annotations

from typing import Any

from lancenb.catalog._names import did_you_mean
from lancenb.catalog._sqldepth import check_depth, tokens
from lancenb.errors import InvalidFilter

MAX_CONDITION = 20_000
_NAMES = """
    abs acos acosh asin asinh atan atan2 atanh cbrt ceil cos cosh cot degrees exp floor gcd isnan
    iszero lcm ln log log10 log2 nanvl pi pow power radians random round signum sin sinh sqrt tan
    tanh trunc
    coalesce greatest ifnull least nullif nvl nvl2
    ascii bit_length btrim char_length character_length chr concat contains contains_tokens
    ends_with find_in_set initcap instr left length lower ltrim md5 octet_length position
    regexp_count regexp_like regexp_match reverse right rtrim sha224 sha256 sha384 sha512
    split_part starts_with strpos substr substring substring_index to_hex translate trim upper
    arrow_cast arrow_typeof cast date_bin date_part date_trunc datepart datetrunc extract
    current_date current_time current_timestamp from_unixtime make_date now to_date
    to_local_time to_timestamp to_timestamp_micros to_timestamp_millis to_timestamp_nanos
    to_timestamp_seconds to_unixtime today try_cast
    array_contains array_distinct array_element array_empty array_extract array_has array_has_all
    array_has_any array_indexof array_length array_max array_min array_ndims array_position
    array_slice array_sort arrays_overlap cardinality element_at empty list_contains list_element
    list_extract list_has list_has_all list_has_any list_indexof list_length list_max
    list_position make_array make_list map_extract map_keys map_values
    get_field named_struct struct
    json_array_contains json_array_length json_exists json_extract json_get json_get_bool
    json_get_float json_get_int json_get_string
"""
_KEYS = """
    and as between by case else end escape false for from ilike in interval is like not null or
    then true when
    bigint binary blob boolean char date decimal double fixed float int integer numeric real
    smallint string text time timestamp tinyint varbinary varchar
"""
_FUNCTIONS, _WORDS = frozenset(_NAMES.split()), frozenset(_KEYS.split())
_NEVER = frozenset({"select", "over", "table", "values"})


def check_sql_text(sql: str) -> str:
    """Return a condition on rows that a stranger may ask.

    Raises:
        InvalidFilter: too long, too deep, or it calls what is not on the list.
    """
    check_depth(sql)
    before = ("", "")
    for kind, piece in tokens(sql):
        if kind == "word" and piece.lower() in _NEVER:
            raise _refused(sql, f"{piece.upper()} has no place in one", "")
        if piece == "(" and before[0] in ("word", "text"):
            name = before[1].strip("\"`'").lower()
            quoted = before[0] == "text"
            if name not in _FUNCTIONS and (quoted or name not in _WORDS):
                raise _refused(sql, f"{name}() is not called here", name)
        before = kind, piece
    return sql


def check_where(where: Any) -> None:
    """Check a filter on rows: text, a triple, a list of triples, or a list of such lists.

    Raises:
        InvalidFilter: see :func:`check_sql_text`; what else is wrong is told when it is compiled.
    """
    if isinstance(where, str):
        check_sql_text(where)


def check_condition(where: Any) -> None:
    """Check a condition on the catalogue, which is evaluated entry by entry in Python.

    Raises:
        InvalidFilter: it is too long.
    """
    if isinstance(where, str) and len(where) > MAX_CONDITION:
        raise InvalidFilter(
            f"the condition has {len(where):,} characters, more than {MAX_CONDITION:,}",
            hint="ask in several steps",
        )


def _refused(sql: str, why: str, name: str) -> InvalidFilter:
    shown = sql if len(sql) <= 200 else sql[:197] + "..."
    meant = did_you_mean(name, sorted(_FUNCTIONS)).partition("?")[0] if name else ""
    meant = f"{meant}? " if meant.startswith("did you") else ""
    return InvalidFilter(
        f"the filter {shown!r} is not run by a server: {why}",
        hint=f"{meant}comparisons, LIKE, IN and functions such as lower(), length(), "
        "array_has(), date_part() and json_extract() are",
    )
