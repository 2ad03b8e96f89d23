"""``ImageClassifier``: a Lightning module over torchvision's networks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import nn
from torchmetrics import Accuracy, ConfusionMatrix

from ..data.transforms import IMAGENET_MEAN, IMAGENET_STD
from ..errors import InvalidArgument
from ._networks import adapt_stem, build_network, head_prefix, load_backbone

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("cosine", "constant")


class ImageClassifier(L.LightningModule):
    """Classifies pictures with any network of torchvision; scales and normalises them itself.

    Logs ``train_loss``, ``train_acc`` per step, ``val_loss``, ``val_acc``, ``test_loss`` and
    ``test_acc`` per epoch. After a test, ``test_confusion`` holds the counts, int64
    ``(num_classes, num_classes)``, rows = true class.

    Args:
        model: name of a torchvision classification network.
        num_classes: classes, ``>= 1``.
        pretrained: start from torchvision's weights (needs the network), all but the head.
        lr: highest learning rate.
        optimizer: ``"sgd"`` (Nesterov), ``"adam"`` or ``"adamw"``.
        momentum: of sgd.
        weight_decay: of all optimizers; not applied to biases and normalisation layers.
        schedule: ``"cosine"`` (warm-up, then to zero at the last step of the run) or
            ``"constant"``.
        warmup: share of the steps in which the rate rises linearly.
        label_smoothing: of the cross entropy.
        stem: ``"auto"``, ``"imagenet"``, ``"small"`` or ``"cifar"``; ``"auto"`` drops the first
            pooling of a ResNet for pictures up to 64 pixels, which keeps all weight shapes.
        image_size: side of the pictures in pixels, for ``stem="auto"``.
        mean: per channel, of values scaled to 0..1.
        std: per channel, of values scaled to 0..1.
        class_names: names in id order.

    Raises:
        InvalidArgument: an unknown name or impossible value.

    >>> model = ImageClassifier("resnet18", num_classes=3, image_size=32)
    >>> model(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).shape
    torch.Size([2, 3])
    """

    def __init__(
        self,
        model: str = "resnet18",
        num_classes: int = 10,
        pretrained: bool = False,
        lr: float = 0.01,
        *,
        optimizer: str = "sgd",
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        schedule: str = "cosine",
        warmup: float = 0.1,
        label_smoothing: float = 0.0,
        stem: str = "auto",
        image_size: int | None = None,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        class_names: Sequence[str] | None = None,
    ):
        super().__init__()
        if optimizer not in OPTIMIZERS:
            raise InvalidArgument(f"optimizer is one of {', '.join(OPTIMIZERS)}, not {optimizer!r}")
        if schedule not in SCHEDULES:
            raise InvalidArgument(f"schedule is one of {', '.join(SCHEDULES)}, not {schedule!r}")
        if not lr > 0:
            raise InvalidArgument(f"the learning rate must be above 0, not {lr!r}")
        if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise InvalidArgument("mean and std hold three numbers each, std above 0")
        if class_names is not None and len(class_names) != num_classes:
            raise InvalidArgument(f"{len(class_names)} class names for {num_classes} classes")
        self.net = build_network(model, num_classes, pretrained=pretrained)
        stem = adapt_stem(self.net, stem, image_size)
        mean, std = [float(v) for v in mean], [float(v) for v in std]
        class_names = list(class_names) if class_names is not None else None
        self.save_hyperparameters()
        self.class_names = class_names
        self.num_classes = num_classes
        # not part of the weights: a stored model keeps exactly torchvision's tensor names
        self.mean: torch.Tensor
        self.std: torch.Tensor
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        kind = {"task": "multiclass", "num_classes": max(2, num_classes)}
        self.train_acc = Accuracy(average="micro", **kind)
        self.val_acc = Accuracy(average="micro", **kind)
        self.test_acc = Accuracy(average="micro", **kind)
        self.confusion = ConfusionMatrix(**kind)
        self.test_confusion: torch.Tensor | None = None

    @property
    def architecture(self) -> str:
        """Name of the network in torchvision."""
        return str(self.hparams["model"])

    @property
    def head(self) -> str:
        """Prefix of the head's tensor names, such as ``"fc."``."""
        return head_prefix(self.net)

    def load_backbone(self, state: Mapping[str, torch.Tensor], source: str = "the weights") -> list:
        """Load stored weights; only the head may differ. Returns the head tensors left fresh.

        Raises:
            WeightsMismatch: any other tensor is missing, unexpected or of another shape.
        """
        return load_backbone(self.net, state, source=source)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits ``(n, num_classes)`` of pictures ``(n, 3, h, w)``.

        uint8 pictures are scaled and normalised; floating point ones are taken as prepared.
        """
        if not images.is_floating_point():
            images = (images.to(self.std.dtype) / 255 - self.mean) / self.std
        out = self.net(images)
        return out if isinstance(out, torch.Tensor) else out[0]

    def _step(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        images, labels = (batch["image"], batch["label"]) if isinstance(batch, dict) else batch
        logits = self(images)
        return logits, labels, self.loss(logits, labels)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        """One step; logs loss and accuracy of the batch."""
        logits, labels, loss = self._step(batch)
        self.log("train_loss", loss.detach(), batch_size=len(labels))
        self.log("train_acc", self.train_acc(_wide(logits), labels), batch_size=len(labels))
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to ``val_loss`` and ``val_acc``."""
        logits, labels, loss = self._step(batch)
        self.val_acc.update(_wide(logits), labels)
        self.log("val_loss", loss, on_epoch=True, batch_size=len(labels))
        self.log("val_acc", self.val_acc, on_epoch=True, batch_size=len(labels))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to ``test_loss``, ``test_acc`` and the confusion counts."""
        logits, labels, loss = self._step(batch)
        self.test_acc.update(_wide(logits), labels)
        self.confusion.update(_wide(logits), labels)
        self.log("test_loss", loss, on_epoch=True, batch_size=len(labels))
        self.log("test_acc", self.test_acc, on_epoch=True, batch_size=len(labels))

    def on_test_epoch_end(self) -> None:
        """Keep the confusion counts in ``test_confusion``."""
        counts = self.confusion.compute().to(torch.int64).cpu()
        self.test_confusion = counts[: self.num_classes, : self.num_classes]
        self.confusion.reset()

    def predict_step(self, batch: Any, batch_idx: int = 0) -> torch.Tensor:
        """Probabilities ``(n, num_classes)`` of a batch, with or without labels."""
        if isinstance(batch, dict):
            batch = batch["image"]
        elif isinstance(batch, tuple | list):
            batch = batch[0]
        return self(batch).softmax(dim=1)

    def configure_optimizers(self) -> Any:
        """Optimizer, and the schedule over all steps of this run."""
        hp = self.hparams
        plain = [p for p in self.net.parameters() if p.requires_grad and p.ndim < 2]
        heavy = [p for p in self.net.parameters() if p.requires_grad and p.ndim >= 2]
        groups = [
            {"params": heavy, "weight_decay": hp["weight_decay"]},
            {"params": plain, "weight_decay": 0.0},
        ]
        optimizer: torch.optim.Optimizer
        if hp["optimizer"] == "sgd":
            nesterov = hp["momentum"] > 0
            optimizer = torch.optim.SGD(
                groups, lr=hp["lr"], momentum=hp["momentum"], nesterov=nesterov
            )
        else:
            kind = torch.optim.Adam if hp["optimizer"] == "adam" else torch.optim.AdamW
            optimizer = kind(groups, lr=hp["lr"])
        if hp["schedule"] == "constant":
            return optimizer
        total = max(1, int(self.trainer.estimated_stepping_batches))
        rise = min(total - 1, math.ceil(hp["warmup"] * total)) if hp["warmup"] > 0 else 0
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _Cosine(total, rise))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class _Cosine:
    """Linear rise over ``rise`` steps, then a half cosine that ends after ``total`` steps."""

    def __init__(self, total: int, rise: int):
        self.total = total
        self.rise = rise

    def __call__(self, step: int) -> float:
        if step < self.rise:
            return (step + 1) / (self.rise + 1)
        done = (step - self.rise) / max(1, self.total - self.rise)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _wide(logits: torch.Tensor) -> torch.Tensor:
    """At least two columns, as the metrics want (a one-class model has one)."""
    if logits.shape[1] > 1:
        return logits
    return torch.nn.functional.pad(logits, (0, 1), value=-torch.inf)
