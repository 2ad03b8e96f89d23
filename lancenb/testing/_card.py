"""Model and dataset cards: the YAML at the top of README.md, and the tags it makes."""

from __future__ import annotations

import re
from typing import Any

_FRONT = re.compile(rb"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)
_TAGGED = (
    *("license", "task_categories", "task_ids", "size_categories", "multilinguality"),
    *("language", "annotations_creators", "language_creators", "source_datasets"),
)


class BadCard(Exception):
    """The YAML of a card cannot be read."""


def card_of(readme: bytes) -> dict[str, Any]:
    """Return a card's metadata; empty when there is none, or when it is broken."""
    try:
        return read_card(readme)
    except BadCard:
        return {}


def read_card(readme: bytes) -> dict[str, Any]:
    """Return a card's metadata.

    Raises:
        BadCard: the YAML is broken, or no mapping.
    """
    found = _FRONT.match(readme)
    if not found:
        return {}
    import yaml

    try:
        value = yaml.safe_load(found[1].decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadCard(str(error)) from None
    if value is not None and not isinstance(value, dict):
        raise BadCard("the metadata of a card is a mapping")
    return value or {}


def tags_of(card: dict[str, Any]) -> list[str]:
    """Return the tags by which a search finds a repository."""
    tags = _words(card.get("tags"))
    tags += [word for key in ("library_name", "pipeline_tag") for word in _words(card.get(key))]
    tags += [f"{key}:{word}" for key in _TAGGED for word in _words(card.get(key))]
    tags += _words(card.get("language"))
    tags += [f"dataset:{word}" for word in _words(card.get("datasets"))]
    tags += [f"base_model:{word}" for word in _words(card.get("base_model"))]
    return list(dict.fromkeys(tags))


def _words(value: Any) -> list[str]:
    if value is None or isinstance(value, dict):
        return []
    return [str(word) for word in (value if isinstance(value, list) else [value])]
