"""The panel that gives a table a name, and edits what the catalogue says about an artefact."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from lancenb.errors import InvalidArgument, LancenbError
from lancenb.progress import Job

from . import _register_words as words_of
from ._artefact_box import artefact_box, suggest
from ._details import Details
from ._fields import area, button, choice, facts, note, switch, tell
from ._given import as_field_values
from ._hints import speak
from ._labels import Labels
from ._latest import Latest
from ._metadata import in_words, parse, write
from ._side_work import SideWork
from ._table_box import TableBox

if TYPE_CHECKING:
    from lancenb.catalog import Artifact, Examined

_KINDS = [("as noted in the table", "")]
_KINDS += [(kind, kind) for kind in ("weights", "images", "text", "table")]


class RegisterPanel(SideWork):
    """Registers a Lance table that exists, or edits what is said about an artefact.

    With an address it registers; with only the name of an artefact it edits. Before anything
    happens it says what the table is and which artefacts have the same content.

    Args:
        manager: a ``DataManager``, or anything with its methods.
        uri: the table: path, URI, ``hf://`` address, a download or what a conversion returned.
        name: the artefact.
        key: see :class:`~lancenb.widgets._panel.Panel`.

    Attributes:
        examined: what the table is, once it was looked at.

    >>> import tempfile, lancenb, pyarrow as pa
    >>> from lancenb.store import lance_module
    >>> root = tempfile.mkdtemp()
    >>> _ = lance_module().write_dataset(pa.table({"x": [1]}), root + "/mine.lance")
    >>> panel = RegisterPanel(lancenb.DataManager(root), root + "/mine.lance", key="")
    >>> panel.run(name="mine", tags=["demo"], metadata={"seed": 1}).metadata
    {'seed': 1}
    """

    title = "Register"
    lead = "Gives a table a name where it lies; nothing is copied. A known name alone is edited."
    verb = "Register"
    _look: Any = None

    def __init__(self, manager: Any, uri: Any = "", name: str = "", *, key: str | None = None):
        self.examined: Examined | None = None
        self._known: Artifact | None = None
        self._details, self._resting = Details(), threading.Lock()
        self._loading, self._news_words = False, ""
        self._look = Latest(self._look_up, pause=0.3, failed=self._lost)
        super().__init__(manager, key=key)
        speak(self.card, self.fields)
        self.box.give(uri)
        self._start_with(name=getattr(name, "name", name))
        self._note_first(["uri"])
        self._look.ask()

    # Form ----------------------------------------------------------------------------------

    def _inputs(self) -> Iterable[w.Widget]:
        self._understood = note()
        self.box = TableBox("Table", key="uri", placeholder="path or URI of a Lance table")
        self.box.on_text(self._typed)
        self.box.on_submit(self._click)
        parents = "type or choose an artefact, press Enter"
        return [
            self.box,
            artefact_box("Name", key="name", placeholder="a new name, or one to edit"),
            choice("Kind", _KINDS, key="kind"),
            area("Description", key="description", rows=2),
            Labels("Tags", key="tags", placeholder="type a word, press Enter"),
            Labels("Made from", key="parents", placeholder=parents),
            area("Metadata", key="metadata", placeholder="lr: 0.1", rows=3),
            self._understood,
        ]

    def _advanced(self) -> Iterable[w.Widget]:
        return [switch("Let a name that is taken point at this table", key="replace")]

    def _extra(self) -> Iterable[w.Widget]:
        self._seen, self._news = note(), note()
        return [self._seen, self._news]

    def _actions(self) -> Iterable[w.Widget]:
        self._verify = button("Verify hashes", self.guard(lambda: self.verify(wait=False)))
        self._verify.disabled = True
        return [self._verify]

    def _restart(self, given: set[str]) -> None:
        self._details = Details()  # what is known of the artefact is filled in anew
        super()._restart(given)

    def _fill(self, inputs: dict[str, Any]) -> None:
        if "uri" in inputs:
            self.box.give(inputs.pop("uri"))
        if isinstance(inputs.get("metadata"), dict):
            inputs["metadata"] = write(inputs["metadata"])
        if isinstance(inputs.get("parents"), str):
            inputs["parents"] = [inputs["parents"]]
        if "name" in inputs:  # first, so that an artefact's details do not cover what is given
            self.fields["name"].value = getattr(inputs["name"], "name", inputs["name"])
        self._look.ask()
        self.settle()
        super()._fill(as_field_values(self.fields, inputs))

    # What is there -------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return self.fields["name"].value.strip()

    @property
    def editing(self) -> bool:
        """Whether the button edits an artefact, and registers none."""
        known = self._known
        return known is not None and known.name == self._name and self.box.table == ""

    def settle(self, timeout: float = 30) -> bool:
        """Wait until table and name were looked up; False when that takes too long."""
        return self._look.settle(timeout)

    def _look_up(self) -> None:
        """See what the address and the name are; runs in a thread."""
        suggest(self.fields["name"], self.manager)
        name, uri = self._name, self.box.table
        self.fields["parents"].options = [n for n in self.fields["name"].options if n != name]
        self._pin()
        known = self._artefact(name)
        with self._guard:  # what is edited, and what is known of it
            self._known, self.examined = known, None
            if uri == "" and known is not None and self._details.name != name:
                self._fill_in(known)
        if uri != "":
            self._examine(uri)
        self._say()

    def _lost(self, error: BaseException) -> None:
        tell(self._seen, words_of.error_words(error), tone="warn")

    def _artefact(self, name: str) -> Artifact | None:
        try:
            return self.manager.get(name) if name else None
        except (LancenbError, OSError):
            return None  # free, not a name, or out of reach: said by _say or by the work

    def _examine(self, uri: Any) -> None:
        try:
            self.examined = found = self.manager.examine(uri)
        except (LancenbError, OSError, ValueError) as error:
            tell(self._seen, words_of.error_words(error), tone="warn")
            return
        words, plain = words_of.table_words(found)
        tell(self._seen, words, tone="good" if plain else "warn")

    def _fill_in(self, artefact: Artifact) -> None:
        """Put an artefact's details into the form."""
        with self._guard:  # work that begins between two fields would write the wrong ones
            self._loading = True
            try:
                self._details = Details.of(artefact)
                self._start_with(**self._details.shown(), metadata=write(artefact.metadata))
            finally:
                self._loading = False

    def _pin(self) -> None:
        """Give parents named without a version the version they have now."""
        field = self.fields["parents"]
        said = list(field.value)
        pinned = words_of.pinned(said, self._artefact)
        if field.value != said:  # somebody added one meanwhile
            self._look.ask()
        elif pinned != said:
            field.value = pinned

    def _say(self) -> None:
        """Let notes and buttons say what would happen."""
        table, replace = self.box.table != "", self.fields["replace"].value
        words, plain = words_of.name_words(self._name, self._known, table=table, replace=replace)
        if not table:
            tell(self._seen, "")
        self._news_words = "" if plain and table else words
        tell(self._news, words, tone="info" if plain else "warn")
        self.primary.description = "Save changes" if self.editing else self.verb
        self.fields["kind"].disabled = self.fields["replace"].disabled = self.editing
        self._rest()
        self._refresh()

    def _changed(self, change: Any = None) -> None:
        super()._changed()
        try:
            tell(self._understood, in_words(parse(self.fields["metadata"].raw)))
        except InvalidArgument as error:
            tell(self._understood, f"{error.message}: {error.hint}", tone="bad")
        owner = getattr(change, "owner", None)
        if not self._loading and owner in (self.fields[n] for n in ("name", "parents", "replace")):
            self._look.ask()

    def _typed(self) -> None:
        """Hear of every change of the table, drafts included."""
        self._refresh()
        self._look.ask()

    # Work ----------------------------------------------------------------------------------

    def _values(self) -> dict[str, Any]:
        """Return the keyword arguments of ``register`` or ``update``, those that say something."""
        got = self.inputs
        values = {
            "description": self.fields["description"].raw.strip(), "tags": list(got["tags"]),
            "metadata": parse(self.fields["metadata"].raw), "parents": list(got["parents"]),
        }  # fmt: skip
        if self.editing:
            return self._details.changed(values)
        values |= {"kind": got["kind"] or None, "replace": got["replace"]}
        return {name: value for name, value in values.items() if value}

    def _main_work(self) -> Callable[..., Any]:
        name, uri, manager, values = self._name, self.box.table, self.manager, self._values()
        if not name:
            raise InvalidArgument("there is no name yet", hint="for example cats-2024")
        if self.editing:
            if not values:
                raise InvalidArgument(
                    f"nothing about {name} was changed", hint="edit a field first"
                )
            return lambda progress=None, cancel=None: manager.update(name, **values)
        if uri == "":
            return lambda progress=None, cancel=None: words_of.no_table(manager, name)
        return lambda progress=None, cancel=None: manager.register(name, uri, **values)

    def verify(self, wait: bool = True) -> Any:
        """Hash the artefact's content again and compare it with what is recorded.

        Raises:
            ArtifactNotFound: the name in the form is none.
            InvalidArgument: its rows have no hashes.
        """
        name, manager = self._name, self.manager
        job = self._do(lambda **watch: manager.verify(name, **watch), f"verify {name}")
        return self._finish(job, wait)

    def _code(self) -> str:
        if not self._name or not (self.editing or self.box.table != ""):
            return ""
        more = "".join(f", {name}={value!r}" for name, value in self._values().items())
        if self.editing:
            return f"dm.update({self._name!r}{more})" if more else f"dm[{self._name!r}]"
        address, comment = words_of.spelled_table(self.box.table, self.box.value)
        return f"dm.register({self._name!r}, {address}{more}){comment}"

    def _main_name(self) -> str:
        return f"{'update' if self.editing else 'register'} {self._name}"

    # Result --------------------------------------------------------------------------------

    def _rest(self) -> None:
        with self._resting:  # or a thread that looked earlier could be the last to say so
            self._verify.disabled = self._working or self._known is None

    def _ended(self, job: Job[Any]) -> None:
        super()._ended(job)
        if not self._closed:
            self._look.ask()

    def _show(self, result: Any) -> Iterable[w.Widget]:
        if hasattr(result, "computed"):
            said, pairs = words_of.verified_words(result)
            return [note(said, tone="good" if result.ok else "bad"), facts("Hashes", pairs)]
        self._fill_in(result)
        if self.box.table != "":
            self._start_with(uri="", name=result.name)  # from now on the form edits it
        title = f"{result.name} is registered"
        return [facts(title, words_of.result_pairs(result), chips=[result.kind, *result.tags])]

    def _summary(self) -> list[tuple[str, str]]:
        return words_of.summary(self.fields, news=self._news_words)

    def close(self) -> None:
        """Close the panel; nothing is looked up any more."""
        if self._look is not None:  # it was refused at once
            self._look.close()
        super().close()
