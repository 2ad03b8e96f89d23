"""When checkpoints of a training are saved, where, and which of them stay."""

from __future__ import annotations

import contextlib
import math
import warnings
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Checkpoint

from ..errors import InvalidArgument, LancenbError, NotFound
from ._checks import check_folder
from .checkpoints import SCHEME, catalogue_name, read_facts

LAST, BEST = "last", "best"
#: Added to the name of the model artefact.
SUFFIX = "-checkpoints"


@dataclass(frozen=True)
class Checkpoints:
    """When ``fit`` saves checkpoints, and where.

    Two stay: ``last``, to go on from, and ``best``, by validation (until there has been one, the
    last). In a catalogue they are tags of the artefact ``<name>-checkpoints``, and a second
    training of that name at the same time is refused; in a folder they are the tables ``last.ckpt``
    and ``best.ckpt``, and each training needs a folder of its own.

    Attributes:
        every_steps: save after each so many optimizer steps; at the end of an epoch, when it has
            been validated.
        every_epochs: save after each so many epochs; 1 when neither is given.
        folder: folder or URI; default: the catalogue of the run.
        monitor: figure that tells the best one.
        mode: ``"max"`` or ``"min"``: which values of it are better.

    Raises:
        InvalidArgument: numbers below 1, or another mode.

    >>> Checkpoints(every_steps=100).every_epochs is None
    True
    """

    every_steps: int | None = None
    every_epochs: int | None = None
    folder: str | None = None
    monitor: str = "val_acc"
    mode: str = "max"

    def __post_init__(self) -> None:
        for name in ("every_steps", "every_epochs"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if value is not None and not whole:
                raise InvalidArgument(
                    f"checkpoints: {name} must be a whole number >= 1, not {value!r}"
                )
        if self.every_steps is None and self.every_epochs is None:
            object.__setattr__(self, "every_epochs", 1)
        if self.mode not in ("max", "min"):
            raise InvalidArgument(f"checkpoints: mode is 'max' or 'min', not {self.mode!r}")
        if self.folder is not None:
            object.__setattr__(self, "folder", str(self.folder))

    @classmethod
    def of(cls, given: Any) -> Checkpoints | None:
        """Bring the ``checkpoint`` of ``fit`` to one form.

        Args:
            given: None or False; True for each epoch; a number of steps; a folder; a dictionary
                of the attributes; or one of this class.

        >>> Checkpoints.of(50).every_steps, Checkpoints.of(None)
        (50, None)
        """
        if given is None or given is False:
            return None
        if given is True:
            return cls()
        if isinstance(given, cls):
            return given
        if isinstance(given, int):
            return cls(every_steps=given)
        if isinstance(given, (str, Path)):
            return cls(folder=str(given))
        known = [each.name for each in fields(cls)]
        if not isinstance(given, dict) or set(given) - set(known):
            raise InvalidArgument(
                f"checkpoint={given!r:.80} is not understood",
                hint=f"True, a number of steps, a folder, or a dict with {', '.join(known)}",
            )
        return cls(**given)

    def address(self, target: str, which: str = "") -> str:
        """Where checkpoints of a run go.

        Args:
            target: name of the model artefact.
            which: ``"last"`` or ``"best"`` for one that is there.
        """
        if self.folder is not None:
            return f"{self.folder.rstrip('/')}/{which or LAST}.ckpt"
        return f"{SCHEME}{target}{SUFFIX}{'@' * bool(which)}{which}"


class KeepCheckpoints(Checkpoint):
    """Saves checkpoints as :class:`Checkpoints` says.

    Args:
        settings: when and where.
        target: name of the model artefact, or "".
        manager: its catalogue.
    """

    def __init__(self, settings: Checkpoints, target: str = "", manager: Any = None):
        self.settings = settings
        self.target = target
        self.manager = manager
        self.best: float | None = None
        self._saved = -1
        self._closed = -1
        self._waits = False
        self._told = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """A step that was resumed from is saved already."""
        self._saved = int(trainer.global_step) if trainer.ckpt_path else -1

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save after each so many steps; at the end of an epoch, once it is validated."""
        every, step = self.settings.every_steps, int(trainer.global_step)
        if every is None or step % every or step <= max(0, self._saved):
            return
        last = trainer.is_last_batch or batch_idx + 1 >= trainer.num_training_batches
        # A run that goes on from the last batch of an epoch validates that epoch no more: its
        # figures would be lost, and with them that it was the best.
        self._waits = last and trainer.enable_validation
        if not self._waits:
            self._save(trainer, self._unjudged(trainer))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Save after each so many epochs, what waited, and what is better than all before."""
        every = self.settings.every_epochs
        due = every is not None and (trainer.current_epoch + 1) % every == 0
        due, self._waits = due or self._waits, False
        better = self._is_better(trainer, due)
        if due or better:
            self._save(trainer, better)
            self._closed = self._saved

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the end, with the figures of the last validation, unless that was done."""
        if int(trainer.global_step) > max(0, self._closed):
            self._save(trainer, self._unjudged(trainer))

    def _unjudged(self, trainer: Any) -> bool:
        """Whether nothing has told the best one yet: then it is the last."""
        return self.best is None and self.settings.monitor not in trainer.callback_metrics

    def _save(self, trainer: Any, better: bool = False) -> None:
        self._saved = int(trainer.global_step)
        if self.settings.folder is not None:
            # The best one first: the last one says that it is there, and a run goes on from that.
            for which in (BEST, LAST) if better else (LAST,):
                trainer.save_checkpoint(self.settings.address(self.target, which))
            return
        trainer.save_checkpoint(self.settings.address(self.target))
        if trainer.is_global_zero:
            self._tag(better)

    def _is_better(self, trainer: Any, due: bool) -> bool:
        found = trainer.callback_metrics.get(self.settings.monitor)
        if found is None:
            self._miss(trainer.callback_metrics)
            return due and self.best is None
        value = float(found)
        sign = 1 if self.settings.mode == "max" else -1
        if math.isnan(value) or (self.best is not None and sign * value <= sign * self.best):
            return False
        self.best = value
        return True

    def _miss(self, figures: Any) -> None:
        """Say once that a figure that was asked for is not there; the usual one may be missing."""
        if self._told or self.settings.monitor == Checkpoints.monitor:
            return
        self._told = True
        warnings.warn(
            f"there is no figure {self.settings.monitor!r} to tell the best checkpoint by, so the"
            f" last one counts as best; there are {', '.join(map(str, figures))}",
            stacklevel=2,
        )

    def _tag(self, better: bool) -> None:
        name = self.target + SUFFIX
        version = self.manager[name].version
        for tag in (BEST, LAST) if better else (LAST,):  # in this order, see _save
            self.manager.tag(name, tag, version)
        with contextlib.suppress(LancenbError):  # somebody reads an old one: the next save tries
            self.manager.cleanup(name, keep=1)

    def state_dict(self) -> dict[str, Any]:
        """The best figure so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        best = state_dict["best"]
        self.best = None if best is None else float(best)


def check_place(keep: Checkpoints | None, target: str) -> None:
    """Refuse checkpoints that have no place, or one that cannot be written to.

    Args:
        keep: when and where to save.
        target: name of the model artefact, or "".

    Raises:
        InvalidArgument: neither a folder nor a catalogue.
        StoreNotWritable: the folder cannot be written to.
    """
    if keep is not None and keep.folder is None and not target:
        raise InvalidArgument(
            "checkpoints need a place: a catalogue and a name, or a folder",
            hint="fit(..., manager=dm, name='mine'), or checkpoint='./checkpoints'",
        )
    if keep is not None and keep.folder is not None and "://" not in keep.folder:
        check_folder(keep.folder, "the folder for checkpoints")


def resume_address(
    resume: Any, settings: Checkpoints | None, target: str, manager: Any
) -> str | None:
    """Return the address of the checkpoint to go on from; ``None`` to begin at the beginning.

    Args:
        resume: None or False; True for the last one of this run, if there is one; a path, URI,
            ``NAME``, ``NAME@TAG`` of the catalogue.
        settings: where checkpoints of this run are.
        target: name of the model artefact.
        manager: catalogue.

    Raises:
        NotFound: a checkpoint that was named is not there.
        InvalidArgument: nothing says where to look.
    """
    if resume is None or resume is False:
        return None
    if resume is True:
        if settings is None:
            raise InvalidArgument(
                "resume=True looks for checkpoints, and checkpoint= does not say where",
                hint="fit(..., checkpoint=True, resume=True), or resume= with a name or path",
            )
        address = settings.address(target, LAST)
        try:
            read_facts(address, manager)
        except NotFound:
            return None
        return address
    address = checkpoint_address(resume, manager)
    read_facts(address, manager)
    return address


def checkpoint_address(text: Any, manager: Any) -> str:
    """Return the address of a checkpoint named by a user: in the catalogue, or a path.

    >>> checkpoint_address("runs/last.ckpt", None)
    'runs/last.ckpt'
    """
    address = str(text)
    name = address.partition("@")[0]
    if manager is not None and catalogue_name(address) is None and name in manager:
        version = address.partition("@")[2] or (LAST if LAST in manager.tags(name) else "")
        return f"{SCHEME}{name}{'@' * bool(version)}{version}"
    return address
