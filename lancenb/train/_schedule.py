"""The learning rate over a run: a warm-up, then half a cosine that ends with the last step."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..errors import InvalidArgument


class Cosine:
    """Linear rise over a share of the steps, then a half cosine that ends after the last one.

    Args:
        total: steps of the run; 0 while it is not known.
        warmup: share of the steps in which the factor rises.

    >>> curve = Cosine(4, warmup=0.25)
    >>> [round(curve(step), 2) for step in range(5)]
    [0.5, 1.0, 0.75, 0.25, 0.0]
    """

    def __init__(self, total: int = 0, *, warmup: float = 0.0):
        self.warmup = warmup
        self.plan(total)

    def plan(self, total: int) -> None:
        """Set the number of steps."""
        self.total = total
        self.rise = min(total - 1, math.ceil(self.warmup * total)) if self.warmup > 0 else 0

    def __call__(self, step: int) -> float:
        """Factor of the highest rate at a step, 0 to 1."""
        if step < self.rise:
            return (step + 1) / (self.rise + 1)
        done = (step - self.rise) / max(1, self.total - self.rise)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def fit_schedule(schedule: Any, trainer: Any) -> None:
    """Give a schedule of :class:`Cosine` the steps of a run, and the rate of the step it is at.

    Args:
        schedule: of the trainer; others are left alone.
        trainer: at the start of a training, after any checkpoint was restored.

    Raises:
        InvalidArgument: the run has no known end.
    """
    curves = getattr(schedule, "lr_lambdas", [])
    if not curves or not all(isinstance(curve, Cosine) for curve in curves):
        return
    total = steps_of(trainer)
    optimizer: torch.optim.Optimizer = schedule.optimizer
    for curve, base, group in zip(curves, schedule.base_lrs, optimizer.param_groups, strict=True):
        curve.plan(total)
        group["lr"] = base * curve(schedule.last_epoch)
    schedule._last_lr = [group["lr"] for group in optimizer.param_groups]


def steps_of(trainer: Any) -> int:
    """Optimizer steps that a training takes from its beginning to its end.

    Raises:
        InvalidArgument: it has neither a number of epochs and batches nor of steps.
    """
    limit, epochs = trainer.max_steps, trainer.max_epochs
    batches = trainer.num_training_batches
    if epochs is not None and epochs >= 0 and math.isfinite(batches):
        total = math.ceil(batches / trainer.accumulate_grad_batches) * epochs
        return max(1, min(total, limit) if limit >= 0 else total)
    if limit < 0:
        raise InvalidArgument(
            "a cosine schedule needs to know the end of the run",
            hint='give max_epochs or max_steps, or ImageClassifier(schedule="constant")',
        )
    return max(1, int(limit))
