"""Repositories of the Hugging Face Hub, in the cache layout that transformers shares."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..progress import CancelToken, Tracker
from ._endpoint import is_offline
from ._hub_files import view
from ._place import put_files, refuse_loss, refuse_mixture
from ._records import Record
from ._snapshot import Snapshot
from .cache import Cache
from .choose import choose_files
from .policy import UrlPolicy
from .result import Download, DownloadedFile, client_versions


def snapshot(
    repo_id: str,
    *,
    repo_type: str = "model",
    revision: str | None = None,
    commit: str | None = None,
    token: str | None = None,
    allow: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    variant: str | None = None,
    to: Path | None = None,
    offline: bool = False,
    force: bool = False,
    cache: Cache,
    tracker: Tracker,
    cancel: CancelToken | None = None,
    policy: UrlPolicy | None = None,
    hub_engine: str = "auto",
) -> Download:
    """Download a repository's files at one commit.

    Without ``allow`` a model repository gives one set of weights (the one transformers would
    load) with configuration and tokenizer, a dataset repository its data files.

    Raises:
        AlreadyExists: the folder ``to`` holds files of these names with other content, or other
            weights, and no ``force``.
        SourceNotFound: no such repository or file.
        RevisionNotFound: no such revision.
        GatedRepo: terms to accept, or a token, are missing.
        DownloadDenied: the token is not good enough.
        Offline: no answer within 10 s, or ``offline`` and not in the cache.
        ChecksumMismatch: what came is not what the repository promises.
        CorruptInput: the repository lacks a shard of its weights.
    """
    source = Snapshot(
        repo_id, repo_type, revision=revision, commit=commit, token=token, cache=cache,
        tracker=tracker, cancel=cancel, policy=policy, hub_engine=hub_engine,
    )  # fmt: skip
    offline = offline or is_offline()
    tracker.enter("resolve", source.source)
    record = source.resolve(offline=offline)
    choice = choose_files(
        list(record.tree), repo_type, allow, ignore, variant=variant, source=source.source
    )
    with cache.using_hub(source.home.name, cancel):  # nobody clears it meanwhile
        from_cache = source.fetch(record, choice, offline=offline, force=force)
        folder = source.layout.snapshot(record.facts["commit"])
        path = view(source, folder, choice.names) if to is None else to.absolute()
        if to is not None:
            refuse_loss(path, {name: folder / name for name in choice.names}, force=force)
            sizes = {name: facts.get("size") for name, facts in record.tree.items()}
            if repo_type == "model":
                refuse_mixture(path, list(choice.names), sizes, force=force)
            put_files(path, {name: folder / name for name in choice.names})
    files = tuple(
        DownloadedFile(path / name, name, seen["size"], seen["sha256"])
        for name in choice.names
        for seen in [record.files[name]]
    )
    return Download(path, files, lineage(source, record, files), from_cache, repo_type)


def lineage(source: Snapshot, record: Record, files: Sequence[DownloadedFile]) -> dict[str, Any]:
    """Return where these files come from: JSON-able, without token or signed address."""
    return {
        "source": source.source,
        "endpoint": source.endpoint,
        "repo_type": source.repo_type,
        "repo_id": source.repo_id,
        "revision": source.revision or "main",
        **record.facts,
        "files": [_file_facts(item, record.tree.get(item.name, {})) for item in files],
        "clients": client_versions("huggingface_hub", "hf_xet", "urllib3"),
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
        **({} if source.revalidated else {"revalidated": False}),
    }


def _file_facts(item: DownloadedFile, promise: dict[str, Any]) -> dict[str, Any]:
    """Return name, size, sha256, and the hash under which git knows a file that is not LFS."""
    facts = {"name": item.name, "size": item.size, "sha256": item.sha256}
    if promise.get("oid") and not promise.get("sha256"):
        facts["git_sha1"] = promise["oid"]
    return facts
