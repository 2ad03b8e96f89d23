"""All runs of a picture of curves: what was logged, by whom, in which state."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from lancenb.errors import InvalidArgument

from ._curves_names import place
from ._series import Series

STATES = ("running", "done", "failed", "cancelled")
_BESIDE = ("epoch", "time")


@dataclass
class Run:
    """One training run.

    Attributes:
        name: as shown in the legend.
        state: ``"running"``, ``"done"``, ``"failed"`` or ``"cancelled"``.
        series: values by name of the figure.
        begin: clock time of the first point.
    """

    name: str
    state: str = "running"
    series: dict[str, Series] = field(default_factory=dict)
    begin: float = field(default_factory=time.monotonic)


class Runs:
    """Runs in the order of their first point; every method is safe from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.runs: dict[str, Run] = {}
        #: Grows with every change, so that readers can tell whether they are up to date.
        self.edition = 0

    def start(self, name: str) -> Run:
        """Return a run, new or known; one that had ended runs again."""
        with self.lock:
            run = self.runs.get(name)
            if run is None:
                run = self.runs[_checked(name)] = Run(name)
                self.edition += 1
            elif run.state != "running":
                run.state = "running"
                self.edition += 1
            return run

    def free_name(self, wanted: str) -> str:
        """Return a name that no run has yet: the wanted one, or with a number behind it."""
        with self.lock:
            number, name = 1, wanted
            while name in self.runs:
                number += 1
                name = f"{wanted} {number}"
            return name

    def add(self, name: str, step: float, values: Mapping[str, Any]) -> None:
        """Add the figures of one step; ``epoch`` and ``time`` say where the step lies."""
        step = _number(step, "step")
        if not math.isfinite(step):
            raise InvalidArgument(f"the step of run {name!r} is {step}, not a number to count with")
        figures = {key: _number(v, key) for key, v in values.items() if v is not None}
        epoch = figures.pop("epoch", math.nan)
        with self.lock:
            run = self.start(name)
            seconds = figures.pop("time", None)
            if seconds is None:
                seconds = time.monotonic() - run.begin
            for metric, value in figures.items():
                series = run.series.get(metric)
                if series is None:
                    series = run.series[metric] = Series()
                series.append(step, epoch, seconds, value)
            self.edition += 1

    def extend(self, name: str, columns: Mapping[str, np.ndarray]) -> None:
        """Add whole columns: ``step``, perhaps ``epoch`` and ``time``, and figures.

        Nulls of a figure are left out; in ``columns`` they are masked values.
        """
        steps = np.asarray(columns["step"], np.float64)
        beside = [
            np.asarray(columns[key], np.float64) if key in columns else np.full(len(steps), np.nan)
            for key in _BESIDE
        ]
        with self.lock:
            run = self.start(name)
            for metric, column in columns.items():
                if metric == "step" or metric in _BESIDE:
                    continue
                there = ~np.ma.getmaskarray(column)
                series = run.series.setdefault(metric, Series())
                values = np.asarray(np.ma.getdata(column), np.float64)
                series.extend(steps[there], beside[0][there], beside[1][there], values[there])
            self.edition += 1

    def finish(self, name: str, state: str) -> None:
        """Mark the end of a run."""
        if state not in STATES[1:]:
            raise InvalidArgument(f"a run ends as {', '.join(STATES[1:])}, not {state!r}")
        with self.lock:
            if name not in self.runs:
                raise InvalidArgument(
                    f"there is no run {name!r}", hint=f"known: {', '.join(self.runs) or 'none'}"
                )
            self.runs[name].state = state
            self.edition += 1

    def notes(self) -> list[str]:
        """Say which figures stopped being numbers, and when."""
        found = []
        with self.lock:
            for run in self.runs.values():
                for metric, series in run.series.items():
                    trouble = series.trouble()
                    if trouble is not None:
                        whose = f"{run.name}: " if len(self.runs) > 1 else ""
                        found.append(whose + _sentence(metric, series, *trouble))
        return found

    def metrics(self) -> list[str]:
        """Names of all figures, as the panels are ordered."""
        with self.lock:
            names = dict.fromkeys(m for run in self.runs.values() for m in run.series)
        return sorted(names, key=lambda m: place(m).order)

    def table(self) -> pa.Table:
        """One row per run and step; figures not logged at a step are null."""
        with self.lock:
            metrics = self.metrics()
            parts = [_rows(run, metrics) for run in self.runs.values()]
        table = pa.concat_tables(parts) if parts else _rows(Run(""), metrics)
        steps = table["step"].to_numpy()
        if (np.abs(steps) < 2**53).all() and (steps == np.floor(steps)).all():
            return table.set_column(1, "step", table["step"].cast(pa.int64()))
        return table


def _rows(run: Run, metrics: list[str]) -> pa.Table:
    """The table of one run: figures of the same step in one row, the last one logged wins."""
    for series in run.series.values():
        series.tidy()
    steps = [series.column("step") for series in run.series.values()]
    index = np.unique(np.concatenate(steps)) if steps else np.empty(0)
    beside = {axis: np.full(len(index), np.nan) for axis in _BESIDE}
    columns = {}
    for metric in metrics:
        values, filled = np.full(len(index), np.nan), np.zeros(len(index), bool)
        series = run.series.get(metric)
        if series is not None:
            at = np.searchsorted(index, series.column("step"))
            values[at], filled[at] = series.values, True
            for axis in _BESIDE:
                beside[axis][at] = series.column(axis)
        columns[metric] = pa.array(values, pa.float64(), mask=~filled)
    head = {
        "run": pa.repeat(run.name, len(index)),
        "step": pa.array(index, pa.float64()),
        "epoch": pa.array(beside["epoch"], mask=np.isnan(beside["epoch"])),
        "time": pa.array(beside["time"], mask=np.isnan(beside["time"])),
    }
    return pa.table({**head, **columns})


def _sentence(metric: str, series: Series, first: int, count: int) -> str:
    step, value = float(series.column("step")[first]), float(series.values[first])
    word = "NaN" if math.isnan(value) else "infinite"
    again = f" ({count:,} such points)" if count > 1 else ""
    return f"{metric} became {word} at step {step:,.10g}{again}"


def _checked(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InvalidArgument(f"the name of a run is text, not {name!r:.60}")
    return name


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise InvalidArgument(
            f"{name} of a run is a number, not {value!r:.60}", hint="float(...) of it"
        ) from None
