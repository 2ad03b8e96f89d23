"""Plans that ask nobody: local paths, drawn data sets, makers' files, and what is done by hand."""

from __future__ import annotations

import os
from pathlib import Path

from .._html import size as shown
from ..errors import CorruptInput, SourceNotFound
from ..progress import CancelToken
from . import registry
from ._headers import PlannedTensor, read_local_tensors
from ._plan_kinds import file_kind, notes_on, with_room
from ._request import Request
from .plan import DownloadPlan, PlannedFile
from .result import local_files, local_kind


def local(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan a path on this machine: what is there."""
    path = Path(request.source.name)
    files, tensors, notes = [], list[PlannedTensor](), []
    there = local_files(path)
    for item in there:
        if cancel is not None:
            cancel.check()
        files.append(PlannedFile(item.name, item.size, kind=file_kind(item.name), cached=True))
        if item.name.endswith(".safetensors"):
            try:
                tensors += read_local_tensors(item.path, item.name)
            except CorruptInput as error:
                notes.append(error.message)
    made = DownloadPlan(
        spec=request.spec, kind=local_kind(path, there), source=str(path), files=tuple(files),
        tensors=tuple(tensors), notes=(*notes, *notes_on(files)), request=request,
    )  # fmt: skip
    return with_room(made, path if path.is_dir() else path.parent)


def synthetic(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan a data set that is drawn on this machine."""
    from .synthetic import SETS, SPLITS

    name = request.source.name
    if name not in SETS:
        raise SourceNotFound(
            f"there is no synthetic dataset {name!r}", hint=f"one of {', '.join(SETS)}"
        )
    entry = registry.find("synthetic" if name == "images" else f"synthetic-{name}")
    split = request.split or "train"
    made = DownloadPlan(
        spec=request.spec, kind="dataset", source=f"synthetic:{name}",
        license=entry.licence if entry else None,
        card={"split": split, "rows": request.limit or SPLITS.get(split)},
        notes=("it is drawn on this machine: nothing is downloaded",), request=request,
    )  # fmt: skip
    return with_room(made, request.cache.root / "synthetic")


def official(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan the files that the makers of a known data set publish."""
    from .official import is_cached, official_files

    entry = registry.info(request.source.name)
    files = tuple(
        PlannedFile(
            item.name, item.size or None, item.sha256 or None, None, "data",
            is_cached(request.cache, item),
        )
        for item in official_files(entry, request.split)
    )  # fmt: skip
    made = DownloadPlan(
        spec=request.spec, kind="dataset", source=request.spec, files=files,
        license=entry.licence or None, card=_about(entry),
        notes=tuple(notes_on(files)), request=request,
    )  # fmt: skip
    return with_room(made, request.cache.root / "url")


def guided(spec: str | os.PathLike[str]) -> DownloadPlan | None:
    """Plan a known data set that nobody may fetch for you; None for everything else."""
    if not isinstance(spec, str) or Path(spec).expanduser().exists():
        return None
    entry = registry.find(spec.strip())
    if entry is None or entry.source != "guided":
        return None
    files = tuple(
        PlannedFile(item.name, item.size or None, item.sha256 or None, None, "data")
        for item in entry.files
    )
    size = f" (about {shown(entry.nbytes)})" if entry.nbytes else ""
    return DownloadPlan(
        spec=spec, kind="dataset", source=entry.homepage or entry.name, files=files,
        license=entry.licence or None, card=_about(entry),
        notes=(f"it cannot be fetched for you{size}: {entry.guide or entry.homepage}",),
    )  # fmt: skip


def _about(entry: registry.DatasetEntry) -> dict[str, object]:
    facts = {"rows": entry.splits, "classes": entry.number_of_classes, "homepage": entry.homepage}
    return {key: value for key, value in facts.items() if value}
