"""The record of a run: what is needed to understand it and to run it again."""

from __future__ import annotations

import math
import platform
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from .classifier import ImageClassifier

_PACKAGES = ("lancenb", "torch", "torchvision", "lightning", "torchmetrics", "pylance", "pyarrow")
#: Rows of a history that are stored with the weights.
_KEPT = 1000


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that shape a result."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            if package == "lancenb":
                from .. import __version__

                found[package] = __version__
    return found


def brief_history(history: pa.Table) -> dict[str, list[Any]]:
    """The history as JSON-able columns, at most about 1,000 rows; what is no number becomes null.

    Rows with validation figures stay whatever the length, up to that number.
    """
    keep = np.arange(history.num_rows)
    if len(keep) > _KEPT:
        checked = np.flatnonzero(~history["val_loss"].is_null().to_numpy())
        spread = np.linspace(0, len(keep) - 1, _KEPT - min(len(checked), _KEPT // 2)).astype(int)
        keep = np.union1d(spread, checked[-(_KEPT // 2) :])
    return {
        name: [None if v is None or not math.isfinite(v) else v for v in column.to_pylist()]
        for name, column in zip(history.column_names, history.take(keep).columns, strict=True)
    }


def run_record(
    module: ImageClassifier,
    data: tuple[str, int] | None,
    start: tuple[str, int] | None,
    history: pa.Table,
    seconds: float,
    *,
    rows: int,
    val: tuple[str, int] | None,
    **settings: Any,
) -> dict[str, Any]:
    """JSON-able facts of one run.

    Args:
        module: the trained classifier; its hyperparameters rebuild it.
        data: name and Lance version of the training data.
        start: name and version of the weights it started from.
        history: figures per step.
        seconds: time taken.
        rows: training rows.
        val: name and Lance version of the validation data.
        settings: the other arguments of the run.
    """
    losses = history["train_loss"].to_pylist()
    accuracies = [v for v in history["val_acc"].to_pylist() if v is not None]
    return {
        "classifier": dict(module.hparams),
        "data": {"name": data[0], "version": data[1], "rows": rows} if data else {"rows": rows},
        "validation": {"name": val[0], "version": val[1]} if val else None,
        "start": {"name": start[0], "version": start[1]} if start else None,
        "settings": settings,
        "versions": versions(),
        "device": str(next(module.parameters()).device),
        "threads": torch.get_num_threads(),
        "steps_done": len(losses),
        "loss_first": losses[0] if losses else None,
        "loss_last": losses[-1] if losses else None,
        "val_acc": accuracies[-1] if accuracies else None,
        "seconds": round(seconds, 3),
    }
