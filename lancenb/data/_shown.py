"""Values in messages, whatever they are."""

from __future__ import annotations


def shown(value: object, most: int = 60) -> str:
    """The first letters of a value as Python writes it.

    >>> shown([1, 2], 4), shown(10**5000)
    ('[1, ', 'a very long int')
    """
    try:
        return f"{value!r:.{most}}"
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"a very long {type(value).__name__}"


def rows_with(column: str) -> str:
    """What to do about rows that miss a value, as a hint.

    As triples: a name with blanks or signs, or a word of SQL, is no column in an SQL text.

    >>> rows_with("a b")
    "leave such rows out: filter=[('a b', 'is not', None)]"
    """
    return f"leave such rows out: filter=[({column!r}, 'is not', None)]"
