"""The state of a training in a checkpoint, held against what Lightning is to restore it into."""

from __future__ import annotations

import math
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from ..errors import CorruptInput, LancenbError
from ._callbacks import Recorder
from ._resuming import ANOTHER, Resumed
from ._tensors import lack, share_memory
from .checkpoints import SCHEME
from .classifier import ImageClassifier

#: What values of a wrong kind end in, here and in Lightning.
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
#: What Adam keeps for each weight, once it has made a step.
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
#: What is no moment if it is negative: a count, and squares.
_POSITIVE = ("step", "exp_avg_sq", "max_exp_avg_sq")
#: Above all counts of steps and epochs, and with room for more in 64 bits.
_MOST = 2**62
#: Where Lightning takes a checkpoint apart.
_RESTORES = {
    "checkpoint_connector.py": ("resume_start", "restore_", "_restore_"),
    "combined_loader.py": ("_load_state_dicts",),
}


def check_training(resumed: Resumed, module: Any, trainer: Any) -> None:
    """Refuse the state of a training that Lightning would stumble over, now or steps later.

    Args:
        resumed: the checkpoint, with its content.
        module: the classifier that is to go on.
        trainer: that is to train it, with its callbacks.

    Raises:
        CorruptInput: a part is missing or of a wrong kind.
    """
    content = resumed.content
    try:
        _loops(content["loops"], trainer.fit_loop.state_dict())
        _callbacks(content["callbacks"], trainer.callbacks)
        for name in ("optimizer_states", "lr_schedulers"):
            _kind(content[name], list, name)
        own = getattr(type(module), "configure_optimizers", None)
        plain = trainer.strategy.lightning_restore_optimizer
        if plain and own is ImageClassifier.configure_optimizers:  # others may not be called twice
            optimizer = _optimizer(module, content["optimizer_states"], content["lr_schedulers"])
            endless = trainer.max_epochs in (None, -1)
            if endless or not resumed.complete(trainer.max_epochs):  # else no step is made of them
                _numbers(optimizer)
    except _DAMAGE as error:
        raise _corrupt(resumed.name, error) from error


@contextmanager
def restoring(address: str | None) -> Iterator[None]:
    """Say which checkpoint Lightning stumbles over; an error of the training stays as it is.

    Args:
        address: of the checkpoint that a training goes on from, if there is one.

    Raises:
        CorruptInput: in place of what a wrong value ended in.
    """
    try:
        yield
    except (LancenbError, torch.cuda.OutOfMemoryError):
        raise
    except _DAMAGE as error:
        if address is not None and _while_restoring(error):
            raise _corrupt(address.removeprefix(SCHEME), error) from error
        raise


def _while_restoring(error: BaseException) -> bool:
    for frame, _ in traceback.walk_tb(error.__traceback__):
        names = _RESTORES.get(frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2], ())
        if names and frame.f_code.co_name.startswith(names):
            return True
    return False


def _corrupt(name: str, error: Exception) -> CorruptInput:
    said = " ".join(str(error).split())[:200]
    if isinstance(error, KeyError):
        said = f"it lacks {said}"
    return CorruptInput(
        f"the training cannot go on from the checkpoint {name}, which is damaged: {said}",
        hint=ANOTHER,
    )


def _loops(loops: Any, like: Mapping[str, Any]) -> None:
    found = _kind(_kind(loops, Mapping, "loops").get("fit_loop"), Mapping, "loops.fit_loop")
    for key in like.keys() & found.keys():  # those of an older Lightning may be fewer
        place = f"loops.fit_loop.{key}"
        if key.endswith("state_dict"):
            _kind(found[key], Mapping, place)
        else:
            _alike(found[key], like[key], place, below=_MOST)
    stepped = found.get("epoch_loop.state_dict", {}).get("_batches_that_stepped", 0)
    _alike(stepped, 0, "loops.fit_loop.epoch_loop.state_dict._batches_that_stepped", below=_MOST)
    loaders = found.get("state_dict", {}).get("combined_loader", [])
    for number, state in enumerate(_kind(loaders, list, "the state of the loaders")):
        _kind(state, Mapping, f"the state of loader {number}")


def _callbacks(states: Any, callbacks: list[Any]) -> None:
    known = {each.state_key: each for each in callbacks}
    for key, state in _kind(states, Mapping, "callbacks").items():
        callback = known.get(key)
        if key == "LoaderState":
            place = _kind(state, Mapping, "callbacks.LoaderState")
            for name in ("seed", "epoch", "position", "batches"):
                most = math.inf if name == "seed" else _MOST
                _alike(place.get(name, 0), 0, f"callbacks.LoaderState.{name}", below=most)
        elif callback is not None and type(callback).__module__.startswith("lancenb."):
            with _at(f"callbacks.{key}"):
                callback.load_state_dict(state)  # what Lightning does again
                if isinstance(callback, Recorder):
                    callback.table()  # else the end of the training would find out


def _optimizer(
    module: ImageClassifier, states: list[Any], schedules: list[Any]
) -> torch.optim.Optimizer:
    made = module.configure_optimizers()
    optimizer = made["optimizer"] if isinstance(made, dict) else made
    curves = [made["lr_scheduler"]["scheduler"]] if isinstance(made, dict) else []
    if len(states) != 1 or len(schedules) != len(curves):
        raise ValueError(f"{len(states)} optimizers and {len(schedules)} schedules are in it")
    for curve, state in zip(curves, schedules, strict=True):
        _schedule(curve, state)
    like = [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    with _at("optimizer_states"):
        _with_memory(states[0])
        optimizer.load_state_dict(states[0])
    for number, (group, settings) in enumerate(zip(optimizer.param_groups, like, strict=True)):
        _alike(group, settings, f"optimizer_states.param_groups.{number}")
        for weight in group["params"]:
            _moments(optimizer, weight)
    return optimizer


def _with_memory(state: Any) -> None:
    """Refuse what would take memory, or fail, before torch turns it into its own type."""
    for entry in _kind(state, Mapping, "0")["state"].values():
        for name, value in _kind(entry, Mapping, "the state of a weight").items():
            flaw = lack(value) if isinstance(value, torch.Tensor) else None
            if flaw is not None:
                raise ValueError(f"{name} of a weight is {flaw}")


def _numbers(optimizer: torch.optim.Optimizer) -> None:
    """Refuse moments that a next step would make weights of that are no numbers."""
    held = []
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for weight in weights:
        for name, value in optimizer.state.get(weight, {}).items():
            if value is None:
                continue
            place = f"the optimizer's {name} of a weight of shape {tuple(weight.shape)}"
            if not bool(torch.isfinite(value).all()):
                raise ValueError(f"{place} is not finite, as after a training that diverged")
            if name in _POSITIVE and bool((value < 0).any()):
                raise ValueError(f"{place} is negative")
            held.append(value)
    if share_memory(held):
        raise ValueError("parts of the optimizer's state share their memory")


def _moments(optimizer: torch.optim.Optimizer, weight: torch.Tensor) -> None:
    found = _kind(optimizer.state.get(weight, {}), Mapping, "the state of a weight")
    if found and not isinstance(optimizer, torch.optim.SGD):
        for name in _MOMENTS:
            if found.get(name) is None:
                raise ValueError(f"the optimizer's state of a weight lacks {name!r}")
    for name, value in found.items():
        one = name == "step"
        fits = isinstance(value, torch.Tensor) and value.is_floating_point()
        if value is not None and not (
            fits and (value.numel() == 1 if one else value.shape == weight.shape)
        ):
            shown = f"of shape {tuple(value.shape)}" if fits else repr(value)[:60]
            raise ValueError(
                f"the optimizer's {name} of a weight of shape {tuple(weight.shape)} is {shown}"
            )


def _schedule(curve: Any, state: Any) -> None:
    like = curve.state_dict()
    found = _kind(state, Mapping, "lr_schedulers")
    for key in ("last_epoch", "base_lrs", "lr_lambdas"):
        if key not in found:
            raise ValueError(f"lr_schedulers lacks {key!r}")
    for key, value in found.items():
        if key in like:
            _alike(value, like[key], f"lr_schedulers.{key}")
        elif key in vars(curve):  # the schedule's own parts, which no state replaces
            raise ValueError(f"lr_schedulers has {key!r}, which is no state")


def _alike(found: Any, like: Any, place: str, *, below: float | None = None) -> None:
    """Refuse a value of another kind than the one it replaces; below a limit, a whole number."""
    if isinstance(like, Mapping):
        for key, value in like.items():
            if key not in _kind(found, Mapping, place):
                raise ValueError(f"{place} lacks {key!r}")
            _alike(found[key], value, f"{place}.{key}", below=below)
    elif isinstance(like, (list, tuple)):
        if len(_kind(found, (list, tuple), place)) != len(like):
            raise ValueError(f"{place} has {len(found)} values instead of {len(like)}")
        for one, other in zip(found, like, strict=True):
            _alike(one, other, place, below=below)
    elif isinstance(like, bool):
        _kind(found, bool, place)
    elif isinstance(like, (int, float)):
        kinds = (int, float) if below is None else int
        number = isinstance(found, kinds) and not isinstance(found, bool)
        if not number or not math.isfinite(found) or not 0 <= found < (below or math.inf):
            raise ValueError(f"{place} is {found!r:.60}")
    elif like is None and not isinstance(found, (bool, type(None))):
        raise TypeError(f"{place} is {found!r:.60}")


def _kind(value: Any, kind: Any, place: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{place} is {value!r:.60}")
    return value


@contextmanager
def _at(place: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise ValueError(f"{place} lacks {error}") from error
    except _DAMAGE as error:
        raise ValueError(f"{place}: {error}") from error
