"""Classifiers from the store: the record of a run rebuilds the model around its weights."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import Any

import torch

from ..data._module_inputs import as_manager
from ..data.dataset import LanceTorchDataset
from ..data.transforms import IMAGENET_MEAN, IMAGENET_STD, channel_stats
from ..errors import ArtifactNotFound, InvalidArgument
from ._networks import check_backbone, known_networks
from ._rebuilding import checked, from_checkpoint, from_record, outline
from .checkpoints import SCHEME, facts_of, read_checkpoint
from .classifier import ImageClassifier

#: Asks for the newest version, as in ``"resnet18@latest"``.
LATEST = "latest"


@dataclass
class Start:
    """Where a training starts.

    Attributes:
        module: the classifier with its first weights.
        name: artefact to store to, or "".
        source: name and version of the weights it starts from.
        fresh: head tensors with fresh values.
        made: whether the network was made here, with fresh weights.
    """

    module: ImageClassifier
    name: str = ""
    source: tuple[str, int] | None = None
    fresh: list[str] = field(default_factory=list)
    made: bool = False

    @property
    def told(self) -> str:
        """Where it starts, in words; "" for a classifier that was given."""
        if self.source is not None:
            return f"{self.source[0]} version {self.source[1]}"
        return "fresh weights" if self.made else ""


def load_classifier(
    model: Any, *, manager: Any = None, version: int | str | None = None
) -> ImageClassifier:
    """Rebuild a classifier that was stored, or the one in a checkpoint, ready for evaluation.

    Nothing is unpickled: the class is made from what is recorded, then filled.

    Args:
        model: name (with ``manager``; also ``"name@version"``, ``"name@tag"``) or artefact of a
            stored model or of checkpoints; or the path of a checkpoint.
        manager: the catalogue, or its root.
        version: version or tag; ``None`` for the head.

    Raises:
        InvalidArgument: these weights were not stored by ``fit``.
        CorruptInput: what is recorded of the classifier cannot be.
        WeightsMismatch: the tensors do not fit the recorded model.

    >>> load_classifier("resnet18-checkpoints@best", manager=dm)  # doctest: +SKIP
    """
    manager = as_manager(manager)
    if isinstance(model, str) and version is None:
        model, version = name_and_version(model, manager)
    if isinstance(model, str) and (manager is None or model not in manager) and _is_path(model):
        return _of_checkpoint(read_checkpoint(model), model)
    artifact = _artifact(model, manager)
    if artifact.kind == "weights" and facts_of(artifact.dataset(version)) is not None:
        address = f"{SCHEME}{artifact.name}{'' if version is None else f'@{version}'}"
        return _of_checkpoint(read_checkpoint(address, manager=manager or artifact.manager), model)
    state, record, _ = _weights(artifact, version)
    if not record:
        raise InvalidArgument(
            f"'{artifact.name}' does not say what classifier its weights belong to",
            hint="ImageClassifier(...) and its load_backbone(dm.load_weights(name).state_dict)",
        )
    module = from_record(record.get("classifier"), state, artifact.name)
    module.load_backbone(state, source=f"the weights of '{artifact.name}'")
    return module.eval()


def _of_checkpoint(content: dict[str, Any], name: Any) -> ImageClassifier:
    """The classifier in a checkpoint of Lightning."""
    given = content.get("hyper_parameters")
    if not isinstance(given, dict) or "model" not in given:
        raise InvalidArgument(
            f"the checkpoint {name} is not of an ImageClassifier",
            hint="make your module and load read_checkpoint(path)['state_dict'] into it",
        )
    module = from_checkpoint(given, content, name)
    module.load_state_dict(content["state_dict"])
    return module.eval()


def start_weights(module: ImageClassifier, start: str, manager: Any) -> None:
    """Load stored weights into a fresh classifier; only the head may differ.

    Args:
        module: changed in place; remembers what it started from.
        start: ``"name"``, ``"name@version"`` or ``"name@tag"``.
        manager: catalogue.

    Raises:
        WeightsMismatch: weights of another architecture.
    """
    name, version = name_and_version(start, manager)
    artifact = _artifact(name, manager)
    state, _, number = _weights(artifact, version)
    module.load_backbone(state, source=f"the weights of '{artifact.name}'")
    module.origin = (artifact.name, number)


def prepare_classifier(
    model: Any,
    dataset: Any,
    manager: Any,
    version: int | str | None,
    architecture: str | None,
    *,
    image_size: int | None,
    lr: float | None,
) -> Start:
    """Make the classifier to train from what the caller named.

    The name of a network means fresh weights, whatever is stored under it; a stored model of such
    a name is asked for by the artefact, or by a version: ``"resnet18@latest"``.

    Raises:
        ArtifactNotFound: neither stored nor known to torchvision.
        InvalidArgument: the number of classes or the architecture cannot be told.
        WeightsMismatch: stored weights of another architecture.
    """
    if isinstance(model, ImageClassifier):
        if lr is not None:
            model.hparams["lr"] = lr
        return Start(model, source=model.origin)
    if not isinstance(model, str) and not hasattr(model, "load_weights"):
        raise InvalidArgument(
            f"a model is a name, a stored model or an ImageClassifier, not {type(model).__name__}",
            hint="fit('resnet18', ...); other modules are trained by lightning.Trainer, with "
            "lnb.LanceDataModule and LanceCheckpointIO",
        )
    options: dict[str, Any] = {} if lr is None else {"lr": lr}
    classes = getattr(dataset, "num_classes", None)
    names = getattr(dataset, "class_names", None)
    if not classes:
        raise InvalidArgument(
            "the number of classes cannot be told from the data",
            hint="give an ImageClassifier(num_classes=...) instead of a name",
        )
    size = dataset.picture_size if isinstance(dataset, LanceTorchDataset) else None
    side = image_size or (size[0] if size and size[0] == size[1] and size[0] <= 64 else None)
    options |= {"num_classes": classes, "class_names": names, "image_size": side}
    fresh_name = None
    if isinstance(model, str):
        model, version, fresh_name = _asked_for(model, version, manager)
    if fresh_name is not None:
        if architecture is None and fresh_name not in known_networks():
            raise ArtifactNotFound(
                f"{fresh_name!r} is neither a stored model nor a known network",
                hint="dm.list(kind='weights') shows the stored ones",
            )
        mean, std = _statistics(dataset)
        module = ImageClassifier(architecture or fresh_name, mean=mean, std=std, **options)
        return Start(module, name=fresh_name, made=True)
    artifact = _artifact(model, manager)
    state, record, number = _weights(artifact, version)
    before = checked(record["classifier"], f"'{artifact.name}'") if "classifier" in record else {}
    mean, std = before.get("mean", IMAGENET_MEAN), before.get("std", IMAGENET_STD)
    network = architecture or before.get("model") or _guess(artifact)
    if before.get("stem") and side == before.get("image_size"):
        options["stem"] = before["stem"]
    plan = outline(network, classes, options.get("stem", "auto"), side)
    check_backbone(plan, state, source=f"the weights of '{artifact.name}'")
    module = ImageClassifier(network, mean=mean, std=std, **options)
    head = {k: v.clone() for k, v in module.net.state_dict().items() if k.startswith(module.head)}
    fresh = module.load_backbone(state, source=f"the weights of '{artifact.name}'")
    if not fresh and before.get("class_names") not in (None, names):
        # as many classes, but other ones: the stored head says nothing about them
        module.net.load_state_dict(head, strict=False)
        fresh = list(head)
    return Start(module, artifact.name, (artifact.name, number), fresh)


def _asked_for(
    text: str, version: int | str | None, manager: Any
) -> tuple[str, int | str | None, str | None]:
    """Name and version of the stored model that is meant, and the name when none is."""
    name, asked = name_and_version(text, manager)
    if asked is not None and version is not None:
        raise InvalidArgument(f"{text!r} and version={version!r} are two", hint="give one")
    version = version if asked is None else asked
    there = manager is not None and name in manager
    fresh = not there or (version is None and name in known_networks())
    return name, version, name if fresh else None


def name_and_version(text: str, manager: Any) -> tuple[str, int | str | None]:
    """Split ``"name@version"`` where the catalogue has such a name; None for no version.

    ``"latest"`` is the newest version, unless a tag of that name says otherwise.
    """
    name, mark, version = text.partition("@")
    if not mark or manager is None or name not in manager:
        return text, None
    if version == LATEST and version not in manager.tags(name):
        return name, int(manager[name].version)
    return name, int(version) if version.isascii() and version.isdecimal() else version


def _is_path(text: str) -> bool:
    return "/" in text or os.sep in text or text.endswith(".ckpt") or os.path.exists(text)


def _artifact(model: Any, manager: Any) -> Any:
    if not isinstance(model, str):
        return model
    if manager is None:
        raise InvalidArgument(
            f"the stored model {model!r} needs a manager", hint="pass manager=lnb.DataManager(root)"
        )
    return manager[model]


def _weights(
    artifact: Any, version: int | str | None
) -> tuple[dict[str, torch.Tensor], dict[str, Any], int]:
    number = int(artifact.dataset(version).version)
    found = artifact.load_weights(version=number)
    # copies: a training must never write into the memory-mapped file of a stored version
    state = {name: tensor.clone() for name, tensor in found.state_dict.items()}
    record = found.extras.get("lancenb.run")
    return state, record if isinstance(record, dict) else {}, number


def _guess(artifact: Any) -> str:
    """The architecture named by the metadata, else the longest one the name begins with."""
    named = (artifact.metadata or {}).get("architecture")
    if named:
        return str(named)
    plain = re.sub(r"[^a-z0-9]+", "_", artifact.name.lower())
    found = [n for n in known_networks() if plain == n or plain.startswith((f"{n}_", f"{n}"))]
    found = [n for n in found if not plain[len(n) :][:1].isdigit()]
    if not found:
        raise InvalidArgument(
            f"the architecture of '{artifact.name}' cannot be told from its name",
            hint="fit(..., architecture='resnet18')",
        )
    return max(found, key=len)


def _statistics(dataset: Any) -> tuple[Any, Any]:
    if not isinstance(dataset, LanceTorchDataset):
        return IMAGENET_MEAN, IMAGENET_STD
    stats = channel_stats(dataset)
    return stats.mean, stats.std
