"""``ImageClassifier``: a Lightning module over torchvision's networks and ``simple_cnn``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import nn
from torchmetrics import Accuracy, ConfusionMatrix

from ..data.transforms import IMAGENET_MEAN, IMAGENET_STD
from ..errors import InvalidArgument
from ._checks import check_settings
from ._networks import adapt_stem, build_network, head_prefix, load_backbone
from ._prepared import tell_unprepared
from ._schedule import Cosine, fit_schedule

OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("cosine", "constant")


class ImageClassifier(L.LightningModule):
    """Classifies pictures with any network by name; scales and normalises them itself.

    That is, uint8 pictures: floating point ones are taken as scaled and normalised already, by
    ``mean`` and ``std``, and a warning says once when they do not look so.

    Logs ``train_loss``, ``train_acc`` per step, ``val_loss``, ``val_acc``, ``test_loss`` and
    ``test_acc`` per epoch. After a test, ``test_confusion`` holds the counts, int64
    ``(num_classes, num_classes)``, rows = true class.

    Args:
        model: name of a classification network of torchvision, or ``"simple_cnn"``, a network of
            four layers for small pictures.
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
        check_settings(
            {
                "num_classes": num_classes, "lr": lr, "momentum": momentum,
                "weight_decay": weight_decay, "warmup": warmup,
                "label_smoothing": label_smoothing, "image_size": image_size,
                "mean": mean, "std": std, "class_names": class_names,
            }
        )  # fmt: skip
        self.net = build_network(model, num_classes, pretrained=pretrained)
        stem = adapt_stem(self.net, stem, image_size)
        mean, std = [float(v) for v in mean], [float(v) for v in std]
        class_names = list(class_names) if class_names is not None else None
        self.save_hyperparameters()
        self.class_names = class_names
        self._looked = False
        #: name and version of the stored weights it started from
        self.origin: tuple[str, int] | None = None
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
        self.test_confusion: torch.Tensor | None = None

    @property
    def architecture(self) -> str:
        """Name of the network."""
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
        elif not self._looked and not torch.compiler.is_compiling():
            self._looked = True  # once: on a GPU it waits for the values
            tell_unprepared(images, self.mean, self.std)
        out = self.net(images)
        return out if isinstance(out, torch.Tensor) else out[0]

    def _step(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        images, labels = (batch["image"], batch["label"]) if isinstance(batch, dict) else batch
        logits = self(images)
        return logits, labels, self.loss(logits, labels)

    def on_before_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Refuse labels outside the classes, which a GPU would only abort on.

        Raises:
            InvalidArgument: with the label and the number of classes.
        """
        if not self.trainer.predicting:
            _check_labels(batch["label"] if isinstance(batch, dict) else batch[1], self.num_classes)
        return batch

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
        self.log("val_loss", loss, on_epoch=True, batch_size=len(labels), sync_dist=True)
        self.log("val_acc", self.val_acc, on_epoch=True, batch_size=len(labels))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """Add a batch to ``test_loss``, ``test_acc`` and the confusion counts."""
        logits, labels, loss = self._step(batch)
        self.test_acc.update(_wide(logits), labels)
        self.confusion.update(_wide(logits), labels)
        self.log("test_loss", loss, on_epoch=True, batch_size=len(labels), sync_dist=True)
        self.log("test_acc", self.test_acc, on_epoch=True, batch_size=len(labels))

    def on_test_epoch_start(self) -> None:
        """Begin to count: a test alone takes the memory for each pair of classes."""
        counts = ConfusionMatrix(task="multiclass", num_classes=max(2, self.num_classes))
        self.confusion = counts.to(self.device)

    def on_test_epoch_end(self) -> None:
        """Keep the confusion counts in ``test_confusion``."""
        counts = self.confusion.compute().to(torch.int64).cpu()
        self.test_confusion = counts[: self.num_classes, : self.num_classes]
        del self.confusion

    def predict_step(self, batch: Any, batch_idx: int = 0) -> torch.Tensor:
        """Probabilities ``(n, num_classes)`` of a batch, with or without labels."""
        if isinstance(batch, dict):
            batch = batch["image"]
        elif isinstance(batch, tuple | list):
            batch = batch[0]
        return self(batch).softmax(dim=1)

    def configure_optimizers(self) -> Any:
        """Optimizer and schedule; :meth:`on_train_start` fits it to the steps of the run.

        Lightning's ``estimated_stepping_batches`` is not asked here: it sets the loaders up before
        a checkpoint is restored, and their position in it is lost then.
        """
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
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, Cosine(warmup=hp["warmup"]))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_start(self) -> None:
        """Fit the schedule to the steps this run takes."""
        for config in self.trainer.lr_scheduler_configs:
            fit_schedule(config.scheduler, self.trainer)


def _check_labels(labels: Any, classes: int) -> None:
    whole = isinstance(labels, torch.Tensor) and not labels.is_floating_point()
    if not whole or labels.is_complex():
        kind = labels.dtype if isinstance(labels, torch.Tensor) else type(labels).__name__
        raise InvalidArgument(
            f"labels are whole numbers, not {kind}", hint="0 for the first class, 1 for the second"
        )
    if not len(labels):
        return
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise InvalidArgument(
            f"label {low if low < 0 else high} is outside the {classes} classes of the model",
            hint=f"labels count from 0 to {classes - 1}",
        )


def _wide(logits: torch.Tensor) -> torch.Tensor:
    """At least two columns, as the metrics want (a one-class model has one)."""
    if logits.shape[1] > 1:
        return logits
    return torch.nn.functional.pad(logits, (0, 1), value=-torch.inf)
