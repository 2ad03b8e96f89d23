"""Data sets as Arrow: chosen splits, so many rows, taken at the source, kept as Parquet.

``datasets`` says which files belong to which split and how text and folders become rows; the
bytes come through our own engine, and only those that the rows need. Nothing is decoded. The
result is a folder of Parquet files, and nothing else, whose schema carries the features (class
names included) under ``huggingface``.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import nullcontext
from pathlib import Path

from ..errors import InvalidArgument, Offline
from ..progress import CancelToken, Tracker
from ._build_rows import ALL, Build
from ._endpoint import is_offline
from ._kept import keep, kept
from ._row_sources import Folder, Repo
from ._saved import is_saved, saved_dataset
from ._snapshot import Snapshot
from .cache import Cache
from .policy import UrlPolicy
from .result import Download

_MOST = 2**63 - 1  # what Arrow and Parquet can count


def arrow_dataset(
    name: str,
    *,
    config: str | None = None,
    split: str | None = None,
    limit: int | None = None,
    revision: str | None = None,
    commit: str | None = None,
    token: str | None = None,
    to: Path | None = None,
    offline: bool = False,
    force: bool = False,
    cache: Cache,
    tracker: Tracker,
    cancel: CancelToken | None = None,
    policy: UrlPolicy | None = None,
    hub_engine: str = "auto",
) -> Download:
    """Take a split of a data set, all of them, or first rows.

    Args:
        name: Hub id, or a local folder: in Hub layout (``data/train-*.parquet``), of images, or
            written by ``save_to_disk``.
        config: configuration of the data set.
        split: name of a split; ``"all"`` for a folder of each; default ``train``, or the first
            there is (``lineage["notes"]`` then names the others).
        limit: first rows to take of each split; only what these need is read at the source.
        revision: branch, tag or commit on the Hub.
        commit: the commit that ``revision`` led to when it was planned.
        token: access token.
        to: copy the folder here.
        offline: cache only.
        force: build again.
        cache: where to keep it.
        tracker: progress, in rows.
        cancel: stops it.
        policy: which addresses may be asked; it holds for every byte.
        hub_engine: who moves whole files, see :func:`~lancenb.download.download`.

    Raises:
        SourceNotFound: no such data set, configuration or split.
        Offline: the Hub does not answer.
        GatedRepo: terms to accept, or a token, are missing.
        InvalidArgument: ``limit`` below 1, or slices in ``split``.
        UnsafeInput: its card, or a cell, names files that are not its own.
    """
    check_rows(split, limit)
    local = Path(name).expanduser()
    if local.is_dir() and is_saved(local) and (limit is None or split == ALL):
        return saved_dataset(local, split, limit, to=to, tracker=tracker, force=force)
    if local.is_dir():
        source: Folder | Repo = Folder(local.absolute())
    else:
        offline = offline or is_offline()
        snapshot = Snapshot(
            name, "dataset", revision=revision, commit=commit, token=token, cache=cache,
            tracker=tracker, cancel=cancel, policy=policy, hub_engine=hub_engine,
        )  # fmt: skip
        tracker.enter("resolve", snapshot.source)
        source = Repo(name, snapshot, offline, force)
    asked = f"{source.name}|{config}|{source.state}|{split}|{limit}"
    key = f"{source.title}--{hashlib.sha256(asked.encode()).hexdigest()[:16]}"
    folder = split or "rows"
    if not source.answers and not kept(cache, "arrow", key, folder):
        raise Offline(
            f"these rows of {name} are not in the cache",
            hint="run it once with a network",
        )
    build = Build(source, config, split, limit, tracker, cancel)
    repo = None if local.is_dir() else snapshot.home.name
    with cache.using_hub(repo, cancel) if repo else nullcontext():  # nobody clears it meanwhile
        source.remember()
        return keep(
            cache, "arrow", key, folder, build.make, to=to, force=force and source.answers,
            cancel=cancel,
        )  # fmt: skip


def check_rows(split: str | None, limit: int | None) -> None:
    """Raise :class:`~lancenb.errors.InvalidArgument` for splits and limits that cannot work."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise InvalidArgument(f"limit={limit!r} takes no rows", hint="1 or more, None for all")
    if limit is not None and limit > _MOST:
        raise InvalidArgument(f"limit= is over {_MOST:,} rows", hint="None takes all")
    if split is not None and not (isinstance(split, str) and re.fullmatch(r"\w[\w.-]*", split)):
        raise InvalidArgument(
            f"split={split!r} is not the name of a split",
            hint="split='train', limit=1000; split='all' takes every split",
        )
