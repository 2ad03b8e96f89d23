"""The form of the panel that converts: source, name and options, and what they would come to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from lancenb import _html

from ._convert_options import OPTIONS, chosen, offers, option_field
from ._convert_source import Upload, named, same, told, understood
from ._drop import Drop
from ._fields import Tags, choice, note, tell, text
from ._given import as_field_values
from ._hints import forget
from ._latest import Latest
from ._panel import Panel
from ._spec_box import SpecBox
from ._target_name import Target, forecast, look_up, suggest
from ._view import sentence

if TYPE_CHECKING:
    from lancenb.convert import Sniffed

_KINDS = (("by content", ""), ("weights", "weights"), ("images", "images"), ("text", "text"),
          ("table", "table"))  # fmt: skip
_MODES = (("create", "create"), ("overwrite: a next version of only these rows", "overwrite"),
          ("append: a next version with these rows, too", "append"))  # fmt: skip
FORM = ("source", "name", "mode", "kind")


class ConvertForm(Panel):
    """Says what the source is, and what converting it would do, before anything is done."""

    _looking: Any = None

    def __init__(self, manager: Any, *, key: str | None):
        self._found: Sniffed | None = None
        self._read: Any = None  # what that was found of
        self._target = Target("")
        self._auto: tuple[Any, str] = (None, "")  # a source, and the name made from it
        self._done: tuple[Any, ...] = ()  # the form as it was when the result below was made
        self._given: set[str] = set()
        self._replaced: dict[str, Any] = {}
        self._looking = Latest(self._look, failed=self._lost)
        self._working = self._bad = False
        self._telling = threading.RLock()
        self._naming = threading.RLock()  # held before all others
        super().__init__(manager, key=key)

    # Form ----------------------------------------------------------------------------------

    def _inputs(self) -> Iterable[w.Widget]:
        self.box = SpecBox(
            "Source", key="source", placeholder="a path, a pattern, an address or hf:...",
            understand=understood,
        )  # fmt: skip
        self.box.on_text(self._refresh)
        self.box.on_text(lambda: forget(self.card))
        self.box.on_submit(self._entered)
        self.drop = Drop()
        self.drop.on_change(self._uploaded)
        self._name = text("Name", key="name", placeholder="letters, digits, - _ .")
        self._mode = choice("Mode", _MODES, key="mode")
        self._sentence = note()
        self._sentence.add_class("lnb-beside")
        return [self.box, self.drop, self._name, self._mode, self._sentence]

    def _advanced(self) -> Iterable[w.Widget]:
        self._kind = choice("Kind", _KINDS, key="kind")
        made: dict[str, w.Widget] = {}
        for option in (option for listed in OPTIONS.values() for option in listed):
            if option.key not in made:
                made[option.key] = option_field(option)
        self._no_options = note()
        return [self._kind, *made.values(), self._no_options]

    def _restart(self, given: set[str]) -> None:
        dropped = isinstance(self.box.what, Upload)  # by hand: no earlier run gave it
        super()._restart(given | {"source"} if dropped else given)

    def _fill(self, inputs: dict[str, Any]) -> None:
        self._given = set(inputs)
        super()._fill(as_field_values(self.fields, inputs))

    def _options(self, found: Sniffed | None = None) -> dict[str, Any]:
        return self._chooser()(found or self._found)

    def _chooser(self) -> Callable[[Sniffed | None], dict[str, Any]]:
        """Return what gives the options as the form has them now, for a source of any kind."""
        said, given = str(self._kind.value), frozenset(self._given)
        values = {k: f.words if isinstance(f, Tags) else f.value for k, f in self.fields.items()}

        def choose(found: Sniffed | None) -> dict[str, Any]:
            offered = {option.key: option for option in offers(found, said)}
            kind = said or (found.kind if found else "")
            for option in (o for name, listed in OPTIONS.items() for o in listed
                           if kind in ("", name)):  # fmt: skip
                if option.key in given:
                    offered.setdefault(option.key, option)
            return chosen(tuple(offered.values()), {key: values[key] for key in offered})

        return choose

    def _refresh(self, _change: object = None) -> None:
        with self._telling:  # or a thread that read an older form could be the last to write
            self._tell_all()
        self._looking.ask(self.box.what, self._name.value.strip())

    def _tell_all(self) -> None:
        offered = {option.key for option in offers(self._found, str(self._kind.value))}
        for key, field in self.fields.items():
            if key not in FORM:
                field.layout.display = None if key in offered else "none"
        empty = "" if offered else "Options that fit the source appear here once it is known."
        if self._found is not None and not offered:
            empty = "A Lance table is copied as it is; there are no options."
        tell(self._no_options, empty)
        self._foresee()
        self._busy(self._working)
        super()._refresh()

    def _foresee(self) -> None:
        """Say what converting would do, for the name as it was last looked up."""
        target = self._target
        if self._is_done():
            tell(self._sentence, "Done. Change something to convert again.")
            return
        unknown = self._name.value.strip() != target.name or not target.name
        if unknown or self._bad:
            tell(self._sentence, "")
            return
        kind = self._kind.value or (self._found.kind if self._found else "")
        words, fine = forecast(target, str(self._mode.value), kind)
        tell(self._sentence, words, tone="info" if fine else "warn")

    # Live answers, off the callback's thread -------------------------------------------------

    def _look(self, what: Any, name: str) -> None:
        """Find out what the source is and what is there under the name; never raises."""
        found, words, tone = told(what, self.fields)
        if self._closed or what is not self.box.what:
            return
        if words:
            self.box.tell(words[:1].upper() + words[1:], tone)
        try:
            made_of, made = self._auto
            if name in ("", made) and tone != "bad" and not same(what, made_of):
                name = self._suggest(what, name)
            target = look_up(self.manager, name) if name else Target("")
        except Exception as error:
            target = Target(name, sentence(error))
        bad = tone == "bad"
        changed = (found, target, bad) != (self._found, self._target, self._bad)
        self._found, self._read, self._target, self._bad = found, what, target, bad
        if changed and not self._closed:
            self._refresh()

    def _lost(self, error: BaseException) -> None:
        self.box.tell(f"{sentence(error)}.", "bad")

    def _suggest(self, what: Any, said: str) -> str:
        """Put a free name made from the source into the box."""
        name = suggest(named(what), {artefact.name for artefact in self.manager.list()})
        with self._naming:
            if self._name.value.strip() == said:  # nothing came in between
                self._auto = (what, name)
                self._name.value = name
        return name

    def settle(self, timeout: float = 10) -> bool:
        """Wait until the lines about source and name are up to date; False when time ran out."""
        return self._looking.settle(timeout)

    def _uploaded(self) -> None:
        path, parcel = self.drop.path, self.drop.parcel
        if path is None or parcel is None:
            self._first |= self._replaced
            self._replaced = {}
            if isinstance(self.box.what, Upload):
                self.box.value = ""
            return
        names = self.drop.names
        shown = names[0] if len(names) == 1 else _html.count(len(names), "file")
        self.box.hold(Upload(path, names, parcel), f"upload: {shown}")
        self._replaced = {"source": self._first["source"]}
        self._note_first(["source"])  # what runs start from, while it is here

    # What the button may do --------------------------------------------------------------------

    def _entered(self) -> None:
        """Enter in the source: on to the name, unless somebody chose one already."""
        if self._name.value.strip() in ("", self._auto[1]):
            self._name.focus()
        else:
            self._click()

    def _click(self) -> None:
        self.card.settle()  # then it is known whether this is done
        if not self._is_done():
            super()._click()

    def _form(self) -> tuple[Any, ...]:
        what = self.box.what
        return (repr(self.inputs), what if isinstance(what, str) else id(what))

    def _is_done(self) -> bool:
        """Whether the result below is what this very form gave."""
        return self._done == self._form()

    def _busy(self, busy: bool) -> None:
        with self._telling:
            self._working = busy
            super()._busy(busy or self._is_done())
            self.drop.disabled = busy

    def close(self) -> None:
        """Close the panel, and remove what was uploaded."""
        if self._looking is not None:  # it was refused at once
            self._looking.close()
        super().close()
