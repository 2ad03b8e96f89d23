"""Search: lists of repositories by words, owner and tags."""

from __future__ import annotations

from typing import Any

from ._origin import Handler
from ._read import summary, truth
from ._repos import Repo

_MOST = 1000


def search(repos: list[Repo], handler: Handler) -> list[dict[str, Any]]:
    """Return the repositories that match the request's parameters, as lists show them.

    ``search`` (all of its words occur in the name), ``author``, ``filter`` (all of them are tags),
    ``pipeline_tag``, ``gated``, ``sort`` with ``direction``, ``full`` and ``cardData``.
    """
    found = []
    for repo in repos:
        sha = repo.resolve("main")
        facts = summary(repo, sha)
        if not _matches(facts, handler):
            continue
        if sha and truth(handler, "full"):
            facts["siblings"] = [{"rfilename": path} for path in repo.commits[sha]]
        if sha and (truth(handler, "full") or truth(handler, "cardData")):
            facts["cardData"] = repo.metadata(sha)
        found.append(facts)
    return _sorted(found, handler)


def page_of(handler: Handler, size: int) -> int:
    """Return how many repositories one page shows."""
    return min(size, int(handler.query.get("limit") or _MOST))


def _matches(facts: dict[str, Any], handler: Handler) -> bool:
    words = " ".join(handler.params.get("search", [])).lower().split()
    tags = {tag.lower() for tag in facts["tags"]}
    wanted = {
        tag.strip().lower()
        for value in handler.params.get("filter", []) + handler.params.get("pipeline_tag", [])
        for tag in value.split(",")
    }
    author, gated = handler.query.get("author"), handler.query.get("gated")
    return (
        all(word in facts["id"].lower() for word in words)
        and wanted <= tags
        and (author is None or facts["author"].lower() == author.lower())
        and (gated is None or truth(handler, "gated") == bool(facts["gated"]))
    )


def _sorted(found: list[dict[str, Any]], handler: Handler) -> list[dict[str, Any]]:
    key = handler.query.get("sort")
    if key not in ("lastModified", "createdAt", "downloads", "likes"):
        return found
    # Of two from the same millisecond, the one made later comes first.
    return sorted(reversed(found), key=lambda facts: facts[key], reverse=True)
