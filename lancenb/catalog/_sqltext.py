"""Reading SQL text just enough to know that it is one whole condition."""

from __future__ import annotations

import re

_PIECE = re.compile(
    r"""(?P<skip>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|/\*.*?\*/)
    |(?P<open>\()|(?P<close>\))""",
    re.VERBOSE | re.DOTALL,
)


def balanced(sql: str) -> bool:
    """Tell whether every parenthesis outside quotes and comments has its partner.

    Lance drops, without a word, whatever follows a condition that is complete.

    >>> balanced("(a = ')') -- :)"), balanced("a > 0) AND (a < 2")
    (True, False)
    """
    depth = 0
    for match in _PIECE.finditer(sql):
        depth += (match.lastgroup == "open") - (match.lastgroup == "close")
        if depth < 0:
            return False
    return depth == 0


def shortened(sql: str) -> str:
    """Return ``sql`` for a message, cut where it is long."""
    return repr(sql if len(sql) <= 200 else sql[:197] + "...")
