"""What the columns of a table mean to ``datasets``: class names, images, sounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Features

KEY = b"huggingface"


def declared_features(schema: pa.Schema) -> Features:
    """Return the features of a table: as its metadata says, else by the types of its columns.

    ``Features.from_arrow_schema`` drops what the metadata says of a column that is stored in
    another type, such as images in a plain binary column.

    Args:
        schema: of a table, with its metadata.

    >>> import pyarrow as pa
    >>> said = '{"info": {"features": {"image": {"_type": "Image"}}}}'
    >>> schema = pa.schema([("image", pa.binary()), ("n", pa.int8())], {"huggingface": said})
    >>> features = declared_features(schema)
    >>> type(features["image"]).__name__, features["n"].dtype
    ('Image', 'int8')
    """
    from datasets import Features

    found = Features.from_arrow_schema(schema)
    try:
        said = json.loads((schema.metadata or {})[KEY])["info"]["features"]
        known = Features.from_dict({k: v for k, v in said.items() if k in schema.names})
    except (KeyError, ValueError, TypeError, AttributeError):
        return found
    return Features({name: known.get(name, found[name]) for name in schema.names})


def read_schema(table: Any) -> pa.Schema:
    """Return the schema that the rows of a Lance table have when blobs are read as bytes."""
    found = table.scanner(blob_handling="all_binary").projected_schema
    return found.with_metadata(table.schema.metadata)
