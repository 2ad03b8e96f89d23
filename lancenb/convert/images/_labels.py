"""Class names and their ids: sorted when made, kept for ever after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lancenb.errors import InvalidArgument, SchemaMismatch

NO_LABEL = -1


def merge_names(
    found: Iterable[str],
    *,
    existing: Sequence[str] | None = None,
    given: Sequence[str] | None = None,
    ordered: bool = False,
) -> list[str]:
    """Return the class names of the table; the place in the list is the label id.

    Names a table has keep their ids; new ones are added at the end, sorted.

    Args:
        found: class names in the source.
        existing: names of the table that is appended to.
        given: the only names allowed, in this order (``classes=``).
        ordered: ``found`` has an order of its own that is to be kept (``ClassLabel`` names).

    Raises:
        InvalidArgument: a name is given twice.
        SchemaMismatch: the source has a class that ``given`` lacks.

    >>> merge_names({"dog", "ant"}, existing=["cat", "dog"])
    ['cat', 'dog', 'ant']
    """
    names = list(existing or ())
    known = set(names)
    found = list(found)
    if given is not None:
        check_names(given)
        strange = sorted(set(found) - set(given) - known)
        if strange:
            raise SchemaMismatch(
                f"the source has the class {strange[0]!r}, which classes= does not list",
                hint=f"classes= has {len(given)} names; add it, or leave the folder out",
            )
        found, ordered = list(given), True
    new = dict.fromkeys(name for name in found if name not in known)
    return names + (list(new) if ordered else sorted(new))


def check_names(names: Sequence[str]) -> None:
    """Raise unless ``names`` are distinct, non-empty strings."""
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) and n for n in names):
        raise InvalidArgument(
            "classes= must be a list of class names", hint='for example classes=["cat", "dog"]'
        )
    if len(set(names)) != len(names):
        twice = next(n for i, n in enumerate(names) if n in names[:i])
        raise InvalidArgument(f"classes= names {twice!r} twice", hint="each class has one id")


def translation(source: Sequence[str], target: Sequence[str]) -> list[int]:
    """Return, for each label id of the source, the id in the table.

    >>> translation(["a", "b"], ["b", "c", "a"])
    [2, 0]
    """
    ids = {name: i for i, name in enumerate(target)}
    return [ids[name] for name in source]
