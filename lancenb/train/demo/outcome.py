"""``DemoResult``: figures and checks of a demo run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..evaluation import Evaluation
from ..result import FitResult


@dataclass(repr=False)
class DemoResult:
    """What the demo made and whether it holds.

    Attributes:
        root: address of the store.
        data: name and version of the training rows.
        test: name and version of the held-out rows, or of the table they were split from.
        model: name of the model artefact.
        before: version of the original weights.
        trained: version of the trained weights.
        head: version that is the head after the rollback.
        evaluation_before: on held-out rows, original weights with a fresh head.
        evaluation_after: on the same rows, trained weights.
        fit: the training.
        checks: what must hold: True, False, or None when too few steps were made to judge.
        notes: what was replaced, and why.
        seconds: time of everything.
    """

    root: str
    data: tuple[str, int]
    test: tuple[str, int]
    model: str
    before: int
    trained: int
    head: int
    evaluation_before: Evaluation
    evaluation_after: Evaluation
    fit: FitResult
    checks: dict[str, bool | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(held is not False for held in self.checks.values())

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON-able values."""
        return {
            "root": self.root,
            "data": list(self.data),
            "test": list(self.test),
            "model": self.model,
            "versions": {"before": self.before, "trained": self.trained, "head": self.head},
            "accuracy": [self.evaluation_before.accuracy, self.evaluation_after.accuracy],
            "loss": [self.fit.first_loss, self.fit.last_loss],
            "checks": self.checks,
            "notes": self.notes,
            "seconds": self.seconds,
        }

    def __repr__(self) -> str:
        state = (
            "ok"
            if self.ok
            else "FAILED: " + ", ".join(name for name, held in self.checks.items() if held is False)
        )
        return (
            f"<DemoResult {state}, accuracy {self.evaluation_before.accuracy:.1%} ->"
            f" {self.evaluation_after.accuracy:.1%}, loss {self.fit.first_loss:.2f} ->"
            f" {self.fit.last_loss:.2f}, {self.seconds:.0f} s, store {self.root}>"
        )
