"""When a table view measures its columns, and what becomes of the figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._figures import Figures
from ._lane import Lane
from ._table_wire import TableWire

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import Job


class Measuring(TableWire):
    """A table view that measures the columns it shows.

    Cells, the page and finished jobs ask for it from threads of their own. Only a cell or the
    page may take the place of what another thread has begun meanwhile.
    """

    source: Any
    _names: list[str]
    _figures: Figures

    def measure(self, whole: bool = True) -> Job[Any]:
        """Measure the columns shown, over all rows or the first ones, in the background.

        The job's result is a dictionary of figures by column.
        """
        job = self._figures.start(self._fields(self._fitting()), whole)
        self._then(job, whole)
        return job

    def _start_measuring(self) -> None:
        self._lane, self._figures = Lane("table"), Figures(self._tell_figures)

    def _answer_rows(self, offset: int, limit: int, columns: list[int], epoch: int) -> Any:
        if epoch == self.epoch and self._figures.job is None and self._rows.count:
            self._measure_first(None)
        return super()._answer_rows(offset, limit, columns, epoch)

    def _answer_measure(self, whole: bool = False) -> dict[str, Any]:
        self.measure(whole)
        return {}

    def _answer_cancel(self) -> dict[str, Any]:
        if self._figures.job is not None:
            self._figures.job.cancel()
        return {}

    def _measure_first(self, job: Job[Any] | None) -> None:
        """Measure the first rows, unless somebody has started another job since ``job``."""
        self._follow(job, self._fitting(), whole=False)

    def _follow(self, job: Job[Any] | None, names: Sequence[str], whole: bool) -> None:
        new = self._figures.follow(job, self._fields(names), whole)
        if new is not None:
            self._then(new, whole)

    def _then(self, job: Job[Any], whole: bool) -> None:
        """Measure the columns next that were chosen while ``job`` measured others."""
        job.on_done(lambda done: self._lane.do(lambda: self._go_on(done, whole)))

    def _go_on(self, job: Job[Any], whole: bool) -> None:
        missing = self._missing()
        if job.state == "done" and not job.token.cancelled and missing:
            # All rows may be many: they are not read again for the columns that are known.
            self._follow(job, missing if whole else self._fitting(), whole)

    def _tell_figures(self, facts: dict[str, Any], state: dict[str, Any]) -> None:
        known = {str(self._names.index(name)): each for name, each in facts.items()}
        with self._guard:
            if facts is self._figures.facts:  # else they are about rows of before
                self.put(stats=known, measuring=state)

    def _fitting(self) -> list[str]:
        return [self._names[p] for p in self.shown if self.columns[p]["fit"]]

    def _missing(self) -> list[str]:
        return [name for name in self._fitting() if name not in self._figures.facts]

    def _fields(self, names: Sequence[str]) -> list[pa.Field]:
        return [self.source.schema.field(name) for name in names]
