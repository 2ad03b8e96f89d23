"""A panel with more than one thing to do: its other work runs in the same card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lancenb.errors import Conflict
from lancenb.progress import Job

from ._panel import Panel


class SideWork(Panel):
    """A panel whose further buttons run jobs too, one at a time.

    A subclass overrides :meth:`_main_work` and :meth:`_main_name` instead of ``_work`` and
    ``_job_name``, and calls :meth:`_do` for the other work.
    """

    _other: tuple[Callable[..., Any], str] | None = None
    # Whether its buttons rest. The card runs on until everybody has heard of the end: what looks
    # at it from another thread then would leave them off.
    _working = False

    def _main_work(self) -> Callable[..., Any]:
        """Check the inputs and return the work of the primary button."""
        raise NotImplementedError

    def _main_name(self) -> str:
        """Return what the job of the primary button is called."""
        return self.title

    def _do(self, work: Callable[..., Any], name: str) -> Job[Any]:
        """Run other work than that of the primary button.

        Raises:
            Conflict: something runs already.
        """
        self.card.settle()
        with self._guard:
            if self.card.running:
                raise Conflict("other work of this panel still runs", hint="wait for its end")
            self._other = (work, name)
            try:
                return self._begin()
            finally:
                self._other = None

    def _busy(self, busy: bool) -> None:
        self._working = busy
        super()._busy(busy)
        self._rest()

    def _rest(self) -> None:
        """Let further buttons rest while they can do nothing."""

    def _work(self) -> Callable[..., Any]:
        return self._other[0] if self._other is not None else self._main_work()

    def _job_name(self) -> str:
        return self._other[1] if self._other is not None else self._main_name()

    def _asked_for(self) -> Any:
        return (super()._asked_for(), self._other and self._other[1])
