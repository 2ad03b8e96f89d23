"""Annotated objects of a picture in words."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from ._format import count, plural

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMN, _CATEGORIES = "objects", b"lancenb.categories"
_SHOWN = 4


def objects_column(schema: pa.Schema) -> str | None:
    """Return the column of annotated objects, if there is one.

    >>> import pyarrow as pa
    >>> objects_column(pa.schema([("objects", pa.list_(pa.struct([("category", pa.string())])))]))
    'objects'
    """
    import pyarrow as pa

    index = schema.get_field_index(_COLUMN)
    kind = schema.field(index).type if index >= 0 else None
    if kind is None or not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        return None
    item = kind.value_type
    known = pa.types.is_struct(item) and item.get_field_index("category") >= 0
    return _COLUMN if known else None


def objects_said(objects: list[dict[str, Any]] | None) -> str:
    """Return the categories of a picture's objects, the most frequent first.

    >>> objects_said([{"category": "cat"}, {"category": "dog"}, {"category": "cat"}])
    '3 objects: 2 cat, dog'
    >>> objects_said([])
    'no objects'
    """
    if not objects:
        return "no objects"
    tally = Counter(str(item.get("category") or "?") for item in objects)
    parts = [name if many == 1 else f"{count(many)} {name}" for name, many in tally.most_common()]
    more = f" and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
    return f"{plural(len(objects), 'object')}: {', '.join(parts[:_SHOWN])}{more}"


def categories_said(schema: pa.Schema) -> str:
    """Return how many categories a table of annotated pictures knows."""
    try:
        known = json.loads((schema.metadata or {}).get(_CATEGORIES, b"[]"))
    except ValueError:
        known = []
    names = [str(item.get("name")) for item in known if isinstance(item, dict)]
    listed = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    text = plural(len(names), "category", "categories")
    return f"{text}: {listed}" if names else "objects without categories"
