"""Measuring whole tensors in the background: shares of zeros, exact figures, size of changes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from contextlib import ExitStack, closing
from typing import Any

import traitlets as t

from lancenb.errors import Conflict
from lancenb.progress import Job
from lancenb.store import redact

from ._format import count, size
from ._from_page import FromPage
from ._histogram import Measured, measure_all, plain
from ._tensor_rows import Row, open_sides
from ._view import sentence

#: So many tensors keep their histogram; of all others the figures of the list are kept.
_KEPT = 512
_GAP = 0.1


class Measuring(FromPage):
    """The part of a tensor browser that reads tensors whole, when asked to."""

    busy = t.Bool(False).tag(sync=True)
    fraction = t.Float(0.0).tag(sync=True)
    doing = t.Unicode("").tag(sync=True)
    measured = t.Int(0).tag(sync=True)
    error = t.Unicode("").tag(sync=True)
    hint = t.Unicode("").tag(sync=True)

    _rows: list[Row]
    _by_name: dict[str, Row]
    _sources: list[Any]

    def __init__(self, **traits: Any):
        self.job: Job[int] | None = None
        self._settled = threading.Event()
        self._settled.set()
        self._exact: OrderedDict[str, Measured] = OrderedDict()
        self._learnt: list[tuple[str, Any, Any]] = []
        super().__init__(**traits)

    def measure(self, *names: str, wait: bool = True) -> Job[int]:
        """Read tensors whole: exact figures, and shares of zeros for the list.

        Args:
            names: tensors; without any, all (in a comparison, all that differ).
            wait: return when it is done; otherwise it goes on in the background.

        Returns:
            The job; its result is how many tensors were read.

        Raises:
            Conflict: a measuring still runs.
            NotFound: no such tensor.
        """
        with self._guard:
            if self.job is not None and not self._settled.is_set():
                raise Conflict("a measuring still runs", hint="wait for its end, or cancel it")
            rows = [self._row(name) for name in names] or self._unmeasured()
            self._settled.clear()
            self.put(busy=True, fraction=0.0, doing="starting", error="", hint="")
            self.job = job = Job(
                lambda progress, cancel: self._measure(rows, cancel),
                name="measure",
                on_done=self._ended,
            )
        if wait:
            self._settled.wait()
            job.result()
        return job

    def cancel(self) -> None:
        """Stop measuring; what was measured stays."""
        if self.job is not None:
            self.job.cancel()

    def _row(self, name: str) -> Row:
        from lancenb.errors import NotFound

        if name not in self._by_name:
            raise NotFound(f"there is no tensor {name!r}", hint="the list shows them all")
        return self._by_name[name]

    def _unmeasured(self) -> list[Row]:
        known = {name for name, _, _ in self._learnt}
        rows = [r for r in self._rows if r.name not in known and r.drawable and not r.alias_of]
        return [r for r in rows if r.what != "same"] if len(self._sources) == 2 else rows

    def _measure(self, rows: list[Row], cancel: Any) -> int:
        whole, last = sum(self._cost(row) for row in rows) or 1, 0.0
        seen = 0

        def on(read: int) -> None:
            nonlocal seen, last
            cancel.check()
            seen += read
            if time.monotonic() - last >= _GAP:
                last = time.monotonic()
                words = f"{count(done)} of {count(len(rows))} tensors · {size(seen)}"
                self.put(fraction=min(1.0, seen / whole), doing=words, measured=len(self._learnt))

        done = 0
        for row in rows:
            cancel.check()
            with ExitStack() as stack:
                sides = [stack.enter_context(closing(x)) for x in open_sides(self._sources, row)]
                self._learn(row, measure_all(sides, on), tell=False)
            done += 1
        return done

    def _cost(self, row: Row) -> int:
        return row.nbytes * (2 if row.what in ("changed", "unknown", "same") else 1)

    def _learn(self, row: Row, found: Measured, *, tell: bool = True) -> None:
        """Remember what is known of a tensor."""
        with self._guard:
            self._exact[row.name] = found
            while len(self._exact) > _KEPT:
                self._exact.popitem(last=False)
            relative = found.change.relative if found.change else None
            self._learnt.append((row.name, plain(found.figures[-1].zeros), plain(relative)))
        if tell:
            self.put(measured=len(self._learnt))

    def _answer_known(self, since: int) -> dict[str, Any]:
        return {"known": [list(each) for each in self._learnt[since : since + 5000]]}

    def _ended(self, job: Job[int]) -> None:
        try:
            self._tell_end(job)
        finally:
            self._settled.set()

    def _tell_end(self, job: Job[int]) -> None:
        known, error = len(self._learnt), job.error
        if job.state == "failed" and error is not None:
            self.put(
                busy=False,
                measured=known,
                error=sentence(error),
                hint=redact(getattr(error, "hint", "")),
            )
        else:
            self.put(busy=False, measured=known, fraction=1.0, doing=job.state)
