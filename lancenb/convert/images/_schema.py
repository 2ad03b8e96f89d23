"""Schema of an image table and its ``huggingface`` metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

HF_KEY = b"huggingface"
HEADER_COLUMNS = ("width", "height", "mode", "format")
OWN_COLUMNS = ("image", "label", *HEADER_COLUMNS, "path", "sha256")
# Images are compressed already and hashes cannot be: packing them again only costs time.
PLAIN = {b"lance-encoding:compression": b"none"}


def class_names(schema: pa.Schema) -> list[str] | None:
    """Return the class names of an image table, ``None`` when its labels have no names.

    Args:
        schema: Arrow schema with metadata, as ``lance.dataset(uri).schema`` gives it. The label
            of a row is the place of its class in the list.

    >>> import pyarrow as pa
    >>> schema = image_schema(names=["cat", "dog"], label=True)
    >>> class_names(schema)
    ['cat', 'dog']
    >>> class_names(pa.schema([("x", pa.int64())])) is None
    True
    """
    feature = features_of(schema).get("label")
    return label_names(feature)


def label_names(feature: Any) -> list[str] | None:
    """Return the names of a ``ClassLabel`` feature in its JSON form."""
    if not isinstance(feature, Mapping) or feature.get("_type") != "ClassLabel":
        return None
    names = feature.get("names")
    if isinstance(names, list):
        return [str(name) for name in names]
    if isinstance(names, Mapping):  # {"0": "cat", "1": "dog"}, as dataset cards have it
        return [str(names[k]) for k in sorted(names, key=int)]
    return None


def features_of(schema: pa.Schema) -> dict[str, Any]:
    """Return the ``datasets`` features in schema metadata, in JSON form; empty without any."""
    raw = (schema.metadata or {}).get(HF_KEY)
    if not raw:
        return {}
    try:
        features = json.loads(raw)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def image_schema(
    *,
    label: bool,
    names: Sequence[str] | None = None,
    header: bool = True,
    sha256: bool = True,
    extras: Sequence[pa.Field] = (),
    features: Mapping[str, Any] | None = None,
) -> pa.Schema:
    """Return the schema of an image table.

    Args:
        label: whether there is a ``label`` column.
        names: class names, in the order of their ids.
        header: whether there are ``width``, ``height``, ``mode`` and ``format``.
        sha256: whether there is a ``sha256`` column.
        extras: more columns of the source.
        features: ``datasets`` features of ``extras``, in JSON form.
    """
    import pyarrow as pa

    fields = [pa.field("image", pa.binary(), metadata=PLAIN)]
    described: dict[str, Any] = {"image": {"_type": "Image"}}
    if label:
        fields.append(pa.field("label", pa.int64()))
        if names is not None:
            described["label"] = {"names": list(names), "_type": "ClassLabel"}
        else:
            described["label"] = _value("int64")
    if header:
        for name in HEADER_COLUMNS:
            kind = pa.int32() if name in ("width", "height") else pa.string()
            fields.append(pa.field(name, kind))
            described[name] = _value(str(kind))
    fields.append(pa.field("path", pa.string()))
    described["path"] = _value("string")
    if sha256:
        fields.append(pa.field("sha256", pa.string(), metadata=PLAIN))
        described["sha256"] = _value("string")
    for field in extras:
        fields.append(field.with_nullable(True))
        if features and field.name in features:
            described[field.name] = features[field.name]
    metadata = {HF_KEY: hf_metadata(described)}
    return pa.schema(fields, metadata=metadata)


def hf_metadata(features: Mapping[str, Any]) -> bytes:
    """Return the value of the ``huggingface`` key for features in JSON form."""
    return json.dumps({"info": {"features": dict(features)}}, ensure_ascii=False).encode()


def with_names(schema: pa.Schema, names: Sequence[str]) -> bytes:
    """Return the ``huggingface`` metadata of ``schema`` with other class names."""
    features = dict(features_of(schema))
    features["label"] = {"names": list(names), "_type": "ClassLabel"}
    return hf_metadata(features)


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}
