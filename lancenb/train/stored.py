"""Classifiers from the store: the record of a run rebuilds the model around its weights."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import torch

from ..catalog._names import a_kind
from ..data.dataset import LanceTorchDataset
from ..data.transforms import IMAGENET_MEAN, IMAGENET_STD, channel_stats
from ..errors import ArtifactNotFound, InvalidArgument, WeightsMismatch
from .classifier import ImageClassifier


@dataclass
class Start:
    """Where a training starts.

    Attributes:
        module: the classifier with its first weights.
        name: artefact to store to, or "".
        source: name and version of the weights it starts from.
        fresh: head tensors with fresh values.
    """

    module: ImageClassifier
    name: str = ""
    source: tuple[str, int] | None = None
    fresh: list[str] = field(default_factory=list)


def load_classifier(
    model: Any, *, manager: Any = None, version: int | str | None = None
) -> ImageClassifier:
    """Rebuild a classifier that :func:`~lancenb.train.fit` stored, ready for evaluation.

    Args:
        model: name (with ``manager``) or artefact of the stored model.
        manager: the catalogue.
        version: version or tag; ``None`` for the head.

    Raises:
        InvalidArgument: these weights were not stored by ``fit``.
        WeightsMismatch: the tensors do not fit the recorded model.
    """
    artifact = _artifact(model, manager)
    state, record, _ = _weights(artifact, version)
    if not record:
        raise InvalidArgument(
            f"'{artifact.name}' does not say what classifier its weights belong to",
            hint="ImageClassifier(...) and its load_backbone(dm.load_weights(name).state_dict)",
        )
    module = ImageClassifier(**{**record["classifier"], "pretrained": False})
    fresh = module.load_backbone(state, source=f"the weights of '{artifact.name}'")
    if fresh:
        raise WeightsMismatch(f"'{artifact.name}' has no fitting head: {', '.join(fresh)}")
    return module.eval()


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

    Raises:
        ArtifactNotFound: neither stored nor known to torchvision.
        InvalidArgument: the number of classes or the architecture cannot be told.
        WeightsMismatch: stored weights of another architecture.
    """
    if isinstance(model, ImageClassifier):
        if lr is not None:
            model.hparams["lr"] = lr
        return Start(model)
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
    stored = not isinstance(model, str) or (manager is not None and model in manager)
    if not stored:
        if architecture is None and model not in _networks():
            raise ArtifactNotFound(
                f"{model!r} is neither a stored model nor a network of torchvision",
                hint="dm.list(kind='weights') shows the stored ones",
            )
        mean, std = _statistics(dataset)
        module = ImageClassifier(architecture or model, mean=mean, std=std, **options)
        return Start(module, name=model)
    artifact = _artifact(model, manager)
    state, record, number = _weights(artifact, version)
    before = record.get("classifier", {}) if record else {}
    mean, std = before.get("mean", IMAGENET_MEAN), before.get("std", IMAGENET_STD)
    network = architecture or before.get("model") or _guess(artifact)
    if before.get("stem") and side == before.get("image_size"):
        options["stem"] = before["stem"]
    module = ImageClassifier(network, mean=mean, std=std, **options)
    head = {k: v.clone() for k, v in module.net.state_dict().items() if k.startswith(module.head)}
    fresh = module.load_backbone(state, source=f"the weights of '{artifact.name}'")
    if not fresh and before.get("class_names") not in (None, names):
        # as many classes, but other ones: the stored head says nothing about them
        module.net.load_state_dict(head, strict=False)
        fresh = list(head)
    return Start(module, artifact.name, (artifact.name, number), fresh)


def check_target(manager: Any, target: str, module: ImageClassifier) -> None:
    """Refuse to store a network as the next version of something else; before the training.

    Raises:
        WeightsMismatch: what is there under the name has other tensors, or is no model.
    """
    if target not in manager:
        return
    there, hint = manager[target], f"name another: fit(..., name='{target}-2'), for instance"
    if there.kind != "weights":
        raise WeightsMismatch(f"{target!r} holds {a_kind(there.kind)}, not weights", hint=hint)
    stored = set(there.search_rows(columns=["name"], limit=None)["name"].to_pylist())
    own = set(module.net.state_dict())
    if stored != own:
        raise WeightsMismatch(
            f"{target!r} holds another model than {module.architecture}: its {len(stored):,} "
            f"tensors and the {len(own):,} of the network share {len(stored & own):,} names",
            hint=hint,
        )


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


def _networks() -> list[str]:
    import torchvision

    return torchvision.models.list_models(torchvision.models)


def _guess(artifact: Any) -> str:
    """The architecture named by the metadata, else the longest one the name begins with."""
    named = (artifact.metadata or {}).get("architecture")
    if named:
        return str(named)
    plain = re.sub(r"[^a-z0-9]+", "_", artifact.name.lower())
    found = [n for n in _networks() if plain == n or plain.startswith((f"{n}_", f"{n}"))]
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
