"""How deep the tree of an SQL condition can get; too deep a one takes the whole process down."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lancenb.errors import InvalidFilter

from ._sqltext import shortened

MAX_SQL = 200_000
#: Lance runs out of stack, and takes the process with it, at some 800 operators in a chain.
MAX_DEPTH = 400
#: AND and OR need less; 2,000 of them count as much as 400 other words.
_LINK = 0.2
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*)
    |(?P<comment>/\*(?:.*?\*/|.*))
    |(?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d\w*)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)


def tokens(sql: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of every piece of a condition, without blanks and comments.

    What some parsers of SQL read as a quotation and others do not is refused, so that nothing can
    be hidden in what only looks like one.

    Raises:
        InvalidFilter: too long, or such a piece.
    """
    if len(sql) > MAX_SQL:
        raise InvalidFilter(
            f"the filter has {len(sql):,} characters, more than {MAX_SQL:,}",
            hint="give triples with 'in' and a list of values",
        )
    word = ""
    for match in _TOKEN.finditer(sql):
        kind, piece = match.lastgroup or "", match.group()
        odd = kind == "comment" and ("/*" in piece[2:] or not piece.endswith("*/"))
        odd |= kind == "mark" and piece in "$?;'\"`\x00"
        odd |= kind == "text" and bool(word) and word not in ("x", "X")
        if odd:
            raise InvalidFilter(
                f"the filter {shortened(sql)} makes no sense at {word + piece[:20]!r}",
                hint="or give triples, for instance [('label', '=', 3), ('path', 'like', '%.png')]",
            )
        word = piece if kind == "word" else ""
        if kind not in ("space", "comment"):
            yield kind, piece


def check_depth(sql: str) -> str:
    """Return a condition that cannot overflow the stack.

    The words between two ANDs, ORs or commas bound how deep that part is; what stands in
    parentheses comes on top.

    >>> check_depth("a = 1 AND b IN (2, 3)")
    'a = 1 AND b IN (2, 3)'

    Raises:
        InvalidFilter: too long, too deep, or with a piece that makes no sense.
    """
    levels = [_Level(0)]
    for kind, piece in tokens(sql):
        here, word = levels[-1], piece.upper()
        if piece in "([{" and kind == "mark":
            levels.append(_Level(here.above + here.depth + 1))
        elif piece in ")]}" and kind == "mark":
            if len(levels) > 1:
                levels.pop()
                levels[-1].below = max(levels[-1].below, here.depth + 1)
                levels[-1].words += 1  # x[1][1][1] is a chain, too
        elif piece == "," or (kind == "word" and word in ("AND", "OR") and not here.between):
            here.turn(_LINK if kind == "word" else 0)
        else:
            here.words += 1
            here.between += (kind == "word") * ((word == "BETWEEN") - (word == "AND"))
        if levels[-1].above + levels[-1].depth > MAX_DEPTH:
            raise InvalidFilter(
                f"the filter {shortened(sql)} is too long a chain, or nested too deeply",
                hint="give triples with 'in' and a list of values, or ask in several steps",
            )
    return sql


class _Level:
    """What is known of one pair of parentheses, ``above`` deep in others."""

    def __init__(self, above: float) -> None:
        self.above = above
        self.words = self.between = 0
        self.below = self.links = self.most = 0.0

    @property
    def depth(self) -> float:
        return max(self.most, self.words + self.below) + self.links

    def turn(self, link: float) -> None:
        self.most = max(self.most, self.words + self.below)
        self.words = self.between = 0
        self.below = 0.0
        self.links += link
