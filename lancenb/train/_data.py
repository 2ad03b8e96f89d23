"""What ``fit`` is given to train on, brought to one form: data sets, or a DataModule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..data._module_base import ResumableDataModule, lone_tail
from ..data._module_inputs import usual_loader
from ..data._module_parts import check_transforms
from ..data._splits import split_rows, tell_mixed
from ..data.dataset import LanceTorchDataset
from ..data.subsets import split
from ..errors import EmptyInput, InvalidArgument
from ._inputs import as_dataset, same_classes
from ._resuming import Resumed, warn_once


@dataclass
class TrainData:
    """Data of a training.

    Attributes:
        train: the training rows, or for a foreign DataModule the module itself.
        val: the validation rows, or None.
        module: the DataModule, when one was given.
        fraction: share of the data that was split off for validation, when it was.
        parts: what the column ``split`` of the data told apart: ``"train"`` and perhaps ``"val"``.
    """

    train: Any
    val: Any = None
    module: Any = None
    fraction: float | None = None
    parts: tuple[str, ...] = ()

    @property
    def image_size(self) -> int | None:
        """Side of the pictures that a DataModule was told to give."""
        return getattr(self.module, "image_size", None)

    def batch_size(self, given: int) -> int:
        """Rows per batch: those of the DataModule, when there is one that says so."""
        own = getattr(self.module, "batch_size", None)
        return own if isinstance(own, int) and not isinstance(own, bool) else given

    @property
    def rows(self) -> int:
        """Training rows; 0 when nobody knows."""
        return len(self.train) if hasattr(self.train, "__len__") else 0

    @property
    def val_rows(self) -> int:
        """Validation rows; 0 when there are none, or nobody knows."""
        return len(self.val) if hasattr(self.val, "__len__") else 0

    def counted_as(self, class_names: list[str] | None) -> TrainData:
        """The same rows with labels that count in the classes of a model.

        Raises:
            InvalidArgument: a class that the model does not have.
        """
        if self.module is None:
            val = None if self.val is None else same_classes(self.val, class_names)
            train = same_classes(self.train, class_names)
            return replace(self, train=train, val=val)
        own = getattr(self.module, "class_names", None)
        if class_names is not None and own is not None and list(own) != list(class_names):
            raise InvalidArgument(
                f"the DataModule counts its classes as {list(own)[:12]}, the model as"
                f" {list(class_names)[:12]}",
                hint="make the model from the DataModule: fit('resnet18', datamodule)",
            )
        return self


def training_data(
    data: Any, val: Any, manager: Any, *, seed: int, resumed: Resumed | None = None
) -> TrainData:
    """Open what is trained on.

    Args:
        data: DataModule, or name, artefact, URI or data set of labelled pictures; where a column
            ``split`` tells rows apart, its training rows are trained on.
        val: the same for validation, or a fraction of the training rows; default: the validation
            rows that such a column tells.
        manager: catalogue for names.
        seed: of the split.
        resumed: the checkpoint that the training goes on from: the version of the data is the one
            it says.

    Raises:
        EmptyInput: no rows.
        InvalidArgument: values that cannot work, such as validation data without rows.
    """
    if hasattr(data, "train_dataloader") and not hasattr(data, "__getitem__"):
        if val is not None:
            raise InvalidArgument(
                "a DataModule brings its own validation data", hint="leave val= out"
            )
        data.prepare_data()
        data.setup("fit")
        _go_back(data, resumed)
        train = getattr(data, "train_dataset", None)
        held_out = getattr(data, "val_dataset", None)
        share = getattr(data, "val_fraction", None)
        found = TrainData(
            data if train is None else train, held_out, data,
            fraction=share if isinstance(share, float) else None, parts=_parts_of(data),
        )  # fmt: skip
    else:
        version = _version_of(data, resumed)
        whole = as_dataset(data, manager, version)
        if version is not None:
            _tell_newer(whole, as_dataset(data, manager))
        rows = split_rows(whole) or {}
        tell_mixed(whole)
        train = whole.subset(rows["train"]) if rows else whole
        parts = ("train",) if rows else ()
        if val is None and "val" in rows:
            val, parts = whole.subset(rows["val"]), ("train", "val")
        share = val if isinstance(val, float) else None
        if share is not None:
            if not isinstance(train, LanceTorchDataset):
                raise InvalidArgument("a validation fraction needs data from a table")
            train, val = split(train, share, seed=seed)
        held_out = None if val is None else as_dataset(val, manager)
        check_transforms({"val": held_out}, stacklevel=4)
        found = TrainData(train, held_out, fraction=share, parts=parts)
    if hasattr(found.train, "__len__") and not len(found.train):
        raise EmptyInput(f"'{getattr(found.train, 'name', 'the data')}' has no rows to train on")
    if hasattr(found.val, "__len__") and not len(found.val):
        raise InvalidArgument(
            f"'{getattr(found.val, 'name', 'the validation data')}' has no rows to validate with",
            hint="leave val= out, or val=0.1 splits some rows off the training data",
        )
    return found


def _parts_of(module: Any) -> tuple[str, ...]:
    """What the column ``split`` told a DataModule apart, when it is one that reads it."""
    if not getattr(module, "by_split", False):
        return ()
    given = module.sources.get("val") is not None or module.val_fraction is not None
    return ("train",) if given or module.val_dataset is None else ("train", "val")


def _go_back(module: Any, resumed: Resumed | None) -> None:
    """Let a DataModule open the versions that a checkpoint was trained on, so that they are told.

    Lightning does so when the training begins, after the record of the run was made.

    Raises:
        InvalidArgument: the DataModule splits its rows by another seed than the run before.
    """
    if resumed is None or not isinstance(module, ResumableDataModule):
        return
    state = resumed.content.get(type(module).__qualname__)
    if not state:
        return
    place = state.get("train") if isinstance(state, dict) else None
    before = place.get("seed") if isinstance(place, dict) else None
    if isinstance(before, int) and before != module.seed:
        if getattr(module, "val_fraction", None) is not None:
            raise InvalidArgument(
                f"the DataModule splits off its validation rows by seed {module.seed}, and the"
                f" checkpoint {resumed.name} is of a training that did so by seed {before}",
                hint=f"seed={before} goes on with the same rows",
            )
        warn_once(
            f"the order of the rows goes on by seed {before} of the checkpoint {resumed.name}; seed"
            f" {module.seed} of the DataModule has no effect",
            stacklevel=4,
        )
    newest = getattr(module, "train_dataset", None)
    module.load_state_dict(state)
    _tell_newer(getattr(module, "train_dataset", None), newest, stacklevel=5)


def _tell_newer(rows: Any, newest: Any, stacklevel: int = 4) -> None:
    """Warn where a resumed training has other rows than the head of the table has now."""
    both = (rows, newest)
    if all(isinstance(each, LanceTorchDataset) for each in both) and rows.version != newest.version:
        warn_once(
            f"the training goes on with version {rows.version} of '{rows.name}', the one of the"
            f" checkpoint; version {newest.version}, which is there now, has no effect",
            stacklevel=stacklevel,
        )


def _version_of(data: Any, resumed: Resumed | None) -> int | None:
    """The version of the data that a checkpoint was trained on, when it is the same data."""
    if resumed is None or not isinstance(data, str):
        return None
    return resumed.version(data)


def loaders(
    data: TrainData,
    batch_size: int,
    *,
    side: int | None,
    seed: int,
    augment: bool,
    world: int,
    **reading: Any,
) -> tuple[Any, Any]:
    """Loaders of training and validation, with the usual transforms by size.

    Args:
        data: what is trained on.
        batch_size: rows per batch and rank.
        side: side of the pictures in pixels.
        seed: of the order and of random transforms.
        augment: random crops and mirroring.
        world: number of processes.
        **reading: ``num_workers`` and ``threads``.
    """
    train = usual_loader(
        data.train, batch_size, image_size=side, augment=augment, shuffle=True, seed=seed,
        drop_last=lone_tail(len(data.train), batch_size, world), **reading,
    )  # fmt: skip
    if data.val is None:
        return train, None
    return train, usual_loader(data.val, batch_size, image_size=side, augment=False, **reading)
