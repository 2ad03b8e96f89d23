"""The base of every panel: one card with inputs, one button, progress, result and code."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets as w

from lancenb.errors import Conflict
from lancenb.progress import Job
from lancenb.store import redact

from . import _cells
from ._display import card, esc
from ._fields import Code, button, fold, row
from ._form import Form
from ._given import insist_manager
from ._view import sentence
from .job_card import JobCard

_log = logging.getLogger("lancenb")
_VERBS = ("get", "list", "versions")  # what makes a manager


class Panel(Form):
    """One card: title, inputs, Advanced fold, one primary button, job, result, Python line.

    Args:
        manager: a ``DataManager``, or anything with the same methods.
        key: name of this panel. A panel of the same class and key that is made again closes the
            earlier one and goes on showing its running job. Default: the notebook cell. An empty
            text means that the panel stands for itself.

    A subclass sets :attr:`title`, :attr:`verb` and overrides :meth:`_inputs`, :meth:`_work`,
    :meth:`_code`, :meth:`_show` and, where it has them, :meth:`_advanced`, :meth:`_extra` and
    :meth:`_actions`.

    Attributes:
        result: what the last finished work returned.
        fields: the inputs by the names that :meth:`run` knows; ``panel.inputs`` are their values.
    """

    title = "Panel"
    lead = ""
    verb = "Run"

    def __init__(self, manager: Any = None, *, key: str | None = None):
        for verb in _VERBS:
            insist_manager(manager, verb, type(self).__name__)
        self.manager = manager
        self.result: Any = None
        self.error: BaseException | None = None
        self.fields: dict[str, Any] = {}
        self._listeners: list[Callable[[Any], None]] = []
        self._guard = threading.RLock()
        self._first = {}
        # The job of the primary button and what it was asked for.
        self._started: tuple[Job[Any] | None, Any] = (None, None)
        self._refused = False
        super().__init__()
        self._build()
        self._note_first(self.fields)
        self._settle(key)

    # What a subclass says ------------------------------------------------------------------

    def _inputs(self) -> Iterable[w.Widget]:
        """Return the inputs that matter; those with a ``key`` are named inputs of :meth:`run`."""
        return ()

    def _advanced(self) -> Iterable[w.Widget]:
        """Return the inputs behind the fold."""
        return ()

    def _extra(self) -> Iterable[w.Widget]:
        """Return what stands between the inputs and the button: a plan, a note."""
        return ()

    def _actions(self) -> Iterable[w.Widget]:
        """Return further buttons beside the primary one."""
        return ()

    def _work(self) -> Callable[..., Any]:
        """Check the inputs and return ``work(progress=, cancel=)`` for them."""
        raise NotImplementedError

    def _code(self) -> str:
        """Return the Python line that does the same; empty while the inputs do not suffice."""
        return ""

    def _show(self, result: Any) -> Iterable[w.Widget]:
        """Return the widgets of the result row."""
        return ()

    def _job_name(self) -> str:
        """Return what the job is called."""
        return self.title

    # Frame ---------------------------------------------------------------------------------

    def _build(self) -> None:
        inputs, advanced = list(self._inputs()), list(self._advanced())
        for field in (*inputs, *advanced):
            if name := getattr(field, "key", ""):
                self.fields[name] = field
        self.card = JobCard(label=f"{self.title}: progress")
        self.card.on_end(self._ended)
        self.card.on_end(self._free)
        self.primary = button(self.verb, self._click, primary=True)
        self.result_row = w.VBox()
        self.result_row.add_class("lnb-result")
        self.code_line = Code()
        folded = [fold("Advanced", advanced)] if advanced else []
        # What comes and goes stands last, so that nothing else moves.
        end = [row(self.primary, *self._actions()), self.code_line, self.card, self.result_row]
        self.children = [self._heading(), *inputs, *folded, *self._extra(), *end]
        for field in self.fields.values():
            field.observe(self._changed, names="value")
            if isinstance(field, w.Text):
                field.on_msg(self._submitted)
        self._refresh()

    # What happens --------------------------------------------------------------------------

    @property
    def job(self) -> Job[Any] | None:
        """The job shown by the panel, running or ended."""
        return self.card.job

    def run(self, wait: bool = True, **inputs: Any) -> Any:
        """Do what the button does, without a browser.

        Args:
            wait: return the result of the work and raise what it raises; False returns the job.
            inputs: values for the named inputs: ``panel.inputs`` shows them with their values.
                When any is given, all others start from what the panel was made with, whatever
                earlier runs were given. Without inputs the form is taken as it stands.

        Raises:
            InvalidArgument: there is no such input, or it does not take this value.
            Conflict: other work of this panel still runs.
        """
        self.card.settle()  # the end of earlier work may still change the form
        self._take(inputs)
        return self._finish(self._begin(), wait)

    def _finish(self, job: Job[Any], wait: bool) -> Any:
        """Return a job, or what it returned once it is shown."""
        if wait:
            self.card.wait()
        return job.result() if wait else job

    def _begin(self) -> Job[Any]:
        """Start the work for the current inputs; the same work is joined, never started twice."""
        self.card.settle()
        with self._guard:
            asked, running = self._asked_for(), self.card.job if self.card.running else None
            if running is not None:
                if running.state == "running" and (running, asked) == self._started:
                    return running
                raise Conflict(
                    f"{running.name} still runs in this panel",
                    hint="wait for its end, or cancel it first",
                )
            work = self._work()
            self.error, self._refused = None, False
            self._put_result(())
            self._busy(True)
            try:
                job = self.card.start(work, name=self._job_name())
            except BaseException:
                self._busy(False)
                raise
            self._started = (job, asked)
            return job

    def _click(self) -> None:
        try:
            self._begin()
        except Exception as error:
            self._complain(error)

    def _complain(self, error: BaseException) -> None:
        """Show an error of the form itself; a running job keeps its card."""
        self.error = error
        running = self.card.running
        if not running:
            self._refused = True
            self._put_result(())
        say = self.card.remark if running else self.card.fail
        say(error, "" if hasattr(error, "hint") else traceback.format_exc())

    def guard(self, act: Callable[..., Any]) -> Callable[..., None]:
        """Return ``act`` for use as a callback: what it raises is shown in the panel."""

        def safe(*args: Any, **kwargs: Any) -> None:
            try:
                act(*args, **kwargs)
            except Exception as error:
                self._complain(error)

        return safe

    def cancel(self) -> None:
        """Ask the running work to stop."""
        self.card.cancel()

    def on_result(self, callback: Callable[[Any], None]) -> None:
        """Call ``callback(result)`` in a thread after every success."""
        self._listeners.append(callback)

    def _ended(self, job: Job[Any]) -> None:
        """Show how the work ended; runs in the thread of the card."""
        if self._closed:
            return
        try:
            self.error = job.error
            if job.state == "done":
                self.result = job.result()
                self._put_result(tuple(self._show(self.result)))
        except Exception as error:
            self.error = error
            self.card.put(error=f"done, but it cannot be shown: {sentence(error)}"[:300])
        if job.state == "done":
            self._tell_listeners(self.result)

    def _tell_listeners(self, result: Any) -> None:
        """Tell the listeners; what one of them raises stops neither the others nor the panel."""
        for tell in list(self._listeners):
            try:
                tell(result)
            except Exception:
                _log.exception("a listener of %s failed", type(self).__name__)

    def _free(self, _job: Job[Any]) -> None:
        """Give the button back, whatever happened while the end was shown."""
        if not self._closed:
            self._busy(False)

    def _busy(self, busy: bool) -> None:
        self.primary.disabled = busy

    def _put_result(self, children: tuple[w.Widget, ...]) -> None:
        earlier, self.result_row.children = self.result_row.children, children
        for child in earlier:
            _cells.close_tree(child)

    def _changed(self, _change: object = None) -> None:
        """Hear that an input changed; a subclass adds what depends on it."""
        if self._refused:  # what was wrong with the inputs may be right now
            self._refused, self.error = False, None
            self.card.clear()
        self._refresh()

    def _submitted(self, _widget: object, content: Any, _buffers: object) -> None:
        """Enter in a text field presses the primary button."""
        if isinstance(content, dict) and content.get("event") == "submit":
            self._click()

    def _refresh(self) -> None:
        """Write the Python line anew; unfinished inputs are no error."""
        try:
            line = self._code()
        except Exception:
            line = ""
        self.code_line.put(code=redact(line))

    # One panel per cell --------------------------------------------------------------------

    def _take_over(self, earlier: Panel) -> None:
        """Close the earlier panel of the same place and go on showing its running job."""
        with earlier._guard:
            job = earlier.card.job if earlier.card.running else None
            started = earlier._started
            earlier.close()
        if job is not None:
            self._started = started
            self._busy(True)
            self.card.show(job)

    # Static form ---------------------------------------------------------------------------

    def _result_text(self) -> str:
        """Return the result as one line of text."""
        return "" if self.result is None else redact(repr(self.result)).split("\n")[0][:200]

    def _static(self) -> tuple[str, str]:
        """Return the static form as HTML and as text."""
        shown = [self.card.error] if self.card.error else [self._result_text()]
        lines = [*(f"{name}: {value}" for name, value in self._summary()), *filter(None, shown)]
        body = "".join(f"<div>{esc(line)}</div>" for line in lines)
        code = self.code_line.code
        foot = f"<code>{esc(code)}</code>" if code else ""
        html = card(self.title, [self.card.state], [], body, foot=foot)
        text = "\n  ".join([f"{self.title} [{self.card.state}]", *lines, *filter(None, [code])])
        return html, text
