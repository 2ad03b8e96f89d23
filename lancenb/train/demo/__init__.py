"""The whole road once: data and weights into a store, training, evaluation, versions, rollback.

>>> from lancenb.train.demo import DemoSettings
>>> DemoSettings().dataset, DemoSettings().limit
('cifar10', 1000)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .settings import DemoSettings

if TYPE_CHECKING:
    from .outcome import DemoResult
    from .road import run_demo

__all__ = ["DemoResult", "DemoSettings", "run_demo"]


def __getattr__(name: str) -> Any:
    # the road imports torch: not before somebody walks it
    if name == "run_demo":
        from .road import run_demo

        return run_demo
    if name == "DemoResult":
        from .outcome import DemoResult

        return DemoResult
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
