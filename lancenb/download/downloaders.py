"""The two front ends with a mode: :class:`ModelDownloader` and :class:`DatasetDownloader`."""

from __future__ import annotations

from .dataset_downloader import DatasetDownloader
from .model_downloader import ModelDownloader

__all__ = ["DatasetDownloader", "ModelDownloader"]
