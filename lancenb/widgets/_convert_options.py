"""Which options of a conversion a panel offers, per kind of content and format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._fields import choice, switch, tags, text

if TYPE_CHECKING:
    import ipywidgets as w

    from lancenb.convert import Sniffed

_DELIMITED = ("csv", "tsv")
_LINES = ("txt",)
_JSON = ("json", "jsonl")


@dataclass(frozen=True)
class Option:
    """One option of a converter, as a field.

    Attributes:
        key: the keyword argument.
        label: what people read.
        form: ``"choice"``, ``"switch"``, ``"text"`` or ``"tags"`` (a list of words).
        default: the converter's default.
        choices: ``(words, value)`` pairs of a choice.
        formats: formats it has a meaning for; every format when empty.
        hint: shown in an empty field.
    """

    key: str
    label: str
    form: str
    default: Any
    choices: tuple[tuple[str, Any], ...] = ()
    formats: tuple[str, ...] = ()
    hint: str = ""

    def value(self, given: Any) -> Any:
        """Return what a field holds as the converter wants it."""
        if self.form == "tags":
            return list(given) or self.default
        if self.form == "text":
            return str(given).strip() or self.default
        return given


_IMAGES = (
    Option("label", "Labels", "choice", "folder",
           (("by class folder, or the label column", "folder"), ("no labels", None))),
    Option("on_error", "On damage", "choice", "skip",
           (("leave out and list", "skip"), ("stop at the first", "raise"))),
    Option("verify", "Check pictures", "choice", "auto",
           (("by structure (fast)", "auto"), ("decode every one", "full"),
            ("headers only", "header"))),
    Option("reencode", "Store as", "choice", None,
           (("the original bytes", None), ("PNG", "png"))),
    Option("split", "Split", "text", None, hint="all"),
    Option("classes", "Class names", "tags", None, hint="sorted by name"),
)  # fmt: skip
_TEXT = (
    Option("delimiter", "Delimiter", "choice", None,
           (("found out", None), ("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("bar", "|")),
           _DELIMITED),
    Option("header", "First row", "choice", "auto",
           (("found out", "auto"), ("holds names", True), ("holds data", False)), _DELIMITED),
    Option("columns", "Column names", "tags", None, formats=_DELIMITED, hint="as in the file"),
    Option("ragged", "Odd rows", "choice", "raise",
           (("stop", "raise"), ("leave out and list", "skip"), ("fill up short ones", "pad")),
           _DELIMITED),
    Option("rows", "One row per", "choice", "line",
           (("line", "line"), ("file", "file")), _LINES),
    Option("skip_blank", "Leave blank lines out", "switch", False, formats=_LINES),
    Option("field", "List at", "text", None, formats=("json",), hint="data.items"),
    Option("allow_nan", "Take NaN and Infinity", "switch", False, formats=_JSON),
    Option("encoding", "Encoding", "text", None, hint="found out"),
    Option("provenance", "Add columns for file and row", "switch", False),
)  # fmt: skip
_TABLE = (
    Option("columns", "Columns", "tags", None, hint="all"),
    Option("members", "Members", "tags", None, formats=("zip", "tar", "gzip-tar"),
           hint="*.csv"),
    Option("provenance", "Add columns for file and row", "switch", False),
)  # fmt: skip
_WEIGHTS = (
    Option("only", "Only tensors", "tags", None, hint="layer1.*"),
    Option("salvage", "Salvage", "choice", "auto",
           (("tensors beside unknown objects", "auto"), ("tensors in them, too", True),
            ("nothing", False))),
    Option("check_crc", "Check the checksums of the file", "switch", True),
    Option("hash", "Hash every tensor", "switch", True),
)  # fmt: skip
OPTIONS = {"images": _IMAGES, "text": _TEXT, "table": _TABLE, "weights": _WEIGHTS}
_FORMATS = {name for group in (_DELIMITED, _LINES, _JSON) for name in group}


def options_for(kind: str, form: str) -> tuple[Option, ...]:
    """Return the options that mean something for a kind of content in a format.

    >>> [option.key for option in options_for("text", "txt")]
    ['rows', 'skip_blank', 'encoding', 'provenance']
    >>> options_for("table", "lance")
    ()
    """
    if form == "lance":
        return ()
    listed = OPTIONS.get(kind, ())
    if kind == "text" and form not in _FORMATS:  # a folder or list: any of them may be in it
        return listed
    return tuple(o for o in listed if not o.formats or any(name in form for name in o.formats))


def offers(found: Sniffed | None, kind: str) -> tuple[Option, ...]:
    """Return the options for what a source is, or for the kind chosen by hand."""
    if found is None:
        return options_for(kind, "") if kind else ()
    return options_for(kind or found.kind, "" if kind and kind != found.kind else found.format)


def chosen(options: tuple[Option, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return only what differs from the converter's own choice.

    >>> chosen(options_for("text", "txt"), {"rows": "file", "encoding": ""})
    {'rows': 'file'}
    """
    values = {o.key: o.value(given[o.key]) for o in options if o.key in given}
    defaults = {o.key: o.default for o in options}
    return {key: value for key, value in values.items() if value != defaults[key]}


def option_field(option: Option) -> w.Widget:
    """Return the field of an option."""
    if option.form == "choice":
        made = choice(option.label, option.choices, key=option.key)
        made.index = 0  # a default of None would show as nothing
        return made
    if option.form == "switch":
        return switch(option.label, key=option.key, value=bool(option.default))
    if option.form == "tags":
        return tags(option.label, key=option.key, placeholder=option.hint)
    return text(option.label, key=option.key, placeholder=option.hint)
