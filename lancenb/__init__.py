"""lancenb: weights and datasets under control, every artefact a versioned Lance table.

>>> import lancenb as lnb
>>> lnb.__version__
'0.1.0'

Names are loaded when first used: ``import lancenb`` itself pulls in neither torch nor Lance.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors
from .errors import LancenbError
from .progress import CancelToken, Job, Progress

if TYPE_CHECKING:
    from .catalog import Artifact, DataManager
    from .convert import (
        ConvertReport,
        ParquetConverter,
        PngConverter,
        TensorConverter,
        TextConverter,
        convert,
        sniff,
    )
    from .data import (
        CIFAR10DataModule,
        CIFAR100DataModule,
        FashionMNISTDataModule,
        ImageNetDataModule,
        JiTDataModule,
        LanceDataModule,
        LanceTorchDataset,
        MNISTDataModule,
        batches,
        create_jit_datamodule,
    )
    from .download import DatasetDownloader, ModelDownloader, download, plan
    from .remote import Manager, connect, serve
    from .store import Store
    from .train import ImageClassifier, evaluate, fit
    from .widgets import (
        ConvertPanel,
        Curves,
        DownloadPanel,
        Gallery,
        RegisterPanel,
        RollbackPanel,
        TableView,
        TensorBrowser,
        Workbench,
        compare,
        curves,
        preview,
    )

__version__ = "0.1.0"

_ROOMS = {
    "Artifact": "catalog",
    "CIFAR100DataModule": "data",
    "CIFAR10DataModule": "data",
    "ConvertPanel": "widgets",
    "ConvertReport": "convert",
    "Curves": "widgets",
    "DataManager": "catalog",
    "DatasetDownloader": "download",
    "DownloadPanel": "widgets",
    "FashionMNISTDataModule": "data",
    "Gallery": "widgets",
    "ImageClassifier": "train",
    "ImageNetDataModule": "data",
    "JiTDataModule": "data",
    "LanceDataModule": "data",
    "LanceTorchDataset": "data",
    "MNISTDataModule": "data",
    "Manager": "remote",
    "ModelDownloader": "download",
    "ParquetConverter": "convert",
    "PngConverter": "convert",
    "RegisterPanel": "widgets",
    "RollbackPanel": "widgets",
    "Store": "store",
    "TableView": "widgets",
    "TensorBrowser": "widgets",
    "TensorConverter": "convert",
    "TextConverter": "convert",
    "Workbench": "widgets",
    "batches": "data",
    "compare": "widgets",
    "connect": "remote",
    "create_jit_datamodule": "data",
    "curves": "widgets",
    "evaluate": "train",
    "fit": "train",
    "plan": "download",
    "preview": "widgets",
    "serve": "remote",
    "sniff": "convert",
}
_CALLABLE_ROOMS = ("convert", "download")

__all__ = [
    "Artifact",
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "CancelToken",
    "ConvertPanel",
    "ConvertReport",
    "Curves",
    "DataManager",
    "DatasetDownloader",
    "DownloadPanel",
    "FashionMNISTDataModule",
    "Gallery",
    "ImageClassifier",
    "ImageNetDataModule",
    "JiTDataModule",
    "Job",
    "LanceDataModule",
    "LanceTorchDataset",
    "LancenbError",
    "MNISTDataModule",
    "Manager",
    "ModelDownloader",
    "ParquetConverter",
    "PngConverter",
    "Progress",
    "RegisterPanel",
    "RollbackPanel",
    "Store",
    "TableView",
    "TensorBrowser",
    "TensorConverter",
    "TextConverter",
    "Workbench",
    "batches",
    "compare",
    "connect",
    "convert",
    "create_jit_datamodule",
    "curves",
    "download",
    "errors",
    "evaluate",
    "fit",
    "plan",
    "preview",
    "serve",
    "sniff",
]


def __getattr__(name: str) -> Any:
    if name in _CALLABLE_ROOMS:
        return import_module(f"lancenb.{name}")
    if name in _ROOMS:
        value = getattr(import_module(f"lancenb.{_ROOMS[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'lancenb' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__", "progress"})
