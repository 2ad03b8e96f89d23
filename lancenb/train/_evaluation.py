"""``Evaluation``: what a classifier got right and wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ._score import no_mistakes


@dataclass(repr=False)
class Evaluation:
    """What a classifier got right, and what it got wrong.

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
        class_names: names in id order.
        mistakes: the surest wrong answers, the highest probability first: columns ``row`` (number
            in the table, or index in a data set of another kind; -1 where it skipped unreadable
            rows without naming them), ``true``, ``predicted``,
            ``probability`` (of the predicted class), ``loss`` (of the row), ``label``,
            ``predicted_label``.
        model: name and version of the stored model, when it was one.
        data_uri: address of the data's table, when it has one.
        source: the data set, for pictures of its rows.
        split: ``"train"``, ``"val"`` or ``"test"`` where a column ``split`` told the rows; "" for
            the rows as they were given.
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
    mistakes: pa.Table = field(default_factory=no_mistakes)
    model: tuple[str, int] | None = None
    data_uri: str = ""
    source: Any = field(default=None, compare=False)
    split: str = ""

    @property
    def wrong(self) -> int:
        """Number of rows with a wrong answer; :attr:`mistakes` lists the surest of them."""
        return int(self.confusion.sum() - np.trace(self.confusion))

    @property
    def tells_top5(self) -> bool:
        """Whether :attr:`top5` says something: with at most five classes it is always 1."""
        return len(self.confusion) > 5

    @property
    def rows_told(self) -> str:
        """Number and kind of the rows, such as ``"24 test rows"``."""
        return f"{self.rows:,} {f'{self.split} ' if self.split else ''}rows"

    def __repr__(self) -> str:
        source = f" of {self.data[0]} version {self.data[1]}" if self.data else ""
        left_out = f", {self.skipped} skipped" if self.skipped else ""
        top = f", top-5 {self.top5:.3f}" if self.tells_top5 else ""
        return (
            f"<Evaluation accuracy {self.accuracy:.3f}{top}, F1 {self.f1:.3f}"
            f" on {self.rows_told}{source}{left_out}>"
        )

    def _repr_html_(self) -> str:
        from ._evaluation_html import page

        return page(self)

    def figure(self, *, dark: bool = False) -> Any:
        """The confusion counts as a :class:`matplotlib.figure.Figure`, for papers and slides.

        Args:
            dark: for a dark background.
        """
        from ._evaluation_html import confusion_figure

        return confusion_figure(self, dark=dark)

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
            "split": self.split or None,
            "model": list(self.model) if self.model else None,
        }

    def to_pandas(self, what: str = "classes") -> Any:
        """A part as a pandas DataFrame.

        Args:
            what: ``"classes"`` (figures per class), ``"confusion"`` (counts, true class in rows),
                ``"mistakes"`` or ``"metrics"`` (one row).

        Raises:
            InvalidArgument: another word.
        """
        from ._evaluation_tables import frame

        return frame(self, what)

    def gallery(self, data: Any = None, **options: Any) -> Any:
        """Pictures of the mistakes; see :func:`lancenb.train.look.mistakes`."""
        from .look import mistakes

        return mistakes(self, data, **options)

    def save(self, manager: Any, name: str, *, parents: Sequence[Any] = ()) -> Any:
        """Store the evaluation: four tables that know the model and the data they are about.

        ``name`` holds the figures per class, ``<name>-metrics`` the metrics (one row),
        ``<name>-confusion`` the counts that are not zero, ``<name>-mistakes`` the kept wrong
        answers. Saved again under the same name, each gets its next version.

        Args:
            manager: catalogue to store in.
            name: name of the evaluation.
            parents: further artefacts it came from; the stored model and the data are known.

        Returns:
            Report of the store on the figures per class.

        Raises:
            SchemaMismatch: something that is no table has one of the names; nothing is stored.

        >>> found = lnb.evaluate("resnet18", "cifar10-test", manager=dm)  # doctest: +SKIP
        >>> found.save(dm, "resnet18-exam").version  # doctest: +SKIP
        1
        """
        from ._evaluation_tables import store

        return store(self, manager, name, parents)
