"""What a benchmark is made of: contestants, their data, goals."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Epochs = Callable[[int], Iterator[Any]]


@dataclass(frozen=True)
class Contestant:
    """A loader.

    Attributes:
        name: what the table says.
        data: name of the writer of what it reads; "" reads nothing.
        open: called with the folder of the data and ``Settings``; gives epochs by number.
        needs: module that it cannot run without.
        note: said under the table, such as what its shuffle is.
    """

    name: str
    data: str
    open: Callable[[Path, Settings], Epochs]
    needs: str = ""
    note: str = ""


@dataclass(frozen=True)
class Settings:
    """What all contestants of a run share."""

    rows: int
    batch: int
    threads: int = 2
    seed: int = 0


@dataclass(frozen=True)
class Goal:
    """``who`` is at least ``factor`` times as good as ``than`` (or than ``factor`` itself)."""

    who: str
    factor: float
    than: str = ""
    measure: str = "cpu"
    phase: str = "later"

    def value(self, runs: dict[str, list[dict[str, Any]]]) -> float | None:
        """Median over the rounds of the ratio in the same round; None when one did not run."""
        mine, theirs = runs.get(self.who), runs.get(self.than)
        if not mine or (self.than and not theirs):
            return None
        rates = [rate(run[self.phase], self.measure) for run in mine]
        if theirs:
            base = [rate(run[self.phase], self.measure) for run in theirs]
            rates = [a / b for a, b in zip(rates, base, strict=False)]
        return statistics.median(rates)

    def text(self) -> str:
        """What is asked for."""
        unit = {"cpu": "rows per CPU-second", "wall": "rows per second"}[self.measure]
        if self.than:
            return f"{self.who}: >= {self.factor:.2f} x {self.than} ({unit}, {self.phase} epochs)"
        return f"{self.who}: >= {self.factor:,.0f} {unit}, {self.phase} epochs"


@dataclass(frozen=True)
class Suite:
    """A benchmark: data, contestants, goals.

    Attributes:
        script: its file, started again for each contestant.
        source: writes ``source`` data of ``rows`` rows into a folder.
        writers: name -> (writes the data of that name from the source, module it needs).
        check: raises when pictures do not belong to their labels; gets the source's folder.
        imports: modules loaded in every process before anything is measured.
        around: context manager around all runs; gets the folder, gives environment variables.
    """

    script: str
    source: Callable[[Path, int], None]
    writers: dict[str, tuple[Callable[[Path, Path], None], str]]
    contestants: list[Contestant]
    goals: list[Goal]
    rows: int
    batch: int
    limit: str
    check: Callable[[Path, Any, Any], None]
    imports: tuple[str, ...] = ("torchvision.io", "torchvision.transforms.v2")
    around: Callable[[Path], contextlib.AbstractContextManager[dict[str, str]]] = field(
        default=lambda folder: contextlib.nullcontext({})
    )
    quick: int = 10


def rate(epoch: dict[str, Any], measure: str) -> float:
    """Rows per second (``"wall"``) or per CPU-second (``"cpu"``)."""
    return epoch["rows"] / max(epoch[measure], 1e-9)
