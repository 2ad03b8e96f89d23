"""``preview(..., live=True)``: the widget that fits a target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import InvalidArgument
from ._source import open_source

#: What to do instead of an argument that only a picture has.
_INSTEAD = {
    "rows": "a live view scrolls through all rows",
    "page": "a live view scrolls through all rows",
    "tensor": "choose a tensor in the view",
    "index": "choose the slice in the view",
    "bins": "leave it out",
    "log": "the view has a switch for it",
}


def live_view(
    target: Any,
    refused: Mapping[str, Any],
    *,
    columns: Sequence[str] | None = None,
    label: str | int | Sequence[str | int] | None = None,
    where: Any = None,
    version: int | str | None = None,
    store: Any = None,
) -> Any:
    """Return a Gallery, a TensorBrowser or a TableView for ``target``.

    Raises:
        InvalidArgument: an argument that only the picture has, or that does not fit the kind.
    """
    for name, value in refused.items():
        if value is not None:
            raise InvalidArgument(f"{name}= is not for a live view", hint=_INSTEAD[name])
    source = open_source(target, version=version, store=store)
    kind = "table" if columns is not None else source.kind
    if kind == "images":
        from .gallery import Gallery

        return Gallery(target, where=where, label=label, version=version, store=store)
    if label is not None:
        raise InvalidArgument(
            f"label= is for images, {source.title} is shown as {kind}",
            hint="leave it out, or use where= to choose rows",
        )
    if kind == "weights":
        from .tensor_browser import TensorBrowser

        if where is not None:
            raise InvalidArgument("where= is not for weights", hint="choose tensors in the view")
        return TensorBrowser(target, version=version, store=store)
    from .table_view import TableView

    return TableView(target, where=where, columns=columns, version=version, store=store)
