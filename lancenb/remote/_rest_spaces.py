"""The namespace itself: there is one, the root, and all tables lie in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._rest_wire import Code, Problem, invalid, unsupported

if TYPE_CHECKING:
    from ._rest_ask import Asked, Space

_FLAT = "all tables lie in the root namespace; names such as 'team.table' keep them apart"


def list_namespaces(space: Space, asked: Asked) -> Any:
    """Return the child namespaces: none."""
    asked.root()
    _page(asked, [])
    return {"namespaces": []}


def describe_namespace(space: Space, asked: Asked) -> Any:
    """Return the properties of the root."""
    asked.root()
    return {"properties": {}}


def namespace_exists(space: Space, asked: Asked) -> Any:
    """Answer with nothing if the namespace is the root."""
    asked.root()


def create_namespace(space: Space, asked: Asked) -> Any:
    """Refuse: there is one namespace."""
    if not asked.ident:
        if asked.mode("create", "exist_ok", "overwrite") == "exist_ok":
            return {"properties": {}}
        raise Problem(Code.NAMESPACE_ALREADY_EXISTS, "the root namespace is there already")
    raise unsupported("keep namespaces within namespaces", _FLAT)


def drop_namespace(space: Space, asked: Asked) -> Any:
    """Refuse: the root stays."""
    asked.root()
    raise unsupported("drop its root namespace", "drop the tables in it one by one")


def list_tables(space: Space, asked: Asked) -> Any:
    """Return the names of all tables, page by page."""
    asked.root()
    # First: this publishes what was written meanwhile, which then is among the entries.
    promised = space.declared.names()
    names = {entry.name for entry in space.manager._entries()}
    if asked.query.get("include_declared", "true") != "false":
        names.update(promised)
    page, token = _page(asked, sorted(names))
    return {"tables": page, "page_token": token} if token else {"tables": page}


def _page(asked: Asked, names: list[str]) -> tuple[list[str], str | None]:
    """Return the names after the page token (the last name of the page before)."""
    limit, after = asked.count("limit"), asked.text("page_token") or ""
    if limit == 0:
        raise invalid("'limit' is at least 1")
    left = [name for name in names if name > after]
    page = left if limit is None else left[:limit]
    return page, page[-1] if len(page) < len(left) else None
