"""One request to the namespace: which table, which arguments, which body."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.catalog._names import check_name

from ._limits import parse_json
from ._rest_wire import Code, Problem, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from lancenb import DataManager

    from ._confine import Confined
    from ._rest_body import Body
    from ._rest_declared import Declared

DELIMITER = "$"


@dataclass(frozen=True)
class Space:
    """What all operations work on: the catalogue, the names promised in it, what is allowed."""

    manager: DataManager
    declared: Declared
    confine: Confined


@dataclass
class Asked:
    """A request, taken apart.

    Attributes:
        request: as it came.
        ident: parts of the identifier; none for the root.
        query: arguments from the address.
        body: arguments from a JSON body.
        stream: an Arrow body, for the operations that take one.
        principal: who asks.
        before: version of the table before a write, for the audit log.
        after: version of the table after a write.
        adopted: called with name and version when a declared table was written.
    """

    request: Request
    ident: list[str]
    query: Mapping[str, str]
    body: dict[str, Any] = field(default_factory=dict)
    stream: Body | None = None
    principal: Any = None
    before: int | None = None
    after: int | None = None
    adopted: Callable[[str, int], None] = lambda name, version: None

    def table(self) -> str:
        """Return the name of the table that is asked for.

        Raises:
            Problem: it lies in a child namespace; there are none.
            InvalidName: no table can have that name.
        """
        if not self.ident:
            raise invalid("the identifier names the root, not a table", "POST /v1/table/NAME/...")
        if len(self.ident) > 1:
            raise no_namespace(self.ident[:-1])
        return check_name(self.ident[0])

    def root(self) -> None:
        """Check that the namespace asked for is the only one there is."""
        if self.ident:
            raise no_namespace(self.ident)

    def main_branch(self, given: Mapping[str, Any] | None = None) -> None:
        """Check that nothing but the main branch is asked for."""
        branch = (self.body if given is None else given).get("branch")
        branch = branch or self.query.get("branch")
        if branch not in (None, "", "main"):
            raise Problem(Code.BRANCH_NOT_FOUND, f"there is no branch {branch!r:.100}")

    def text(self, name: str, *, required: bool = False) -> str | None:
        """Return an argument that is text."""
        value = self.body.get(name, self.query.get(name))
        if value is None and not required:
            return None
        if not isinstance(value, str) or (required and not value):
            raise invalid(f"{name!r} is text, not {shown(value)}")
        return value

    def condition(self, space: Space, name: str, *, required: bool = False) -> str | None:
        """Return an argument that is a condition on rows, if a server runs such a thing."""
        return space.confine.where(self.text(name, required=required), field=name)

    def count(self, name: str, *, required: bool = False) -> int | None:
        """Return an argument that is a whole number from 0."""
        value = self.body.get(name, self.query.get(name))
        if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
            value = int(value)
        if value is None and not required:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
            raise invalid(f"{name!r} is a whole number from 0, not {shown(value)}")
        return value

    def flag(self, name: str) -> bool:
        """Return an argument that is true or false; false when it is missing."""
        value = self.query.get(name, self.body.get(name))
        if value in (None, False, "", "false"):
            return False
        if value in (True, "true"):
            return True
        raise invalid(f"{name!r} is true or false, not {shown(value)}")

    def mode(self, *allowed: str) -> str:
        """Return the argument ``mode``, in whatever spelling; the first one when it is missing."""
        value = self.text("mode") or allowed[0]
        plain = value.replace("_", "").lower()
        for mode in allowed:
            if plain == mode.replace("_", ""):
                return mode
        raise invalid(f"mode={value!r:.60} is not one of {', '.join(allowed)}")

    def properties(self) -> dict[str, str]:
        """Return the properties given with a new table."""
        given = self.body.get("properties")
        header = self.request.headers.get("x-lance-table-properties")
        text = self.query.get("properties") or header
        if given is None and text:
            given = parse_json(text)
        if given is None:
            return {}
        if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
            raise invalid("'properties' is an object of texts")
        return given


def shown(value: Any) -> str:
    """Return a short form of a value for messages."""
    text = "nothing" if value is None else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def no_namespace(parts: list[str]) -> Problem:
    """Return the error for a namespace other than the root."""
    return Problem(
        Code.NAMESPACE_NOT_FOUND,
        f"there is no namespace {DELIMITER.join(parts)!r:.200}",
        hint="all tables lie in the root namespace",
    )


def identifier(text: str, delimiter: str) -> list[str]:
    """Return the parts of an identifier as it stands in a path; the delimiter alone is the root.

    >>> identifier("$", "$"), identifier("a$b", "$"), identifier("a", "$")
    ([], ['a', 'b'], ['a'])
    """
    if not delimiter:
        raise invalid("the delimiter is empty")
    return [] if text == delimiter else text.split(delimiter)


def arguments(data: bytes, ident: list[str] | None) -> dict[str, Any]:
    """Return the arguments in a JSON body; ``ident`` is what the path names, if anything.

    Raises:
        InvalidArgument: it is no JSON.
        Problem: it is no JSON object, or speaks of another object than the path.
    """
    body = parse_json(data) if data.strip() else {}
    if not isinstance(body, dict):
        raise invalid("the body is a JSON object", 'for instance {"version": 1}')
    named = body.get("id")
    if named is None:
        return body
    if not isinstance(named, list) or not all(isinstance(part, str) for part in named):
        raise invalid(f"'id' is a list of texts, not {shown(named)}")
    if ident is not None and named != ident:
        raise invalid(f"the path names {shown(ident)}, the body {shown(named)}")
    return body
