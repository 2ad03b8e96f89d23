"""More than one process or machine: tables to and from Ray, over lance-ray.

``pip install 'lancenb[ray]'``. Whatever runs on Ray makes what the same call makes without it: one
atomic version, in the catalogue, with its lineage.

Names are imported when first used, so that ``import lancenb.scale`` does not import Ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .columns import add_column
    from .converting import convert
    from .reading import to_ray
    from .writing import from_ray

_HOME = {
    "add_column": "columns",
    "convert": "converting",
    "from_ray": "writing",
    "to_ray": "reading",
}

__all__ = ["add_column", "convert", "from_ray", "to_ray"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
