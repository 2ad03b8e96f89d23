"""Folders that ``datasets`` wrote with ``save_to_disk``: used where they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CorruptInput, InvalidArgument, SourceNotFound, UnsafeInput
from ..progress import CancelToken, Tracker
from ._kept import place
from .result import Download, local_files

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH = 256
_UNNAMED = "rows"
_DICT, _STATE, _INFO = "dataset_dict.json", "state.json", "dataset_info.json"


def is_saved(folder: Path) -> bool:
    """Whether this is a saved data set, or a saved dictionary of splits."""
    return (folder / _DICT).is_file() or (
        (folder / _STATE).is_file() and (folder / _INFO).is_file()
    )


def saved_splits(folder: Path) -> dict[str, Path]:
    """Return the splits of a saved folder and where each lies.

    Raises:
        CorruptInput: its description is damaged, or a split is missing.
    """
    if not (folder / _DICT).is_file():
        return {str(_read(folder / _STATE).get("_split") or _UNNAMED): folder}
    names = _read(folder / _DICT).get("splits")
    if not isinstance(names, list) or not names:
        raise _damaged(folder)
    found = {str(name): folder / str(name) for name in names}
    for name, path in found.items():
        if "/" in name or name in (".", "..") or not (path / _STATE).is_file():
            raise CorruptInput(
                f"{folder} is not complete: its split {name!r} is missing",
                hint="write it again with save_to_disk",
            )
    return found


def choose_saved(folder: Path, split: str | None) -> tuple[str, Path]:
    """Return one split of a saved folder: the one asked for, ``train``, or the first.

    Raises:
        SourceNotFound: there is no such split.
    """
    found = saved_splits(folder)
    if list(found) == [_UNNAMED]:
        if split not in (None, _UNNAMED, "train"):  # rows without a name are "train" elsewhere
            raise SourceNotFound(
                f"{folder} has no split {split!r}: it has no named splits", hint="leave out split="
            )
        return split or _UNNAMED, folder
    name = split or ("train" if "train" in found else next(iter(found)))
    if name not in found:
        raise SourceNotFound(f"{folder} has no split {name!r}", hint=f"it has: {', '.join(found)}")
    return name, found[name]


def load_saved(folder: Path) -> Any:
    """Open a saved data set; its rows stay on the disk.

    Raises:
        CorruptInput: it cannot be read.
        UnsafeInput: it names files outside of its folder.
    """
    from datasets import load_from_disk

    for part in saved_splits(folder).values():
        _refuse_strangers(part)
    try:
        return load_from_disk(str(folder))
    except Exception as error:  # whatever a damaged folder makes of it
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CorruptInput(
            f"{folder} is not a readable saved data set: {line}",
            hint="write it again with save_to_disk",
        ) from error


def saved_rows(
    folder: Path, limit: int | None, cancel: CancelToken | None
) -> tuple[pa.Schema, Iterator[pa.Table]]:
    """Return the schema and the first rows of one saved data set, undecoded."""
    data = load_saved(folder)
    data = data if limit is None else data.take(min(limit, len(data)))

    def tables() -> Iterator[pa.Table]:
        # through the indices: the table behind has all rows in their old order
        for table in data.with_format("arrow").iter(batch_size=_BATCH):
            if cancel is not None:
                cancel.check()
            yield table.cast(data.features.arrow_schema)

    return data.features.arrow_schema, tables()


def saved_dataset(
    folder: Path, split: str | None, limit: int | None, *, to: Path | None, tracker: Tracker,
    force: bool = False,
) -> Download:  # fmt: skip
    """Return splits of a saved folder as they lie there; nothing is copied unless ``to`` asks.

    Args:
        folder: a folder for which :func:`is_saved` holds.
        split: name of a split, ``"all"``, or None for ``train`` or the only one.
        limit: not possible with all splits.
        to: copy them here.
        tracker: progress.
        force: what lies there may be replaced.
    """
    folder = folder.absolute()
    if limit is not None:
        raise InvalidArgument(
            "limit= with split='all' is not possible for a saved folder",
            hint="take one split, or load_from_disk(...) and select",
        )
    path = folder
    if split == "all":
        parts = saved_splits(folder)
    else:
        name, path = choose_saved(folder, split)
        parts = {name: path}
    rows = {name: len(load_saved(part)) for name, part in parts.items()}
    tracker.total_rows = sum(rows.values())
    tracker.advance(sum(rows.values()))
    if to is not None:
        path = place(path, to.absolute(), force=force)
    files = local_files(path)
    lineage = {
        "source": str(folder),
        "split": split or next(iter(parts)),
        "splits": rows,
        "rows": sum(rows.values()),
        "format": "saved",
        "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in files[:1000]],
    }
    return Download(path, files, lineage, True, "dataset")


def _refuse_strangers(folder: Path) -> None:
    """Refuse a description whose rows lie elsewhere: ``datasets`` would open any path."""
    for key, listed in _read(folder / _STATE).items():
        if not key.endswith("_files") or listed is None:
            continue
        if not isinstance(listed, list):
            raise _damaged(folder)
        for item in listed:
            name = item.get("filename") if isinstance(item, dict) else None
            if not isinstance(name, str) or not name:
                raise _damaged(folder)
            if name in (".", "..") or set(name) & set("/\\\0:"):
                raise UnsafeInput(
                    f"{folder} takes its rows from {name!r}, which is not a file of its own",
                    hint="load it where it was made and write it again with save_to_disk",
                )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise _damaged(path.parent)
    return found


def _damaged(folder: Path) -> CorruptInput:
    return CorruptInput(
        f"{folder} does not describe a saved data set", hint="write it again with save_to_disk"
    )
