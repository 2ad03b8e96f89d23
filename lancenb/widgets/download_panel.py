"""The panel that brings a model or data set to this machine, after saying what would come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from lancenb import _html
from lancenb.errors import InvalidArgument
from lancenb.progress import Job, Progress

from ._fields import Tags, button, facts, html, note, number, row, tags, tell, text
from ._given import as_field_values
from ._hints import forget, speak
from ._panel import Panel
from ._plan_view import button_words, obstacle, plan_html
from ._public import public
from ._recognise import EMPTY, recognise, token_words
from ._spec_box import SpecBox

if TYPE_CHECKING:
    from lancenb.download import Download, DownloadPlan

_REPO = ("revision", "allow", "ignore")
# which options mean something for which kind of source; the others are not shown
_TAKES = {
    "model": (*_REPO, "variant"),
    "dataset": (*_REPO, "split", "limit"),
    "arrow": ("revision", "split", "limit"),
    "lance": ("revision",),
    "official": ("split",),
    "synthetic": ("split", "limit"),
    "url": ("sha256",),
    "torchvision": ("sha256",),
    "local": ("sha256", "split", "limit"),
}


class DownloadPanel(Panel):
    """Shows what a download would bring, then brings it.

    The primary button plans first (files, sizes, license, tensors, room on the disk) and downloads
    then. Tokens are never asked for: they come from the environment or the Hub's own login.

    Args:
        manager: where "Convert" puts the result; without one there is no such button.
        spec: what to download, in any form that :func:`lancenb.download` takes.
        key: see :class:`~lancenb.widgets._panel.Panel`.

    Attributes:
        plan: the :class:`~lancenb.download.DownloadPlan` shown at the moment, or ``None``.

    >>> import os, tempfile
    >>> os.environ["LANCENB_CACHE"] = tempfile.mkdtemp()
    >>> panel = DownloadPanel(key="")
    >>> panel.run(spec="synthetic", split="test", limit=20).lineage["rows"]
    20
    """

    title = "Download"
    lead = "Shows what would come before a byte moves; everything is verified and can be resumed."
    verb = "Plan"

    def __init__(self, manager: Any = None, spec: Any = "", *, key: str | None = None):
        self.plan: DownloadPlan | None = None
        self._asked: tuple[Any, ...] = ()
        self._resting = threading.Lock()
        self._through = self._planning = self._working = False
        self._given: set[str] = set()
        self._next: list[Callable[[Download], Any]] = []
        super().__init__(manager, key=key)
        speak(self.card, self.fields)
        self._start_with(spec=spec)

    # Form ----------------------------------------------------------------------------------

    def _inputs(self) -> Iterable[w.Widget]:
        self.box = SpecBox("Source", key="spec", placeholder="hf:model:owner/name")
        self.box.on_text(self._refresh)
        self.box.on_text(lambda: forget(self.card))
        self.box.on_submit(self._click)
        self._token = note()
        self._token.add_class("lnb-beside")
        return [self.box, self._token]

    def _advanced(self) -> Iterable[w.Widget]:
        return [
            text("Revision", key="revision", placeholder="main"),
            text("Split", key="split", placeholder="train"),
            number("Rows (0: all)", key="limit"),
            tags("Only files", key="allow", placeholder="*.safetensors, config.json"),
            tags("Not files", key="ignore", placeholder="*.bin"),
            text("Variant", key="variant", placeholder="fp16"),
            text("SHA-256", key="sha256", placeholder="64 hex digits, or the first 8"),
            text("To folder", key="to", placeholder="only the cache"),
        ]

    def _extra(self) -> Iterable[w.Widget]:
        self._view, self._warning = html(""), note()
        self._view.layout.display = "none"
        return [self._view, self._warning]

    def _fill(self, inputs: dict[str, Any]) -> None:
        self._given = set(inputs)
        super()._fill(as_field_values(self.fields, inputs))

    def _options(self) -> dict[str, Any]:
        """Return the options that were filled in, of those that are shown or were given."""
        found: dict[str, Any] = {}
        for name, field in self.fields.items():
            if name in ("spec", "to") or not (self._fits(name) or name in self._given):
                continue
            value = field.words if isinstance(field, Tags) else field.value
            value = value.strip() if isinstance(value, str) else value
            if value:
                found[name] = value
        return found

    def _fits(self, name: str) -> bool:
        kind = recognise(self.box.text).kind
        return name == "to" or kind not in _TAKES or name in _TAKES[kind]

    def _signature(self) -> tuple[Any, ...]:
        return (self.box.text.strip(), repr(sorted(self._options().items())))

    def _refresh(self, _change: object = None) -> None:
        for name, field in self.fields.items():
            if name != "spec":
                field.layout.display = None if self._fits(name) else "none"
        tell(self._token, token_words(recognise(self.box.text).hub))
        if self.plan is not None and self._signature() != self._asked:
            self._present(None)
        super()._refresh()

    def _code(self) -> str:
        if not self.box.text.strip():
            return ""
        shown = public(self.box.text.strip())
        secret = shown != self.box.text.strip()
        options = {**self._options(), "to": self.fields["to"].value.strip()}
        parts = ["address" if secret else repr(shown)]
        parts += [f"{name}={value!r}" for name, value in options.items() if value]
        return f"lnb.download({', '.join(parts)})" + (f"  # {shown}" if secret else "")

    # Work ----------------------------------------------------------------------------------

    def run(self, wait: bool = True, **inputs: Any) -> Any:
        """Plan and download in one go, and return the :class:`~lancenb.download.Download`.

        Args:
            wait: return the result and raise what the work raises; False returns the job.
            inputs: ``spec`` and the options of :func:`lancenb.download`: ``panel.inputs`` names
                all of them. When any is given, the others start from what the panel was made with.

        Raises:
            LancenbError: as :func:`lancenb.download`.
        """
        if self.card.running and self._planning:  # a plan would be the wrong answer
            self.cancel()
            self.card.wait()
        self.card.settle()
        with self._guard:  # the end of other work must not come between the wish and the work
            self._through = True
            try:
                job = super().run(False, **inputs)
            finally:
                self._through, self._given = False, set()
        return self._finish(job, wait)

    def look(self, wait: bool = True, **inputs: Any) -> Any:
        """Plan only: show what a download would bring, and return the plan.

        Args:
            wait: return the plan and raise what planning raises; False returns the job.
            inputs: values for the named inputs.
        """
        self.card.settle()
        self._present(None)
        return super().run(wait, **inputs)

    def _work(self) -> Callable[..., Any]:
        spec, options = self.box.text.strip(), self._options()
        to = self.fields["to"].value.strip() or None
        if not spec:
            raise InvalidArgument("there is no source yet", hint=EMPTY)
        self._planning = self.plan is None and not self._through
        if self._through:
            return lambda progress=None, cancel=None: self._plan(
                spec, options, progress, cancel, through=True
            ).download(to=to, progress=progress, cancel=cancel)
        plan = self.plan
        if plan is None:
            self._asked = self._signature()
            return lambda progress=None, cancel=None: self._plan(spec, options, progress, cancel)
        if obstacle(plan):
            raise InvalidArgument(obstacle(plan), hint="free some room, or choose less")
        return lambda progress=None, cancel=None: plan.download(
            to=to, progress=progress, cancel=cancel
        )

    def _plan(
        self, spec: str, options: dict[str, Any], progress: Any, cancel: Any, through: bool = False
    ) -> DownloadPlan:
        from lancenb.download import plan

        if progress is not None:
            progress(Progress("plan", message="looking what would come"))
        made = plan(spec, cancel=cancel, **options)
        if through and made.request is None:
            raise InvalidArgument(obstacle(made), hint=" ".join(made.notes))
        return made

    def _job_name(self) -> str:
        return f"{'Plan' if self._planning else 'Download'} {public(self.box.text.strip())}"

    def _ended(self, job: Job[Any]) -> None:
        from lancenb.download import DownloadPlan

        made = job.result() if job.state == "done" else None
        if not isinstance(made, DownloadPlan):
            if made is not None:
                self._present(None)
            super()._ended(job)
            return
        self.error = None
        if not self._closed:
            self._present(made if self._signature() == self._asked else None)
            # the plan itself says that planning is done
            self.card.put(state="idle", name="", fraction=None, phase="", message="", detail="")
            self._busy(False)

    def _present(self, plan: DownloadPlan | None) -> None:
        """Show a plan, or none; the button says what comes next."""
        self.plan = plan
        self._view.value = "" if plan is None else plan_html(plan)
        self._view.layout.display = None if plan is not None else "none"
        tell(self._warning, obstacle(plan), tone="warn")
        self.primary.description = button_words(plan) if plan is not None else self.verb
        self._rest()

    def _busy(self, busy: bool) -> None:
        self._working = busy
        self._rest()

    def _rest(self) -> None:
        """Let the button rest while it can do nothing."""
        with self._resting:  # or a thread that looked earlier could be the last to say so
            self.primary.disabled = self._working or bool(obstacle(self.plan))

    # Result --------------------------------------------------------------------------------

    def on_convert(self, callback: Callable[[Download], Any]) -> None:
        """Let ``callback(download)`` do what the button "Convert" does."""
        self._next.append(callback)

    def _show(self, result: Download) -> Iterable[w.Widget]:
        shown = facts(
            public(str(result.lineage.get("source") or result.path)),
            [
                ("size", _html.size(result.size)),
                ("files", f"{len(result.files):,}"),
                ("rows", result.lineage.get("rows")),
                ("hash", _checked(result)),
                ("license", result.lineage.get("license")),
            ],
            chips=[result.kind, result.origin],
        )
        place = f"<code>{_html.text(str(result.path))}</code>"
        notes = (note(str(words)) for words in result.lineage.get("notes") or ())
        parts: list[w.Widget] = [shown, html(place), *notes]
        if self.manager is not None or self._next:
            parts.append(row(button("Convert", self.guard(self._convert))))
        return parts

    def _convert(self) -> None:
        """Hand the result on to whoever converts it: a listener, or a panel below."""
        for act in self._next:
            act(self.result)
        if self._next:
            return
        from .convert_panel import ConvertPanel

        if not any(isinstance(child, ConvertPanel) for child in self.result_row.children):
            below = ConvertPanel(self.manager, self.result, key="")
            self.result_row.children = (*self.result_row.children, below)

    def _result_text(self) -> str:
        return "" if self.result is None else f"{self.result.summary()}: {self.result.path}"


def _checked(result: Download) -> str:
    """Say how much of a download was compared with what its source promises."""
    if result.origin in ("made here", "here already", "copied"):
        return result.origin
    if "commit" in result.lineage:
        return "verified"
    return "computed" if all(item.sha256 for item in result.files) else "not known"
