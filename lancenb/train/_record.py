"""The record of a run: what is needed to understand it and to run it again."""

from __future__ import annotations

import math
import platform
from collections.abc import Collection, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from .classifier import ImageClassifier
from .result import ends_of_loss

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


def run_facts(
    module: ImageClassifier,
    data: tuple[str, int] | None,
    start: tuple[str, int] | None,
    *,
    rows: int,
    val: tuple[str, int] | None,
    val_rows: int,
    fraction: float | None,
    parts: Collection[str] = (),
    config: Mapping[str, Any] | None,
    **settings: Any,
) -> dict[str, Any]:
    """JSON-able facts of one run that are known before it.

    Args:
        module: the classifier; its hyperparameters rebuild it.
        data: name and Lance version of the training data.
        start: name and version of the weights it started from.
        rows: training rows.
        val: name and Lance version of the validation data.
        val_rows: validation rows.
        fraction: share of the data that was split off for them; None for data of their own.
        parts: parts of the data that its column ``split`` told apart; they are noted as such.
        config: the composed configuration it comes from.
        settings: the other arguments of the run.
    """
    own, held_out = ({"split": part} if part in parts else {} for part in ("train", "val"))
    named = {"name": data[0], "version": data[1]} if data else {}
    return {
        "classifier": dict(module.hparams),
        "data": {**named, "rows": rows, **own},
        "validation": {
            "name": val[0],
            "version": val[1],
            "rows": val_rows,
            "fraction": fraction,
            **held_out,
        }
        if val
        else None,
        "start": {"name": start[0], "version": start[1]} if start else None,
        "settings": settings,
        "config": dict(config) if config is not None else None,
        "versions": versions(),
        "threads": torch.get_num_threads(),
    }


def run_outcome(history: pa.Table, device: str, seconds: float, here: int) -> dict[str, Any]:
    """JSON-able facts of one run that are known after it; what is no finite number is None.

    The losses are those of :class:`FitResult`: means of the first and of the last tenth.

    Args:
        history: figures per step, one or more.
        device: where it ran.
        seconds: time taken.
        here: steps made by this process, without those before the checkpoint it went on from.
    """
    first, last = ends_of_loss(history)
    accuracies = [v for v in history["val_acc"].to_pylist() if v is not None]
    return {
        "device": device,
        "steps_done": history.num_rows,
        "steps_here": here,
        "loss_first": _finite([first]),
        "loss_last": _finite([last]),
        "val_acc": _finite(accuracies[-1:]),
        "seconds": round(seconds, 3),
    }


def _finite(values: list[float]) -> float | None:
    """The one value there is, when JSON has a form for it."""
    return values[0] if values and math.isfinite(values[0]) else None


def first_lost(history: pa.Table) -> int | None:
    """Return the first step whose loss is no finite number; ``None`` when there is none."""
    pairs = zip(history["step"].to_pylist(), history["train_loss"].to_pylist(), strict=True)
    return next((step for step, loss in pairs if not math.isfinite(loss)), None)
