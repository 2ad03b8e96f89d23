"""DataModules of known data sets: downloaded and converted once, then read from the catalogue.

>>> CIFAR10DataModule(batch_size=2).get_dataset_info()["num_classes"]
10
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar

from ..catalog import DataManager
from ..download import registry
from ..errors import SourceNotFound
from ._hash import whole
from ._module_base import checked_batch_size
from ._module_fetch import ensure_splits
from .modules import LanceDataModule
from .transforms import ChannelStats

__all__ = [
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "FashionMNISTDataModule",
    "ImageNetDataModule",
    "MNISTDataModule",
    "PresetDataModule",
    "SyntheticDataModule",
]


class PresetDataModule(LanceDataModule):
    """DataModule of a data set that is known by name.

    ``prepare_data`` makes what is missing of the artefacts ``<name>-train``, ``<name>-test`` (and
    ``<name>-validation`` where its makers have one); what is there is used as it is. The test rows
    are never validation rows: without a validation split of the makers, ``val_fraction`` of the
    training rows (a tenth: 5,000 of CIFAR-10) is split off, evenly over the classes, by ``seed``.

    Args:
        manager: catalogue, or its root; default: ``./lancenb-store``.
        source: where the data comes from when it is missing: None (the Hub, or what the registry
            says), ``"official"`` (the makers' files), a path that holds all splits in any layout
            that :func:`lancenb.convert` reads, a spec of :func:`lancenb.download` such as
            ``"synthetic"``, or ``{split: path or spec}``.
        name: base of the artefacts' names; default: the name of the data set, and that of the
            other one where ``source`` is another known data set (``synthetic-train``).
        limit: first rows of each split only, of what is downloaded by rows; part of the
            artefacts' names.
        offline: ask no network: only what is stored, in the cache, or drawn here.
        batch_size: see :class:`LanceDataModule`, as all that follow.
        num_workers: worker processes.
        threads: reading threads.
        val_fraction: share of the training rows for validation; None: no validation data.
        augment: random crops and mirroring.
        image_size: side in pixels.
        seed: of split, order and augmentation.
        uneven: rows that do not divide by the ranks.
        pin_memory: pinned memory.
        drop_last: leave out a smaller last batch.
        epochs: of the whole run.
        shuffle: new order each epoch.
        on_error: ``"raise"`` or ``"skip"``.

    Raises:
        InvalidArgument: values that cannot work.
    """

    dataset_name: ClassVar[str] = ""

    def __init__(
        self,
        *,
        manager: Any = None,
        source: Any = None,
        name: str | None = None,
        limit: int | None = None,
        offline: bool = False,
        batch_size: int | str = 32,
        num_workers: int = 0,
        threads: int = 2,
        val_fraction: float | None = 0.1,
        augment: bool = True,
        image_size: int | None = None,
        seed: int = 0,
        uneven: str = "pad",
        pin_memory: bool = False,
        drop_last: bool | None = None,
        epochs: int | None = None,
        shuffle: bool | str = True,
        on_error: str = "raise",
    ):
        limit = None if limit is None else whole("limit", limit, 1)
        self.entry = _entry_of(self.dataset_name, source)
        base = name or self.entry.name + (f"-first{limit}" if limit else "")
        self.artefacts = {split: f"{base}-{split}" for split in self.entry.splits}
        own_validation = "validation" in self.artefacts
        super().__init__(
            self.artefacts["train"],
            self.artefacts.get("validation"),
            self.artefacts.get("test"),
            manager=DataManager() if manager is None else manager,
            batch_size=batch_size,
            num_workers=num_workers,
            threads=threads,
            val_fraction=None if own_validation else val_fraction,
            augment=augment,
            image_size=image_size,
            seed=seed,
            uneven=uneven,
            pin_memory=pin_memory,
            drop_last=drop_last,
            epochs=epochs,
            shuffle=shuffle,
            on_error=on_error,
        )
        self.source = source
        self.limit = limit
        self.offline = offline

    def prepare_data(self) -> None:
        """Download and convert what is missing; Lightning calls it in one process.

        Raises:
            Offline: no network answers.
            DownloadFailed: the data cannot be had.
            SourceNotFound: ``source`` lacks a split.
            InvalidArgument: a ``limit`` with a ``source`` of files, which are converted whole.
        """
        ensure_splits(
            self.manager, self.artefacts, self.entry, self.source, limit=self.limit,
            offline=self.offline,
        )  # fmt: skip

    def setup(self, stage: str | None = None) -> None:
        """Open the artefacts.

        Raises:
            SourceNotFound: they have not been made yet.
        """
        if self.train_dataset is None:
            missing = [name for name in self.artefacts.values() if name not in self.manager]
            if missing:
                raise SourceNotFound(
                    f"there is no artefact {missing[0]!r} in {self.manager.store.uri} yet",
                    hint="call prepare_data() first; a trainer does that by itself",
                )
        super().setup(stage)

    @property
    def stats(self) -> ChannelStats:
        """Mean and standard deviation per channel (0..1): the published ones, else computed.

        One-channel pictures come as RGB with three equal channels, so their number counts three
        times.
        """
        if self.source not in (None, "official") or not self.entry.mean:
            return super().stats
        mean, std = _three(self.entry.mean), _three(self.entry.std)
        return ChannelStats(mean, std, self.entry.splits["train"])

    def get_dataset_info(self) -> dict[str, Any]:
        """Numbers of the data; before ``prepare_data`` those that the registry knows."""
        if self.train_dataset is not None or all(
            n in self.manager for n in self.artefacts.values()
        ):
            return super().get_dataset_info()
        counts = {s: min(n, self.limit or n) for s, n in self.entry.splits.items()}
        held = int(counts["train"] * (self.val_fraction or 0) + 0.5)
        side = self.image_size or (self.entry.size[0] if self.entry.size else 224)
        found = {
            "num_samples": counts["train"] - held,
            "num_classes": self.entry.number_of_classes,
            "img_size": side,
            "batch_size": checked_batch_size(self.batch_size, side),
            "class_names": list(self.entry.classes) or None,
        }
        if held or "validation" in counts:
            found["num_val_samples"] = counts.get("validation", held)
        return {**found, "num_test_samples": counts["test"]} if "test" in counts else found


def _entry_of(own: str, source: Any) -> registry.DatasetEntry:
    """What the rows are: the data set itself, or another known one that stands in for it."""
    if isinstance(source, str) and not os.path.exists(os.path.expanduser(source)):
        other = registry.find(source.partition(":")[0])
        if other is not None:
            return other
    return registry.info(own)


def _three(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = values * 3 if len(values) == 1 else values
    return red, green, blue


class CIFAR10DataModule(PresetDataModule):
    """CIFAR-10: 45,000 training, 5,000 validation and 10,000 test pictures of 32 pixels."""

    dataset_name = "cifar10"


class CIFAR100DataModule(PresetDataModule):
    """CIFAR-100 (100 fine classes): 45,000, 5,000 and 10,000 pictures of 32 pixels."""

    dataset_name = "cifar100"


class MNISTDataModule(PresetDataModule):
    """MNIST: 54,000, 6,000 and 10,000 digits of 28 pixels; grey becomes three equal channels."""

    dataset_name = "mnist"


class FashionMNISTDataModule(PresetDataModule):
    """Fashion-MNIST: 54,000, 6,000 and 10,000 pictures of 28 pixels, three equal channels."""

    dataset_name = "fashion_mnist"


class SyntheticDataModule(PresetDataModule):
    """Coloured shapes that lancenb draws itself, 32 pixels: no network, equal on every machine."""

    dataset_name = "synthetic"


class ImageNetDataModule(PresetDataModule):
    """ImageNet (ILSVRC 2012) from a folder of yours; it is never downloaded.

    Its terms are accepted in person. Without ``root`` and without the artefacts
    ``imagenet-train`` and ``imagenet-validation``, ``prepare_data`` says what to get where. With
    it, folders and counts are checked and the pictures converted, byte by byte as they are (room
    for a second copy is needed). Validation data is the official validation split; there is no
    labelled test data.

    Args:
        root: folder with ``train/<class>/*.JPEG`` and ``val/<class>/*.JPEG``.
        classes: number of classes to expect, of a subset of yours.
        counts: rows to expect per split (``train``, ``validation``), of a subset of yours.
        image_size: side in pixels.
        batch_size: rows per batch and rank; ``"auto"``: 128 up to 256 pixels, 64 at 512.
        **options: see :class:`PresetDataModule`.

    >>> ImageNetDataModule().get_dataset_info()["num_samples"]
    1281167
    """

    dataset_name = "imagenet"

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        *,
        classes: int | None = None,
        counts: Mapping[str, int] | None = None,
        image_size: int = 224,
        batch_size: int | str = "auto",
        **options: Any,
    ):
        super().__init__(image_size=image_size, batch_size=batch_size, **options)
        self.root = root
        self.classes = classes
        self.counts = counts

    def prepare_data(self) -> None:
        """Check and convert the folder where the artefacts are missing.

        Raises:
            SourceNotFound: there is no folder, or it is not whole; the hint says what to get where.
        """
        if all(name in self.manager for name in self.artefacts.values()):
            return
        if self.root is None and self.source is not None:
            super().prepare_data()
            return
        if self.root is None:
            raise SourceNotFound(
                "ImageNet cannot be downloaded automatically; give root= of your copy",
                hint=self.entry.guide,
            )
        report = registry.check(
            "imagenet", self.root, classes=self.classes, counts=self.counts, hashes=False
        )
        archived = not all(_folder(self.root, split) for split in self.artefacts)
        if not report.ok or archived:
            raise SourceNotFound(str(report), hint=self.entry.guide)
        sources = {split: _folder(self.root, split) for split in self.artefacts}
        ensure_splits(self.manager, self.artefacts, self.entry, sources)


def _folder(root: str | os.PathLike[str], split: str) -> str | None:
    names = ("val", "validation", "valid") if split == "validation" else (split,)
    places = [os.path.join(os.path.expanduser(root), name) for name in names]
    return next((place for place in places if os.path.isdir(place)), None)
