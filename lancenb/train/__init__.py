"""Training and evaluation on stored data: ``fit``, ``evaluate``, ``ImageClassifier``, the demo.

:class:`LiveCurves` shows any Lightning training while it runs.

Names are imported when first used, so that ``import lancenb.train`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._curves import LiveCurves
    from .classifier import ImageClassifier
    from .demo import DemoResult, run_demo
    from .evaluation import Evaluation, evaluate, score
    from .fitting import fit
    from .result import FitResult
    from .stored import load_classifier

_HOME = {
    "DemoResult": "demo",
    "Evaluation": "evaluation",
    "FitResult": "result",
    "ImageClassifier": "classifier",
    "LiveCurves": "_curves",
    "evaluate": "evaluation",
    "fit": "fitting",
    "load_classifier": "stored",
    "run_demo": "demo",
    "score": "evaluation",
}

__all__ = [
    "DemoResult",
    "Evaluation",
    "FitResult",
    "ImageClassifier",
    "LiveCurves",
    "evaluate",
    "fit",
    "load_classifier",
    "run_demo",
    "score",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
