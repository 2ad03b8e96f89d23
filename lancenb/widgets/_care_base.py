"""What the small panels of one artefact share: one call as a job, nothing unseen destroyed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as w

from lancenb.errors import Conflict
from lancenb.progress import Job

from ._fields import html
from ._identity import identity
from ._panel import Panel


class CarePanel(Panel):
    """A panel about one artefact; the work is one call of the manager.

    Args:
        manager: a ``DataManager``, or anything with its methods.
        artefact: the artefact.
        key: see :class:`Panel`.
    """

    def __init__(self, manager: Any, artefact: Any, *, key: str | None = None):
        self.artefact = artefact
        super().__init__(manager, key=key)

    def _call(self, act: Callable[[], Any]) -> Callable[..., Any]:
        """Return ``act`` as the work of a job; it can be cancelled until it begins."""

        def work(progress: Any = None, cancel: Any = None) -> Any:
            if cancel is not None:
                cancel.check()
            return act()

        return work

    def _show(self, result: Any) -> Iterable[w.Widget]:
        return [html(result._repr_html_())]


class PlannedPanel(CarePanel):
    """A panel that destroys only what it has shown; where that changed, it shows the new plan."""

    _outdated_by: tuple[Any, Any] | None = None  # the artefact and the plan as they are now

    def _insist(self, plan: Callable[[], Any], shown: Any) -> None:
        """Plan again, in the job; what comes out otherwise than shown is not done.

        Raises:
            Conflict: somebody wrote, tagged or replaced the artefact since.
        """
        artefact, now = self.manager.get(self.artefact.name), plan()
        same = identity(artefact) == identity(self.artefact)
        if not same or self._gist(now) != self._gist(shown):
            self._outdated_by = (artefact, now)
            raise Conflict(
                f"{artefact.name} was changed meanwhile, nothing was removed",
                hint="what would go now is shown: look again, then confirm",
            )

    def _gist(self, plan: Any) -> tuple[Any, ...]:
        """Return what of a plan must not change between showing and doing."""
        raise NotImplementedError

    def _replan(self, plan: Any) -> None:
        """Show another plan than before."""
        raise NotImplementedError

    def _ended(self, job: Job[Any]) -> None:
        super()._ended(job)
        news, self._outdated_by = self._outdated_by, None
        if news is not None and not self._closed:
            self.artefact, plan = news
            self._replan(plan)
