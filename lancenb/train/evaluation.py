"""``evaluate``: accuracy, top-5, F1 and confusion of a classifier on held-out rows."""

from __future__ import annotations

import html
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ..data.loading import loader
from ..data.transforms import picture_transform
from ..errors import EmptyInput, InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from ._inputs import as_dataset, same_classes


@dataclass(repr=False)
class Evaluation:
    """What a classifier got right.

    Attributes:
        accuracy: share of rows whose highest score is the true class.
        top5: share of rows whose true class is among the five highest scores (of all, when
            there are fewer than five classes).
        f1: mean of the classes' F1; classes that neither occur nor are predicted do not count.
        loss: mean cross entropy, natural logarithm.
        confusion: int64 counts ``(classes, classes)``, rows = true class, columns = predicted.
        per_class: columns ``class, label, rows, precision, recall, f1``.
        rows: rows scored.
        skipped: unreadable rows left out.
        data: name and version of the data, when known.
        seconds: time taken.
    """

    accuracy: float
    top5: float
    f1: float
    loss: float
    confusion: np.ndarray
    per_class: pa.Table
    rows: int
    skipped: int = 0
    data: tuple[str, int] | None = None
    seconds: float = 0.0
    class_names: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        source = f" of {self.data[0]} version {self.data[1]}" if self.data else ""
        left_out = f", {self.skipped} skipped" if self.skipped else ""
        return (
            f"<Evaluation accuracy {self.accuracy:.3f}, top-5 {self.top5:.3f}, F1 {self.f1:.3f}"
            f" on {self.rows:,} rows{source}{left_out}>"
        )

    def _repr_html_(self) -> str:
        names = self.class_names or [str(i) for i in range(len(self.confusion))]
        head = "".join(f"<th>{html.escape(n)}</th>" for n in names)
        most = max(1, int(self.confusion.max(initial=1)))
        body = ""
        for number, row in enumerate(self.confusion):
            cells = "".join(
                f'<td style="text-align:right;background:rgba(90,140,220,{0.6 * v / most:.2f})">'
                f"{v}</td>"
                for v in row.tolist()
            )
            body += f'<tr><th style="text-align:left">{html.escape(names[number])}</th>{cells}</tr>'
        return (
            f"<div><b>accuracy {self.accuracy:.1%}</b>, top-5 {self.top5:.1%}, F1 {self.f1:.3f}, "
            f"loss {self.loss:.3f} on {self.rows:,} rows"
            f"<table><caption>true class in rows, predicted class in columns</caption>"
            f"<tr><th></th>{head}</tr>{body}</table></div>"
        )

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able values."""
        return {
            "accuracy": self.accuracy,
            "top5": self.top5,
            "f1": self.f1,
            "loss": self.loss,
            "rows": self.rows,
            "skipped": self.skipped,
            "confusion": self.confusion.tolist(),
            "data": list(self.data) if self.data else None,
        }

    def save(self, manager: Any, name: str, *, parents: Sequence[Any] = ()) -> Any:
        """Store the figures per class as a table artefact; returns the report of the store."""
        mode = "overwrite" if name in manager else "create"
        return manager.convert(
            self.per_class,
            name,
            kind="table",
            mode=mode,
            parents=parents,
            message=f"evaluation: accuracy {self.accuracy:.4f} on {self.rows} rows",
        )


def score(
    logits: torch.Tensor, labels: torch.Tensor, class_names: Sequence[str] | None = None
) -> Evaluation:
    """Figures of merit of scores against true classes.

    Args:
        logits: float ``(rows, classes)``, any scores that grow with confidence.
        labels: int64 ``(rows,)``.
        class_names: names in id order.

    Raises:
        EmptyInput: no rows.
        InvalidArgument: shapes that do not fit, or a label outside the classes.

    >>> found = score(torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 1.0]]), torch.tensor([0, 1, 1]))
    >>> round(found.accuracy, 3), found.confusion.tolist()
    (0.667, [[1, 0], [1, 1]])
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise InvalidArgument(
            f"scores {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit together"
        )
    rows, classes = logits.shape
    if class_names is not None and len(class_names) != classes:
        raise InvalidArgument(f"{len(class_names)} class names for {classes} classes")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise InvalidArgument(f"labels are whole numbers, not {labels.dtype}")
    if not rows:
        raise EmptyInput("there are no rows to evaluate")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise InvalidArgument(
            f"the labels go from {int(labels.min())} to {int(labels.max())}, the model has"
            f" {classes} classes"
        )
    logits = logits.detach().to(torch.float64).cpu()
    labels = labels.cpu()
    predicted = logits.argmax(dim=1)
    best = logits.topk(min(5, classes), dim=1).indices
    confusion = torch.bincount(labels * classes + predicted, minlength=classes * classes)
    confusion = confusion.reshape(classes, classes).numpy()
    hits = np.diag(confusion).astype(np.float64)
    true, claimed = confusion.sum(1), confusion.sum(0)
    recall = np.divide(hits, true, out=np.zeros(classes), where=true > 0)
    precision = np.divide(hits, claimed, out=np.zeros(classes), where=claimed > 0)
    f1 = np.divide(2 * hits, true + claimed, out=np.zeros(classes), where=(true + claimed) > 0)
    names = [str(n) for n in class_names] if class_names else [str(i) for i in range(classes)]
    per_class = pa.table(
        {
            "class": names,
            "label": pa.array(range(classes), pa.int64()),
            "rows": true.astype(np.int64),
            "precision": precision,
            "recall": recall,
            "f1": f1,
        }
    )
    return Evaluation(
        accuracy=float(hits.sum() / rows),
        top5=float((best == labels[:, None]).any(dim=1).double().mean()),
        f1=float(f1[(true + claimed) > 0].mean()),
        loss=float(torch.nn.functional.cross_entropy(logits, labels)),
        confusion=confusion,
        per_class=per_class,
        rows=rows,
        class_names=names,
    )


def evaluate(
    model: Any,
    data: Any,
    *,
    manager: Any = None,
    version: int | str | None = None,
    batch_size: int = 128,
    num_workers: int = 0,
    device: str | torch.device | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Score a classifier on every row of a data set, once, in stored order.

    Args:
        model: an :class:`~lancenb.train.ImageClassifier`, another module that gives logits, or
            the name of a stored classifier (with ``manager``).
        data: name, artefact, URI or data set of pictures with labels. A picture transform by size
            is added when the data set has none.
        manager: catalogue for names.
        version: version or tag of a stored model.
        batch_size: rows per batch.
        num_workers: worker processes, 0 for threads.
        device: default: where the model is.
        progress: callback or True for a bar.
        cancel: token to stop.

    Raises:
        EmptyInput: no rows.
        InvalidArgument: labels outside the model's classes.
    """
    begin = time.monotonic()
    if isinstance(model, str) or not isinstance(model, torch.nn.Module):
        from .stored import load_classifier

        model = load_classifier(model, manager=manager, version=version)
    dataset = same_classes(as_dataset(data, manager), getattr(model, "class_names", None))
    if getattr(dataset, "transform", True) is None and hasattr(dataset, "picture_size"):
        wanted = getattr(model, "hparams", {}).get("image_size")
        fitting = picture_transform(dataset.picture_size, to=wanted)
        if fitting is not None:
            dataset = dataset.with_transform(fitting)
    tracker = Tracker(progress, cancel, total_rows=len(dataset))
    tracker.enter("evaluate")
    where = torch.device(device) if device is not None else next(model.parameters()).device
    was_training = model.training
    model.to(where).eval()
    logits: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    try:
        with torch.inference_mode():
            for batch in loader(dataset, batch_size, num_workers=num_workers):
                images, truth = (
                    (batch["image"], batch["label"]) if isinstance(batch, dict) else batch
                )
                out = model(images.to(where))
                logits.append((out if isinstance(out, torch.Tensor) else out[0]).float().cpu())
                labels.append(truth)
                tracker.advance(len(truth))
    finally:
        model.train(was_training)
    if not labels:
        raise EmptyInput(f"'{getattr(dataset, 'name', 'the dataset')}' has no rows to evaluate")
    names = getattr(model, "class_names", None) or getattr(dataset, "class_names", None)
    if names is not None and len(names) != logits[0].shape[1]:
        names = None
    found = score(torch.cat(logits), torch.cat(labels), names)
    found.skipped = int(getattr(dataset, "skipped_count", 0))
    if hasattr(dataset, "version"):
        found.data = (str(dataset.name), int(dataset.version))
    found.seconds = time.monotonic() - begin
    tracker.enter("done")
    return found
