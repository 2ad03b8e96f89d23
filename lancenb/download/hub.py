"""Repositories of the Hugging Face Hub, in the cache layout that transformers shares."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..progress import CancelToken, Tracker
from ._endpoint import is_offline
from ._files import disk_errors
from ._hub_files import view
from ._records import Record
from ._snapshot import Snapshot
from .cache import Cache
from .choose import choose_files
from .result import Download, DownloadedFile


def snapshot(
    repo_id: str,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    token: str | None = None,
    allow: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    to: Path | None = None,
    offline: bool = False,
    force: bool = False,
    cache: Cache,
    tracker: Tracker,
    cancel: CancelToken | None = None,
) -> Download:
    """Download a repository's files at one commit.

    Without ``allow`` a model repository gives one set of weights (the one transformers would
    load) with configuration and tokenizer, a dataset repository its data files.

    Raises:
        SourceNotFound: no such repository or file.
        RevisionNotFound: no such revision.
        GatedRepo: terms to accept, or a token, are missing.
        DownloadDenied: the token is not good enough.
        Offline: no answer within 10 s, or ``offline`` and not in the cache.
        ChecksumMismatch: what came is not what the repository promises.
    """
    source = Snapshot(
        repo_id,
        repo_type,
        revision=revision,
        token=token,
        cache=cache,
        tracker=tracker,
        cancel=cancel,
    )
    offline = offline or is_offline()
    tracker.enter("resolve", source.source)
    record = source.resolve(offline=offline)
    choice = choose_files(list(record.tree), repo_type, allow, ignore, source=source.source)
    from_cache = source.fetch(record, choice, offline=offline, force=force)
    folder = source.home / "snapshots" / record.facts["commit"]
    path = view(source, folder, choice.names) if to is None else to.absolute()
    if to is not None:
        with disk_errors(path):
            for name in choice.names:
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / name, path / name)
    files = tuple(
        DownloadedFile(path / name, name, seen["size"], seen["sha256"])
        for name in choice.names
        for seen in [record.files[name]]
    )
    return Download(path, files, _lineage(source, record, files), from_cache, repo_type)


def _lineage(source: Snapshot, record: Record, files: tuple[DownloadedFile, ...]) -> dict[str, Any]:
    import huggingface_hub

    return {
        "source": source.source,
        "endpoint": source.endpoint,
        "repo_type": source.repo_type,
        "repo_id": source.repo_id,
        "revision": source.revision or "main",
        **record.facts,
        "files": [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in files],
        "clients": {"huggingface_hub": huggingface_hub.__version__},
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
        **({} if source.revalidated else {"revalidated": False}),
    }
