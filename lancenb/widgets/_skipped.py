"""What a conversion left out: item, reason, and what can still be seen of it."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import ipywidgets as w

from ._display import esc
from ._fields import button, html, row
from ._thumbs import MAX_PIXELS, Undrawable, thumbnail

_PAGE = 8
_MAX_BYTES = 32_000_000  # larger files are named, not drawn
_SIDE = 88


def glimpse(data: bytes) -> str:
    """Return a small picture of image bytes, of a damaged image the part before the damage.

    >>> glimpse(b"no picture")
    ''
    """
    from PIL import Image

    with suppress(Undrawable):
        return thumbnail(data)[0]
    with warnings.catch_warnings(), suppress(Exception):  # decoders raise anything
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(data))
        if image.width * image.height > MAX_PIXELS:
            return ""
        with suppress(Exception):
            image.load()
        image.tile = []  # nothing is left to decode: what there is counts
        part = image.convert("RGB")
        box = part.getbbox()  # below the damage everything is black
        if box is None:
            return ""
        part = part.crop((0, 0, part.width, max(box[3], part.width // 8)))
        part.thumbnail((_SIDE, _SIDE))
        whole = io.BytesIO()
        part.save(whole, "PNG")
        return thumbnail(whole.getvalue())[0]
    return ""


def read_item(source: Any, item: str) -> bytes:
    """Return the bytes of a skipped item where they can be had cheaply, else nothing.

    Only files at or below a local source are read, never anything a name leads to elsewhere.
    """
    if not isinstance(source, (str, os.PathLike)):
        source = getattr(source, "path", None)
    if source is None:
        return b""
    text = os.fspath(source)
    if any(c in text for c in "*?[") and not os.path.exists(text):
        text = text[: min(text.find(c) for c in "*?[" if c in text)]
        text = text if text.endswith("/") else os.path.dirname(text)
    base = Path(text or ".")
    place = base / PurePosixPath(item) if base.is_dir() else base
    with suppress(OSError, ValueError):
        if not base.is_dir() and base.name != PurePosixPath(item).name:
            return b""
        inside = place.resolve().is_relative_to(base.resolve())
        if inside and place.is_file() and place.stat().st_size <= _MAX_BYTES:
            return place.read_bytes()
    return b""


class Skipped(w.VBox):
    """The list of skipped items, a page at a time.

    Args:
        skipped: ``(item, reason)`` pairs of a report.
        source: where the items came from, for their pictures.
        pictures: whether the items may be pictures.

    >>> Skipped([("a.jpg", "truncated")], "nowhere").page
    0
    """

    def __init__(self, skipped: Sequence[tuple[str, str]], source: Any, *, pictures: bool = True):
        self._items, self._source, self._pictures = list(skipped), source, pictures
        self.page = 0
        self._body = html("")
        self._back = button("Previous", lambda: self.show(self.page - 1))
        self._next = button("Next", lambda: self.show(self.page + 1))
        self._where = html("")
        turn = row(self._back, self._next, self._where)
        super().__init__([self._body, turn] if self.pages > 1 else [self._body])
        self.add_class("lnb-leftout")
        self.show(0)

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-len(self._items) // _PAGE))

    def show(self, page: int) -> None:
        """Show a page, counted from 0."""
        self.page = max(0, min(self.pages - 1, page))
        first = self.page * _PAGE
        listed = self._items[first : first + _PAGE]
        rows = "".join(self._row(item, reason) for item, reason in listed)
        self._body.value = f'<ul class="lnb-skipped" aria-label="skipped items">{rows}</ul>'
        self._back.disabled, self._next.disabled = self.page == 0, self.page == self.pages - 1
        last, all_of_them = first + len(listed), len(self._items)
        self._where.value = (
            f'<span class="lnb-dim">{first + 1:,} to {last:,} of {all_of_them:,}</span>'
        )

    def _row(self, item: str, reason: str) -> str:
        picture = glimpse(read_item(self._source, item)) if self._pictures else ""
        if picture:
            tile = f'<img class="lnb-tile" src="{picture}" alt="what is left of {esc(item)}">'
        else:
            suffix = PurePosixPath(item).suffix.lstrip(".")[:4].lower() or "·"
            tile = f'<div class="lnb-tile" aria-hidden="true">{esc(suffix)}</div>'
        return f"<li>{tile}<div><b>{esc(item)}</b><span>{esc(reason)}</span></div></li>"
