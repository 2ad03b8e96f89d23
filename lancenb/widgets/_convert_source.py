"""What a conversion is made from: a path, a spec that is downloaded first, an upload, an object."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lancenb.errors import LancenbError

from ._hints import in_panel
from ._parcel import Parcel
from ._public import public
from ._recognise import Recognised, recognise
from ._view import sentence

if TYPE_CHECKING:
    from lancenb.convert import Sniffed


_ROWS = ("csv", "tsv", "json", "jsonl")  # text that becomes a table


class Upload(os.PathLike[str]):
    """A file or folder that came through the browser, in the folder that holds it."""

    def __init__(self, path: os.PathLike[str], names: list[str], parcel: Parcel):
        self.path, self.names, self.parcel = path, names, parcel

    def __fspath__(self) -> str:
        return os.fspath(self.path)


def local(what: Any) -> Any:
    """Return a source as the converters take it."""
    if isinstance(what, Upload):
        return what.path
    return os.path.expanduser(what) if isinstance(what, str) else what


def understood(words: str) -> Recognised:
    """Say what is known of a source without reading it."""
    if not words.strip():
        return Recognised("A path, a pattern, an address, a spec of download, or a file below.")
    found = recognise(words) if to_fetch(words) else Recognised("")
    more = f"{found.words} It is downloaded first." if found.words else ""
    return Recognised(more, found.tone, found.kind)


def to_fetch(what: Any) -> bool:
    """Whether a source has to be downloaded first; paths and patterns have not."""
    if not isinstance(what, str):
        return False
    return recognise(what).kind not in ("", "local")


def told(what: Any, fields: Mapping[str, Any]) -> tuple[Sniffed | None, str, str]:
    """Read what a source is: the finding, a sentence and its tone; never raises.

    Both are empty where nothing was given, and for what has to be downloaded first.
    """
    from lancenb.convert import sniff

    if to_fetch(what) or (isinstance(what, str) and not what.strip()):
        return None, "", ""
    try:
        found = sniff(local(what))
    except LancenbError as error:
        hint = in_panel(error.hint, fields).partition("\n")[0]
        hint = f"{hint[:1].upper()}{hint[1:]}"
        return None, f"{sentence(error).rstrip('.')}. {hint}".strip(), "bad"
    except Exception as error:  # a strange object must not stop the looking
        return None, sentence(error), "bad"
    kind = "table" if found.format in _ROWS else found.kind
    return found, f"{kind.capitalize()}: {found.reason}.", "ok"


@contextmanager
def kept(what: Any) -> Iterator[None]:
    """Keep an upload that was taken for work by ``parcel.hold()`` until the work has ended."""
    try:
        yield
    finally:
        if isinstance(what, Upload):
            what.parcel.release()


def fetch(what: Any, progress: Any, cancel: Any) -> Any:
    """Return a source that is here, downloaded where it has to be."""
    if not to_fetch(what):
        return local(what)
    from lancenb.download import download

    return download(what.strip(), progress=progress, cancel=cancel)


def same(one: Any, other: Any) -> bool:
    """Whether two sources are one: equal texts, or the same object."""
    return one is other or (isinstance(one, str) and isinstance(other, str) and one == other)


def named(what: Any) -> str:
    """Return the text from which a name is made."""
    if isinstance(what, Upload):
        return os.fspath(what) if len(what.names) == 1 else "upload"
    if isinstance(what, str):
        return what
    facts_of = getattr(what, "lineage", None)
    if isinstance(facts_of, dict) and facts_of.get("source"):
        return str(facts_of["source"])
    return os.fspath(what) if isinstance(what, os.PathLike) else ""


def spelled(what: Any, shown: str) -> tuple[str, str]:
    """Return the source as Python and a comment behind the line."""
    if isinstance(what, Upload):
        return repr(what.names[0] if len(what.names) == 1 else "."), "  # the uploaded files"
    if not isinstance(what, str):
        return "source", f"  # {shown}"
    safe = public(what.strip())
    if safe != what.strip():
        return "lnb.download(address)", f"  # {safe}"
    by_name = to_fetch(what) and ":" not in safe  # a known name alone is not downloaded by convert
    if by_name:
        return f"lnb.download({safe!r})", ""
    return repr(what if to_fetch(what) else os.path.expanduser(what)), ""
