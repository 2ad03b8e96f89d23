"""Which column of a table holds the pictures, which the labels, and what the rest is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lancenb.errors import ColumnNotFound, InvalidArgument, UnsupportedFormat

from ._schema import OWN_COLUMNS, label_names

if TYPE_CHECKING:
    import pyarrow as pa

_IMAGE_ALIASES = ("image", "img", "images", "picture", "photo", "jpg", "jpeg", "png", "pixels")
_LABEL_ALIASES = (
    *("labels", "fine_label", "class", "class_label", "target", "category", "cls", "y"),
)


@dataclass(frozen=True)
class Columns:
    """Names in the source.

    Attributes:
        image: column of encoded pictures.
        label: column of labels, if any.
        names: class names of integer labels, if known.
        texts: whether labels are strings, to be numbered.
        extras: (name in the source, name in the table) of everything else.
    """

    image: str
    label: str | None
    names: list[str] | None
    texts: bool
    extras: tuple[tuple[str, str], ...]


def choose_columns(
    schema: pa.Schema,
    features: Mapping[str, Any],
    *,
    image: str | None,
    label: Any,
    where: str,
) -> Columns:
    """Find the image and label columns of a table.

    Args:
        schema: Arrow schema of the source.
        features: its ``datasets`` features in JSON form, as far as known.
        image: name given by the user.
        label: ``"auto"``, ``"folder"`` (the same here), ``None`` or a column name.
        where: what to call the source in messages.
    """
    found = _image(schema, features, image, where)
    chosen = _label(schema, features, label, where, found)
    names = label_names(features.get(chosen)) if chosen else None
    texts = chosen is not None and _is_text(schema.field(chosen).type)
    rest = [n for n in schema.names if n not in (found, chosen)]
    taken = {n for n in rest if n not in OWN_COLUMNS}
    extras = []
    for name in rest:
        stored = name
        while stored in OWN_COLUMNS or (stored != name and stored in taken):
            stored = f"source_{stored}"
        taken.add(stored)
        extras.append((name, stored))
    return Columns(found, chosen, names, texts, tuple(extras))


def _image(schema: pa.Schema, features: Mapping[str, Any], image: str | None, where: str) -> str:
    if image is not None:
        _require(schema, image, where)
        if not (is_image_struct(schema.field(image).type) or _is_bytes(schema.field(image).type)):
            raise InvalidArgument(
                f"column {image!r} of {where} is {schema.field(image).type}, not encoded images",
                hint="binary columns and struct<bytes, path> columns hold images",
            )
        return image
    declared = [
        n
        for n in schema.names
        if isinstance(features.get(n), Mapping) and features[n].get("_type") == "Image"
    ]
    others = {n for n, kind in features.items() if isinstance(kind, Mapping) and "_type" in kind}
    structs = [f.name for f in schema if is_image_struct(f.type) and f.name not in others]
    plain = [f.name for f in schema if _is_bytes(f.type) and f.name.lower() in _IMAGE_ALIASES]
    for candidates in (declared, structs, plain):
        if candidates:
            preferred = [a for a in _IMAGE_ALIASES if a in candidates]
            return preferred[0] if preferred else candidates[0]
    raise UnsupportedFormat(
        f"{where} has no column of images",
        hint=f"name it with image=; its columns are: {', '.join(schema.names)}",
    )


def _label(
    schema: pa.Schema, features: Mapping[str, Any], label: Any, where: str, image: str
) -> str | None:
    if label is None:
        return None
    if not isinstance(label, str):
        raise InvalidArgument(
            "label= as a mapping or function works for files, not for tables",
            hint="name the label column, or add one to the table first",
        )
    if label not in ("auto", "folder"):
        _require(schema, label, where)
        if not _is_label(schema.field(label).type):
            raise InvalidArgument(
                f"column {label!r} of {where} is {schema.field(label).type}, not a label",
                hint="integers and strings can be labels",
            )
        return label
    declared = [n for n in schema.names if label_names(features.get(n)) is not None]
    for name in ("label", *declared, *_LABEL_ALIASES):
        at = schema.get_field_index(name)
        if at >= 0 and name != image and _is_label(schema.field(at).type):
            return name
    return None


def _require(schema: pa.Schema, name: str, where: str) -> None:
    if schema.get_field_index(name) < 0:
        raise ColumnNotFound(
            f"{where} has no column {name!r}",
            hint=f"its columns are: {', '.join(schema.names)}",
        )


def is_image_struct(kind: pa.DataType) -> bool:
    """Whether a type is the Hub's layout of an image, ``struct<bytes: binary, path: string>``."""
    import pyarrow.types as t

    if not t.is_struct(kind):
        return False
    parts = {f.name: f.type for f in kind}
    return set(parts) == {"bytes", "path"} and _is_bytes(parts["bytes"])


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow.types as t

    return t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow.types as t

    if t.is_dictionary(kind):
        kind = kind.value_type
    return t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind)


def _is_label(kind: pa.DataType) -> bool:
    import pyarrow.types as t

    return t.is_integer(kind) or _is_text(kind)
