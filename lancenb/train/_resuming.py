"""What a training goes on from: whether a checkpoint fits, what it decides, and what is left."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.fabric.utilities.rank_zero import rank_zero_only

from ..errors import CorruptInput, InvalidArgument, WeightsMismatch
from ._checks import check_settings
from ._tensors import lack
from .checkpoints import SCHEME, read_checkpoint, read_facts

#: What Lightning needs to go on, beside the weights.
_NEEDED = ("pytorch-lightning_version", "loops", "optimizer_states", "lr_schedulers", "callbacks")
#: Settings of the classifier that a resumed optimizer brings along.
_KEPT = ("lr", "momentum", "weight_decay")
#: Settings that a resumed run may change, and that its later steps are made with.
_FREE = ("batch_size", "accumulate", "steps", "augment", "image_size", "precision")

#: What to do about a damaged checkpoint.
ANOTHER = "resume= with another version of it, or resume=False to begin anew"


@dataclass
class Resumed:
    """A checkpoint that a training goes on from.

    Attributes:
        address: where it is.
        facts: what it says of its run; empty for a file of somebody else.
        content: what Lightning saved; dropped once the training begins.
    """

    address: str
    facts: dict[str, Any] = field(default_factory=dict)
    content: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, address: str | None, manager: Any) -> Resumed | None:
        """Read the checkpoint at an address; None for none."""
        if address is None:
            return None
        return cls(address, read_facts(address, manager), read_checkpoint(address, manager=manager))

    @property
    def name(self) -> str:
        """Name of the checkpoint, for messages."""
        return self.address.removeprefix(SCHEME)

    @property
    def step(self) -> int:
        """Steps that were made before it was saved."""
        found = self.content.get("global_step")
        return found if isinstance(found, int) else 0

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the run that saved it."""
        found = self.facts.get("settings")
        return found if isinstance(found, Mapping) else {}

    @property
    def done(self) -> int:
        """Epochs that were finished before it was saved; 0 when it does not say."""
        try:
            return int(self.content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
            # check_training will say
            return 0

    def complete(self, epochs: int) -> bool:
        """Whether nothing is left of a run over so many epochs."""
        return self.done >= epochs

    def seed(self, given: int) -> int:
        """The seed to go on with: order, split and augmentation are those of the run before.

        Raises:
            CorruptInput: what it says is no seed.
        """
        before = self.settings.get("seed")
        if before is None:
            return given
        if isinstance(before, bool) or not isinstance(before, int) or not 0 <= before < 2**63:
            raise self._unfit("seed", before)
        return before

    def version(self, name: str) -> int | None:
        """Version of this data that the run before was trained on; None for other data.

        Raises:
            CorruptInput: what it says is no version.
        """
        before = self.facts.get("data")
        if not isinstance(before, Mapping) or before.get("name") != name:
            return None
        found = before.get("version")
        if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
            raise self._unfit("version of the data", found)
        return found

    def _unfit(self, what: str, found: Any) -> CorruptInput:
        return CorruptInput(
            f"the checkpoint {self.name} is damaged: {found!r:.60} is no {what}", hint=ANOTHER
        )

    def changed(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings that the steps before were made with, as far as other ones are given now."""
        before = self.settings
        return {key: before[key] for key in _FREE if key in before and before[key] != settings[key]}

    def tell(self, settings: Mapping[str, Any], seed: int) -> None:
        """Warn of settings that are not those of the steps before.

        Args:
            settings: of the run that goes on.
            seed: the one that was given.
        """
        if self.complete(settings["epochs"]):
            return
        if seed != settings["seed"]:
            warn_once(
                f"the training goes on with seed {settings['seed']} of the checkpoint {self.name};"
                f" seed {seed}, which was given here, has no effect"
            )
        others = self.changed(settings)
        if others:
            told = ", ".join(f"{key} {settings[key]} (before: {v})" for key, v in others.items())
            warn_once(f"the training goes on from step {self.step} with another {told}")

    def record(self) -> dict[str, Any]:
        """Facts of the run before, for one in which no further step was made."""
        kept = ("classifier", "data", "validation", "start", "settings", "versions", "config")
        return {key: self.facts[key] for key in kept if self.facts.get(key) is not None}


@rank_zero_only
def warn_once(text: str, stacklevel: int = 3) -> None:
    """Warn the caller of ``fit``: the first of several processes does.

    Args:
        text: what is said.
        stacklevel: as if ``warnings.warn`` stood there.
    """
    warnings.warn(text, stacklevel=stacklevel + 2)


def check_state(module: torch.nn.Module, content: Mapping[str, Any], name: Any) -> None:
    """Refuse a checkpoint with other tensors than a module.

    Args:
        module: what they are for.
        content: the checkpoint.
        name: where it was found, for the message.

    Raises:
        WeightsMismatch: names or shapes differ.
        CorruptInput: a tensor holds fewer values than its shape says, or no real ones.
    """
    found, own = content.get("state_dict"), module.state_dict()
    if not isinstance(found, dict):
        raise WeightsMismatch(f"the checkpoint {name} holds no weights")
    missing, more = sorted(own.keys() - found.keys()), sorted(map(str, found.keys() - own.keys()))
    if missing or more:
        words = [f"lacks {key!r}" for key in missing[:1]] + [f"has {key!r}" for key in more[:1]]
        raise WeightsMismatch(
            f"the checkpoint {name} is of another model: it {' and '.join(words)}"
            f" ({len(missing):,} tensors lacking, {len(more):,} too many)"
        )
    for key, tensor in own.items():
        value = found[key]
        flaw = lack(value)
        if flaw is not None and isinstance(value, torch.Tensor):
            raise CorruptInput(
                f"the checkpoint {name} is damaged: {key!r} is {flaw}",
                hint="take another version, or the one saved before",
            )
        if flaw is not None or value.shape != tensor.shape:
            shown = flaw or f"of shape {tuple(value.shape)}"
            raise WeightsMismatch(
                f"the checkpoint {name} is of another model: {key!r} is {shown},"
                f" here {tuple(tensor.shape)}"
            )


def check_resume(resumed: Resumed, module: Any, *, epochs: int) -> None:
    """Refuse to go on from the checkpoint of something else; say which settings it decides.

    Args:
        resumed: the checkpoint.
        module: the classifier that is to go on; it takes over what the checkpoint decides.
        epochs: of the run.

    Raises:
        WeightsMismatch: the checkpoint is of another model.
        InvalidArgument: it has no state of a training, or that of another optimizer or schedule.
        CorruptInput: its settings cannot be.
    """
    content, name = resumed.content, resumed.name
    check_state(module, content, name)
    if any(key not in content for key in _NEEDED):
        raise InvalidArgument(
            f"the checkpoint {name} holds weights and no state of a training to go on from",
            hint="load_classifier(path) gives a classifier to train: fit(classifier, ...)",
        )
    before = content.get("hyper_parameters")
    if not isinstance(before, dict):
        return
    try:
        check_settings({key: before[key] for key in _KEPT if key in before})
    except InvalidArgument as error:
        raise CorruptInput(
            f"the settings in the checkpoint {name} cannot be: {error.message}",
            hint=ANOTHER,
        ) from error
    for key in ("optimizer", "schedule"):
        if key in before and before[key] != module.hparams.get(key):
            raise InvalidArgument(
                f"the checkpoint {name} is of a training with {key} {before[key]!r}, and this one"
                f" has {module.hparams.get(key)!r}",
                hint=f"go on with the same {key}, or begin anew from the weights",
            )
    other = [key for key in _KEPT if before.get(key) != module.hparams.get(key)]
    if not other:
        return
    if not resumed.complete(epochs):
        told = ", ".join(f"{key} {before.get(key)!r}" for key in other)
        warn_once(
            f"the training goes on with {told} of the checkpoint {name}; what was given here has"
            " no effect"
        )
    # what is recorded is what the steps are made with
    module.hparams.update({key: before[key] for key in other if key in before})
