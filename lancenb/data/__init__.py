"""Reading tables for training: exact, seeded, safe in worker processes.

>>> from lancenb.data import epoch_order
>>> epoch_order(6, seed=1, epoch=0).tolist() == epoch_order(6, seed=1, epoch=0).tolist()
True

Names are imported when first used, so that ``import lancenb.data`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .batching import Batches, batches
    from .dataset import LanceTorchDataset
    from .frameworks import as_hf, to_jax, to_paddle, to_tf
    from .jit import JiTDataModule, center_crop_arr, create_jit_datamodule
    from .loading import BatchLoader, loader
    from .mixing import MixedDataset, mix
    from .modules import LanceDataModule
    from .order import EpochBatches, SeededBatch, epoch_order, row_seeds, shuffle_quality
    from .presets import (
        CIFAR10DataModule,
        CIFAR100DataModule,
        FashionMNISTDataModule,
        ImageNetDataModule,
        MNISTDataModule,
        SyntheticDataModule,
    )
    from .resume import LoaderState
    from .stream import LanceTorchStream
    from .subsets import split
    from .transforms import (
        ChannelStats,
        CropFlip,
        RandomCropResize,
        channel_stats,
        picture_transform,
    )

_HOME = {
    "Batches": "batching",
    "batches": "batching",
    "as_hf": "frameworks",
    "to_jax": "frameworks",
    "to_paddle": "frameworks",
    "to_tf": "frameworks",
    "LanceTorchDataset": "dataset",
    "LanceTorchStream": "stream",
    "BatchLoader": "loading",
    "loader": "loading",
    "EpochBatches": "order",
    "SeededBatch": "order",
    "epoch_order": "order",
    "row_seeds": "order",
    "shuffle_quality": "order",
    "MixedDataset": "mixing",
    "mix": "mixing",
    "LoaderState": "resume",
    "split": "subsets",
    "ChannelStats": "transforms",
    "CropFlip": "transforms",
    "RandomCropResize": "transforms",
    "channel_stats": "transforms",
    "picture_transform": "transforms",
    "LanceDataModule": "modules",
    "CIFAR100DataModule": "presets",
    "CIFAR10DataModule": "presets",
    "FashionMNISTDataModule": "presets",
    "ImageNetDataModule": "presets",
    "MNISTDataModule": "presets",
    "SyntheticDataModule": "presets",
    "JiTDataModule": "jit",
    "center_crop_arr": "jit",
    "create_jit_datamodule": "jit",
}

__all__ = [
    "BatchLoader",
    "Batches",
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "ChannelStats",
    "CropFlip",
    "EpochBatches",
    "FashionMNISTDataModule",
    "ImageNetDataModule",
    "JiTDataModule",
    "LanceDataModule",
    "LanceTorchDataset",
    "LanceTorchStream",
    "LoaderState",
    "MNISTDataModule",
    "MixedDataset",
    "RandomCropResize",
    "SeededBatch",
    "SyntheticDataModule",
    "as_hf",
    "batches",
    "center_crop_arr",
    "channel_stats",
    "create_jit_datamodule",
    "epoch_order",
    "loader",
    "mix",
    "picture_transform",
    "row_seeds",
    "shuffle_quality",
    "split",
    "to_jax",
    "to_paddle",
    "to_tf",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
