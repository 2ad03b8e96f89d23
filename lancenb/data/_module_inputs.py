"""What DataModules are given, brought to data sets; the usual transforms and loaders for them."""

from __future__ import annotations

import os
from typing import Any

from ..catalog import DataManager
from ..errors import InvalidArgument
from ..store._open import version_apart
from ._shown import shown
from .dataset import LanceTorchDataset
from .loading import BatchLoader, loader
from .transforms import CropFlip, picture_transform


def as_manager(manager: Any) -> Any:
    """A catalogue from a manager or the place of one; None stays None.

    Raises:
        InvalidArgument: it is neither.
    """
    if isinstance(manager, str | os.PathLike):
        return DataManager(os.fspath(manager))
    if manager is not None and not hasattr(manager, "register"):
        raise InvalidArgument(
            f"manager={shown(manager)} is no catalogue",
            hint="give a DataManager, or its root: manager='./lancenb-store'",
        )
    return manager


def open_data(
    data: Any, manager: Any = None, version: int | None = None, on_error: str = "raise"
) -> Any:
    """A map-style data set from a name in the catalogue, an artefact, a URI or a data set.

    Raises:
        ArtifactNotFound: a plain name that the catalogue does not have.
        InvalidArgument: nothing of these, or a name with a version behind it.
    """
    if isinstance(data, str):
        _check_name(data)
    if isinstance(data, str) and manager is not None and (data in manager or _is_name(data)):
        data = manager[data]
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str):
        return data
    return LanceTorchDataset(data, version=version, on_error=on_error)


def _check_name(text: str) -> None:
    name, version = version_apart(text.rpartition("/")[2])
    if version is None or "://" in text or os.path.lexists(os.path.expanduser(text)):
        return
    table = text[: text.rindex("@")] if name.endswith(".lance") else ""
    source = repr(table) if table else f"dm[{name!r}]"
    raise InvalidArgument(
        f"{text!r:.120} is no name of data: a version is given apart",
        hint=f"LanceTorchDataset({source}, version={version!r})",
    )


def _is_name(text: str) -> bool:
    return not any(mark in text for mark in ("/", "\\", "://"))


def aligned(dataset: Any, train: Any) -> Any:
    """The data set with its classes counted as the training data counts them.

    Raises:
        InvalidArgument: it has a class that the training data does not have.
    """
    names = getattr(train, "class_names", None)
    own = getattr(dataset, "class_names", None)
    if names is None or own is None or list(own) == list(names):
        return dataset
    if not hasattr(dataset, "with_classes"):
        raise InvalidArgument(
            f"the training data counts its classes as {list(names)[:12]}, the other as"
            f" {list(own)[:12]}",
            hint="bring both to the same class names",
        )
    return dataset.with_classes(names)


def side_of(dataset: Any, image_size: int | None) -> int | None:
    """Side of the pictures that come out, in pixels; None without pictures, or when unknown."""
    if not isinstance(dataset, LanceTorchDataset) or not dataset.pictures:
        return image_size
    if dataset.transform is not None:
        return image_size
    size = dataset.picture_size
    if image_size or size is None or max(size) > 64:
        return image_size or 224
    return max(size)


def usual_loader(
    dataset: Any, batch_size: int, *, image_size: int | None, augment: bool, **settings: Any
) -> BatchLoader:
    """Batches with the usual transform for the size of the pictures.

    A data set with a transform of its own, or without pictures, is read as it is.

    Args:
        dataset: what is read.
        batch_size: rows per batch and rank.
        image_size: side to bring pictures to.
        augment: random crops and mirroring.
        **settings: of :func:`~lancenb.data.loader`.
    """
    batchwise = None
    plain = isinstance(dataset, LanceTorchDataset) and dataset.transform is None
    if plain and dataset.pictures:
        size = dataset.picture_size
        fitting = picture_transform(size, train=augment, to=image_size)
        if fitting is not None:
            fitted = dataset.with_transform(fitting)
            fitted.reader = dataset.reader  # unreadable rows are counted where the caller looks
            dataset = fitted
        elif augment and size is not None:
            batchwise = CropFlip(max(1, size[0] // 8))
    return loader(dataset, batch_size, augment=batchwise, **settings)
