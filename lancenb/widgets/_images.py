"""The gallery: thumbnails of an image table with their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InvalidArgument
from ._display import Preview, bars, card, esc, heading
from ._filter import combine, label_filter
from ._format import count, plural, size, text_table
from ._objects import categories_said, objects_column, objects_said
from ._target import Target, class_names, image_column, label_column
from ._thumbs import Undrawable, thumbnail

#: Label counts read one small column; beyond this many rows they are left out.
COUNT_LABELS_UP_TO = 5_000_000


def gallery(
    target: Target,
    *,
    rows: int = 24,
    page: int | None = None,
    label: str | int | Sequence[str | int] | None = None,
    where: Any = None,
) -> Preview:
    """Draw a page of an image table.

    Args:
        target: an image table.
        rows: thumbnails to draw.
        page: page number from 1, in table order; None spreads the sample over the whole table
            (or takes the first page of a filtered one).
        label: class name or id, or several: only these.
        where: further condition, SQL or ``(column, op, value)`` triples.
    """
    schema = target.schema
    column = image_column(schema)
    if column is None:
        raise InvalidArgument(
            f"{target.title} has no column of encoded images",
            hint="preview(..., columns=[...]) shows any table as rows",
        )
    labels = label_column(schema)
    names = class_names(schema, labels)
    condition = combine(target, where, label_filter(target, labels, names, label))
    total = int(target.dataset.count_rows(condition))
    pages = max(1, -(-total // rows))
    if page is not None and page > pages:
        raise InvalidArgument(
            f"page {page} of {target.title} does not exist",
            hint=f"there are {plural(pages, 'page')} of {rows}",
        )
    objects = objects_column(schema)
    named = (column, labels, objects, "width", "height", "path")
    wanted = [name for name in named if name and name in schema.names]
    first = ((page or 1) - 1) * rows
    spread = condition is None and page is None and total > rows
    if condition is None:
        indices = (
            sorted({i * total // rows for i in range(rows)})
            if spread
            else list(range(first, min(total, first + rows)))
        )
        shown = [
            _Item(record, column, labels, names, row, objects)
            for row, record in zip(
                indices, _take(target.dataset, indices, wanted, column), strict=True
            )
        ]
    else:
        found = _scan(target.dataset, condition, wanted, column, rows, first)
        shown = [_Item(record, column, labels, names, None, objects) for record in found]
    facts = [plural(int(target.dataset.count_rows()) if condition else total, "image")]
    if condition:
        facts.append(f"{count(total)} match")
    if names:
        facts.append(plural(len(names), "class", "classes"))
    if objects is not None:
        facts.append(categories_said(schema))
    if spread:
        foot = f"{len(shown)} of {count(total)}, evenly spaced; page=1 shows them in order"
    elif shown:
        foot = f"{count(first + 1)}-{count(first + len(shown))} of {count(total)}"
        foot += f", page {page or 1} of {count(pages)}" if pages > 1 else ""
    else:
        foot = "no image matches" if condition else "the table is empty"
    tally = _tally(target.dataset, labels, names, condition, total)
    parts = [grid(shown)] if shown else []
    if tally:
        parts.append(f"<details><summary>Images per class</summary>{bars(tally[:60])}</details>")
    chips = ["images", f"version {target.version}"]
    data = {
        "rows": total,
        "shown": [{"row": i.row, "label": i.label, "path": i.path} for i in shown],
        "per_class": dict(tally),
        "broken": sum(1 for i in shown if i.reason),
    }
    html = card(target.title, chips, facts, *parts, foot=esc(foot))
    text = [heading(target.title, chips, facts), *([lines(shown)] if shown else []), foot]
    return Preview(html, "\n".join(text), data)


def lines(items: Sequence[Any]) -> str:
    rows = [
        ["" if i.row is None else str(i.row), i.label, i.size, size(i.nbytes), i.path or "-"]
        for i in items
    ]
    return text_table(
        ["row", "label", "size", "bytes", "path"], rows, [True, False, True, True, False]
    )


class _Item:
    """One image of the page."""

    def __init__(
        self,
        record: dict[str, Any],
        column: str,
        labels: str | None,
        names: list[str],
        row: int | None,
        objects: str | None = None,
    ):
        value = record.get(column)
        blob = value.get("bytes", value.get("data")) if isinstance(value, dict) else value
        self.row = row
        self.nbytes = len(blob) if blob else 0
        self.path = str(record.get("path") or "")
        self.label = _name(record.get(labels) if labels else None, names)
        if labels is None and objects is not None:
            self.label = objects_said(record.get(objects))
        wide, high = record.get("width"), record.get("height")
        self.size = f"{wide} × {high}" if wide and high else ""
        self.address, self.pixels, self.reason = "", False, ""
        try:
            if not blob:
                raise Undrawable("no bytes")
            self.address, self.pixels = thumbnail(blob)
        except Undrawable as error:
            self.reason = str(error)


def _name(value: Any, names: list[str]) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return str(value)


def grid(items: Sequence[Any]) -> str:
    cards = []
    for item in items:
        what = f"row {item.row}" if item.row is not None else "image"
        tip = " · ".join(t for t in (what, item.label, item.size, item.path, item.reason) if t)
        if item.address:
            css = "lnb-pic lnb-px" if item.pixels else "lnb-pic"
            alt = f"{what}: {item.label}" if item.label != "-" else what
            picture = f'<img class="{css}" src="{item.address}" alt="{esc(alt)}">'
        else:
            picture = f'<div class="lnb-pic">{esc(item.reason)}</div>'
        row = "" if item.row is None else f"<small>{count(item.row)}</small>"
        caption = esc(item.label if item.label != "-" else item.path or "-")
        cards.append(
            f'<li title="{esc(tip)}">{picture}<div class="lnb-cap">{row}{caption}</div></li>'
        )
    return f'<ul class="lnb-gal">{"".join(cards)}</ul>'


def _take(dataset: Any, indices: list[int], columns: list[str], image: str) -> list[dict[str, Any]]:
    if not indices:
        return []
    if not _is_blob(dataset.schema.field(image)):
        return dataset.take(indices, columns=columns).to_pylist()
    rows = dataset.take(indices, columns=[c for c in columns if c != image]).to_pylist()
    for row, blob in zip(rows, dataset.take_blobs(image, indices=indices), strict=True):
        row[image] = blob.readall()
    return rows


def _scan(
    dataset: Any, condition: str, columns: list[str], image: str, limit: int, offset: int
) -> list[dict[str, Any]]:
    blob = _is_blob(dataset.schema.field(image))
    found = dataset.scanner(
        columns=[c for c in columns if not (blob and c == image)],
        filter=condition,
        limit=limit,
        offset=offset,
        with_row_id=blob,
    ).to_table()
    rows = found.to_pylist()
    if blob and rows:
        ids = [row.pop("_rowid") for row in rows]
        for row, item in zip(rows, dataset.take_blobs(image, ids=ids), strict=True):
            row[image] = item.readall()
    return rows


def _is_blob(field: Any) -> bool:
    return (field.metadata or {}).get(b"lance-encoding:blob") == b"true" or "blob" in str(
        getattr(field.type, "extension_name", "")
    )


def _tally(
    dataset: Any, labels: str | None, names: list[str], condition: str | None, total: int
) -> list[tuple[str, int]]:
    if labels is None or not 0 < total <= COUNT_LABELS_UP_TO:
        return []
    import pyarrow.compute as pc

    column = dataset.scanner(columns=[labels], filter=condition).to_table()[labels]
    counted = pc.value_counts(column).to_pylist()
    pairs = [(_name(c["values"], names), c["values"], int(c["counts"])) for c in counted]
    pairs.sort(key=lambda p: (p[1] is None, p[1] if isinstance(p[1], int) else 0, p[0]))
    return [(name if value is not None else "no label", n) for name, value, n in pairs]
