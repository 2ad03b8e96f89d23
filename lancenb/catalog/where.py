r"""Search conditions over the catalogue itself, evaluated in Python.

The dialect is SQL's WHERE: ``AND``, ``OR``, ``NOT``, parentheses, ``= != <> < <= > >=``,
``[NOT] LIKE`` and ``ILIKE`` (``%``, ``_``, backslash escapes), ``[NOT] IN (...)``,
``[NOT] BETWEEN a AND b``, ``IS [NOT] NULL``, text in single quotes, numbers, ``TRUE``,
``FALSE``. Nested metadata is reached by dots: ``metadata.train.accuracy > 0.9``; names that are
no plain words go in double quotes or backticks: ``metadata."top-1" > 0.9``. On a list (``tags``,
``columns``, ``parents``, ``aliases``) a comparison holds if it holds for one element;
``'x' IN tags`` works too. Times compare with ISO text. As in SQL, what is missing is null and
matches nothing but ``IS NULL``.

>>> parse("metadata.acc > 0.9 AND (name LIKE 'res%' OR 'best' IN tags)")(
...     {"name": "resnet", "tags": [], "metadata": {"acc": 0.93}})
True
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lancenb.errors import ColumnNotFound, InvalidFilter

from ._names import did_you_mean
from ._sqltext import shortened

COLUMNS = (
    *("id", "name", "kind", "uri", "description", "tags", "aliases", "metadata", "parents"),
    *("columns", "created", "updated", "content_hash", "version", "rows", "bytes"),
)
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z_])
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<op><=|>=|<>|!=|==|=|<|>|\(|\)|,|\.))""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = {
    *("AND", "OR", "NOT", "LIKE", "ILIKE", "IN", "BETWEEN", "IS", "NULL", "TRUE", "FALSE"),
}
Truth = bool | None
Row = Mapping[str, Any]
Value = Callable[[Row], Any]


def parse(text: str) -> Callable[[Row], bool]:
    """Compile a condition to a function of a catalogue row.

    Raises:
        InvalidFilter: the text is not a condition; says where it stops making sense.
        ColumnNotFound: it names something the catalogue has no column for.
    """
    parser = _Parser(text)
    try:
        condition = parser.either()
    except RecursionError:
        raise InvalidFilter(
            "the condition is nested too deeply", hint="write it with fewer parentheses and NOTs"
        ) from None
    parser.end()
    return lambda row: condition(row) is True


def columns_of(text: str) -> set[str]:
    """Return the catalogue columns that a condition reads."""
    parser = _Parser(text)
    parser.either()
    return parser.columns


class _Parser:
    def __init__(self, text: str):
        self.text, self.at, self.columns = text, 0, set[str]()
        self.tokens: list[tuple[str, str, int]] = []
        place = 0
        while place < len(text.rstrip()):
            match = _TOKEN.match(text, place)
            if match is None:
                raise self._error(place)
            kind = match.lastgroup or ""
            token, start = match.group(kind), match.start(kind)
            if kind == "word" and token.upper() in _WORDS:
                kind, token = "key", token.upper()
            self.tokens.append((kind, token, start))
            place = match.end()

    def _error(self, place: int) -> InvalidFilter:
        rest = self.text[place:].strip()[:30]
        where = f"at {rest!r}" if rest else "at its end"
        return InvalidFilter(
            f"the condition {shortened(self.text)} makes no sense {where}",
            hint="for instance: kind = 'weights' AND metadata.acc > 0.9 AND name LIKE 'res%'",
        )

    def _fail(self) -> InvalidFilter:
        return self._error(self.tokens[self.at][2] if self.at < len(self.tokens) else 10**9)

    def _next(self, kind: str, *tokens: str) -> str | None:
        if self.at < len(self.tokens):
            have, token, _ = self.tokens[self.at]
            if have == kind and (not tokens or token in tokens):
                self.at += 1
                return token
        return None

    def _need(self, kind: str, *tokens: str) -> str:
        found = self._next(kind, *tokens)
        if found is None:
            raise self._fail()
        return found

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self._fail()

    def either(self) -> Callable[[Row], Truth]:
        parts = [self._all()]
        while self._next("key", "OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda row: _or([part(row) for part in parts])

    def _all(self) -> Callable[[Row], Truth]:
        parts = [self._negated()]
        while self._next("key", "AND"):
            parts.append(self._negated())
        return parts[0] if len(parts) == 1 else lambda row: _not(_or([_not(p(row)) for p in parts]))

    def _negated(self) -> Callable[[Row], Truth]:
        if self._next("key", "NOT"):
            inner = self._negated()
            return lambda row: _not(inner(row))
        if self._next("op", "("):
            inner = self.either()
            self._need("op", ")")
            return inner
        return self._test()

    def _test(self) -> Callable[[Row], Truth]:
        left = self._operand()
        op = self._next("op", *_COMPARE)
        if op:
            right, compare = self._operand(), _COMPARE[op]
            if compare is operator.ne:
                return lambda row: _not(_any(operator.eq, left(row), right(row)))
            return lambda row: _any(compare, left(row), right(row))
        if self._next("key", "IS"):
            negate = bool(self._next("key", "NOT"))
            word = self._need("key", "NULL", "TRUE", "FALSE")
            wanted = {"NULL": None, "TRUE": True, "FALSE": False}[word]
            return lambda row: (left(row) is wanted) != negate
        negate = bool(self._next("key", "NOT"))
        test = self._word_test(left, bare=not negate)
        return (lambda row: _not(test(row))) if negate else test

    def _word_test(self, left: Value, *, bare: bool) -> Callable[[Row], Truth]:
        word = self._next("key", "LIKE", "ILIKE", "IN", "BETWEEN")
        if word in ("LIKE", "ILIKE"):
            pattern = like(_unquote(self._need("text")), word == "ILIKE")
            return lambda row: _any(lambda a, _: _matches(pattern, a), left(row), "")
        if word == "BETWEEN":
            low = self._operand()
            self._need("key", "AND")
            high = self._operand()
            return lambda row: _any(
                lambda a, _: operator.ge(a, low(row)) and operator.le(a, high(row)), left(row), ""
            )
        if word == "IN":
            return self._in(left)
        if bare and self.at and self.tokens[self.at - 1][0] in ("word", "quoted", "key"):
            return lambda row: None if left(row) is None else bool(left(row))
        raise self._fail()

    def _in(self, left: Value) -> Callable[[Row], Truth]:
        if not self._next("op", "("):
            right = self._operand()
            return lambda row: _any(operator.eq, right(row), left(row))
        items = [self._operand()]
        while self._next("op", ","):
            items.append(self._operand())
        self._need("op", ")")
        return lambda row: _or([_any(operator.eq, left(row), item(row)) for item in items])

    def _operand(self) -> Value:
        number = self._next("number")
        if number is not None:
            value: Any = float(number) if re.search(r"[.eE]", number) else int(number)
            return lambda _row: value
        text = self._next("text")
        if text is not None:
            string = _unquote(text)
            return lambda _row: string
        word = self._next("key", "TRUE", "FALSE", "NULL")
        if word is not None:
            constant = {"TRUE": True, "FALSE": False, "NULL": None}[word]
            return lambda _row: constant
        return self._path()

    def _path(self) -> Value:
        path = [self._piece()]
        while self._next("op", "."):
            path.append(self._piece())
        if path[0] not in COLUMNS:
            raise ColumnNotFound(
                f"the catalogue has no column {path[0]!r}", hint=did_you_mean(path[0], COLUMNS)
            )
        self.columns.add(path[0])
        return lambda row: _reach(row, path)

    def _piece(self) -> str:
        if self.at < len(self.tokens):
            kind, token, _ = self.tokens[self.at]
            if kind in ("word", "quoted", "key"):
                self.at += 1
                return token if kind != "quoted" else token[1:-1].replace(token[0] * 2, token[0])
        raise self._fail()


def like(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """Return the regular expression for an SQL LIKE pattern."""
    runs = [""]
    for piece in re.findall(r"\\.|.|\\", pattern, flags=re.DOTALL):
        if piece == "%":
            runs.append("")
        else:
            runs[-1] += "." if piece == "_" else re.escape(piece[1:] if len(piece) > 1 else piece)
    first, *middle = runs
    # Each run is taken where it comes first, for good: no pattern makes this try again and again.
    regex = first + "".join(f"(?>.*?{run})" for run in middle[:-1] if run)
    regex += f".*{middle[-1]}" if middle else ""
    return re.compile(regex, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _unquote(token: str) -> str:
    return token[1:-1].replace("''", "'")


def _reach(row: Any, path: list[str]) -> Any:
    for piece in path:
        row = row.get(piece) if isinstance(row, Mapping) else None
    return row


def _or(values: list[Truth]) -> Truth:
    return True if True in values else (None if None in values else False)


def _not(value: Truth) -> Truth:
    return None if value is None else not value


def _any(compare: Callable[[Any, Any], Any], left: Any, right: Any) -> Truth:
    """Compare; a list on the left holds if one of its elements does."""
    if left is None or right is None:
        return None
    if isinstance(left, Mapping):
        left = list(left)
    if isinstance(left, (list, tuple)):
        return any(_any(compare, item, right) is True for item in left)
    if isinstance(left, datetime) and isinstance(right, str):
        right = _time(right)
    elif isinstance(right, datetime) and isinstance(left, str):
        left = _time(left)
    try:
        return bool(compare(left, right))
    except TypeError:
        return None


def _time(text: str) -> datetime | None:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return None
    return value if value.tzinfo else value.replace(tzinfo=UTC)
