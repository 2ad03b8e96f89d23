"""The figures of a table view's columns, measured in a job that can be watched and cancelled."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ._column_stats import measurable, measure
from ._source import is_blob
from ._table_rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import Job

#: Without being asked for more, figures come from so many rows and bytes.
FIRST_ROWS, FIRST_BYTES = 100_000, 64_000_000


def fits(field: pa.Field) -> bool:
    """Tell whether the figures of a column are cheap to measure."""
    return measurable(field.type) and not is_blob(field)


class Figures:
    """Measures columns in the background and tells about it.

    Args:
        tell: called as ``tell(facts by column, state)``; ``state`` has ``state`` (running, done,
            cancelled or failed), ``rows``, ``total``, ``fraction`` and ``message``. Facts that are
            not :attr:`facts` any more when it is called came too late.
    """

    def __init__(self, tell: Callable[[dict[str, Any], dict[str, Any]], None]):
        self._tell = tell
        self._lock = threading.Lock()
        self._closed = False
        self._rows: Rows | None = None
        self.facts: dict[str, dict[str, Any]] = {}
        self.job: Job[Any] | None = None

    def turn_to(self, rows: Rows, same: bool = False) -> Job[Any] | None:
        """Measure these rows from now on; return the newest job so far.

        Args:
            rows: what is measured next.
            same: they are the ones of before in another order. Of others all figures are dropped.
        """
        with self._lock:
            self._rows = rows
            if not same:
                if self.job is not None:
                    self.job.cancel()
                self.facts = {}
            return self.job

    def start(self, fields: Sequence[pa.Field], whole: bool = False) -> Job[Any]:
        """Measure ``fields`` anew; what runs already is cancelled."""
        with self._lock:
            job = self._begin(fields, whole)
        return self._started(job)

    def follow(
        self, job: Job[Any] | None, fields: Sequence[pa.Field], whole: bool = False
    ) -> Job[Any] | None:
        """Measure ``fields``, unless somebody else has started since ``job``: that one stays."""
        with self._lock:
            if self.job is not job:
                return None
            new = self._begin(fields, whole)
        return self._started(new)

    def _begin(self, fields: Sequence[pa.Field], whole: bool) -> Job[Any]:
        from lancenb.progress import Job

        rows = self._rows
        assert rows is not None, "there are no rows yet"
        if self.job is not None:
            self.job.cancel()
        self.job = Job(
            lambda **more: self._work(rows, fields, whole, **more),
            name=f"measure {rows.source.title}",
        )
        return self.job

    def _started(self, job: Job[Any]) -> Job[Any]:
        if self._closed:
            job.cancel()
        job.on_done(self._ended)
        return job

    def _work(
        self, rows: Rows, fields: Sequence[pa.Field], whole: bool, *, progress: Any, cancel: Any
    ) -> dict[str, dict[str, Any]]:
        from lancenb.progress import Progress

        limit = rows.count if whole else min(rows.count, FIRST_ROWS)
        last = Progress("measure", total_rows=limit)

        def hear(event: Progress) -> None:
            nonlocal last
            last = event
            progress(event)

        def tell(facts: dict[str, Any]) -> None:
            share = last.rows / limit if limit else 1.0
            self._put(facts, "running", last.rows, rows.count, share, cancel=cancel)

        names = [field.name for field in fields]
        batches = rows.batches(names, limit) if names and limit else iter(())
        facts = measure(
            _bounded(batches, None if whole else FIRST_BYTES), fields, limit,
            progress=hear, cancel=cancel, tell=tell,
        )  # fmt: skip
        seen = max((each["rows"] for each in facts.values()), default=limit)
        self._put(facts, "done", seen, rows.count, 1.0, cancel=cancel)
        return self.facts

    def _put(
        self, facts: dict[str, Any], state: str, rows: int, total: int, share: float,
        message: str = "", cancel: Any = None, newest: Job[Any] | None = None,
    ) -> None:  # fmt: skip
        with self._lock:
            if cancel is not None:
                cancel.check()  # what was forgotten meanwhile is about other rows
            if newest is not None and newest is not self.job:
                return
            self.facts = {**self.facts, **facts}
            shown = self.facts
        about = {"state": state, "rows": rows, "total": total, "fraction": share}
        self._tell(shown, {**about, "message": message})

    def _ended(self, job: Job[Any]) -> None:
        """Say so when the newest job stopped early; its figures so far stay."""
        from ._view import sentence

        if job is not self.job or job.error is None or self._closed:
            return
        seen = max((each["rows"] for each in self.facts.values()), default=0)
        total = job.progress.total_rows or 0 if job.progress else 0
        message = "" if job.state == "cancelled" else f"Not measured: {sentence(job.error)}"
        self._put({}, job.state, seen, max(total, seen), 1.0, message, newest=job)

    def close(self) -> None:
        """Cancel what runs."""
        self._closed = True
        if self.job is not None:
            self.job.cancel()


def _bounded(batches: Any, nbytes: int | None) -> Any:
    """Yield batches until so many bytes have been read."""
    seen = 0
    for batch in batches:
        yield batch
        seen += batch.nbytes
        if nbytes is not None and seen > nbytes:
            return
