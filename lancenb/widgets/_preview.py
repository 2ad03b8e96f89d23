"""``preview``: one look at any table lancenb manages, or at any Lance table at all."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

from ..errors import InvalidArgument
from ._display import Preview
from ._target import resolve

#: At most so many thumbnails or rows are drawn at once.
MAX_ROWS = 500
_DEFAULT_ROWS = {"images": 24, "weights": 200}


def preview(
    target: Any,
    *,
    rows: int | None = None,
    page: int | None = None,
    columns: Sequence[str] | None = None,
    label: str | int | Sequence[str | int] | None = None,
    where: Any = None,
    tensor: str | None = None,
    index: tuple[int, ...] | None = None,
    bins: int = 48,
    log: bool = False,
    version: int | str | None = None,
    store: Any = None,
    live: bool = False,
) -> Any:
    """Show what a table holds, drawn in a notebook and as text elsewhere.

    Images appear as a gallery with their labels, weights as a list of tensors, anything else as
    its first rows with figures per column. Only what is shown is read: a page of images, the list
    of tensors without their bytes, one tensor.

    Args:
        target: an artefact (``dm["name"]``), a table's path or URI, a conversion report, or an
            open Lance dataset.
        rows: thumbnails, tensors or rows to draw, 1 to 500.
        page: page of images or rows, from 1. Without it an image gallery is a sample spread
            evenly over the table.
        columns: columns to draw; for an image table this shows rows instead of a gallery.
        label: for images, only this class (name or id) or these.
        where: only rows that match: SQL text or ``(column, op, value)`` triples.
        tensor: for weights, one tensor by name (figures, histogram, heat map), or a glob pattern
            with ``*`` or ``?`` that shortens the list.
        index: leading positions of the 2-D slice drawn of a tensor with more than two dimensions;
            without it, the first dimension is laid against all others.
        bins: bars of a tensor's histogram, 1 to 400.
        log: logarithmic counts in that histogram.
        version: number or tag; the latest when left out.
        store: credentials and options for a URI that needs them.
        live: a widget to scroll, filter and choose in instead of a picture; of the others it
            takes ``columns``, ``where``, ``label``, ``version`` and ``store``.

    Returns:
        A :class:`Preview`, which a notebook draws by itself; ``.text`` and ``.data`` hold the
        same facts. With ``live``, a :class:`lancenb.Gallery`, :class:`lancenb.TensorBrowser` or
        :class:`lancenb.TableView`.

    Raises:
        InvalidArgument: an argument does not fit the kind of table.
        NotFound: no such table, version, tag, tensor or column.

    >>> import tempfile, lancenb as lnb, pyarrow as pa
    >>> table = pa.table({"word": ["one", "two"], "n": [1, 2]})
    >>> report = lnb.convert(table, tempfile.mkdtemp() + "/example.lance")
    >>> lnb.preview(report)
    example  table  version 1  2 rows · 2 columns
    word  n
    one   1
    two   2
    Rows 1-2 of 2.
    """
    if live:
        from ._live import live_view

        refuse = {"rows": rows, "page": page, "tensor": tensor, "index": index,
                  "bins": None if bins == 48 else bins, "log": log or None}  # fmt: skip
        return live_view(
            target, refuse, columns=columns, label=label, where=where, version=version, store=store
        )
    opened = resolve(target, version=version, store=store)
    if rows is not None and not (_is_count(rows) and rows <= MAX_ROWS):
        raise InvalidArgument(f"rows={rows!r} is no number in range", hint=f"1 to {MAX_ROWS}")
    if page is not None and not _is_count(page):
        raise InvalidArgument(f"page={page!r} is no page number", hint="pages count from 1")
    kind = "table" if columns is not None else opened.kind
    _refuse_strangers(opened.title, kind, tensor=tensor, index=index, label=label)
    amount = rows or _DEFAULT_ROWS.get(kind, 10)
    if kind == "images":
        from ._images import gallery

        return gallery(opened, rows=amount, page=page, label=label, where=where)
    if kind == "weights":
        return _weights(opened, amount, tensor, index, bins, log)
    from ._table import summary

    return summary(opened, rows=amount, page=page, columns=columns, where=where)


def _weights(
    opened: Any,
    rows: int,
    tensor: str | None,
    index: tuple[int, ...] | None,
    bins: int,
    log: bool,
) -> Preview:
    if tensor is not None and not isinstance(tensor, str):
        raise InvalidArgument(f"tensor={tensor!r:.60} is not the name of a tensor")
    if tensor is not None and not any(c in tensor for c in "*?"):
        from ._tensor import detail

        return detail(opened, tensor, bins=bins, log=log, index=index)
    from ._weights import tensor_list

    return tensor_list(opened, rows=rows, pattern=tensor)


def _is_count(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def _refuse_strangers(title: str, kind: str, **given: Any) -> None:
    """Say so when an argument has no meaning for this kind of table."""
    meant_for = {"tensor": "weights", "index": "weights", "label": "images"}
    for name, value in given.items():
        if value is not None and kind != meant_for[name]:
            raise InvalidArgument(
                f"{name}= is for {meant_for[name]}, {title} is shown as {kind}",
                hint="leave it out" + (", or use where= to choose rows" if name == "label" else ""),
            )
