"""Counts of a classifier's answers, batch after batch; nothing of the whole data is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassStatScores

from ..errors import EmptyInput, InvalidArgument

_TOP = 5


class Tally:
    """Adds up scores against true classes.

    torchmetrics counts; the shares are taken of its whole numbers in double precision, so that
    they do not depend on the order of the rows. In memory are the counts ``(classes, classes)``
    and the wrong answers that were asked for.

    Args:
        classes: number of classes, the columns of the scores.
        mistakes: wrong answers to keep, the surest ones.
    """

    def __init__(self, classes: int, mistakes: int = 0):
        self.classes = classes
        self.rows = 0
        #: rows whose scores are no numbers
        self.lost = 0
        self._loss = 0.0
        wide = max(2, classes)
        # each process counts all rows, so adding up over processes would count them twice
        alone: dict[str, Any] = {"validate_args": False, "sync_on_compute": False}
        self._confusion = MulticlassConfusionMatrix(wide, **alone)
        self._best = MulticlassStatScores(wide, top_k=min(_TOP, classes), average="micro", **alone)
        self._wrong = Wrong(mistakes)

    def add(self, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch.

        Args:
            logits: float ``(n, classes)``, any scores that grow with confidence.
            labels: integers ``(n,)``.

        Raises:
            InvalidArgument: shapes that do not fit, or a label outside the classes.
        """
        check_batch(logits, labels)
        rows, classes = logits.shape
        if classes != self.classes:
            raise InvalidArgument(
                f"a batch has scores of {classes} classes, the ones before {self.classes}"
            )
        if not rows:
            return
        logits = logits.detach().cpu().to(torch.float64)
        labels = labels.cpu().to(torch.int64)
        if int(labels.min()) < 0 or int(labels.max()) >= classes:
            raise InvalidArgument(
                f"the labels go from {int(labels.min())} to {int(labels.max())}, the model has"
                f" {classes} classes"
            )
        losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        wide = logits
        if classes == 1:  # the metrics want two columns
            wide = torch.nn.functional.pad(logits, (0, 1), value=-torch.inf)
        self._confusion.update(wide.argmax(dim=1), labels)
        self._best.update(wide, labels)
        self._wrong.add(logits, labels, losses, self.rows)
        self._loss += float(losses.sum())
        self.lost += int(logits.isnan().any(dim=1).sum())
        self.rows += rows

    def confusion(self) -> np.ndarray:
        """Counts int64 ``(classes, classes)``, rows = true class."""
        counts = self._confusion.compute().to(torch.int64).numpy()
        return counts[: self.classes, : self.classes]

    def top5(self) -> float:
        """Share of rows whose true class is among the five highest scores."""
        hits, *_, support = self._best.compute().tolist()
        return hits / support

    def loss(self) -> float:
        """Mean cross entropy, natural logarithm."""
        return self._loss / self.rows

    def wrong(self) -> dict[str, np.ndarray]:
        """The kept wrong answers, see :class:`Wrong`."""
        return self._wrong.columns()

    def check(self) -> None:
        """Refuse to give figures of nothing.

        Raises:
            EmptyInput: no rows.
        """
        if not self.rows:
            raise EmptyInput("there are no rows to evaluate")


class Wrong:
    """The surest wrong answers of a stream, ``limit`` at most, the highest probability first."""

    def __init__(self, limit: int):
        self.limit = limit
        self._kept = {
            "place": np.empty(0, np.int64),
            "true": np.empty(0, np.int64),
            "predicted": np.empty(0, np.int64),
            "probability": np.empty(0, np.float64),
            "loss": np.empty(0, np.float64),
        }

    def add(
        self, logits: torch.Tensor, labels: torch.Tensor, losses: torch.Tensor, first: int
    ) -> None:
        """Look through a batch whose rows are number ``first`` and following of the stream."""
        if not self.limit:
            return
        claimed = logits.argmax(dim=1)
        at = (claimed != labels).nonzero().flatten()
        chances = logits[at].softmax(dim=1).gather(1, claimed[at, None]).flatten()
        found = {
            "place": (at + first).numpy(),
            "true": labels[at].numpy(),
            "predicted": claimed[at].numpy(),
            "probability": chances.numpy(),
            "loss": losses[at].numpy(),
        }
        joined = {key: np.concatenate([old, found[key]]) for key, old in self._kept.items()}
        # stable, and what is no number comes last: the same list whatever the batch size
        order = np.argsort(-joined["probability"], kind="stable")[: self.limit]
        self._kept = {key: values[order] for key, values in joined.items()}

    def columns(self) -> dict[str, np.ndarray]:
        """``place`` (number in the stream), ``true``, ``predicted``, ``probability``, ``loss``."""
        return self._kept


def check_batch(logits: torch.Tensor, labels: torch.Tensor) -> None:
    """Refuse shapes and types that are no scores and labels.

    Raises:
        InvalidArgument: they do not fit.
    """
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise InvalidArgument(
            f"scores {tuple(logits.shape)} and labels {tuple(labels.shape)} do not fit together"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise InvalidArgument(f"labels are whole numbers, not {labels.dtype}")


def class_table(confusion: np.ndarray, names: Sequence[str]) -> tuple[pa.Table, float]:
    """Figures per class, and the mean of the F1 of the classes that occur or are predicted.

    Args:
        confusion: counts ``(classes, classes)``, rows = true class.
        names: class names in id order.

    Returns:
        The table ``class, label, rows, precision, recall, f1`` (0 where there is nothing to
        divide by), and the mean F1.
    """
    classes = len(confusion)
    hits = np.diag(confusion).astype(np.float64)
    true, claimed = confusion.sum(1), confusion.sum(0)

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.zeros(classes), where=whole > 0)

    f1 = share(2 * hits, true + claimed)
    table = pa.table(
        {
            "class": list(names),
            "label": pa.array(range(classes), pa.int64()),
            "rows": true.astype(np.int64),
            "precision": share(hits, claimed),
            "recall": share(hits, true),
            "f1": f1,
        }
    )
    return table, float(f1[(true + claimed) > 0].mean())


def mistake_table(
    wrong: dict[str, np.ndarray], rows: np.ndarray | None, names: Sequence[str]
) -> pa.Table:
    """The wrong answers with names of classes and row numbers.

    Args:
        wrong: columns of :class:`Wrong`.
        rows: row number of each place of the stream; None when place and row are the same.
        names: class names in id order.
    """
    places = wrong["place"]
    return pa.table(
        {
            "row": pa.array(places if rows is None else rows[places], pa.int64()),
            "true": pa.array([names[i] for i in wrong["true"]], pa.string()),
            "predicted": pa.array([names[i] for i in wrong["predicted"]], pa.string()),
            "probability": pa.array(wrong["probability"], pa.float64()),
            "loss": pa.array(wrong["loss"], pa.float64()),
            "label": pa.array(wrong["true"], pa.int64()),
            "predicted_label": pa.array(wrong["predicted"], pa.int64()),
        }
    )


def no_mistakes() -> pa.Table:
    """The list of mistakes without a row."""
    return mistake_table(Wrong(0).columns(), None, [])
