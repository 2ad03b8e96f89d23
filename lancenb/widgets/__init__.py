"""What lancenb shows in a notebook: previews, panels, a workbench and live curves.

Everything here is display only; nothing below this room imports it. Names load when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._compare import compare
    from ._curves import Curves, curves
    from ._display import Preview
    from ._preview import preview
    from .convert_panel import ConvertPanel
    from .download_panel import DownloadPanel
    from .gallery import Gallery
    from .job_card import JobCard
    from .register_panel import RegisterPanel
    from .rollback_panel import RollbackPanel
    from .table_view import TableView
    from .tensor_browser import TensorBrowser
    from .workbench import Workbench

_HOMES = {
    "ConvertPanel": "convert_panel",
    "Curves": "_curves",
    "DownloadPanel": "download_panel",
    "Gallery": "gallery",
    "JobCard": "job_card",
    "Preview": "_display",
    "RegisterPanel": "register_panel",
    "RollbackPanel": "rollback_panel",
    "TableView": "table_view",
    "TensorBrowser": "tensor_browser",
    "Workbench": "workbench",
    "compare": "_compare",
    "curves": "_curves",
    "preview": "_preview",
}

__all__ = [
    "ConvertPanel",
    "Curves",
    "DownloadPanel",
    "Gallery",
    "JobCard",
    "Preview",
    "RegisterPanel",
    "RollbackPanel",
    "TableView",
    "TensorBrowser",
    "Workbench",
    "compare",
    "curves",
    "preview",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
