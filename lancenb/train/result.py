"""``FitResult``: what a training run gave."""

from __future__ import annotations

import html
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from .classifier import ImageClassifier


def ends_of_loss(history: pa.Table) -> tuple[float, float]:
    """Return the mean loss of the first and of the last tenth of the steps (at least one each).

    Args:
        history: one row or more, with ``train_loss``.
    """
    losses = history["train_loss"].to_pylist()
    tenth = max(1, len(losses) // 10)
    return sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth


@dataclass(repr=False)
class FitResult:
    """A trained model and the facts of its training.

    Attributes:
        model: the trained classifier, in evaluation mode, on the CPU.
        history: one row per step: ``step, epoch, train_loss, train_acc, lr, val_loss, val_acc``
            (the last two on the last step of each epoch with validation).
        report: report of the stored version, None when nothing was stored.
        name: name of the model artefact, or "".
        version: version that holds the trained weights, None when nothing was stored.
        data: name and Lance version of the training data.
        seconds: time of the training.
        run: what is needed to run it again: seed, versions of libraries, settings, data version.
        fresh: head tensors that began with fresh values.
        curves: the live curves, when there were any.
        artefacts: what was stored beside the weights: ``{"history": (name, version), ...}``.
        steps_here: steps made by this call; the history of a resumed run has those before, too.
        start: what it started from: ``"fresh weights"``, name and version of a stored model, a
            checkpoint, or "" for the weights of a classifier that was given.
    """

    model: ImageClassifier
    history: pa.Table
    report: Any = None
    name: str = ""
    version: int | None = None
    data: tuple[str, int] | None = None
    seconds: float = 0.0
    run: dict[str, Any] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)
    curves: Any = None
    artefacts: dict[str, tuple[str, int]] = field(default_factory=dict)
    steps_here: int | None = None
    start: str = ""

    @property
    def first_loss(self) -> float:
        """Mean loss of the first tenth of the steps (at least one)."""
        return ends_of_loss(self.history)[0]

    @property
    def last_loss(self) -> float:
        """Mean loss of the last tenth of the steps (at least one)."""
        return ends_of_loss(self.history)[1]

    @property
    def _resumed(self) -> str:
        """How many of the steps were made here, when not all were."""
        everything = self.steps_here in (None, self.history.num_rows)
        return "" if everything else f" ({self.steps_here:,} here)"

    @property
    def _rows(self) -> str:
        """Which rows of the data, when its column ``split`` told them apart."""
        part = self.run.get("data", {}).get("split")
        return f", its {part} rows" if part else ""

    def to_pandas(self) -> Any:
        """The history as a pandas DataFrame."""
        return self.history.to_pandas()

    def __repr__(self) -> str:
        begun = f", from {self.start}" if self.start else ""
        where = f", stored as {self.name} version {self.version}" if self.version else ""
        return (
            f"<FitResult {self.history.num_rows} steps{self._resumed} in {self.seconds:.1f} s, loss"
            f" {self.first_loss:.3f} -> {self.last_loss:.3f}{begun}{where}>"
        )

    def _repr_html_(self) -> str:
        stored = f"{html.escape(self.name)} version {self.version}" if self.version else "not"
        rows = [
            ("model", self.model.architecture),
            ("data", f"{self.data[0]} version {self.data[1]}{self._rows}" if self.data else ""),
            ("steps", f"{self.history.num_rows}{self._resumed} in {self.seconds:.1f} s"),
            *([("start", self.start)] if self.start else []),
            ("train loss", f"{self.first_loss:.3f} → {self.last_loss:.3f}"),
            ("stored", stored),
        ]
        accuracy = [v for v in self.history["val_acc"].to_pylist() if v is not None]
        if accuracy:
            rows.insert(-1, ("validation accuracy", f"{accuracy[-1]:.1%}"))
        body = "".join(
            f'<tr><th style="text-align:left">{k}</th><td style="text-align:left">'
            f"{v if k == 'stored' else html.escape(v)}</td></tr>"
            for k, v in rows
        )
        return f"<table>{body}</table>{_curve(self.history)}"


def _curve(history: pa.Table, width: int = 360, height: int = 90) -> str:
    """The loss as an inline SVG line in the colour of the text."""
    losses = history["train_loss"].to_pylist()
    if len(losses) < 2:
        return ""
    low, high = min(losses), max(losses)
    span = (high - low) or 1.0
    points = " ".join(
        f"{i * width / (len(losses) - 1):.1f},{height - (v - low) / span * height:.1f}"
        for i, v in enumerate(losses)
    )
    axis = "".join(
        f'<text x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>'
        for x, y, anchor, text in (
            (-6, 8, "end", f"{high:.2f}"),
            (-6, height, "end", f"{low:.2f}"),
            (0, height + 18, "start", "step 1"),
            (width / 2, height + 18, "middle", "training loss"),
            (width, height + 18, "end", f"{len(losses):,}"),
        )
    )
    return (
        f'<svg width="{width + 56}" height="{height + 28}"'
        f' viewBox="-52 -4 {width + 56} {height + 28}"'
        f' role="img" aria-label="training loss from {losses[0]:.2f} to {losses[-1]:.2f}">'
        f'<g fill="currentColor" opacity="0.65" font-size="11">{axis}</g>'
        f'<polyline fill="none" stroke="currentColor" stroke-width="1.5" points="{points}"/></svg>'
    )
