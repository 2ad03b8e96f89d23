"""Training and evaluation on stored data: ``fit``, ``evaluate``, ``ImageClassifier``, the demo.

:class:`LiveCurves` shows any Lightning training while it runs; :mod:`lancenb.train.look` looks
inside a network and at its mistakes.

Names are imported when first used, so that ``import lancenb.train`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import look
    from ._curves import LiveCurves
    from ._keeping import Checkpoints
    from ._loggers import make_logger
    from ._simple import SimpleCNN
    from .checkpoints import LanceCheckpointIO, read_checkpoint
    from .classifier import ImageClassifier
    from .configs import compose
    from .demo import DemoResult, run_demo
    from .evaluation import Evaluation, evaluate, score
    from .fitting import fit
    from .result import FitResult
    from .running import run, run_evaluation
    from .stored import load_classifier

_HOME = {
    "Checkpoints": "_keeping",
    "DemoResult": "demo",
    "Evaluation": "evaluation",
    "FitResult": "result",
    "ImageClassifier": "classifier",
    "LanceCheckpointIO": "checkpoints",
    "LiveCurves": "_curves",
    "SimpleCNN": "_simple",
    "compose": "configs",
    "evaluate": "evaluation",
    "fit": "fitting",
    "load_classifier": "stored",
    "make_logger": "_loggers",
    "read_checkpoint": "checkpoints",
    "run": "running",
    "run_demo": "demo",
    "run_evaluation": "running",
    "score": "evaluation",
}

__all__ = [
    "Checkpoints",
    "DemoResult",
    "Evaluation",
    "FitResult",
    "ImageClassifier",
    "LanceCheckpointIO",
    "LiveCurves",
    "SimpleCNN",
    "compose",
    "evaluate",
    "fit",
    "load_classifier",
    "look",
    "make_logger",
    "read_checkpoint",
    "run",
    "run_demo",
    "run_evaluation",
    "score",
]


def __getattr__(name: str) -> Any:
    if name == "look":
        return import_module(f"{__name__}.look")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
