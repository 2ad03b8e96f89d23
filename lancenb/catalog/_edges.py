"""Checking what people say about an artefact: labels, metadata, what it was made from."""

from __future__ import annotations

import contextlib
import json
import operator
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument
from lancenb.store import redact_facts

if TYPE_CHECKING:
    from ._base import CatalogBase


MAX_DEPTH = 100


def check_text(value: object, what: str) -> str:
    """Return ``value`` if it is text that can be stored.

    Raises:
        InvalidArgument: no text, or half of a surrogate pair in it.
    """
    if not isinstance(value, str):
        raise InvalidArgument(f"the {what} is text, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"the {what} {value[:60]!r} is not valid Unicode") from None
    return value


def check_count(name: str, value: Any, least: int = 0) -> int:
    """Return an argument that counts something; NumPy's integers count, too.

    Raises:
        InvalidArgument: it does not.
    """
    number = -1
    if hasattr(value, "__index__") and not isinstance(value, bool):
        with contextlib.suppress(TypeError):  # an array of several
            number = operator.index(value)
    if number < least:
        more = f" of {least} or more" if least else ""
        raise InvalidArgument(f"{name}={value!r} is not a count{more}")
    return number


def check_version(version: Any) -> int | str | None:
    """Return the number or the tag that says which version is meant, ``None`` for the head.

    Raises:
        InvalidArgument: it is something else.
    """
    if hasattr(version, "__index__") and not isinstance(version, bool):
        with contextlib.suppress(TypeError):
            version = operator.index(version)
    if isinstance(version, bool) or not isinstance(version, (int, str, type(None))):
        raise InvalidArgument(
            f"a version is a number or a tag, not {type(version).__name__}",
            hint="for instance version=3 or version='prod'",
        )
    return version


def check_mode(mode: Any) -> str:
    """Return the way in which a conversion meets what is there.

    Raises:
        InvalidArgument: there is no such way.
    """
    if mode not in ("create", "overwrite", "append"):
        raise InvalidArgument(
            f"mode={mode!r} is not one of create, overwrite, append",
            hint="overwrite makes the next version, append adds rows to it",
        )
    return mode


def check_age(older_than: Any) -> timedelta | None:
    """Return an age.

    Raises:
        InvalidArgument: it is none, or negative.
    """
    if older_than is not None and not isinstance(older_than, timedelta):
        raise InvalidArgument(
            f"older_than={older_than!r} is not a timedelta", hint="timedelta(days=30)"
        )
    if older_than is not None and older_than < timedelta(0):
        raise InvalidArgument("older_than is negative")
    return older_than


def check_lineage(lineage: Any) -> dict[str, Any]:
    """Return further facts on the origin of a version, without credentials.

    Raises:
        InvalidArgument: not a mapping with text keys.
    """
    if lineage is None:
        return {}
    if not isinstance(lineage, Mapping) or not all(isinstance(key, str) for key in lineage):
        raise InvalidArgument("lineage is a dict with text keys", hint="{'source': 'https://...'}")
    check_text(json.dumps(dict(lineage), ensure_ascii=False, default=str), "lineage")
    return redact_facts(lineage)


def check_labels(tags: Iterable[str]) -> tuple[str, ...]:
    """Return labels without doubles; any non-empty text of up to 100 characters will do."""
    if isinstance(tags, str):
        tags = [tags]
    out: dict[str, None] = {}
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip() or len(tag) > 100:
            raise InvalidArgument(
                f"{tag!r} cannot be a label", hint="labels are texts of 1 to 100 characters"
            )
        out[check_text(tag.strip(), "label")] = None
    return tuple(out)


def check_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return metadata as it comes back from JSON.

    Raises:
        InvalidArgument: something in it has no JSON form, such as NaN or a tensor.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
        raise InvalidArgument("metadata is a dict with text keys")
    for key, value in metadata.items():
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False)
            f"{key}{text}".encode()
            if _depth(value) > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidArgument(
                f"metadata[{key!r}] cannot be kept as JSON: {error}",
                hint="use text, numbers, booleans, None, lists and dicts",
            ) from None
    return json.loads(json.dumps(dict(metadata)))


def _depth(value: Any) -> int:
    inner = value.values() if isinstance(value, Mapping) else value
    if not isinstance(value, (Mapping, list, tuple)):
        return 0
    return 1 + max((_depth(item) for item in inner), default=0)


def resolve_parents(manager: CatalogBase, parents: Any) -> tuple[dict[str, Any], ...]:
    """Return lineage edges with names resolved to entries and versions pinned to numbers.

    Args:
        manager: where names are looked up.
        parents: one of, or a list of: a name, ``"name@3"``, ``"name@tag"``, an artefact, a pair
            ``(name, version)``, a URI, or a dict with ``name`` or ``uri`` and, if wanted,
            ``version`` and ``relation``.

    Raises:
        ArtifactNotFound: a name that the catalogue does not have.
        InvalidArgument: a form not listed above.
    """
    if isinstance(parents, (str, Mapping)) or not isinstance(parents, Iterable):
        parents = [parents]
    return tuple(_edge(manager, parent) for parent in parents)


def newest_edges(edges: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return one edge per parent and relation, the last; versions keep their own edges."""
    kept = {(e.get("id") or e.get("uri"), e.get("relation")): e for e in edges}
    return tuple(kept.values())


def _edge(manager: CatalogBase, parent: Any) -> dict[str, Any]:
    from lancenb.store import redact

    relation = "made from"
    version: Any = None
    if isinstance(parent, Mapping):
        unknown = set(parent) - {"name", "uri", "version", "relation", "id"}
        if unknown or not (parent.get("name") or parent.get("uri")):
            raise InvalidArgument(
                f"{dict(parent)!r} does not name a parent",
                hint="a dict with 'name' or 'uri', and 'version', 'relation' if wanted",
            )
        relation = check_text(str(parent.get("relation") or relation), "relation")
        version = parent.get("version")
        if isinstance(version, bool) or not isinstance(version, (int, str, type(None))):
            raise InvalidArgument(f"{version!r} is no version of a parent", hint="a number or tag")
        name = parent.get("name")
        if name is None:
            edge = {"uri": check_text(redact(str(parent["uri"])), "parent"), "relation": relation}
            return edge if version is None else {**edge, "version": version}
    elif isinstance(parent, (tuple, list)) and len(parent) == 2:
        name, version = parent
    else:
        name = parent
    name = getattr(name, "name", name)
    if not isinstance(name, str):
        raise InvalidArgument(f"{parent!r} does not name a parent", hint="give a name or a URI")
    if "/" in name or "\\" in name:
        return {"uri": check_text(redact(name), "parent"), "relation": relation}
    if version is None and "@" in name:
        name, _, version = name.partition("@")
    entry = manager._entry(name)
    pinned = int(manager._open(entry, version).version)
    return {"name": entry.name, "id": entry.id, "version": pinned, "relation": relation}
