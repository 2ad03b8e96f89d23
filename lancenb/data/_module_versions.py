"""Versions of the tables of a DataModule: the same on all ranks, and those of a stored state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._hash import whole
from ._module_inputs import open_data


def shared_versions(trainer: Any, sources: Mapping[str, Any], manager: Any) -> dict[str, int]:
    """The versions that rank 0 sees, so that an append meanwhile parts no ranks."""
    if trainer is None or trainer.world_size < 2:
        return {}
    found = {}
    if trainer.is_global_zero:
        for part, source in sources.items():
            if source is not None:
                found[part] = getattr(open_data(source, manager), "version", None)
    return trainer.strategy.broadcast(found)


def stored_versions(state: Any) -> dict[str, int]:
    """Versions of the tables in a stored state of a DataModule.

    Raises:
        InvalidArgument: one that is no version.
    """
    known = state.get("versions") if isinstance(state, Mapping) else None
    if not isinstance(known, Mapping):
        return {}
    return {part: whole("version", n, 1) for part, n in known.items() if n is not None}
