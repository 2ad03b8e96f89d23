"""The tensors of a module, and putting others in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def own_tensors(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors of a module's state dict, whatever else it holds left out."""
    import torch

    return {n: t for n, t in module.state_dict().items() if isinstance(t, torch.Tensor)}


def fill(module: torch.nn.Module, chosen: dict[str, torch.Tensor]) -> None:
    """Put tensors into a module; parameters without memory take the tensors themselves."""
    meta = any(t.is_meta for t in own_tensors(module).values())
    if not meta:
        module.load_state_dict(chosen, strict=False)
        return
    # Parameters without memory take over the loaded tensors; shared ones stay shared.
    shared: dict[int, list[tuple[Any, str]]] = {}
    for owner in module.modules():
        for key, parameter in owner._parameters.items():
            if parameter is not None:
                shared.setdefault(id(parameter), []).append((owner, key))
    module.load_state_dict(chosen, strict=False, assign=True)
    for places in shared.values():
        first = next((o._parameters[k] for o, k in places if not _is_meta(o, k)), None)
        for owner, key in places:
            owner._parameters[key] = first if first is not None else owner._parameters[key]


def _is_meta(owner: Any, key: str) -> bool:
    parameter = owner._parameters[key]
    return parameter is None or parameter.is_meta
