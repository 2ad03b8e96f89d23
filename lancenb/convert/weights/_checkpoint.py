"""Opening pickled checkpoints: torch's own safe loader first, our code-free reader second."""

from __future__ import annotations

import argparse
import pathlib
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lancenb.errors import CorruptInput, UnsafeInput, UnsupportedFormat

from ._container import check_zip
from ._flatten import find_stubs_with_tensors
from ._pages import region_of
from ._salvage import Salvaged, salvage

_AGAIN = "fetch or export the file again"
# Above this size a legacy file is read through a mapping instead of into memory.
_LEGACY_IN_MEMORY = 64 << 20


@dataclass
class Opened:
    """A checkpoint in memory or mapped.

    Attributes:
        root: the pickled object.
        notes: ``format``, ``checksums``, ``reader``, ``unknown_classes``.
        regions: file mappings behind its tensors.
        keep: objects that must stay alive with the tensors.
    """

    root: Any
    notes: dict[str, Any]
    regions: list[tuple[int, int]] = field(default_factory=list)
    keep: list[Any] = field(default_factory=list)


def open_checkpoint(path: Path, container: str, *, check_crc: bool, salvage_mode: Any) -> Opened:
    """Open a checkpoint without running code from it.

    Args:
        path: the file.
        container: ``"zip"`` or ``"pickle"``.
        check_crc: verify the checksums of a zip checkpoint first.
        salvage_mode: ``"auto"`` reads plain tensors beside objects of unknown classes, ``True``
            also takes tensors out of such objects (a whole pickled module), ``False`` neither.

    Raises:
        UnsafeInput: the pickle names things only an attack needs.
        CorruptInput: damaged or truncated.
        UnsupportedFormat: TorchScript, a whole pickled module, not a checkpoint.
    """
    notes: dict[str, Any] = {"format": "torch zip" if container == "zip" else "torch legacy"}
    if container == "zip":
        notes["checksums"] = check_zip(path, checksums=check_crc)
    large_legacy = container == "pickle" and path.stat().st_size > _LEGACY_IN_MEMORY
    refusal: Exception | None = None
    if not large_legacy:
        try:
            root = _torch_load(path, mapped=container == "zip")
            notes["reader"] = "torch.load(weights_only=True)"
            return Opened(root, notes, _regions(root))
        except Exception as error:  # torch reports refusals and damage in many classes
            refusal = error
    found = salvage(path, container)
    _refuse_dangerous(path, found)
    _refuse_quantised(path, found)
    if large_legacy and not found.unknown:
        return _salvaged(found, notes)
    _require_allowed(path, found, salvage_mode, refusal)
    return _salvaged(found, notes)


def _salvaged(found: Salvaged, notes: dict[str, Any]) -> Opened:
    notes["reader"] = "code-free reader"
    if found.unknown:
        notes["unknown_classes"] = found.unknown[:50]
    regions = [found.mapped.region] if found.mapped else []
    return Opened(found.root, notes, regions, [found.mapped])


def _torch_load(path: Path, *, mapped: bool) -> Any:
    import torch

    with warnings.catch_warnings(), torch.serialization.safe_globals(_allowed()):
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)


def _allowed() -> list[Any]:
    """Classes that carry plain values and whose construction runs nothing else."""
    import numpy as np

    multiarray = np._core.multiarray  # type: ignore[attr-defined]
    dtypes = [v for n, v in vars(np.dtypes).items() if n.endswith("DType")]
    return [
        np.ndarray,
        np.dtype,
        multiarray._reconstruct,
        multiarray.scalar,
        (multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
        (multiarray.scalar, "numpy.core.multiarray.scalar"),
        *dtypes,
        argparse.Namespace,
        pathlib.PosixPath,
        pathlib.PurePosixPath,
    ]


def _regions(root: Any) -> list[tuple[int, int]]:
    """Find the mapping that torch made, by the address of any tensor in it."""
    import torch

    stack, budget = [root], 100_000
    while stack and budget:
        node = stack.pop()
        budget -= 1
        if isinstance(node, torch.Tensor):
            if node.layout == torch.strided and node.numel() and node.device.type == "cpu":
                region = region_of(node.untyped_storage().data_ptr())
                return [region] if region else []
        elif isinstance(node, dict):
            stack.extend(node.values())
        elif isinstance(node, (list, tuple)):
            stack.extend(node)
    return []


def _refuse_dangerous(path: Path, found: Salvaged) -> None:
    if found.dangerous:
        names = ", ".join(found.dangerous[:5])
        raise UnsafeInput(
            f"{path} would run code when unpickled: it refers to {names}",
            hint="nothing was run; do not open this file with pickle or weights_only=False",
            details={"globals": found.dangerous[:50]},
        )


def _refuse_quantised(path: Path, found: Salvaged) -> None:
    odd = [n for n in found.unknown if n.startswith("torch._utils._rebuild_")]
    odd = [n for n in odd if any(w in n for w in ("qtensor", "sparse", "nested", "meta"))]
    if odd:
        raise UnsupportedFormat(
            f"{path} holds tensors that are not plain memory ({odd[0].rsplit('_rebuild_', 1)[1]})",
            hint="turn them into plain dense tensors before saving (to_dense(), dequantize())",
        )


def _require_allowed(path: Path, found: Salvaged, mode: Any, refusal: Exception | None) -> None:
    holders = find_stubs_with_tensors(found.root)
    if mode is True:
        return
    if holders:
        raise UnsupportedFormat(
            f"{path} holds a whole pickled object with tensors inside ({holders[0]}), "
            "not plain weights",
            hint="save model.state_dict() instead; TensorConverter(salvage=True) takes the "
            "tensors out without running its code",
            details={"classes": found.unknown[:50]},
        )
    if mode == "auto":
        return
    if found.unknown:
        raise UnsupportedFormat(
            f"{path} refers to classes that are not loaded: {', '.join(found.unknown[:5])}",
            hint='salvage="auto" reads the plain tensors beside them',
        )
    reason = str(refusal).splitlines()[0][:200] if refusal else "unknown"
    raise CorruptInput(f"{path} cannot be loaded: {reason}", hint=_AGAIN)


__all__ = ["Opened", "open_checkpoint"]
