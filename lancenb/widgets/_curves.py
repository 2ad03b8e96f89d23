"""``curves``: training curves, live while a training runs and true in the notebook afterwards."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import traitlets as t
from pyarrow import csv

from lancenb.errors import InvalidArgument

from . import _curves_static as static
from ._assets import css, esm
from ._curves_names import place
from ._curves_read import histories
from ._curves_store import Runs
from ._curves_wire import csv_part, packed
from ._series import AXES
from ._view import View

#: Seconds between two updates: at least the first, never more than the second.
FASTEST, SLOWEST = 0.2, 2.0
#: Drawing takes at most this share of the time, however much there is to draw.
SHARE = 0.01
Answer = tuple[dict[str, Any], list[bytes]]


class Curves(View):
    """Training curves of any number of runs: losses, metrics, learning rate, speed.

    Points may come from any thread; the picture follows at most five times a second. Whatever the
    number of points, at most about 2,000 per line travel to the browser, lowest and highest
    values included; zooming in fetches more.

    Args:
        runs: histories to begin with, as :func:`curves` takes them.
        label: title of the picture.
        axis: ``"step"``, ``"epoch"`` or ``"time"``.
        smooth: weight of the past in the smoothed lines, 0 (off) to 0.99.

    >>> c = Curves(label="two runs")
    >>> for step in range(1, 4):
    ...     c.add("a", step, train_loss=1 / step, lr=0.1)
    >>> c.finish("a")
    >>> c
    two runs: 1 run
    a, done, 3 steps: train_loss 0.3333, lr 0.1
    """

    _esm: Any = esm("curves_plot", "curves")
    _css: Any = css("curves")

    kind = t.Unicode("curves").tag(sync=True)
    axis = t.Enum(list(AXES), "step").tag(sync=True)
    smooth = t.Float(0.0, min=0.0, max=0.99).tag(sync=True)
    log = t.List(t.Unicode()).tag(sync=True)
    hidden = t.List(t.Unicode()).tag(sync=True)
    runs = t.List(t.Dict()).tag(sync=True)
    panels = t.List(t.Dict()).tag(sync=True)
    notes = t.List(t.Unicode()).tag(sync=True)
    ended = t.List(t.Dict()).tag(sync=True)
    ended_data = t.Bytes(b"").tag(sync=True)
    live = t.List(t.Dict()).tag(sync=True)
    live_data = t.Bytes(b"").tag(sync=True)

    def __init__(
        self, *runs: Any, label: str = "training curves", axis: str = "step", smooth: float = 0.0
    ):
        self._store = Runs()
        self._pending: threading.Timer | None = None
        self._timing = threading.Lock()
        self._drawing = threading.RLock()
        self._gap = FASTEST
        self._closed = False
        self._ended: tuple[Any, ...] = ()
        self._export: tuple[int, pa.Table] | None = None
        self._shown: list[Any] = []
        super().__init__(label=label)
        if axis not in AXES:
            raise InvalidArgument(f"axis is one of {', '.join(AXES)}, not {axis!r}")
        if not 0 <= smooth <= 0.99:
            raise InvalidArgument(f"smooth lies between 0 and 0.99, not {smooth!r}")
        self.axis, self.smooth = axis, smooth
        for thing in runs:
            self._take(thing)
        self.refresh()
        self.observe(lambda _: self.refresh(), "axis")

    def add(self, run: str, step: float, *figures: Mapping[str, Any], **values: Any) -> None:
        """Add the figures of one step; safe and quick from any thread.

        Args:
            run: name of the run; a new name begins a new run.
            step: where the figures belong.
            *figures: the same as a mapping, such as ``{"loss": 0.3}``.
            **values: figures by name, ``None`` to leave one out. ``epoch`` and ``time`` (seconds
                since the beginning) place the step on the other axes.

        Raises:
            InvalidArgument: a value is not a number. NaN and infinities are shown as gaps.
        """
        for more in figures:
            if not isinstance(more, Mapping):
                raise InvalidArgument(
                    f"figures have names, {more!r:.60} has none",
                    hint="curves.add(run, step, loss=0.3), or a mapping",
                )
            values = {**{str(name): value for name, value in more.items()}, **values}
        self._store.add(run, step, values)
        self._later()

    def finish(self, run: str, state: str = "done") -> None:
        """Mark the end of a run: ``"done"``, ``"failed"`` or ``"cancelled"``.

        When the last running one ends, the picture in the notebook becomes a lasting one: what
        is saved then shows the final curves without a kernel.

        Raises:
            InvalidArgument: no such run or state.
        """
        self._store.finish(run, state)
        self.refresh()
        if not self.running:
            self._settle()

    def start(self, wanted: str) -> str:
        """Begin a run under a name that is free, and return that name."""
        with self._store.lock:
            name = self._store.free_name(wanted)
            self._store.start(name)
        self._later()
        return name

    @property
    def running(self) -> list[str]:
        """Names of the runs that have not ended."""
        return [run.name for run in list(self._store.runs.values()) if run.state == "running"]

    def table(self) -> pa.Table:
        """All points: columns ``run, step, epoch, time`` and one per figure, unsampled."""
        return self._store.table()

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write all points as CSV and return the path."""
        csv.write_csv(self.table(), Path(path))
        return Path(path)

    def to_png(self, path: str | os.PathLike[str], *, dpi: int = 150) -> Path:
        """Write the picture as PNG and return the path."""
        Path(path).write_bytes(static.png(self, dpi=dpi))
        return Path(path)

    def refresh(self) -> None:
        """Bring the picture up to date now (it also happens by itself)."""
        # one at a time, or an older picture could overwrite a newer one
        with self._drawing:
            began = time.perf_counter()
            self.put(**self._picture())
            cost = time.perf_counter() - began
            self._gap = min(SLOWEST, max(FASTEST, cost / SHARE))

    def _picture(self) -> dict[str, Any]:
        """All traits that follow the points."""
        with self._store.lock:
            runs = list(self._store.runs.values())
            ended = [run for run in runs if run.state != "running"]
            mark = (self.axis, *((run.name, *_sizes(run)) for run in ended))
            traits: dict[str, Any] = {
                "runs": [{"name": run.name, "state": run.state} for run in runs],
                "panels": self._panels(),
                "notes": self._store.notes(),
            }
            traits["live"], traits["live_data"] = packed(
                (run for run in runs if run.state == "running"), self.axis
            )
            if mark != self._ended:
                traits["ended"], traits["ended_data"] = packed(ended, self.axis)
                self._ended = mark
        return traits

    def close(self) -> None:
        """Stop updates and close the comm; the points stay available to Python."""
        with self._timing:
            pending, self._pending = self._pending, None
            self._closed = True
        if pending is not None:
            pending.cancel()
        self._shown.clear()
        super().close()

    def show(self) -> None:
        """Display the widget in a notebook; do nothing without one."""
        static.show(self)

    def _take(self, thing: Any) -> None:
        for title, columns in histories(thing):
            name = self._store.free_name(title)
            self._store.extend(name, columns)
            self._store.finish(name, "done")

    def _later(self) -> None:
        """Update soon, once, however many points come until then."""
        if self._pending is not None:
            return
        with self._timing:
            if self._pending is None and not self._closed:
                self._pending = threading.Timer(self._gap, self._context.copy().run, (self._due,))
                self._pending.daemon = True
                self._pending.start()

    def _due(self) -> None:
        self._pending = None
        self.refresh()

    def _panels(self) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for metric in self._store.metrics():
            where = place(metric)
            found.setdefault(
                where.panel, {"key": where.panel, "title": where.title, "unit": where.unit}
            )
        return list(found.values())

    def _answer_zoom(
        self, axis: str, low: float, high: float
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Points between two positions, finer than those of the whole."""
        with self._store.lock:
            facts, data = packed(self._store.runs.values(), axis, float(low), float(high))
        return {"series": facts}, [data]

    def _answer_csv(self, part: int) -> Answer:
        """One piece of all points as CSV; the first piece fixes what is exported."""
        if part == 0 or self._export is None:
            self._export = (self._store.edition, self.table())
        text, parts = csv_part(self._export[1], int(part))
        if part == parts - 1:
            self._export = None
        return {"parts": parts}, [text]

    def _settle(self) -> None:
        """Replace what the notebook shows (and saves) by a bundle with the final picture."""
        if not self._shown:
            return
        data, metadata = self._repr_mimebundle_()
        for handle in list(self._shown):
            handle.update(data, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return static.bundle(self, super()._repr_mimebundle_(**kwargs))

    def _static(self) -> tuple[str, str]:
        return static.html(self), static.text(self)

    def _ipython_display_(self) -> None:
        static.display(self)


def curves(
    *runs: Any, label: str = "training curves", axis: str = "step", smooth: float = 0.0
) -> Curves:
    """Show training curves: of finished runs beside each other, or live.

    Args:
        runs: fit results, histories (mappings of columns, rows, Arrow or pandas tables), mappings
            of names to histories, CSV files (such as those of Lightning's ``CSVLogger``), or
            artefacts that hold a history. None for a picture to fill with :meth:`Curves.add`.
        label: title of the picture.
        axis: ``"step"``, ``"epoch"`` or ``"time"``.
        smooth: weight of the past in the smoothed lines, 0 (off) to 0.99.

    Raises:
        InvalidArgument: no history can be made of what was given.
        EmptyInput: it holds no figures.
        NotFound: no such file.

    >>> both = curves({"small": {"loss": [3.0, 2.0]}, "large": {"loss": [3.0, 1.0, 0.5]}})
    >>> [run["name"] for run in both.runs]
    ['small', 'large']
    """
    return Curves(*runs, label=label, axis=axis, smooth=smooth)


def _sizes(run: Any) -> tuple[Any, ...]:
    return (run.state, *((metric, series.size) for metric, series in run.series.items()))
