"""What travels to the front end of a table view: columns in words, and pages of cells."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._audio_clip import audio_column, bytes_of, recognise
from ._figures import fits
from ._format import size
from ._source import is_blob
from ._table import _is_number, _type
from ._table_cells import CLIP, cells, is_bytes, is_text, is_vector
from ._table_rows import Rows, sortable
from ._table_values import THUMB, is_picture, picture
from ._target import image_column
from ._thumbs import Undrawable

if TYPE_CHECKING:
    import pyarrow as pa

#: A message holds at most so many bytes; a page that is larger comes in parts.
MESSAGE = 600_000
#: Lance finds no column by such a name.
NAMELESS = {"t": "cannot be read by this name", "k": "bin"}
#: Payloads whose column is not one of pictures are not read for a page.
UNREAD = {"t": "payload, Enter shows it", "k": "bin"}


def columns_of(schema: pa.Schema) -> list[dict[str, Any]]:
    """Return what the front end knows of every column."""
    image, sound = image_column(schema), audio_column(schema)
    out = []
    for field in schema:
        role, known = _role(field.type), readable(field.name)
        if field.name in (image, sound):
            role = "image" if field.name == image else "audio"
        out.append({
            "name": field.name, "type": _type(field.type), "whole": str(field.type)[:400],
            "role": role, "num": role == "number",
            "fit": fits(field) and known,
            "sorts": sortable(field.type) and not is_blob(field) and known,
        })  # fmt: skip
    return out


def readable(name: str | None) -> bool:
    """Tell whether Lance can be asked for a column of this name."""
    return bool(name) and "`" not in str(name)


def _role(kind: pa.DataType) -> str:
    import pyarrow.types as pt

    if pt.is_dictionary(kind):
        return _role(kind.value_type)
    kind = getattr(kind, "storage_type", kind)
    if is_text(kind):
        return "text"
    if _is_number(kind):
        return "number"
    if is_vector(kind):
        return "vector"
    return "nested" if pt.is_nested(kind) else "bytes" if is_bytes(kind) else "plain"


def page(
    rows: Rows, columns: Sequence[dict[str, Any]], offset: int, limit: int
) -> tuple[dict[str, Any], list[bytes]]:
    """Return the rows from ``offset`` on as cells, as many as one message may hold."""
    schema = rows.source.schema
    unread = {
        c["name"]: UNREAD if readable(c["name"]) else NAMELESS
        for c in columns
        if (is_blob(schema.field(c["name"])) and c["role"] != "image") or not readable(c["name"])
    }
    names = [c["name"] for c in columns if c["name"] not in unread]
    spare = [f.name for f in schema if not is_blob(f) and readable(f.name)] or list(schema.names)
    numbers, table = rows.page(offset, limit, names or spare[:1])
    clip = max(24, min(CLIP, 20_000 // max(1, len(columns))))
    ready: list[list[Any]] = []
    images: dict[int, list[bytes | None]] = {}
    for place, column in enumerate(columns):
        if column["name"] in unread:
            ready.append([unread[column["name"]]] * len(numbers))
            continue
        values = table[column["name"]]
        if column["role"] == "image":
            images[place] = [bytes_of(value) for value in values]
            ready.append([_payload(data) for data in images[place]])
        elif column["role"] in ("bytes", "audio"):
            ready.append([_named(v, c) for v, c in zip(values, cells(values, clip), strict=True)])
        else:
            ready.append(cells(values, clip))
    return _packed(numbers, ready, images)


def _payload(data: bytes | None) -> Any:
    return None if data is None else {"t": size(len(data)), "k": "img"}


def _named(value: pa.Scalar, cell: Any) -> Any:
    """Name what bytes hold where their beginning says so."""
    data = None if cell is None else bytes_of(value)
    if not data:
        return cell
    sound = recognise(data[:64])
    if sound is not None:
        return {"t": f"♪ {sound[0]}  {size(len(data))}", "k": "aud"}
    return {"t": f"picture  {size(len(data))}", "k": "img"} if is_picture(data[:64]) else cell


def _packed(
    numbers: list[int], ready: list[list[Any]], images: dict[int, list[bytes | None]]
) -> tuple[dict[str, Any], list[bytes]]:
    lines: list[list[Any]] = []
    pictures: list[tuple[int, int, str]] = []
    buffers: list[bytes] = []
    room = MESSAGE
    for row in range(len(numbers)):
        line = [column[row] for column in ready]
        drawn = []
        for place, data in images.items():
            try:
                blob, mime, _ = picture(data[row] or b"", THUMB)
                drawn.append(((row, place, mime), blob))
            except Undrawable as error:
                line[place] = line[place] and {"t": str(error), "k": "img"}
        room -= len(json.dumps(line, ensure_ascii=False).encode("utf-8", "replace"))
        room -= sum(len(blob) for _, blob in drawn)
        if room < 0 and lines:
            break
        lines.append(line)
        pictures += [head for head, _ in drawn]
        buffers += [blob for _, blob in drawn]
    return {"numbers": numbers[: len(lines)], "rows": lines, "pictures": pictures}, buffers
