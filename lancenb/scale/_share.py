"""A share of a conversion: what a task reads and writes.

Every share is planned from the whole source, so that columns, types, class names and ids are those
of the table, whoever writes it; only the reading is limited to the files of the share.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..convert._share import Share
from ..errors import CorruptInput, InvalidArgument, LancenbError

if TYPE_CHECKING:
    from ..convert import Converter, Plan
    from ..convert.text._learned import Learned
    from ..store import Store


@dataclass
class Part:
    """What a task wrote.

    Attributes:
        fragments: metadata of the files, which no version refers to yet.
        rows: rows in them.
        nbytes: payload bytes read.
        skipped: what was left out while reading, and why.
        files: facts of the files read, with their hashes.
        empty: the error of a share without a single good row.
        learned: what has to be known before a new try, when this one met a surprise.
    """

    fragments: list[Any] = field(default_factory=list)
    rows: int = 0
    nbytes: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    empty: LancenbError | None = None
    learned: Learned | None = None


def limit(plan: Plan, share: Share) -> int:
    """Limit a plan to a share; return how many files (or chunks of pictures) the whole has.

    Raises:
        InvalidArgument: the source is nothing that could be shared out.
    """
    if plan.limit is not None:
        return plan.limit(share)
    if plan.on_close is not None:
        plan.on_close()
    raise not_shared()


def not_shared() -> InvalidArgument:
    """Return the error about a source that is read in one go."""
    return InvalidArgument(
        "only files and folders of pictures, text and tables can be shared out",
        hint="lancenb.convert(...) converts it in this process",
    )


def write_share(
    converter: Converter,
    source: Any,
    folder: str,
    uri: str,
    target: tuple[str, int] | None,
    store: Store | None,
    share: Share,
) -> Part:
    """Read one share of a source and write its rows; the body of a task.

    Args:
        converter: the converter of the whole.
        source: the whole source.
        folder: where relative paths begin.
        uri: the table.
        target: mode and version of the table there is, or None for a new one.
        store: where it lives.
        share: which share.
    """
    from ..convert import Existing
    from ..convert._write import write_fragments
    from ..convert.text._learned import PlanAgain
    from ..progress import Tracker
    from ..store import open_table

    existing = None
    if target is not None:
        dataset = open_table(uri, store, target[1])
        existing = Existing(uri, target[1], dataset.schema, dataset, target[0])
    part, tracker = Part(), Tracker()
    with contextlib.chdir(folder) if os.path.isdir(folder) else contextlib.nullcontext():
        plan = converter.plan(source, existing=existing)
        limit(plan, share)
        known = len(plan.skipped)
        try:
            part.fragments = write_fragments(plan, uri, existing, store, tracker)
        except PlanAgain as again:
            part.learned = again.learned
        except CorruptInput as error:
            if tracker.rows or getattr(converter, "on_error", "skip") == "raise":
                raise
            part.empty = error
        finally:
            if plan.on_close is not None:
                plan.on_close()
    part.skipped = plan.skipped[known:]
    part.files = plan.properties.get("files", [])
    part.rows = sum(fragment.physical_rows for fragment in part.fragments)
    part.nbytes = tracker.bytes
    return part
