"""Versions and tags of tables of the namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lancenb.errors import AlreadyExists, TagNotFound

from ._rest_tables import opened
from ._rest_wire import Code, Problem

if TYPE_CHECKING:
    from ._rest_ask import Asked, Space

_MANIFESTS = (1 << 64) - 1


def list_versions(space: Space, asked: Asked) -> Any:
    """Return versions, oldest first unless they are wanted the other way round."""
    entry = opened(space, asked)
    limit, after = asked.count("limit"), asked.count("page_token")
    found = [_version(version) for version in space.manager.versions(entry.name)]
    descending = asked.flag("descending")
    if descending:
        found.reverse()
    if after is not None:
        found = [v for v in found if (v["version"] < after if descending else v["version"] > after)]
    page = found if limit is None else found[: max(limit, 1)]
    more = len(page) < len(found)
    return {"versions": page, **({"page_token": str(page[-1]["version"])} if more else {})}


def _version(version: Any) -> dict[str, Any]:
    # Manifests count down, so that listing a folder gives the newest first.
    out = {
        "version": version.version,
        "manifest_path": f"_versions/{_MANIFESTS - version.version:020d}.manifest",
        "timestamp_millis": int(version.time.timestamp() * 1000),
    }
    facts = {"message": version.message, "tags": ", ".join(version.tags), "rows": str(version.rows)}
    return {**out, "metadata": {key: value for key, value in facts.items() if value}}


def describe_version(space: Space, asked: Asked) -> Any:
    """Return one version, the newest when none is named."""
    entry = opened(space, asked)
    wanted = asked.count("version")
    number = int(space.manager._open(entry, wanted or None).version)
    listed = space.manager.versions(entry.name)
    return {"version": next(_version(v) for v in listed if v.version == number)}


def restore_table(space: Space, asked: Asked) -> Any:
    """Make an older version the head again, as a new version."""
    entry = opened(space, asked)
    target = asked.count("version", required=True)
    head = int(space.manager._open(entry).version)
    if target == head:
        asked.after = head
    else:
        asked.after = space.manager.rollback(entry.name, target or 0).new_head
    return {}


def list_tags(space: Space, asked: Asked) -> Any:
    """Return all tags and what they point at."""
    from lancenb.store import lance_errors

    entry = opened(space, asked)
    dataset = space.manager._open(entry)
    with lance_errors(space.manager._uri(entry), space.manager.store):
        found = dataset.tags.list()
    tags = {
        name: {"version": int(facts["version"]), "manifestSize": int(facts["manifest_size"] or 0)}
        for name, facts in sorted(found.items())
    }
    return {"tags": tags}


def tag_version(space: Space, asked: Asked) -> Any:
    """Return the version that a tag points at."""
    entry, tag = opened(space, asked), asked.text("tag", required=True) or ""
    return {"version": _tagged(space, entry.name, tag)}


def _tagged(space: Space, name: str, tag: str) -> int:
    tags = space.manager.tags(name)
    if tag not in tags:
        raise TagNotFound(f"{name!r} has no tag {tag!r:.100}")
    return tags[tag]


def create_tag(space: Space, asked: Asked) -> Any:
    """Point a new tag at a version."""
    entry, tag = opened(space, asked), asked.text("tag", required=True) or ""
    version = asked.count("version", required=True)
    there = Problem(
        Code.TAG_ALREADY_EXISTS,
        f"{entry.name!r} has the tag {tag!r:.100} already",
        hint="updating the tag moves it",
    )
    if tag in space.manager.tags(entry.name):
        raise there
    asked.before = None
    try:
        asked.after = space.manager.tag(entry.name, tag, version, move=False)
    except AlreadyExists:
        raise there from None
    return {}


def update_tag(space: Space, asked: Asked) -> Any:
    """Move a tag to another version."""
    entry, tag = opened(space, asked), asked.text("tag", required=True) or ""
    version = asked.count("version", required=True)
    asked.before = _tagged(space, entry.name, tag)
    asked.after = space.manager.tag(entry.name, tag, version)
    return {}


def delete_tag(space: Space, asked: Asked) -> Any:
    """Remove a tag; its version stays until the next clean-up."""
    entry, tag = opened(space, asked), asked.text("tag", required=True) or ""
    asked.before = _tagged(space, entry.name, tag)
    space.manager.untag(entry.name, tag)
    return {}


def describe_transaction(space: Space, asked: Asked) -> Any:
    """Refuse: a write is over when it is answered, so there are no transactions to look at."""
    raise Problem(
        Code.TRANSACTION_NOT_FOUND,
        "there is no such transaction",
        hint="a write is complete when it is answered; its answer names the version",
    )
