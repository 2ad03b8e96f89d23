"""One Hub repository at one revision: resolve, transfer, verify.

The official client lists; lancenb's engine moves the bytes, because the client neither resumes
across processes nor checks hashes over HTTP. Every file is hashed once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import cached_property
from typing import Any, TypeVar

from ..errors import ChecksumMismatch, InvalidArgument, Offline
from ..progress import CancelToken, Tracker
from . import _shards
from ._endpoint import endpoint, preflight
from ._files import disk_errors, need_space
from ._hub_bodies import bring
from ._hub_client import ETAG_TIMEOUT
from ._hub_errors import hub_errors
from ._hub_files import HubFolder, forget
from ._insist import insist
from ._quiet import hide_signatures
from ._records import Record, commit_in, from_disk, from_info
from .cache import Cache
from .choose import Choice
from .errors import RevisionNotFound
from .policy import UrlPolicy

T = TypeVar("T")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PATIENCE = 8.0


class Snapshot:
    """One repository at one revision.

    Args:
        repo_id: ``owner/name``.
        repo_type: ``"model"`` or ``"dataset"``.
        revision: branch, tag or commit; default ``main``.
        commit: the commit that this revision led to when it was planned; nothing else is taken.
        token: access token; default: ``HF_TOKEN`` or the login of this user.
        cache: where files go.
        tracker: progress.
        cancel: stops it.
        policy: which addresses may be asked; the endpoint itself always may.
        hub_engine: ``auto``, ``range`` or ``official``.
    """

    def __init__(
        self,
        repo_id: str,
        repo_type: str,
        *,
        revision: str | None,
        commit: str | None = None,
        token: str | None,
        cache: Cache,
        tracker: Tracker,
        cancel: CancelToken | None,
        policy: UrlPolicy | None = None,
        hub_engine: str = "auto",
    ):
        if repo_type not in ("model", "dataset"):
            raise InvalidArgument(f"repo_type={repo_type!r}", hint="model or dataset")
        if revision is not None and (
            not re.fullmatch(r"[\w+][\w./+-]*", revision) or ".." in revision.split("/")
        ):
            raise InvalidArgument(
                f"revision={revision!r} is no name of a revision", hint="branch, tag or commit"
            )
        hide_signatures()
        self.repo_id, self.repo_type = repo_id, repo_type
        self.revision = revision
        # False tells the official client to use no token at all, not even the one of the login.
        self.token: Any = False if token is None and policy and not policy.login else token
        self.wanted = commit or revision or "main"
        self.cache, self.tracker, self.cancel = cache, tracker, cancel
        self.policy, self.hub_engine = policy, hub_engine
        self.endpoint = endpoint()
        self.source = f"hf:{repo_type}:{repo_id}"
        kind = "datasets/" if repo_type == "dataset" else ""
        self.page = f"{self.endpoint}/{kind}{repo_id}"
        self.layout = HubFolder(cache, repo_type, repo_id)
        self.home = self.layout.home
        self.revalidated = True
        self._choice: Choice | None = None

    @cached_property
    def api(self) -> Any:
        """The official client."""
        from huggingface_hub import HfApi

        return HfApi(endpoint=self.endpoint, token=self.token, library_name="lancenb")

    def known_token(self) -> str | None:
        """Return the token given, else the one of the environment or the login."""
        if self.token is not None:
            return self.token or None
        from huggingface_hub import constants, get_token

        return None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()

    def errors(self) -> AbstractContextManager[None]:
        """Map client errors in a block."""
        return hub_errors(
            self.source, self.revision, self.page, has_token=self.known_token() is not None
        )

    def local_commit(self) -> str | None:
        """Return the commit that the cache has for the revision."""
        if _COMMIT.fullmatch(self.wanted):
            return self.wanted
        return self.layout.commit_of(self.wanted)

    def remember(self, commit: str) -> None:
        """Note in the official layout which commit the asked revision leads to."""
        if not _COMMIT.fullmatch(self.wanted):
            self.layout.remember(self.wanted, commit)

    def resolve(self, *, offline: bool) -> Record:
        """Find the commit and its files, asking the Hub unless that is forbidden or needless."""
        commit = self.local_commit()
        record = Record(self.cache, self.repo_type, self.repo_id, commit) if commit else None
        pinned = _COMMIT.fullmatch(self.wanted) is not None
        if record and record.whole and (pinned or offline):
            return record
        if offline:
            if record and commit and self.layout.snapshot(commit).is_dir():
                return from_disk(record, self.layout, commit)
            raise Offline(
                f"{self.source} is not in the cache",
                hint="run it once with a network (offline=False, HF_HUB_OFFLINE unset)",
            )
        try:
            preflight(self.endpoint, self.source, self.cancel)
            return self._ask()
        except Offline:
            if record is None or not record.whole:
                raise
            self.revalidated = False
            return record

    def _ask(self) -> Record:
        try:
            return self._ask_for(self.wanted)
        except RevisionNotFound as error:
            known = self._revisions()
            if known:
                error.hint = f"it has: {', '.join(known)}; see {self.page}"
            raise

    def _revisions(self) -> list[str]:
        """Name a few revisions that there are (one request); none if that fails."""
        try:
            found = self.api.list_repo_refs(self.repo_id, repo_type=self.repo_type)
            return [ref.name for ref in (*found.branches, *found.tags)][:8]
        except Exception:  # this only makes a hint better
            return []

    def _ask_for(self, revision: str) -> Record:
        with self.errors():
            info: Any = self.retrying(
                lambda: self.api.repo_info(
                    self.repo_id,
                    repo_type=self.repo_type,
                    revision=revision,
                    files_metadata=True,
                    timeout=ETAG_TIMEOUT,
                ),
                patience=_PATIENCE,
            )
        commit = commit_in(info, revision, self.source)
        record = Record(self.cache, self.repo_type, self.repo_id, commit)
        from_info(record, info, self.source)
        record.save()
        return record

    def check_access(self, commit: str, name: str) -> None:
        """Ask the Hub about one file, so that a refusal gets its proper error."""
        from huggingface_hub import get_hf_file_metadata, hf_hub_url

        url = hf_hub_url(
            self.repo_id, name, repo_type=self.repo_type, revision=commit, endpoint=self.endpoint
        )
        with self.errors():
            self.retrying(
                lambda: get_hf_file_metadata(
                    url, token=self.token, timeout=ETAG_TIMEOUT, endpoint=self.endpoint
                )
            )

    def retrying(self, call: Callable[[], T], *, patience: float = 60.0) -> T:
        """Call, and call again after resets and overload, which the client does not.

        Args:
            call: what to do.
            patience: seconds after which no new attempt begins.
        """
        return insist(call, self.cancel, patience)

    def fetch(self, record: Record, choice: Choice, *, offline: bool, force: bool) -> bool:
        """Bring the chosen files here, verified; return whether they all were here before."""
        commit: str = record.facts["commit"]
        folder = self.layout.snapshot(commit)
        self._choice = choice
        again = force and not offline
        missing = [name for name in choice.names if again or not (folder / name).is_file()]
        if missing and (offline or not self.revalidated):
            raise Offline(
                f"{self.source} is not complete in the cache ({_absent(missing)})",
                hint="run it once with a network",
            )
        for last_chance in (False, True):
            if missing:
                preflight(self.endpoint, self.source, self.cancel)
                self._transfer(record, missing, again)
            wrong = self._verify(record, choice.names)
            if not wrong:
                break
            if offline:  # what cannot be fetched again stays, for others to look at
                raise ChecksumMismatch(
                    f"{self.source} is damaged in the cache: {', '.join(wrong[:5])}",
                    hint="run it once with a network: what is damaged is fetched again",
                )
            forget(folder, wrong)
            if last_chance:
                raise ChecksumMismatch(
                    f"{self.source}: {wrong[0]} is not what was promised; it was dropped",
                    hint="run it again; a proxy or disk on the way may damage data",
                )
            missing, again = wrong, False
        if choice.automatic:
            _shards.check(folder, choice.names, self.source)
        return not missing

    def _transfer(self, record: Record, missing: Sequence[str], again: bool) -> None:
        sizes = [record.tree[name].get("size") or 0 for name in missing]
        self.tracker.total_bytes = (self.tracker.total_bytes or 0) + sum(sizes)
        self.tracker.enter("download", self.source)
        with disk_errors(self.layout.blobs):
            self.layout.blobs.mkdir(parents=True, exist_ok=True)
            need_space(self.layout.blobs, self._to_come(record, missing))
        try:
            bring(self, record, missing, again=again)
        finally:
            record.save()
        self.remember(record.facts["commit"])

    def _to_come(self, record: Record, missing: Sequence[str]) -> int:
        """Return the bytes that are not on this disk in any form."""
        commit, total = record.facts["commit"], 0
        for name in missing:
            promise = record.tree[name]
            if not self.layout.has(name, commit, promise):
                total += promise.get("size") or 0
        for part in self.layout.blobs.glob(".*.part"):
            with suppress(OSError):  # another download of the same files has just ended it
                total -= part.stat().st_blocks * 512
        return max(0, total)

    def look_at_indexes(self, record: Record) -> None:
        """Refuse sharded weights with missing shards before any large file moves."""
        if self._choice is not None and self._choice.automatic:
            folder = self.layout.snapshot(record.facts["commit"])
            _shards.check_names(folder, self._choice.names, record.tree, self.source)

    def _verify(self, record: Record, names: Sequence[str]) -> list[str]:
        folder = self.layout.snapshot(record.facts["commit"])
        fresh = [name for name in names if not record.known(name, folder / name)]
        if not fresh:
            return []
        self.tracker.enter("verify", self.source)
        with disk_errors(folder):
            wrong = [n for n in fresh if not record.verify(n, folder / n, self.tracker.advance)]
        record.save()
        return wrong


def _absent(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is missing"
    return f"{len(names):,} files are missing, such as {names[0]}"
