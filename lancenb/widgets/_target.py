"""What a preview can be asked to show, brought to one form."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument, TagNotFound, VersionNotFound

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Target:
    """A table opened at one version, with the name people know it by."""

    dataset: Any
    title: str
    kind: str
    version: int

    @property
    def schema(self) -> pa.Schema:
        """Schema of the table."""
        return self.dataset.schema


def resolve(target: Any, *, version: int | str | None = None, store: Any = None) -> Target:
    """Open ``target``: an artefact, a conversion report, an open Lance table, a path or a URI.

    Raises:
        InvalidArgument: ``target`` is none of these.
        NotFound: there is no such table, version or tag.
    """
    if hasattr(target, "convert") and hasattr(target, "versions"):
        raise InvalidArgument(
            "a catalogue holds many tables, preview shows one",
            hint="name one: dm['name'].preview(); dm.list() shows what there is",
        )
    title = getattr(target, "name", None)
    kind = getattr(target, "kind", None)
    if is_far(target):
        from ._far_dataset import FarDataset

        dataset: Any = FarDataset(target, version)
    elif hasattr(target, "scanner") and hasattr(target, "checkout_version"):
        dataset = target if version is None else _checkout(target, version)
    elif callable(getattr(target, "dataset", None)):
        dataset = target.dataset(version)
    elif isinstance(target, (str, os.PathLike)) or hasattr(target, "uri"):
        from ..store import open_table

        uri = target if isinstance(target, (str, os.PathLike)) else target.uri
        dataset = open_table(os.fspath(uri), store=store, version=version)
    else:
        raise InvalidArgument(
            f"cannot preview a {type(target).__name__}",
            hint="give an artefact (dm['name']), a table's path or URI, or an open Lance dataset",
        )
    return Target(
        dataset,
        str(title) if title else _title(str(dataset.uri)),
        kind if kind in ("weights", "images", "text", "table") else kind_of(dataset.schema),
        int(dataset.version),
    )


def is_far(target: Any) -> bool:
    """Tell an artefact reached by verbs only, on another machine, from one that opens here."""
    if not (callable(getattr(target, "search_rows", None)) and getattr(target, "name", None)):
        return False
    from ..remote._far_artifact import RemoteArtifact

    return isinstance(target, RemoteArtifact) or not callable(getattr(target, "dataset", None))


def _checkout(dataset: Any, version: int | str) -> Any:
    try:
        return dataset.checkout_version(version)
    except (ValueError, OSError) as error:
        missing = VersionNotFound if isinstance(version, int) else TagNotFound
        raise missing(f"{_title(str(dataset.uri))} has no version {version!r}") from error


def _title(uri: str) -> str:
    name = PurePosixPath(uri.split("?")[0].rstrip("/")).name
    return name.removesuffix(".lance") or "table"


def kind_of(schema: pa.Schema) -> str:
    """Return ``weights``, ``images``, ``text`` or ``table`` for any Lance table."""
    stated = (schema.metadata or {}).get(b"lancenb.kind", b"").decode()
    if stated in ("weights", "images", "text", "table"):
        return stated
    if {"name", "dtype", "shape", "data"} <= set(schema.names):
        return "weights"
    return "images" if image_column(schema) else "table"


def features(schema: pa.Schema) -> dict[str, Any]:
    """Return the column features that the ``datasets`` library left in the schema, or nothing."""
    try:
        found = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def image_column(schema: pa.Schema) -> str | None:
    """Return the column that holds encoded images, if there is one."""
    marked = [
        name
        for name, feature in features(schema).items()
        if isinstance(feature, dict) and feature.get("_type") == "Image" and name in schema.names
    ]
    usual = [n for n in ("image", "img", "picture", "jpg", "png") if n in schema.names]
    for name in [*marked, *usual]:
        if _holds_bytes(schema.field(name).type):
            return name
    return None


def _holds_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        return any(f.name in ("bytes", "data") for f in kind.fields)
    storage = getattr(kind, "storage_type", kind)
    return (
        pa.types.is_binary(storage)
        or pa.types.is_large_binary(storage)
        or (storage is not kind and _holds_bytes(storage))
    )


def label_column(schema: pa.Schema) -> str | None:
    """Return the column of class labels, if there is one."""
    marked = [
        name
        for name, feature in features(schema).items()
        if isinstance(feature, dict)
        and feature.get("_type") == "ClassLabel"
        and name in schema.names
    ]
    usual = [n for n in ("label", "fine_label", "class", "target") if n in schema.names]
    return next(iter([*marked, *usual]), None)


def class_names(schema: pa.Schema, column: str | None) -> list[str]:
    """Return the class names of a label column; empty when it has none."""
    feature = features(schema).get(column or "")
    names = feature.get("names") if isinstance(feature, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []
