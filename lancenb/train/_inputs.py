"""Names, artefacts and data sets given to training, brought to one form."""

from __future__ import annotations

from typing import Any

from ..data._splits import split_rows
from ..data.dataset import LanceTorchDataset
from ..errors import EmptyInput, InvalidArgument
from ._resuming import warn_once

PARTS = ("train", "val", "test")


def as_dataset(data: Any, manager: Any = None, version: int | str | None = None) -> Any:
    """A map-style data set from a name in the catalogue, an artefact, a URI or a data set.

    Raises:
        ArtifactNotFound: a plain name that the catalogue does not have.
        InvalidArgument: nothing of these, or a table without labels.
    """
    if isinstance(data, str) and manager is not None and (data in manager or _is_name(data)):
        data = manager[data]
    if hasattr(data, "__getitem__") and hasattr(data, "__len__") and not isinstance(data, str):
        found = data
    else:
        found = LanceTorchDataset(data, version=version)
    if isinstance(found, LanceTorchDataset):
        if found.labels_reader is None:
            raise InvalidArgument(
                f"'{found.name}' has no labels to learn or to compare with",
                hint="convert images in one folder per class, or give a mapping with 'label'",
            )
        if not found.pictures:
            raise InvalidArgument(
                f"'{found.name}' has no images",
                hint="an image classifier wants an image table",
            )
    return found


def part_of(dataset: Any, split: str | None) -> Any:
    """The rows of a part that the column ``split`` of a table tells; all rows for None.

    Raises:
        InvalidArgument: another word, or data whose rows are not told apart.
        EmptyInput: there are no such rows.
    """
    if split not in (None, *PARTS):
        raise InvalidArgument(f"split is {', '.join(PARTS)} or None, not {split!r:.60}")
    rows, name = split_rows(dataset), getattr(dataset, "name", "the data")
    if split is None:
        if rows is not None:
            warn_once(
                f"all rows of '{name}' are scored, also those to train on: its column split tells"
                " them apart, and split='test' takes the test rows alone"
            )
        return dataset
    if rows is None:
        raise InvalidArgument(
            f"no column split tells rows of '{name}' apart", hint="leave split= out"
        )
    if split not in rows:
        raise EmptyInput(f"'{name}' has no {split} rows", hint=f"it has {', '.join(rows)} rows")
    return dataset.subset(rows[split])


def _is_name(text: str) -> bool:
    return not any(mark in text for mark in ("/", "\\", "://"))


def live_callback(curves: Any, run: Any) -> list[Any]:
    """The callback for the ``curves`` of :func:`~lancenb.train.fit`: none or one."""
    if curves is None or curves is False:
        return []
    from ._curves import LiveCurves

    named = run if isinstance(run, str) else getattr(run, "architecture", None)
    return [LiveCurves(None if curves is True else curves, run=named)]


def same_classes(dataset: Any, class_names: list[str] | None) -> Any:
    """Count the label ids of a data set in the given list of class names, by name.

    Raises:
        InvalidArgument: the data has a class that is not in the list.
    """
    own = getattr(dataset, "class_names", None)
    if class_names is None or own is None or list(own) == list(class_names):
        return dataset
    if not hasattr(dataset, "with_classes"):
        raise InvalidArgument(
            f"the data counts its classes as {list(own)[:12]}, the model as"
            f" {list(class_names)[:12]}"
        )
    return dataset.with_classes(class_names)
