"""The panel that turns a source into an artefact, or into the next version of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from lancenb import _html
from lancenb.errors import InvalidArgument
from lancenb.progress import Job
from lancenb.store import redact

from ._convert_form import FORM, ConvertForm
from ._convert_source import Upload, fetch, kept, named, same, spelled, told
from ._fields import facts, note
from ._hints import speak
from ._skipped import Skipped
from ._target_name import Target, suggest

if TYPE_CHECKING:
    from lancenb.convert import ConvertReport


class ConvertPanel(ConvertForm):
    r"""Converts a path, pattern, spec, download or upload to an artefact of the catalogue.

    What the source is, and why, is said before anything is converted, and so is what would happen
    to the name. Nothing is visible until the one commit at the end; Cancel leaves nothing half.

    Args:
        manager: a ``DataManager``, or anything with the same methods.
        source: what to convert: text, or anything :func:`lancenb.convert` takes.
        name: the artefact; suggested from the source when empty.
        key: see :class:`~lancenb.widgets._panel.Panel`.

    >>> import tempfile, pathlib, lancenb
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "people.csv").write_text("name,age\nAda,36\n")
    >>> panel = ConvertPanel(lancenb.DataManager(folder / "store"), folder / "people.csv", key="")
    >>> report = panel.run()
    >>> report.name, report.version, report.rows
    ('people', 1, 1)
    """

    title = "Convert"
    lead = "Makes an artefact, or its next version, in one commit; a cancel leaves nothing half."
    verb = "Convert"

    def __init__(self, manager: Any, source: Any = "", name: str = "", *, key: str | None = None):
        self._source: Any = None
        self._at_work: Any = None  # what the running job reads
        self._unnamed = False  # whether the running job chooses the name
        super().__init__(manager, key=key)
        speak(self.card, self.fields)
        self._start_with(name=name, source=source)

    # Work ----------------------------------------------------------------------------------

    def run(self, wait: bool = True, **inputs: Any) -> Any:
        """Convert, without a browser, and return the report.

        Args:
            wait: return the result and raise what the work raises; False returns the job.
            inputs: ``source``, ``name``, ``mode`` (``create``, ``overwrite``, ``append``), ``kind``
                and the options of :func:`lancenb.convert`: ``panel.inputs`` names all of them.
                When any is given, the others start from what the panel was made with.
        """
        try:
            return super().run(wait, **inputs)
        finally:
            self._given = set()

    def _work(self) -> Callable[..., Any]:
        what, dm = self.box.what, self.manager
        if dm is None:
            raise InvalidArgument(
                "this panel has no store to write to", hint="ConvertPanel(lnb.DataManager(root))"
            )
        if isinstance(what, str) and not what.strip():
            raise InvalidArgument(
                "there is no source yet", hint="name a path or an address, or drop a file"
            )
        name, mode, kind = self._name.value.strip(), self._mode.value, self._kind.value
        read, found, choose = self._read, self._found, self._chooser()
        upload = what if isinstance(what, Upload) else None
        if upload is not None:
            upload.parcel.hold()
        self._at_work, self._unnamed = what, not name

        def work(progress: Any = None, cancel: Any = None) -> ConvertReport:
            with kept(what):
                seen = found if what is read else told(what, self.fields)[0]
                options = {**choose(seen), "mode": mode} | ({"kind": kind} if kind else {})
                if upload is not None:
                    options["lineage"] = {"upload": upload.names}
                to = name or suggest(named(what), {artefact.name for artefact in dm.list()})
                source = fetch(what, progress, cancel)
                report = dm.convert(source, to, progress=progress, cancel=cancel, **options)
                self._source = source  # where pictures of skipped items are looked for
                return report

        return work

    def _job_name(self) -> str:
        name = self._name.value.strip()
        return f"Convert to {name}" if name else f"Convert {self.box.value}"

    def _take_over(self, earlier: Any) -> None:
        super()._take_over(earlier)
        self._at_work, self._unnamed = earlier._at_work, earlier._unnamed

    def _code(self) -> str:
        what, name = self.box.what, self._name.value.strip()
        if not name or (isinstance(what, str) and not what.strip()):
            return ""
        head, tail = spelled(what, self.box.value)
        options = {"mode": self._mode.value, "kind": self._kind.value, **self._options()}
        if options["mode"] == "create":
            del options["mode"]
        if not options["kind"]:
            del options["kind"]
        parts = [head, repr(name), *(f"{key}={value!r}" for key, value in options.items())]
        return f"dm.convert({', '.join(parts)}){tail}"

    def _ended(self, job: Job[Any]) -> None:
        super()._ended(job)
        if self._closed:
            return
        if job.state == "failed" and self.card.error.rstrip(".").lower() in self.box.said.lower():
            self.box.tell("", "bad")  # the card says the same
        if job.state == "done":
            self._settle_done(job.result())

    def _settle_done(self, report: ConvertReport) -> None:
        """Keep the result, until the form asks for something else."""
        used, mine = self._at_work, same(self.box.what, self._at_work)
        if isinstance(used, Upload):
            self.drop.discard(used.parcel)
        if mine:
            with self._naming:
                # A name made while it ran is that of the next one: this one was there by then.
                made = self._auto[1] if self._unnamed else ""
                if self._name.value.strip() in ("", made):
                    self._name.value = str(report.name)
                self._auto = (self.box.what, self._name.value.strip())  # the next gets its own name
            self._done = self._form()
        self._target = Target("")
        self._refresh()

    # Result --------------------------------------------------------------------------------

    def _show(self, result: ConvertReport) -> Iterable[w.Widget]:
        unit = {"weights": "tensors", "images": "images"}.get(result.kind, "rows")
        left_out = [pair for pair in result.skipped if pair[0] != "(everything)"]
        shown = facts(
            str(result.name),
            [
                (unit, f"{result.rows:,}"),
                ("size", _html.size(result.bytes)),
                ("seconds", f"{result.seconds:.2f}"),
                ("skipped", f"{len(left_out):,}"),
            ],
            chips=[result.kind, f"version {result.version}", result.mode],
        )
        idle = [note(reason, tone="warn") for item, reason in result.skipped
                if item == "(everything)"]  # fmt: skip
        notes = [note(words) for words in result.notes]
        parts: list[w.Widget] = [shown, *idle, *notes]
        if left_out:
            words = _html.count(len(left_out), "item")
            parts.append(note(f"{words} left out:", tone="warn"))
            parts.append(Skipped(left_out, self._source, pictures=result.kind == "images"))
        return parts

    def _summary(self) -> list[tuple[str, str]]:
        shown = [(self.fields[key].description, self.fields[key].value) for key in FORM]
        shown += [(self.fields[key].description, value) for key, value in self._options().items()]
        return [(label, redact(value)) for label, value in shown if value not in ("", None)]

    def _result_text(self) -> str:
        return "" if self.result is None else repr(self.result).splitlines()[0]
