"""How a text in a spec box was understood, without asking any network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lancenb import _html
from lancenb.errors import LancenbError
from lancenb.store import redact

from ._hints import in_panel

if TYPE_CHECKING:
    from lancenb.download import Source

#: What a spec box offers while little is written, the word that explains it beside it.
FORMS = {
    "hf:model:": "a model on the Hub",
    "hf:dataset:": "a dataset repository on the Hub",
    "datasets:": "rows of a dataset on the Hub",
    "transformers:": "a model as transformers names it",
    "torchvision:": "weights of torchvision",
    "hf://datasets/": "a Lance table on the Hub",
    "https://": "a file at an address",
    "synthetic": "images drawn here, no network",
    "synthetic:text": "text drawn here, no network",
    "synthetic:table": "a table drawn here, no network",
}
EMPTY = "A Hub repository, an address, a known dataset, or a path on this machine."


@dataclass(frozen=True)
class Recognised:
    """What a text means.

    Attributes:
        words: one sentence for people, without secrets.
        tone: ``"ok"``, ``"bad"`` or ``""`` (nothing is written yet).
        kind: kind of the source (see :class:`lancenb.download.Source`), or ``""``.
        hub: whether the Hub is asked, so that a token matters.
    """

    words: str
    tone: str = ""
    kind: str = ""
    hub: bool = False


def recognise(text: str) -> Recognised:
    """Say what a spec means.

    >>> recognise("hf:model:acme/tiny").words
    'Model acme/tiny on the Hub, revision main.'
    >>> recognise("https://me:pw@a.org/x.csv?sig=1").words
    'File x.csv at a.org.'
    """
    from lancenb.download import parse

    if text.strip() in ("", "http://", "https://"):
        return Recognised(EMPTY)
    if _by_hand(text):
        return Recognised(f"Known dataset {text.strip()}, fetched by hand: Plan says how.", "ok")
    try:
        source = parse(text)
    except (LancenbError, OSError, ValueError) as error:
        return Recognised(_refusal(error), "bad")
    hub = source.kind in ("model", "dataset", "lance")
    hub = hub or (source.kind == "arrow" and not Path(source.name).is_dir())
    return Recognised(_WORDS[source.kind](source), "ok", source.kind, hub)


def _by_hand(text: str) -> bool:
    from lancenb.download import registry

    entry = registry.find(text)
    return entry is not None and entry.source == "guided"


def _refusal(error: Exception) -> str:
    """Return an error in two sentences: what, and the first line of what to do."""
    if not isinstance(error, LancenbError):
        return "This cannot be a source."
    hint = in_panel(error.hint, {}).partition("\n")[0].rstrip(":")
    if "a source is one of" in hint:  # all forms: the box offers them anyway
        hint = hint.partition("a source is one of")[0].strip()
    words = redact(_sentence(error.message))
    return f"{words} {_sentence(hint)}" if hint else words


def _sentence(text: str) -> str:
    text = text.strip()
    if not text.startswith("hf:"):
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _at(source: Source) -> str:
    return f"revision {source.revision or 'main'}"


def _model(source: Source) -> str:
    more = f", files {source.pattern}" if source.pattern else ""
    return f"Model {source.name} on the Hub, {_at(source)}{more}."


def _dataset(source: Source) -> str:
    what = f"files {source.pattern}" if source.pattern else "all files"
    return f"Dataset {source.name} on the Hub, {_at(source)}, {what}."


def _arrow(source: Source) -> str:
    config = f", configuration {source.config}" if source.config else ""
    if Path(source.name).is_dir():
        return f"Rows of the dataset in the folder {Path(source.name).name}{config}."
    if source.entry:
        return f"Known dataset {source.entry}{_splits(source.entry)}, from the Hub."
    return f"Rows of the dataset {source.name} on the Hub, {_at(source)}{config}."


def _splits(name: str) -> str:
    from lancenb.download import registry

    entry = registry.find(name)
    if entry is None or not entry.splits:
        return ""
    return ": " + ", ".join(f"{split} {rows:,} rows" for split, rows in entry.splits.items())


def _url(source: Source) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(source.name)
        host, name = parts.hostname or "", parts.path.rpartition("/")[2]
    except ValueError:
        return "A file at an address."
    return f"File {name} at {host}." if name else f"What {host or 'the address'} answers."


def _torchvision(source: Source) -> str:
    name, _, form = source.name.partition("/")
    return f"Weights of torchvision's {name}, {form or 'its default'}."


def _lance(source: Source) -> str:
    at = f", {_at(source)}" if source.revision else ""
    return f"Lance table {source.name} on the Hub{at}."


def _official(source: Source) -> str:
    return f"Known dataset {source.name}, the files of its makers."


def _synthetic(source: Source) -> str:
    from lancenb.download import registry

    if source.name not in ("images", "text", "table") and registry.find(source.name) is None:
        return f"Made here by seed ({source.name}), no network."
    what = {"images": "Images", "text": "Text", "table": "A table"}.get(source.name, source.name)
    return f"{what} drawn here by seed, no network."


def _local(source: Source) -> str:
    path = Path(source.name)
    if path.is_dir():
        return f"The folder {path.name or path} on this machine."
    try:
        return f"The file {path.name} on this machine, {_html.size(os.stat(path).st_size)}."
    except OSError:
        return f"The file {path.name} on this machine."


_WORDS = {
    "model": _model, "dataset": _dataset, "arrow": _arrow, "url": _url, "lance": _lance,
    "torchvision": _torchvision, "official": _official, "synthetic": _synthetic, "local": _local,
}  # fmt: skip


def suggestions(text: str, limit: int = 12) -> list[tuple[str, str]]:
    """Return specs that may be meant, each with a word of explanation.

    >>> suggestions("cifar1")[0][0]
    'cifar10'
    >>> [spec for spec, _ in suggestions("acme/tiny")][:2]
    ['hf:model:acme/tiny', 'hf:dataset:acme/tiny']
    """
    import re

    from lancenb.download import registry

    text = text.strip()
    if not text:
        names = ("cifar10", "mnist", "synthetic")
        return [(name, "known dataset") for name in names] + [*FORMS.items()][: limit - 3]
    found: list[tuple[str, str]] = []
    if re.fullmatch(r"[\w][\w.-]*/[\w][\w.-]*", text) and not os.path.lexists(text):
        found = [(f"hf:model:{text}", "a model on the Hub"),
                 (f"hf:dataset:{text}", "a dataset on the Hub")]  # fmt: skip
    low = text.lower().replace("-", "")
    for name in registry.list():
        if name.startswith(low) and name != text:
            entry = registry.info(name)
            found.append((name, f"known dataset, {entry.kind}"))
    found += [(form, words) for form, words in FORMS.items() if form.startswith(text)
              and form != text and form not in dict(found)]  # fmt: skip
    return found[:limit]


def token_words(hub: bool) -> str:
    """Say where the Hub's token comes from; never the token.

    Args:
        hub: whether the source asks the Hub at all.
    """
    if not hub:
        return ""
    from huggingface_hub import constants

    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if os.environ.get(name, "").strip():
            return f"Signed in to the Hub by the environment ({name})."
    if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN:
        return "No token is sent (HF_HUB_DISABLE_IMPLICIT_TOKEN is set)."
    if Path(constants.HF_TOKEN_PATH).is_file():
        return "Signed in to the Hub by the login of this machine."
    return (
        "Not signed in to the Hub; public repositories need no token. For others set HF_TOKEN or "
        "run `hf auth login`."
    )
