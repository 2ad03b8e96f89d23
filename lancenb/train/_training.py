"""One training by Lightning, as ``fit`` sets it up."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import lightning as L
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.callbacks import Checkpoint

from ..errors import Cancelled, InvalidArgument
from ._callbacks import Randomness, Recorder
from ._keeping import Checkpoints, KeepCheckpoints
from .checkpoints import LanceCheckpointIO


@dataclass
class Run:
    """Settings of one training.

    Attributes:
        epochs: passes over the data.
        steps: optimizer steps per epoch at most.
        accumulate: batches per step.
        options: what the caller gives Lightning's trainer by name; None stands for its default.
        trainer: further arguments, or a ``functools.partial`` of a trainer's class.
        callbacks: of the caller.
        checkpoint: when to save checkpoints.
        target: name of the model artefact, or "".
        manager: its catalogue.
        facts: stored with each checkpoint.
    """

    epochs: int
    steps: int | None = None
    accumulate: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    trainer: Any = None
    callbacks: list[Any] = field(default_factory=list)
    checkpoint: Checkpoints | None = None
    target: str = ""
    manager: Any = None
    facts: dict[str, Any] = field(default_factory=dict)


def make_trainer(run: Run, recorder: Recorder, *, validated: bool, foreign: bool) -> L.Trainer:
    """Make the trainer.

    Args:
        run: the settings.
        recorder: collects the history.
        validated: whether there is validation data.
        foreign: the data comes from a DataModule, whose loaders are not ours.
    """
    make, given = _maker(run.trainer)
    options = {name: value for name, value in run.options.items() if value is not None}
    callbacks = [recorder, Randomness(), *run.callbacks, *_listed(given.pop("callbacks", None))]
    if run.checkpoint is not None:
        callbacks.append(KeepCheckpoints(run.checkpoint, run.target, run.manager))
    settings: dict[str, Any] = {
        "max_epochs": run.epochs,
        "accumulate_grad_batches": run.accumulate,
        "num_sanity_val_steps": 0,
        "logger": False,
        "enable_checkpointing": any(isinstance(each, Checkpoint) for each in callbacks),
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "deterministic": "warn",
        "log_every_n_steps": 1,
    }
    if not validated and not foreign:
        settings["limit_val_batches"] = 0
    settings |= {**options, **given, "callbacks": callbacks}
    if run.steps is not None:
        settings["limit_train_batches"] = run.steps * run.accumulate
    settings["plugins"] = [
        *_listed(given.get("plugins")),
        LanceCheckpointIO(run.manager, facts=run.facts, parents=run.facts.get("parents", ())),
    ]
    try:
        made = make(**settings)
    except (MisconfigurationException, TypeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise InvalidArgument(f"the trainer cannot be made: {said}") from error
    _check_processes(made)
    return made


def _check_processes(trainer: L.Trainer) -> None:
    """Refuse far more processes than there are cores: Lightning would start each of them."""
    cores = os.cpu_count() or 1
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.num_devices > max(8, cores):
        raise InvalidArgument(
            f"{trainer.num_devices} processes were asked for on the CPU, and this machine has"
            f" {cores} cores",
            hint=f"devices={min(2, cores)}, or accelerator='gpu'",
        )


#: Begin of a network's complaint -> what it means.
_COMPLAINTS = {
    "Expected more than 1 value per channel": (
        "a batch of one row cannot be normalised over its rows",
        "batch_size=2 or more, and two training rows or more; or another network",
    ),
    "Output size is too small": (
        "the pictures are too small for this network",
        "image_size=64, for instance, brings them to another side",
    ),
}


@contextmanager
def telling(trainer: L.Trainer) -> Iterator[None]:
    """Say in plain words why a training ended early, and what is left of it.

    Raises:
        InvalidArgument: a network complains of data that does not suit it.
        Cancelled: on request.
        KeyboardInterrupt: somebody asked for it; Lightning would end Python instead.
    """
    try:
        yield
    except Cancelled as stop:
        if not any(isinstance(each, KeepCheckpoints) for each in trainer.checkpoint_callbacks):
            raise
        raise Cancelled(
            f"the training was cancelled after step {trainer.global_step}",
            hint="what was saved as checkpoints is kept: fit(..., resume=True) goes on from the"
            " last one",
        ) from stop
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    except (RuntimeError, ValueError) as error:
        for begin, (said, hint) in _COMPLAINTS.items():
            if begin in str(error):
                raise InvalidArgument(said, hint=hint) from error
        raise


def _maker(trainer: Any) -> tuple[Callable[..., L.Trainer], dict[str, Any]]:
    make, given = L.Trainer, dict(getattr(trainer, "keywords", trainer) or {})
    if isinstance(trainer, functools.partial):
        make = trainer.func
    return make, {name: value for name, value in given.items() if value is not None}


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, (list, tuple)) else [given]


def facts_of_run(record: Mapping[str, Any], parents: list[Any]) -> dict[str, Any]:
    """What a checkpoint says of its run, as JSON-able values."""
    kept = ("classifier", "data", "validation", "start", "settings", "versions", "config")
    return {**{name: record.get(name) for name in kept}, "parents": parents}
