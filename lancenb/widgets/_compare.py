"""``compare``: two versions of stored weights side by side."""

from __future__ import annotations

from typing import Any

from .tensor_browser import TensorBrowser


def compare(
    target: Any,
    v1: int | str,
    v2: Any,
    tensor: str | None = None,
    *,
    store: Any = None,
) -> TensorBrowser:
    """Compare the tensors of two versions of an artefact, or of two artefacts.

    The list tells by content hashes which tensors changed, appeared or went; a tensor is read
    when it is looked at: both histograms over one range, both heat maps on one scale, and the
    difference. ``.measure()`` reads every tensor that differs and fills in how much.

    Args:
        target: an artefact (``dm["name"]``), a table's path or URI, or an open Lance dataset.
        v1: the earlier version: number or tag.
        v2: the later version, or another artefact or table (its latest version).
        tensor: the tensor to begin with.
        store: credentials and options for a URI that needs them.

    Returns:
        A :class:`TensorBrowser`; ``repr`` is the comparison as text.

    Raises:
        InvalidArgument: ``target`` holds no weights.
        NotFound: there is no such version, tag or tensor.

    >>> import tempfile, torch, lancenb as lnb
    >>> dm = lnb.DataManager(tempfile.mkdtemp())
    >>> for value in (1.0, 2.0):
    ...     state = {"w": torch.full((2,), value), "b": torch.ones(1)}
    ...     saved = dm.save_weights("net", state)
    >>> shown = compare(dm["net"], 1, 2)
    >>> job = shown.measure()
    >>> shown
    net  weights  v1 → v2  2 tensors · 1 changed
    tensor  what     shape  dtype    relative change
    w       changed  2      float32  1
    >>> shown.close()
    """
    begin = {} if tensor is None else {"selected": tensor}
    return TensorBrowser(target, version=v1, compare=v2, store=store, **begin)
