"""A gallery of any size: only the pictures in sight are read, drawn and sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument
from ._display import card, esc, heading
from ._filter import written
from ._format import count, plural
from ._gallery_desk import Desk, problem_of
from ._gallery_labels import Labels
from ._gallery_rows import Shown, Thumb, Thumbs
from ._gallery_traits import GalleryTraits
from ._images import grid, lines
from ._latest import Latest
from ._ranges import members, size_of
from ._source import open_source
from ._table_words import text_of
from ._target import image_column

if TYPE_CHECKING:
    import pyarrow as pa

#: Pictures of the first page, which travels with the widget, and their longest side in pixels.
FIRST, SIDE = 48, 224
#: Pictures of the static form.
_STATIC = 24
#: Seconds that a new gallery waits for its first page; on a slow store it comes by itself later.
_SOON = 0.5


class Gallery(GalleryTraits):
    """Pictures of an image table, a million as easily as ten, with filters and a selection.

    Args:
        target: an artefact (``dm["name"]``), a table's path or URI, a conversion report, or an
            open Lance dataset.
        where: only rows that match: SQL text or ``(column, op, value)`` triples.
        label: only this class (name or value), or these.
        version: number or tag; the latest when left out.
        store: credentials and options for a URI that needs them.
        size: side of a picture on the screen, 48 to 256 pixels.

    Attributes:
        where: the SQL condition; set it to filter (``""`` is everything). A wrong one raises and
            changes nothing; what is wrong in the browser is said there, and in ``problem``.
        chosen: the labels shown; empty for all.
        selected: selected rows, as positions in the table; can be set and observed. With a
            filter on a manager far away, which does not tell positions: places among the matches.
        matches: how many rows are shown.

    Raises:
        InvalidArgument: the table holds no images, or an argument does not fit.
        InvalidFilter, ColumnNotFound: ``where`` is wrong.
        NotFound: no such table, version or tag.

    >>> import io, tempfile, lancenb as lnb, pyarrow as pa
    >>> from PIL import Image
    >>> Image.new("RGB", (32, 32), "teal").save(png := io.BytesIO(), "PNG")
    >>> table = pa.table({"image": [png.getvalue()] * 6, "label": [0, 1, 2, 0, 1, 2]})
    >>> gallery = lnb.Gallery(lnb.convert(table, tempfile.mkdtemp() + "/squares.lance"))
    >>> gallery.selected = [1, 4]
    >>> gallery.rows(["label"])["label"].to_pylist()
    [1, 1]
    >>> gallery.close()
    """

    _closed = False

    def __init__(
        self,
        target: Any,
        *,
        where: Any = None,
        label: str | int | Sequence[str | int] | None = None,
        version: int | str | None = None,
        store: Any = None,
        size: int = 112,
    ):
        if isinstance(size, bool) or not isinstance(size, int) or not 48 <= size <= 256:
            raise InvalidArgument(f"size={size!r} is no size in range", hint="48 to 256 pixels")
        self._source = open_source(target, version=version, store=store)
        column = image_column(self._source.schema)
        if column is None:
            raise InvalidArgument(
                f"{self._source.title} has no column of encoded images",
                hint="lnb.preview(...) shows any table",
            )
        chosen = _listed(label)
        if label is not None and not chosen:
            raise InvalidArgument("label=[] chooses nothing", hint="leave label out to see all")
        self._labels = Labels(self._source)
        self._thumbs = Thumbs(self._source, column, self._labels)
        self._page: list[Thumb] = []
        self._desk = Desk(self._thumbs, self._state, self._tell)
        self._filtering = Latest(self._refilter, pause=0.02)
        self._counting = Latest(self._count_labels, pause=0)
        self._beginning = Latest(self._read_first, pause=0)
        self._given = text_of(self._source, where)
        self._shown = self._find(self._given, chosen)
        super().__init__(
            label=f"gallery of {self._source.title}",
            facts={"title": self._source.title, "version": self._source.version,
                   "labels": self._labels.column or "", "column": column},
            size=size, total=self._source.count(), where=self._given, chosen=chosen,
            classes=self._labels.plain(), **{**self._first(self._shown, 0, []), "busy": True},
        )  # fmt: skip
        self.observe(self._on_filter, ["where", "chosen"])
        self.observe(self._on_picked, "picked")
        self.observe(self._on_selected, "selected")
        self._born = True
        self._beginning.ask()
        self._beginning.settle(_SOON)
        if self._labels.column is not None:
            self._counting.ask()

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the selected rows, in the order of the table.

        Args:
            columns: which columns; all when left out.
        """
        self.wait()
        names = list(columns) if columns is not None else list(self._source.schema.names)
        for name in names:
            if name not in self._source.schema.names:
                from ..errors import ColumnNotFound

                known = ", ".join(self._source.schema.names)
                raise ColumnNotFound(f"there is no column {name!r}", hint=f"there is {known}")
        with self._guard:
            shown, ranges = self._shown, list(self.picked)
        return shown.read(members(ranges), names)

    def wait(self, timeout: float = 30) -> bool:
        """Wait until the first page is there, a changed filter in effect, and labels counted."""
        work = (self._beginning, self._filtering, self._counting)
        return all([each.settle(timeout) for each in work])

    def close(self) -> None:
        """Close the widget; what it is still reading is dropped."""
        if not self._born:  # the arguments were refused
            return
        self._closed = True
        for each in (self._desk, self._beginning, self._filtering, self._counting):
            each.close()
        super().close()

    # What is shown

    def _check(self, where: str, chosen: Sequence[str | int]) -> None:
        """Raise what is wrong with a filter, without looking for the rows that match."""
        self._labels.condition(chosen)
        if where != self._given:
            written(where)
        if where.strip():
            self._source.rows(0, 0, where=where)

    def _find(self, where: str, chosen: Sequence[str | int]) -> Shown:
        labels = self._labels.condition(chosen)
        if where != self._given:  # triples may make long texts, people do not write them
            written(where)
        stated = where if where.strip() else None
        if stated and labels:
            self._source.rows(0, 0, where=stated)  # a fault is told in the words people wrote
            return Shown(self._source, f"({stated}\n) AND {labels}")
        return Shown(self._source, stated or labels)

    def _first(self, shown: Shown, view: int, page: list[Thumb]) -> dict[str, Any]:
        self._page = page
        return {
            "matches": shown.count, "view": view, "problem": {}, "busy": False,
            "first": b"".join(thumb.picture.data for thumb in page if thumb.picture),
            "first_items": [thumb.facts() for thumb in page],
        }  # fmt: skip

    def _read_first(self) -> None:
        shown = self._shown
        try:
            page = self._thumbs.page(shown, 0, range(FIRST), SIDE, seconds=1.0)
        except Exception as error:
            self.put(busy=False, problem=problem_of(error))
            return
        with self._guard:
            if not self._closed and self.view == 0:  # else a filter was quicker
                found = self._first(shown, 0, page)
                del found["problem"]  # it is of a filter that was refused meanwhile
                self.put(**found)

    def _on_filter(self, _change: object) -> None:
        self.busy = True
        self._filtering.ask()

    def _refilter(self) -> None:
        with self._guard:
            where, chosen, view = self.where, list(self.chosen), self.view + 1
        try:
            shown = self._find(where, chosen)
            page = self._thumbs.page(shown, view, range(FIRST), SIDE)
        except Exception as error:  # what is shown stays, the sentence says why
            self.put(busy=False, problem=problem_of(error))
            return
        if self._closed:
            return
        with self._guard:
            self._shown = shown
            self.put(picked=[], **self._first(shown, view, page))

    def _count_labels(self) -> None:
        try:
            classes = self._labels.counted()
        except Exception:  # counts are a courtesy; a real fault shows where pictures are read
            return
        if not self._closed:
            self.put(classes=classes)

    # Questions of the front end are answered in threads of the desk

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        if not self._desk.take(content):
            super()._receive(widget, content, buffers)

    def _state(self) -> tuple[Shown, int]:
        with self._guard:
            return self._shown, self.view

    def _tell(self, content: dict[str, Any], blobs: Sequence[bytes]) -> None:
        if not self._closed:
            self.send(content, buffers=list(blobs))

    def _static(self) -> tuple[str, str]:
        with self._guard:
            page, total, matches, where = self._page[:_STATIC], self.total, self.matches, self.where
            picked, chosen = size_of(self.picked), list(self.chosen)
        facts = [plural(total, "image")]
        if where or chosen:
            facts.append(f"{count(matches)} match")
        if self._labels.names:
            facts.append(plural(len(self._labels.names), "class", "classes"))
        if picked:
            facts.append(f"{count(picked)} selected")
        foot = f"1-{len(page)} of {count(matches)}"
        if not page:
            foot = "no image matches" if total else "the table is empty"
            foot = "pictures were still being read" if matches else foot
        version = self._source.version
        chips = ["images", *([] if version is None else [f"version {version}"])]
        parts = [grid(page)] if page else []
        html = card(self._source.title, chips, facts, *parts, foot=esc(foot))
        text = [heading(self._source.title, chips, facts), *([lines(page)] if page else []), foot]
        return html, "\n".join(text)


def _listed(label: Any) -> list[Any]:
    if label is None:
        return []
    return list(label) if isinstance(label, (list, tuple, set)) else [label]
