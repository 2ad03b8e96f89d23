"""Looking at every picture once, before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..progress import CancelToken, ProgressCallback, Tracker

_ROWS = 1024


class BadImage(NamedTuple):
    """A picture that cannot be read.

    Attributes:
        split: ``"train"``, ``"val"`` or ``"test"``.
        row: its row in the table, or its place in the folder.
        path: the file, where it is known.
        reason: what is wrong with it.
    """

    split: str
    row: int
    path: str
    reason: str


def bad_images(
    parts: Mapping[str, Any],
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> list[BadImage]:
    """Decode every picture of some data sets and list those that cannot be read.

    Args:
        parts: ``{split: data set}``; those that cannot check themselves are passed over.
        progress: callable for progress events, or True for a text bar.
        cancel: stops it.
    """
    there = {split: data for split, data in parts.items() if hasattr(data, "check")}
    tracker = Tracker(progress, cancel, total_rows=sum(map(len, there.values())))
    bad = []
    for split, data in there.items():
        tracker.enter("verify", split)
        bad += [BadImage(split, *row) for row in _bad_rows(data, tracker)]
    tracker.enter("done")
    return bad


def _bad_rows(data: Any, tracker: Tracker) -> Iterator[Any]:
    if not hasattr(data, "subset"):
        yield from data.check(tracker)
        return
    for start in range(0, len(data), _ROWS):
        some = data.subset(range(start, min(len(data), start + _ROWS)))
        yield from some.check()
        tracker.advance(len(some))
