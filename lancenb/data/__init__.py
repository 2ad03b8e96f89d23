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
    from .dataset import LanceTorchDataset
    from .loading import BatchLoader, loader
    from .order import EpochBatches, epoch_order
    from .subsets import split
    from .transforms import ChannelStats, CropFlip, channel_stats, picture_transform

_HOME = {
    "LanceTorchDataset": "dataset",
    "BatchLoader": "loading",
    "loader": "loading",
    "EpochBatches": "order",
    "epoch_order": "order",
    "split": "subsets",
    "ChannelStats": "transforms",
    "CropFlip": "transforms",
    "channel_stats": "transforms",
    "picture_transform": "transforms",
}

__all__ = [
    "BatchLoader",
    "ChannelStats",
    "CropFlip",
    "EpochBatches",
    "LanceTorchDataset",
    "channel_stats",
    "epoch_order",
    "loader",
    "picture_transform",
    "split",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
