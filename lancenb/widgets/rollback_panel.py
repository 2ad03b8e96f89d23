"""The panel of an artefact's past: what each version did, going back, tags, undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from lancenb._html import count
from lancenb.errors import Conflict, InvalidArgument
from lancenb.progress import Job

from . import _cells
from ._diff_view import sentence
from ._fields import Confirm, button, facts, note, row, tell, text
from ._identity import identity, insist
from ._timeline import number
from ._version_choice import VersionChoice

if TYPE_CHECKING:
    from lancenb.catalog import Rollback


@dataclass(frozen=True)
class Tagged:
    """A tag that was put on a version, or taken off (``version`` is ``None``)."""

    name: str
    tag: str
    version: int | None


def _nothing_chosen() -> InvalidArgument:
    return InvalidArgument(
        "no version is chosen", hint="choose one of the list, or type its number or a tag"
    )


class RollbackPanel(VersionChoice):
    """Shows the versions of an artefact and brings one back; nothing is ever lost by it.

    Choosing a version shows what going back to it would change, before anything happens. The
    button asks once more. What was done can be undone.

    Args:
        manager: a ``DataManager``, or anything with its methods.
        name: the artefact.
        key: see :class:`~lancenb.widgets._panel.Panel`.

    Attributes:
        timeline: the list of versions.
        diff: what going back to the chosen version would do, once it is known.

    >>> import tempfile, lancenb, pyarrow as pa
    >>> dm = lancenb.DataManager(tempfile.mkdtemp())
    >>> for numbers in ([1], [1, 2]):
    ...     _ = dm.convert(pa.table({"x": numbers}), "mine", mode="overwrite")
    >>> panel = RollbackPanel(dm, "mine", key="")
    >>> tuple(panel.run(version=1))
    (1, 2, 3)
    """

    title = "Versions"
    lead = "Every version stays: going back makes a new one, and can be undone."
    verb = "Roll back"
    # What the button asks about: name, artefact, version, head (figures may still come).
    _asked: tuple[Any, ...] = ("", None, None, None)
    _rolled: tuple[Any, ...] = ()  # the artefact that the last rollback was of

    # Form ----------------------------------------------------------------------------------

    def _advanced(self) -> Iterable[w.Widget]:
        return [text("Message", key="message", placeholder="why; kept with the new version")]

    def _extra(self) -> Iterable[w.Widget]:
        self._news = note()
        self._tag = text("Tag", placeholder="prod")
        self._tag.layout.flex, self._tag.layout.width = "1 1 220px", "auto"
        self._tag.observe(lambda _: self._offer(), names="value")
        self._put_tag = button("Tag it", self.guard(self._tag_it))
        self._drop_tag = button("Untag", self.guard(self._untag))
        return [self._change, self._news, row(self._tag, self._put_tag, self._drop_tag)]

    def _actions(self) -> Iterable[w.Widget]:
        self.confirm = Confirm(self.verb, self.verb, self.guard(self._begin), disabled=True)
        self.confirm.add_class("lnb-main")
        return [self.confirm, button("Refresh", self.guard(self.refresh))]

    def _build(self) -> None:
        super()._build()
        plain, self.primary = self.primary, self.confirm
        box: Any = next(c for c in self.children if plain in getattr(c, "children", ()))
        box.children = [child for child in box.children if child is not plain]
        _cells.close_tree(plain)

    # What can be done now ------------------------------------------------------------------

    def _say(self) -> None:
        chosen, current, tag = self.timeline.chosen, self.timeline.current, self._tag.value.strip()
        busy = self._working
        ready = chosen is not None and chosen is not current and not busy
        at = self.timeline.find(tag) if tag and number(tag) is None else None
        shown = chosen.version if chosen else None
        move = "Move tag to" if at not in (None, chosen) else "Tag"
        words = f"{move} version {shown or '…'}"
        self._put_tag.description = words
        self._put_tag.disabled = busy or chosen is None or not tag or at is chosen
        self._drop_tag.disabled = busy or at is None
        label = f"{self.verb} to version {shown}" if ready else self.verb
        question = self._question()
        asked = (self._named, self._known, shown, current and current.version)
        if asked != self._asked:
            self.confirm.disarm()  # a click confirms what was asked, nothing else
            self._asked = asked
        self.confirm.put(text=label, question=question, disabled=not ready)
        if self._version and chosen is None and self.timeline.total:
            tell(self._news, f"{self._named} has no version or tag {self._version}.", tone="warn")
        elif chosen is not None and chosen is current:
            tell(self._news, f"Version {chosen.version} is the current one.")
        else:
            tell(self._news, "")

    def _question(self) -> str:
        chosen, current = self.timeline.chosen, self.timeline.current
        if chosen is None or current is None:
            return self.verb
        unit = self.timeline.unit.removesuffix("s")
        figures = f"{current.rows:,} → {count(chosen.rows, unit)}"
        if self.diff is not None and not self.diff.same:
            named = (("removed", "to go"), ("added", "to come back"), ("changed", "to change"))
            parts = [(getattr(self.diff, what), word) for what, word in named]
            figures = ", ".join(f"{count(n, unit)} {word}" for n, word in parts if n) or figures
        return f"Roll back {self._named} to version {chosen.version}: {figures}?"

    # Work ----------------------------------------------------------------------------------

    def run(self, wait: bool = True, **inputs: Any) -> Any:
        """Roll back, and return the :class:`~lancenb.catalog.Rollback`.

        Args:
            wait: return the result and raise what the work raises; False returns the job.
            inputs: ``name``, ``version`` (a number or a tag), ``message``.

        Raises:
            LancenbError: as ``dm.rollback``.
        """
        self._take(inputs)
        self.refresh()
        self.settle()
        return super().run(wait)

    def undo(self, wait: bool = True) -> Any:
        """Take back the last rollback of this panel (or its undoing).

        Raises:
            InvalidArgument: there is none.
            Conflict: somebody wrote a version since.
        """
        last, rolled, manager = self._last(), self._rolled, self.manager

        def work(progress: Any = None, cancel: Any = None) -> Any:
            artefact = manager.get(last.name)
            insist(artefact, rolled)
            head = artefact.version
            if head != last.new_head:
                raise Conflict(
                    f"version {head} of {last.name} was written since",
                    hint=f"choose version {last.old_head} to go back to it all the same",
                )
            return manager.forward(last.name, last.old_head)

        job = self._do(work, f"undo: back to version {last.old_head} of {last.name}")
        return self._finish(job, wait)

    def _last(self) -> Rollback:
        if self.result is None or isinstance(self.result, Tagged):
            raise InvalidArgument("this panel has nothing to undo", hint="roll back first")
        return self.result

    def _tag_it(self) -> None:
        # which artefact first: the list may be that of one made again a moment later
        known, name, manager = self._known, self._named, self.manager
        chosen, tag = self.timeline.chosen, self._tag.value.strip()
        if chosen is None:
            raise _nothing_chosen()
        move = self.timeline.find(tag) is not None

        def work(progress: Any = None, cancel: Any = None) -> Tagged:
            insist(manager.get(name), known)
            return Tagged(name, tag, manager.tag(name, tag, chosen.version, move=move))

        self._do(work, f"tag version {chosen.version} of {name}")

    def _untag(self) -> None:
        name, tag, manager = self._named, self._tag.value.strip(), self.manager

        def work(progress: Any = None, cancel: Any = None) -> Tagged:
            manager.untag(name, tag)
            return Tagged(name, tag, None)

        self._do(work, f"untag {name}")

    def _click(self) -> None:
        """Enter arms the button; it never rolls back by itself."""
        try:
            self._work()
            if not self.confirm.armed and not self.confirm.disabled:
                self.confirm.click()
        except Exception as error:
            self._complain(error)

    def _main_work(self) -> Callable[..., Any]:
        name, version, manager = self._name, self._version, self.manager
        message = self.fields["message"].value.strip()
        if not name:
            raise InvalidArgument("there is no artefact yet", hint="type or choose its name")
        if not version:
            raise _nothing_chosen()
        if number(version) is None and version.isdigit():
            raise InvalidArgument(f"{version[:20]} is no version number", hint="use digits 0 to 9")
        target: int | str = version if number(version) is None else int(version)
        seen, known = None, None
        if self._asked[0] == name:  # a tag may move meanwhile: do what was asked
            _, known, shown, seen = self._asked
            target = target if shown is None else shown

        def work(progress: Any = None, cancel: Any = None) -> Any:
            artefact = manager.get(name)
            insist(artefact, known)
            head = artefact.version
            if seen is not None and head != seen:
                raise Conflict(
                    f"somebody wrote version {head} of {name} meanwhile; the list showed {seen}",
                    hint="the list is fresh now: look again, then roll back",
                )
            return manager.rollback(name, target, message=message)

        return work

    def _code(self) -> str:
        if not self._name or not self._version:
            return ""
        version = number(self._version)
        version = self._version if version is None else version
        message = self.fields["message"].value.strip()
        more = f", message={message!r}" if message else ""
        return f"dm.rollback({self._name!r}, {version!r}{more})"

    def _main_name(self) -> str:
        return f"roll {self._name} back to version {self._version}"

    # Result --------------------------------------------------------------------------------

    def _busy(self, busy: bool) -> None:
        self._working = busy
        self._offer()

    def _ended(self, job: Job[Any]) -> None:
        super()._ended(job)
        if not self._closed:
            self.refresh()  # also after an error: somebody may have written meanwhile

    def _show(self, result: Any) -> Iterable[w.Widget]:
        if isinstance(result, Tagged):
            on = (
                f"is on version {result.version}"
                if result.version
                else "is gone; its version stays"
            )
            return [note(f"Tag {result.tag} of {result.name} {on}.", tone="good")]
        artefact = self.manager.get(result.name)
        self._rolled = identity(artefact)
        unit = "tensors" if artefact.kind == "weights" else "rows"
        title = f"Version {result.new_head} has the {unit} of version {result.restored_from}"
        pairs = [
            ("artefact", result.name),
            (unit, f"{artefact.rows:,}"),
            ("before", f"version {result.old_head}"),
        ]
        undo = button("Undo", self.guard(lambda: self.undo(wait=False)))
        undo.tooltip = f"make version {result.old_head} current again"
        return [facts(title, pairs, chips=["current"]), row(undo)]

    def _static(self) -> tuple[str, str]:
        self._loader.settle(1)
        markup, words = super()._static()
        versions, lines = self.timeline._static()
        change = sentence(self.diff) if self.diff is not None else ""
        parts = [words, *(lines if self.timeline.total else "").split("\n"), change]
        return markup + versions, "\n  ".join(part for part in parts if part)
