"""Data and weights of the demo: from where the settings say, or made here when that is offline."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...download import DatasetDownloader, ModelDownloader
from ...errors import DownloadFailed, LancenbError, NotFound, SourceNotFound
from ._network import hub_address, reachable
from .settings import MODEL_URL, DemoSettings

SEEDED = "seeded"


@dataclass
class Rows:
    """Training rows and, where there is a split for them, held-out rows.

    Attributes:
        name: short name of the data set.
        train: download with the training rows.
        test: download with the held-out rows, None when they must be split off.
        note: what was replaced and why, or "".
    """

    name: str
    train: Any
    test: Any
    note: str = ""


@dataclass
class Weights:
    """Downloaded or generated weights.

    Attributes:
        name: short name of the model.
        source: what the converter reads.
        note: what was replaced and why, or "".
    """

    name: str
    source: Any
    note: str = ""


def get_rows(settings: DemoSettings) -> Rows:
    """Get the rows the settings ask for.

    The default data set is replaced by the synthetic one when the network does not answer; any
    other one that cannot be had is an error.

    Raises:
        DownloadFailed: the data set was asked for by name and cannot be had.
        SourceNotFound: a path that does not exist.
    """
    name = settings.dataset
    if re.match(r"~|/|\.{1,2}/", name):  # a path, never a repository
        name = os.path.expanduser(name)
        if not Path(name).exists():
            raise SourceNotFound(
                f"there is no file or folder {name}",
                hint="--dataset takes cifar10, synthetic, a dataset of the Hub, a folder or a file",
            )
    away = _away(settings, hub_address(), local=name == "synthetic" or Path(name).exists())
    note = ""
    try:
        train = _split(settings, name, settings.split, settings.limit, away)
    except DownloadFailed as error:
        if name != DemoSettings.dataset:
            raise
        note = f"{name} cannot be had ({_why(error)}): using the synthetic image set instead"
        name = "synthetic"
        train = _split(settings, name, settings.split, settings.limit, True)
    held_out = "test" if settings.split != "test" else "train"
    try:
        test = _split(settings, name, held_out, settings.held_out, away)
    except (NotFound, DownloadFailed):
        test = None
    return Rows(_short(name), train, test, note)


def _split(settings: DemoSettings, name: str, split: str, limit: int, away: bool) -> Any:
    shared = {"cache_dir": settings.cache, "offline": away}
    if settings.dataset_mode == "repo" and name != "synthetic" and not Path(name).exists():
        # the files of the repository first, then these rows of them
        name = str(DatasetDownloader(name, mode="repo", **shared).download().path)
    return DatasetDownloader(name, split, mode="arrow", limit=limit, **shared).download()


def get_weights(settings: DemoSettings) -> Weights:
    """Get the weights the settings ask for.

    The default weights are replaced by a seeded ResNet18 when the network does not answer.

    Raises:
        DownloadFailed: other weights were asked for and cannot be had.
    """
    name = settings.model
    address = name if "://" in name else hub_address()
    away = _away(settings, address, local=Path(name).exists())
    try:
        found = ModelDownloader(
            name, settings.cache, mode=settings.model_mode, offline=away
        ).download()
    except DownloadFailed as error:
        if name != MODEL_URL or settings.model_mode != "url":
            raise
        note = f"the weights cannot be had ({_why(error)}): using a ResNet18 drawn by seed"
        return Weights("resnet18", seeded_weights(settings), note)
    return Weights(_short(name), found)


def seeded_weights(settings: DemoSettings) -> Path:
    """A ResNet18 for 1,000 classes with seeded weights, saved as ``.pth`` like torchvision's."""
    path = Path(settings.cache) / "generated" / f"resnet18-{SEEDED}-{settings.seed}.pth"
    if path.exists():
        return path
    import torch
    import torchvision

    from .._quiet import seeded

    path.parent.mkdir(parents=True, exist_ok=True)
    with seeded(settings.seed):
        state = torchvision.models.resnet18(weights=None).state_dict()
    partial = path.with_suffix(f".{os.getpid()}.part")
    torch.save(state, partial)
    partial.replace(path)
    return path


def _away(settings: DemoSettings, address: str, *, local: bool) -> bool:
    """Whether to do without the network."""
    if local or settings.offline is True:
        return True
    return False if settings.offline is False else not reachable(address)


def _why(error: LancenbError) -> str:
    return "no network" if error.code == "offline" else error.message


def _short(name: str) -> str:
    """A name for the catalogue from a path, address or repository."""
    last = re.split(r"[/\\:]", name.rstrip("/\\"))[-1].split("?")[0].split("@")[0]
    last = re.sub(r"(\.(pth|pt|th|ckpt|bin|safetensors|parquet|tar|zip))+$", "", last)
    last = re.sub(r"-[0-9a-f]{8,}$", "", last)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", last).strip("-._") or "demo"
