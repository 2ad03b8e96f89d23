"""Storing a state dict or module as a table, or as the next version of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument, SchemaMismatch

from .._base import ConvertReport, find_existing, resolve_uri
from .._write import write_plan
from ._plan import weights_plan
from ._read import read_tensors
from ._rows import is_weights

if TYPE_CHECKING:
    from lancenb.progress import CancelToken, ProgressCallback
    from lancenb.store import Store

MODES = ("auto", "create", "overwrite")


def save_weights(
    state: Any,
    uri: Any,
    *,
    mode: str = "auto",
    store: Store | None = None,
    extras: Mapping[str, Any] | None = None,
    hash: bool = True,
    message: str = "",
    lineage: Mapping[str, Any] | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> ConvertReport:
    """Store tensors as a weights table, or as its next version.

    A next version writes only the tensors whose content changed (all of them when that is more
    than half of the bytes), drops those that are gone, and is one atomic commit. When neither
    tensors nor extras changed there is no new version: the report names the present one, has
    ``rows == 0`` and says "unchanged" under ``skipped``.

    Args:
        state: ``dict[str, Tensor]`` or ``nn.Module``; nested levels are joined by dots. Values
            that are not tensors (epoch, metrics) are kept as JSON extras.
        uri: path or URI of the table; relative to ``store`` when one is given.
        mode: ``"auto"`` makes the table or its next version, ``"create"`` refuses an existing
            table, ``"overwrite"`` is ``"auto"`` under another name.
        store: where relative URIs live and which credentials to use.
        extras: JSON-able facts stored with the version.
        hash: store the SHA-256 of every tensor (about twice the CPU time of the write).
        message: free text stored with the version.
        lineage: facts on the origin, stored with the version.
        progress: callable for progress events, or ``True`` for a text bar.
        cancel: token to stop the work.

    Returns:
        What was written: ``rows`` counts tensors and ``bytes`` payload actually stored.

    Raises:
        AlreadyExists: ``mode="create"`` and there is a table.
        EmptyInput: there are no tensors.
        UnsupportedFormat: a sparse, quantised or meta tensor, named in the message.
        SchemaMismatch: the table at ``uri`` holds something else.

    >>> import tempfile, torch
    >>> uri = tempfile.mkdtemp() + "/m.lance"
    >>> state = {"w": torch.zeros(1000), "b": torch.zeros(3)}
    >>> save_weights(state, uri).version
    1
    >>> state["b"][0] = 1.0
    >>> report = save_weights(state, uri)
    >>> report.version, report.rows, report.bytes
    (2, 1, 12)
    """
    if mode not in MODES:
        raise InvalidArgument(
            f"mode={mode!r} is not one of {', '.join(MODES)}",
            hint="auto makes the table or its next version",
        )
    source = read_tensors(state)
    existing = find_existing(uri, store, "create" if mode == "create" else "overwrite")
    if existing is not None and not is_weights(existing.schema):
        raise SchemaMismatch(
            f"the table at {resolve_uri(uri, store)} does not hold weights",
            hint="choose another place for the weights",
        )
    plan = weights_plan(source, existing=existing, hashed=hash, extras=dict(extras or {}))
    return write_plan(
        plan,
        uri,
        mode="create" if existing is None else "overwrite",
        existing=existing,
        store=store,
        progress=progress,
        cancel=cancel,
        message=message,
        lineage=lineage,
        converter="save_weights",
    )
