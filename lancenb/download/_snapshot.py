"""One Hub repository at one revision: resolve, transfer, verify.

The official client lists and links; large files come through our own engine first, because the
client neither resumes across processes nor checks hashes over HTTP. Every file is hashed once.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import ChecksumMismatch, InvalidArgument, Offline
from ..progress import CancelToken, Tracker
from ._endpoint import endpoint, preflight
from ._files import disk_errors
from ._hub_errors import hub_errors, worth_retrying
from ._hub_files import client_progress, forget, seed_large_files
from ._records import Record
from .cache import Cache
from .choose import Choice

T = TypeVar("T")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TRIES = 4
_INFO_TIMEOUT = 6.0


class Snapshot:
    """One repository at one revision.

    Args:
        repo_id: ``owner/name``.
        repo_type: ``"model"`` or ``"dataset"``.
        revision: branch, tag or commit; default ``main``.
        token: access token; default: ``HF_TOKEN`` or the login of this user.
        cache: where files go.
        tracker: progress.
        cancel: stops it.
    """

    def __init__(
        self,
        repo_id: str,
        repo_type: str,
        *,
        revision: str | None,
        token: str | None,
        cache: Cache,
        tracker: Tracker,
        cancel: CancelToken | None,
    ):
        if repo_type not in ("model", "dataset"):
            raise InvalidArgument(f"repo_type={repo_type!r}", hint="model or dataset")
        if revision is not None and (
            not re.fullmatch(r"[\w+][\w./+-]*", revision) or ".." in revision.split("/")
        ):
            raise InvalidArgument(
                f"revision={revision!r} is no name of a revision", hint="branch, tag or commit"
            )
        self.repo_id, self.repo_type = repo_id, repo_type
        self.revision, self.token = revision, token
        self.cache, self.tracker, self.cancel = cache, tracker, cancel
        self.endpoint = endpoint()
        self.source = f"hf:{repo_type}:{repo_id}"
        kind = "datasets/" if repo_type == "dataset" else ""
        self.page = f"{self.endpoint}/{kind}{repo_id}"
        folder = f"{repo_type}s--{repo_id.replace('/', '--')}"
        self.home = cache.hub / folder
        self.revalidated = True

    def errors(self) -> AbstractContextManager[None]:
        """Map client errors in a block."""
        return hub_errors(self.source, self.revision, self.page)

    def local_commit(self) -> str | None:
        """Return the commit that the cache has for the revision."""
        wanted = self.revision or "main"
        if _COMMIT.fullmatch(wanted):
            return wanted
        try:
            return (self.home / "refs" / wanted).read_text("utf-8").strip() or None
        except (OSError, ValueError):
            return None

    def remember(self, commit: str) -> None:
        """Note in the official layout which commit the asked revision leads to."""
        wanted = self.revision or "main"
        if _COMMIT.fullmatch(wanted):
            return
        ref = self.home / "refs" / wanted
        with disk_errors(ref):
            ref.parent.mkdir(parents=True, exist_ok=True)
            fresh = ref.with_name(f"{ref.name}.{os.getpid()}.new")
            fresh.write_text(commit, "utf-8")
            os.replace(fresh, ref)

    def resolve(self, *, offline: bool) -> Record:
        """Find the commit and its files, asking the Hub unless that is forbidden or needless."""
        commit = self.local_commit()
        record = Record(self.cache, self.repo_type, self.repo_id, commit) if commit else None
        pinned = bool(self.revision and _COMMIT.fullmatch(self.revision))
        if record and record.tree and (pinned or offline):
            return record
        if offline:
            if record and commit and (self.home / "snapshots" / commit).is_dir():
                return self._from_disk(record, commit)
            raise Offline(
                f"{self.source} is not in the cache and the Hub may not be asked",
                hint="run it once with a network (offline=False, HF_HUB_OFFLINE unset)",
            )
        try:
            preflight(self.endpoint, self.source)
            return self._ask()
        except Offline:
            if record is None or not record.tree:
                raise
            self.revalidated = False
            return record

    def _from_disk(self, record: Record, commit: str) -> Record:
        folder = self.home / "snapshots" / commit
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                record.tree[name] = {"size": path.stat().st_size}
        record.facts = {"commit": commit}
        return record

    def _ask(self) -> Record:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=self.endpoint, token=self.token, library_name="lancenb")
        with self.errors():
            info: Any = self.retrying(
                lambda: api.repo_info(
                    self.repo_id,
                    repo_type=self.repo_type,
                    revision=self.revision,
                    files_metadata=True,
                    timeout=_INFO_TIMEOUT,
                )
            )
        record = Record(self.cache, self.repo_type, self.repo_id, info.sha)
        for item in info.siblings or []:
            lfs = item.lfs
            record.tree[item.rfilename] = {
                "size": lfs.size if lfs else item.size,
                "sha256": lfs.sha256 if lfs else None,
                "oid": item.blob_id,
            }
        card = info.card_data.to_dict() if getattr(info, "card_data", None) else {}
        modified = getattr(info, "last_modified", None)
        record.facts = {
            "commit": info.sha,
            "license": card.get("license"),
            "gated": bool(getattr(info, "gated", False)),
            "private": bool(getattr(info, "private", False)),
            "last_modified": modified.isoformat() if modified else None,
        }
        record.save()
        return record

    def retrying(self, call: Callable[[], T]) -> T:
        """Call, and call again after resets and overload, which the client does not."""
        for attempt in range(_TRIES):
            if self.cancel is not None:
                self.cancel.check()
            try:
                return call()
            except Exception as error:
                if attempt == _TRIES - 1 or not worth_retrying(error):
                    raise
                response = getattr(error, "response", None)
                told = response.headers.get("Retry-After", "") if response is not None else ""
                wait = min(60.0, float(told)) if told.isdigit() else 0.5 * 2**attempt
                if self.cancel is not None:
                    self.cancel.wait(wait)
                else:
                    time.sleep(wait)
        raise AssertionError("unreachable")

    def fetch(self, record: Record, choice: Choice, *, offline: bool, force: bool) -> bool:
        """Bring the chosen files here, verified; return whether they all were here before."""
        folder = self.home / "snapshots" / record.facts["commit"]
        if force and not offline:
            forget(folder, choice.names)
        missing = [name for name in choice.names if not (folder / name).is_file()]
        if missing and (offline or not self.revalidated):
            raise Offline(
                f"{self.source} is not complete in the cache ({len(missing)} files are missing, "
                f"such as {missing[0]})",
                hint="run it once with a network",
            )
        for last_chance in (False, True):
            if missing:
                preflight(self.endpoint, self.source)
                self._transfer(record, choice, missing)
            wrong = self._verify(record, folder, choice.names)
            if not wrong:
                break
            forget(folder, wrong)
            if last_chance or offline:
                raise ChecksumMismatch(
                    f"{self.source}: {wrong[0]} is not what was promised; it was dropped",
                    hint="run it again; a proxy or disk on the way may damage data",
                )
            missing = wrong
        return not missing

    def _transfer(self, record: Record, choice: Choice, missing: Sequence[str]) -> None:
        from huggingface_hub import snapshot_download

        sizes = [record.tree[name].get("size") or 0 for name in missing]
        self.tracker.total_bytes = (self.tracker.total_bytes or 0) + sum(sizes)
        self.tracker.enter("download", self.source)
        seed_large_files(self, record, missing)
        with self.errors():
            self.retrying(
                lambda: snapshot_download(
                    self.repo_id,
                    repo_type=self.repo_type,
                    revision=record.facts["commit"],
                    cache_dir=self.cache.hub,
                    token=self.token,
                    endpoint=self.endpoint,
                    allow_patterns=choice.allow,
                    ignore_patterns=choice.ignore,
                    tqdm_class=client_progress(self.tracker),
                    library_name="lancenb",
                    etag_timeout=_INFO_TIMEOUT,
                )
            )
            self.remember(record.facts["commit"])

    def _verify(self, record: Record, folder: Path, names: Sequence[str]) -> list[str]:
        fresh = [name for name in names if not record.known(name, folder / name)]
        if not fresh:
            return []
        self.tracker.enter("verify", self.source)
        with disk_errors(folder):
            wrong = [name for name in fresh if not record.verify(name, folder / name)]
        record.save()
        return wrong
