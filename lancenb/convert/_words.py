"""What a conversion made, in words that people use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# what there is to say of a format; others are told by their own name
_FROM = {
    "coco": "COCO annotations",
    "cifar": "CIFAR batches",
    "idx": "idx files",
    "folder": "a folder",
    "files": "files",
    "archive": "an archive",
    "dataset": "a dataset",
    "table": "an Arrow table",
    "parquet": "Parquet",
    "lance": "a Lance table",
    "csv": "CSV",
    "tsv": "TSV",
    "json": "JSON",
    "txt": "plain text",
    "sharded": "shards",
}


def made_of(kind: str, form: str) -> str:
    """Return what a version holds and from what it was read.

    >>> made_of("images", "coco"), made_of("table", "csv"), made_of("weights", "")
    ('images from COCO annotations', 'a table from CSV', 'weights')
    """
    what = {"table": "a table"}.get(kind, kind)
    source = _FROM.get(form, form)
    return " from ".join(part for part in (what, source) if part)


def default_message(mode: str, kind: str, form: str) -> str:
    """Return the message of a version whose maker left none.

    >>> default_message("append", "images", "folder")
    'append images from a folder'
    """
    return f"{mode} {made_of(kind, form)}".strip()


def form_of(facts: Mapping[str, Any]) -> str:
    """Return the format that was read, from the facts stored with a version."""
    options = facts.get("options")
    noted = options.get("format") if isinstance(options, Mapping) else None
    return str(facts.get("format") or noted or "")
