"""What lancenb's DataModules share: the place in the data, and the number of steps."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import lightning as L

from ..errors import InvalidArgument
from ._hash import whole
from .order import EpochBatches
from .resume import LoaderState

_FORMAT = 1


class ResumableDataModule(L.LightningDataModule, ABC):
    """Keeps the place of its training loader in checkpoints, and knows its steps beforehand.

    Lightning stores the place with the loader as well, but gives it back only to loaders that it
    makes after the checkpoint was read: one call of ``trainer.estimated_stepping_batches`` before
    (any one-cycle schedule) and a resumed run starts its epoch again
    (https://github.com/Lightning-AI/pytorch-lightning/issues/20550). A DataModule is given its
    state back before any loader is made. What else Lightning miscounts is the affair of
    :class:`~lancenb.data.LoaderState`, which joins the trainer's callbacks in :meth:`setup`.

    Args:
        seed: seed of order and augmentation.
        epochs: epochs of the whole run, for :meth:`total_steps`.

    Raises:
        InvalidArgument: epochs that are no whole number from 1 on.
    """

    def __init__(self, *, seed: int = 0, epochs: int | None = None):
        super().__init__()
        self.seed = seed
        self.epochs = None if epochs is None else whole("epochs", epochs, 1)
        self._train_batches: Any = None
        self._place: dict[str, Any] | None = None
        self._first_epoch = 0

    def setup(self, stage: str | None = None) -> None:
        """See that the trainer counts batches and epochs right when it resumes."""
        trainer: Any = self.trainer
        if stage != "fit" or trainer is None:
            return
        if not any(isinstance(each, LoaderState) for each in trainer.callbacks):
            trainer.callbacks.insert(0, LoaderState())

    # the place in the data -------------------------------------------------------------------
    def _remember(self, batches: Any) -> Any:
        """Make a new training loader the one whose place is kept; give it the place loaded."""
        if self._first_epoch:
            batches.set_epoch(self._first_epoch)
        if self._place is not None:
            batches.load_state_dict(self._place["train"])
        self._train_batches, self._place, self._first_epoch = batches, None, 0
        return batches

    def set_epoch(self, epoch: int) -> None:
        """Use the order of this epoch next. Never required: each finished epoch moves on."""
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 0:
            raise InvalidArgument(f"epoch must be a whole number >= 0, not {epoch!r}")
        if self._train_batches is None:
            self._first_epoch = epoch
        else:
            self._train_batches.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """The place in the training data, JSON-able; empty before there is a training loader."""
        if self._place is not None:
            return dict(self._place)
        if self._train_batches is None:
            return {}
        return {"format": _FORMAT, "train": self._train_batches.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at a stored place.

        Inside a trainer it is for the loader that is made next; without one, a loader that
        :meth:`train_dataloader` has made already goes there.

        Raises:
            InvalidArgument: the state is of another version of this format.
        """
        if not isinstance(state_dict, Mapping):
            raise _unreadable(state_dict)
        if not state_dict:
            return
        place = state_dict.get("train")
        if state_dict.get("format") != _FORMAT or not isinstance(place, Mapping):
            raise _unreadable(state_dict)
        if self._train_batches is not None and self.trainer is None:
            self._train_batches.load_state_dict(place)
        else:
            self._place = dict(state_dict)

    # steps -----------------------------------------------------------------------------------
    @abstractmethod
    def _train_plan(self) -> tuple[int, dict[str, Any]]:
        """Rows to train on and settings of the loader (batch_size, drop_last, uneven)."""

    def _world_size(self) -> int:
        """Processes that share the batches."""
        if self.trainer is not None:
            return int(self.trainer.world_size)
        import torch.distributed as dist

        return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1

    @property
    def steps_per_epoch(self) -> int:
        """Batches of one rank in one epoch, without making a loader.

        ``limit_train_batches`` of the trainer counts.
        """
        rows, settings = self._train_plan()
        whole = len(EpochBatches(rows, rank=0, world_size=self._world_size(), **settings))
        limit = getattr(self.trainer, "limit_train_batches", None)
        if limit is None:
            return whole
        return min(whole, limit) if isinstance(limit, int) else int(whole * limit)

    def total_steps(self, epochs: int | None = None, *, accumulate: int | None = None) -> int:
        """Steps of the optimizer in the whole run, for schedules such as ``OneCycleLR``.

        Unlike ``trainer.estimated_stepping_batches`` it makes no loader.

        Args:
            epochs: of the whole run; default: the DataModule's, else the trainer's.
            accumulate: batches per step of the optimizer; default: the trainer's, else 1.

        Raises:
            InvalidArgument: nobody says how many epochs, or values that cannot work.
        """
        for name, value in (("epochs", epochs), ("accumulate", accumulate)):
            if value is not None:
                whole(name, value, 1)
        trainer = self.trainer
        epochs = epochs or self.epochs or getattr(trainer, "max_epochs", None)
        most = getattr(trainer, "max_steps", -1)
        if (epochs is None or epochs < 0) and most >= 0:
            return int(most)
        if epochs is None or epochs < 0:
            raise InvalidArgument(
                "the number of epochs is not known", hint="total_steps(epochs=10), or epochs=10"
            )
        accumulate = accumulate or int(getattr(trainer, "accumulate_grad_batches", 1))
        steps = math.ceil(self.steps_per_epoch / accumulate) * epochs
        return min(steps, most) if most >= 0 else steps


def _unreadable(state: object) -> InvalidArgument:
    return InvalidArgument(
        f"this state of a DataModule cannot be read: {state!r:.120}",
        hint="it was written by another version of lancenb",
    )


def lone_tail(rows: int, batch_size: int, world_size: int) -> bool:
    """Whether the last batch would be one row per rank, which stops batch normalisation.

    >>> lone_tail(33, 32, 1), lone_tail(34, 32, 1), lone_tail(1, 32, 1), lone_tail(66, 32, 2)
    (True, False, False, True)
    """
    tail = rows % (batch_size * world_size)
    return batch_size > 1 and rows > tail > 0 and math.ceil(tail / world_size) == 1


def auto_batch_size(side: int) -> int:
    """Rows per batch for pictures of a side: 128 at 256 pixels and below, 64 at 512.

    >>> auto_batch_size(256), auto_batch_size(512), auto_batch_size(32), auto_batch_size(1024)
    (128, 64, 128, 32)
    """
    return max(1, min(128, 128 * 256 // side))


def checked_batch_size(batch_size: int | str, side: int | None) -> int | str:
    """A batch size; ``"auto"`` becomes a number once the side is known.

    Raises:
        InvalidArgument: neither ``"auto"`` nor a whole number above 0.
    """
    if batch_size == "auto":
        return auto_batch_size(side) if side else "auto"
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InvalidArgument(f"batch_size is 'auto' or a whole number >= 1, not {batch_size!r}")
    return batch_size
