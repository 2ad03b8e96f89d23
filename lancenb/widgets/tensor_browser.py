"""``TensorBrowser``: the tensors of a model as a tree, and one of them in pictures."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import traitlets as t

from ..errors import LancenbError, NotFound
from ..store import redact
from ._assets import css, esm
from ._format import plural, short_count, size
from ._histogram import BINS
from ._lane import Lane
from ._measure_job import Measuring
from ._slices import Cut, read_plane
from ._tensor_look import figures_of, look
from ._tensor_rows import Bench, list_rows, open_weights_source
from ._tensor_static import static
from ._view import sentence

#: Rows of the list that travel in one message: far below a megabyte.
_PAGE = 2000
#: Up to so many tensors, all modules start unfolded.
_SMALL = 40
_SLOW = {"look", "figures"}


class TensorBrowser(Measuring):
    """Shows the tensors of stored weights: names as a tree, figures, histogram, any 2-D slice.

    Only what is looked at is read. Of a tensor above a megabyte the figures come from evenly
    spaced values, and say so, until it is measured whole.

    Args:
        target: an artefact (``dm["name"]``), a table's path or URI, or an open Lance dataset.
        version: number or tag; the latest when left out.
        compare: another version (number or tag) to compare with, or another artefact. An older
            version stands first: the difference is what became of it.
        store: credentials and options for a URI that needs them.
        traits: where to begin, such as ``selected="conv1.weight"``.

    Attributes:
        selected: name of the tensor shown, None for none; settable.
        axes: the dimension that runs down the heat map and the one that runs across; empty lays
            the first dimension against all others.
        index: positions in all dimensions (those of ``axes`` are ignored).
        pattern: what the list is narrowed to: a glob with ``*`` or ``?``, or part of a name.
        sort: ``""`` (as stored), or ``name``, ``dtype``, ``shape``, ``count``, ``nbytes``,
            ``zeros``, ``change``, with ``-`` in front for descending.
        bins: bars of the histogram: 24, 48 or 96.
        log: logarithmic counts.
        job: the last measuring.

    Raises:
        InvalidArgument: ``target`` holds no weights.
        NotFound: there is no such table, version or tag.

    >>> import tempfile, torch, lancenb as lnb
    >>> dm = lnb.DataManager(tempfile.mkdtemp())
    >>> saved = dm.save_weights("net", {"a.weight": torch.eye(3), "a.bias": torch.zeros(3)})
    >>> browser = TensorBrowser(dm["net"], selected="a.weight")
    >>> browser.tensor().shape, browser.slice.shape
    (torch.Size([3, 3]), torch.Size([3, 3]))
    >>> browser.close()
    """

    _esm = esm("tensor_tree", "tensor_plot", "tensor")
    _css = css("tensor")

    kind = t.Unicode("tensor").tag(sync=True)
    title = t.Unicode("").tag(sync=True)
    chips = t.List(t.Unicode()).tag(sync=True)
    facts = t.Unicode("").tag(sync=True)
    sides = t.List(t.Unicode()).tag(sync=True)
    total = t.Int(0).tag(sync=True)
    selected = t.Unicode(None, allow_none=True).tag(sync=True)
    axes = t.List(t.Int()).tag(sync=True)
    index = t.List(t.Int()).tag(sync=True)
    pattern = t.Unicode("").tag(sync=True)
    sort = t.Unicode("").tag(sync=True)
    flat = t.Bool(False).tag(sync=True)
    changed_only = t.Bool(False).tag(sync=True)
    opened = t.List(t.Unicode()).tag(sync=True)
    bins = t.Enum(BINS, 48).tag(sync=True)
    log = t.Bool(False).tag(sync=True)
    code = t.Unicode("").tag(sync=True)

    _lane: Lane | None = None

    def __init__(
        self,
        target: Any,
        *,
        version: int | str | None = None,
        compare: Any = None,
        store: Any = None,
        **traits: Any,
    ):
        self._sources = _open_both(target, version, compare, store)
        self._rows = list_rows(self._sources[0], *(self._sources[1:] or [None]))
        self._by_name = {row.name: row for row in self._rows}
        self._artefact = getattr(target, "name", None)
        self._bench, self._lane = Bench(self._sources), Lane("tensor")
        first = self._sources[0]
        begin = {
            "title": first.title,
            "label": f"tensors of {first.title}",
            "chips": ["weights", *(f"version {s.version}" for s in self._sources[:1])],
            "facts": self._sum(),
            "total": len(self._rows),
            "opened": self._folds() if len(self._rows) <= _SMALL else [],
        }
        if len(self._sources) == 2:
            begin["sides"] = _names(*self._sources)
            begin["chips"] = ["weights", f"{begin['sides'][0]} → {begin['sides'][1]}"]
            begin["changed_only"] = any(r.what != "same" for r in self._rows)
        super().__init__(**{**begin, **traits})
        self._tell_code()

    def _sum(self) -> str:
        own = [r for r in self._rows if not r.alias_of]
        parts = [plural(len(self._rows), "tensor"), f"{short_count(sum(r.count for r in own))}"]
        parts[1] += " parameters"
        parts.append(size(sum(r.nbytes for r in own)))
        if len(self._sources) == 2:
            words = [r.what for r in self._rows]
            kinds = ("changed", "reshaped", "added", "removed", "unknown")
            found = [f"{words.count(kind):,} {kind}" for kind in kinds if kind in words]
            parts = [parts[0], ", ".join(found) or "no tensor differs"]
        return " · ".join(parts)

    def _folds(self) -> list[str]:
        paths = (row.name.split(".")[:-1] for row in self._rows)
        return sorted({".".join(path[: i + 1]) for path in paths for i in range(len(path))})

    @t.validate("selected")
    def _known(self, proposal: Any) -> str | None:
        name = proposal["value"]
        if name is not None and name not in self._by_name:
            if self.by_page:
                raise self.refusal(f"there is no tensor {name!r}")
            close = difflib.get_close_matches(name, list(self._by_name), 3, 0.4)
            raise NotFound(
                f"{self._sources[0].title} has no tensor {name!r}",
                hint=f"did you mean {', '.join(close)}?" if close else "the list shows them all",
            )
        return name

    @t.observe("selected")
    def _other_tensor(self, change: Any) -> None:
        if change["old"] is not None and change["old"] != change["new"]:
            self.put(axes=[], index=[])

    @t.observe("selected", "axes", "index")
    def _tell_code(self, _change: Any = None) -> None:
        self.code = self._line()

    def _line(self) -> str:
        who = _called(self._artefact, self._sources[0])
        pick = "" if self.selected is None else f", tensor={self.selected!r}"
        if len(self._sources) == 2:
            first, second = self._sources
            other = second.version if first.title == second.title else f"dm[{second.title!r}]"
            return f"lnb.compare({who}, {first.version}, {other}{pick})"
        return f"lnb.preview({who}{pick}, version={self._sources[0].version})"

    def tensor(self, side: int = -1) -> Any:
        """Return the selected tensor as a torch tensor; None when nothing is selected.

        Args:
            side: in a comparison, 0 for the first version, 1 for the second.
        """
        name = self.selected
        return None if name is None else self._sources[side].load(name)

    @property
    def slice(self) -> Any:
        """Every value of the 2-D slice shown, as a torch tensor; None when nothing is selected."""
        row = None if self.selected is None else self._by_name.get(self.selected)
        if row is None:
            return None
        source = self._sources[0 if row.what == "removed" else -1]
        with closing(source.open(row.name)) as opened:
            return read_plane(opened, self._cut(row))

    def _cut(self, row: Any) -> Cut:
        try:
            return Cut.fit(row.shape, self.axes, self.index)
        except LancenbError:  # what was asked of another tensor, or by a page
            return Cut.fit(row.shape)

    def _receive(self, widget: object, content: Any, buffers: Any) -> None:
        """Questions that read tensors are answered one after another, off this thread."""
        if isinstance(content, dict) and content.get("ask") in _SLOW and self._lane:
            answer = super()._receive
            self._lane.do(lambda: answer(widget, content, buffers))
        elif isinstance(content, dict) and content.get("do") in ("measure", "cancel"):
            self._do(content)
        else:
            super()._receive(widget, content, buffers)

    def _do(self, content: dict[str, Any]) -> None:
        try:
            if content["do"] == "cancel":
                self.cancel()
            else:
                self.measure(*map(str, content.get("names") or ()), wait=False)
        except Exception as error:
            self.put(error=sentence(error), hint=redact(getattr(error, "hint", "")))

    def _answer_index(self, offset: int) -> dict[str, Any]:
        page = self._rows[offset : offset + _PAGE]
        rows = [[r.name, r.dtype, list(r.shape), r.nbytes, r.alias_of, r.what] for r in page]
        return {"rows": rows, "total": len(self._rows)}

    def _answer_look(
        self, name: str, axes: Sequence[int], index: Sequence[int]
    ) -> tuple[dict[str, Any], list[bytes]]:
        row = self._by_name[name]
        return look(self._bench.get(row), row, Cut.fit(row.shape, axes, index))

    def _answer_figures(self, name: str, bins: int) -> dict[str, Any]:
        row, known = self._by_name[name], self._exact.get(name)
        found = known or figures_of(self._bench.get(row), row)
        if found is not None and found.exact and known is None:
            self._learn(row, found)
        return found.to_dict(bins) if found is not None else {"figures": []}

    def _static(self) -> tuple[str, str]:
        return static(self)

    def close(self) -> None:
        """Close the widget, stop measuring, and let go of open files."""
        if self._lane is None:  # never came to be: the arguments were refused
            return
        self.cancel()
        self._lane.close()
        if self._lane.settle(2):
            self._bench.close()
        super().close()


def _called(artefact: str | None, source: Any) -> str:
    """Return how Python names what is shown: by the catalogue, or by where it lies."""
    if artefact:
        return f"dm[{artefact!r}]"
    dataset = getattr(source, "dataset", None)
    return repr(redact(str(dataset.uri)) if dataset is not None else source.title)


def _open_both(target: Any, version: Any, compare: Any, store: Any) -> list[Any]:
    first = open_weights_source(target, version, store)
    if compare is None:
        return [first]
    path = isinstance(compare, str) and ("/" in compare or compare.endswith(".lance"))
    if isinstance(compare, int | str) and not path:
        second = open_weights_source(target, compare, store)
        older = version is None and (second.version or 0) < (first.version or 0)
        return [second, first] if older else [first, second]
    return [first, open_weights_source(compare, None, store)]


def _names(first: Any, second: Any) -> list[str]:
    if first.title == second.title:
        return [f"v{first.version}", f"v{second.version}"]
    return [f"{side.title} v{side.version}" for side in (first, second)]
