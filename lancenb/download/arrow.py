"""Data sets as Arrow: one split, so many rows, taken at the source, kept as Parquet.

``datasets`` finds the files (Hub repositories, or a local folder in the same layout) and streams
first rows; whole Parquet splits come through our own engine and are used as they are. Nothing is
decoded. The result is a folder of Parquet files, and nothing else, whose schema carries the
features (class names included) under ``huggingface``.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, Offline
from ..progress import CancelToken, Tracker
from ._dataset_errors import dataset_errors
from ._endpoint import is_offline
from ._files import disk_errors, link_or_copy
from ._kept import keep, kept
from ._parquet import write_parquet
from ._snapshot import Snapshot
from ._stream import Stream, self_describing
from .cache import Cache
from .choose import choose_files
from .result import Download, local_files


def arrow_dataset(
    name: str,
    *,
    config: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    revision: str | None = None,
    token: str | None = None,
    to: Path | None = None,
    offline: bool = False,
    force: bool = False,
    cache: Cache,
    tracker: Tracker,
    cancel: CancelToken | None = None,
) -> Download:
    """Take one split of a data set, or its first ``limit`` rows.

    Args:
        name: Hub id, or a local folder in Hub layout (``data/train-*.parquet``) or of images.
        config: configuration of the data set.
        split: split name; default ``train``, or the only one there is.
        limit: rows to take; only these are read at the source.
        revision: branch, tag or commit on the Hub.
        token: access token.
        to: copy the folder here.
        offline: cache only.
        force: build again.
        cache: where to keep it.
        tracker: progress, in rows.
        cancel: stops it.

    Raises:
        SourceNotFound: no such data set, configuration or split.
        Offline: the Hub does not answer.
        InvalidArgument: ``limit`` below 1, or slices in ``split``.
    """
    check_rows(split, limit)
    local = Path(name).expanduser()
    snapshot = None
    if local.is_dir():
        name = str(local.absolute())
        commit, facts = _fingerprint(local), {"source": str(local.absolute())}
    else:
        offline = offline or is_offline()
        snapshot = Snapshot(
            name, "dataset", revision=revision, token=token, cache=cache, tracker=tracker,
            cancel=cancel,
        )  # fmt: skip
        tracker.enter("resolve", snapshot.source)
        record = snapshot.resolve(offline=offline)
        commit = record.facts["commit"]
        facts = {
            "source": snapshot.source,
            "endpoint": snapshot.endpoint,
            "repo_id": name,
            "repo_type": "dataset",
            "revision": revision or "main",
            **record.facts,
        }
    title = re.sub(r"[^\w.-]+", "--", Path(name).name if snapshot is None else name)[-60:]
    asked = f"{name}|{config}|{commit}|{split}|{limit}"
    key = f"{title}--{hashlib.sha256(asked.encode()).hexdigest()[:16]}"
    folder = split or "rows"
    answers = snapshot is None or (snapshot.revalidated and not offline)
    if not answers and not kept(cache, "arrow", key, folder):
        raise Offline(
            f"these rows of {name} are not in the cache and the Hub may not be asked",
            hint="run it once with a network",
        )

    def build(path: Path) -> dict[str, Any]:
        import datasets

        tracker.enter("download", f"{name} {split or ''}".strip())
        tracker.total_rows = limit
        with dataset_errors(name, revision):
            stream = Stream(name, config, split, None if snapshot is None else commit, token)
            files = _on_disk(stream, snapshot, limit)
            if files and limit is None and self_describing(files):
                rows = _link(path, files, tracker)
            else:
                schema, tables = stream.tables(limit, files)
                rows = write_parquet(path, schema, tables, tracker)
        return {
            **facts,
            "config": config,
            "split": stream.split,
            "limit": limit,
            "rows": rows,
            "clients": {"datasets": datasets.__version__},
        }

    if snapshot is not None and answers:
        snapshot.remember(commit)
    return keep(cache, "arrow", key, folder, build, to=to, force=force and answers, cancel=cancel)


def check_rows(split: str | None, limit: int | None) -> None:
    """Raise :class:`~lancenb.errors.InvalidArgument` for splits and limits that cannot work."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidArgument(f"limit={limit!r} takes no rows", hint="1 or more, None for all")
    if split is not None and not (isinstance(split, str) and re.fullmatch(r"\w[\w.-]*", split)):
        raise InvalidArgument(
            f"split={split!r} is not the name of a split", hint="split='train', limit=1000"
        )


def _on_disk(stream: Stream, snapshot: Snapshot | None, limit: int | None) -> list[Path] | None:
    """Return the split's Parquet files if they are here, or are worth fetching whole."""
    if not stream.files:
        return None
    if snapshot is None:
        return [Path(name) for name in stream.files]
    if limit is not None:
        return None
    record = snapshot.resolve(offline=False)
    choice = choose_files(list(record.tree), "dataset", [glob.escape(n) for n in stream.files])
    snapshot.fetch(record, choice, offline=False, force=False)
    folder = snapshot.home / "snapshots" / record.facts["commit"]
    return [folder / name for name in stream.files]


def _link(path: Path, files: list[Path], tracker: Tracker) -> int:
    """Make a folder of links to files that can be used as they are; return their rows."""
    import pyarrow.parquet as pq

    rows = 0
    fresh = path.with_name(f".new-{path.name}")
    with disk_errors(path):
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(path, ignore_errors=True)
        fresh.mkdir(parents=True)
        for number, file in enumerate(files):
            link_or_copy(file.resolve(), fresh / f"part-{number:05d}.parquet")
            count = pq.read_metadata(file).num_rows
            rows += count
            tracker.advance(count)
        os.replace(fresh, path)
    return rows


def _fingerprint(folder: Path) -> str:
    """Identify a local folder's content by names, sizes and times."""
    digest = hashlib.sha256()
    for item in local_files(folder):
        digest.update(f"{item.name}|{item.size}|{item.path.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()[:40]
