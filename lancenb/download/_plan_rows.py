"""Plans for rows of a data set: which files they come from, what columns they have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import LancenbError
from ..progress import Tracker
from ._plan_kinds import file_kind, with_room
from ._records import Record
from ._request import Request
from ._snapshot import Snapshot
from .choose import choose_files
from .plan import DownloadPlan, PlannedFile
from .result import local_files


def is_local(request: Request) -> bool:
    """Whether the rows come from a folder on this machine."""
    return Path(request.source.name).expanduser().exists()


def local(request: Request) -> DownloadPlan:
    """Plan rows of a local folder."""
    path = Path(request.source.name).expanduser().absolute()
    files = tuple(
        PlannedFile(item.name, item.size, kind=file_kind(item.name, True), cached=True)
        for item in local_files(path)
    )
    made = DownloadPlan(
        spec=request.spec, kind="dataset", source=str(path), files=files, card=_asked(request),
        notes=("its rows are read where they are, without a download",), request=request,
    )  # fmt: skip
    return with_room(made, request.cache.root / "arrow")


def of_hub(
    request: Request, source: Snapshot, record: Record, unseen: bool
) -> tuple[list[str], dict[str, Any], list[str]]:
    """Return the files that the rows come from, facts on them, and notes.

    Only the listing and the card are read (by ``datasets``); all data files are named if even
    these may not be (``unseen``).
    """
    facts, notes = _asked(request), []
    if request.limit is not None:
        notes.append(
            f"only the first {request.limit:,} rows are read at the source: less than the sizes "
            "of whole files here"
        )
    if not unseen:
        names, more = _by_layout(request, source, record)
        return [n for n in names if n in record.tree], {**facts, **more}, notes
    notes.append("which files belong to the split is not known: these are all data files")
    names = list(choose_files(list(record.tree), "dataset", source=source.source).names)
    return names, facts, notes


def _by_layout(
    request: Request, source: Snapshot, record: Record
) -> tuple[list[str], dict[str, Any]]:
    from ._build_rows import ALL, layout_of

    with layout_of(source, record, request.source.config) as layout:
        chosen = [layout.choose(None if request.split == ALL else request.split)]
        chosen = list(layout.splits) if request.split == ALL else chosen
        names = [name for split in chosen for name in layout.splits[split]]
        facts: dict[str, Any] = {"split": request.split or chosen[0], "format": layout.format}
        others = [split for split in layout.splits if split not in chosen]
        if others:
            facts["other_splits"] = others
        if layout.features:
            facts["columns"] = {key: _type(kind) for key, kind in layout.features.items()}
        info: Any = layout.builder.info
        if info.splits:
            facts["rows"] = {str(k): part.num_examples for k, part in info.splits.items()}
    return list(dict.fromkeys(names)), facts


def is_kept(request: Request, commit: str) -> bool:
    """Whether these very rows are in the cache."""
    from .arrow import arrow_dataset

    try:
        arrow_dataset(
            request.source.name, config=request.source.config, split=request.split,
            limit=request.limit, revision=request.revision, commit=commit, token=request.token,
            offline=True, cache=request.cache, tracker=Tracker(),
        )  # fmt: skip
    except LancenbError:
        return False
    return True


def _asked(request: Request) -> dict[str, Any]:
    asked = {"split": request.split, "limit": request.limit, "config": request.source.config}
    return {key: value for key, value in asked.items() if value is not None}


def _type(kind: Any) -> str:
    """Return a column's type in a few words."""
    names = getattr(kind, "names", None)
    if names:
        return f"{type(kind).__name__} of {len(names)}"
    return str(getattr(kind, "dtype", None) or type(kind).__name__)
