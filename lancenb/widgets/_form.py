"""The named inputs of a panel, and the values that ``run(**inputs)`` gives them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import ipywidgets as w
from traitlets import TraitError

from lancenb.errors import InvalidArgument
from lancenb.store import redact

from ._display import esc
from ._fields import Code
from ._frame import Frame
from ._given import as_field_values
from ._view import sentence


class Form(Frame):
    """A frame with named inputs, the fields, and values they start from."""

    title = ""
    lead = ""
    fields: dict[str, Any]
    code_line: Code
    _first: dict[str, tuple[Any, Any]]  # what the fields hold at the start: see _held

    @property
    def inputs(self) -> dict[str, Any]:
        """The values of the named inputs; ``run`` takes them by these names."""
        return {name: field.value for name, field in self.fields.items()}

    def _asked_for(self) -> Any:
        """Return what must be the same for work to be the same; secrets count."""
        values = {n: getattr(f, "what", f.value) for n, f in self.fields.items()}
        return repr(values)

    def _start_with(self, **values: Any) -> None:
        """Put values into fields that ``run`` starts from where they are not given."""
        for name, value in values.items():
            self.fields[name].value = value
        self._note_first(values)

    def _note_first(self, names: Iterable[str]) -> None:
        self._first |= {name: _held(self.fields[name]) for name in names}

    def _take(self, inputs: dict[str, Any]) -> None:
        """Fill the form as ``run(**inputs)`` means it: what is not given is as at the start.

        What does not fit leaves the form as it was.
        """
        if not inputs:
            return
        self._insist_known(inputs)
        before = {name: _held(field) for name, field in self.fields.items()}
        try:
            self._restart(set(inputs))
            self._fill(dict(inputs))
        except Exception:
            for name, held in before.items():
                _hold(self.fields[name], held)
            raise

    def _restart(self, given: set[str]) -> None:
        """Put back what the other fields held at the start."""
        for name, held in self._first.items():
            if name not in given:
                with suppress(TraitError):  # a choice that is offered no more
                    _hold(self.fields[name], held)

    def _insist_known(self, inputs: dict[str, Any]) -> None:
        unknown = [name for name in inputs if name not in self.fields]
        if unknown:
            raise InvalidArgument(
                f"{type(self).__name__} has no input {unknown[0]!r}",
                hint=f"its inputs are: {', '.join(self.fields)}",
            )

    def _fill(self, inputs: dict[str, Any]) -> None:
        self._insist_known(inputs)
        for name, value in as_field_values(self.fields, inputs).items():
            try:
                self.fields[name].value = value
            except Exception as error:
                raise InvalidArgument(
                    f"{name}={redact(repr(value))[:80]} does not fit this input: {sentence(error)}"
                ) from error

    def _summary(self) -> list[tuple[str, str]]:
        """Return the inputs as words, without secrets."""
        named = [(f.description or name, f.value) for name, f in self.fields.items()]
        return [(label, redact(value)) for label, value in named if value not in ("", None, False)]

    def _heading(self) -> w.HTML:
        lead = f'<p class="lnb-lead">{esc(self.lead)}</p>' if self.lead else ""
        made = w.HTML(f'<h3 class="lnb-panel-title">{esc(self.title)}</h3>{lead}')
        made.add_class("lnb-html")
        return made


def _held(field: Any) -> tuple[Any, Any]:
    """Return what a field holds and what it shows; a box shows no secrets."""
    return getattr(field, "what", None), field.value


def _hold(field: Any, held: tuple[Any, Any]) -> None:
    if hasattr(field, "hold"):
        field.hold(*held)
    else:
        field.value = held[1]
