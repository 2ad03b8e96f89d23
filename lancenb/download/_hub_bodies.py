"""The bytes of a snapshot's files: several at a time, resumed, verified, then linked.

lancenb's own engine puts content into ``blobs/`` only when its hash is right, so that nothing
wrong ever lies where another client would find it. The official client moves the bytes only where
it must (no hash known), where xet can deliver, or where it was asked to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import Cancelled, ChecksumMismatch, DownloadFailed, InvalidArgument, OutOfSpace
from ..progress import CancelToken, Tracker
from ._files import disk_errors
from ._hub_client import fetch_by_client, xet_files, xet_is_on
from ._hub_files import git_hash
from ._names import public_url
from ._partial import Note
from ._records import Record
from .choose import WEIGHT_SUFFIXES
from .errors import DownloadDenied
from .fetch import Fetched, Fetcher
from .policy import UrlPolicy

if TYPE_CHECKING:
    from ._snapshot import Snapshot

LARGE = 4 << 20
_SMALL_AT_ONCE, _LARGE_AT_ONCE = 8, 3
_FRESH_SIGNATURES = 3


def bring(snapshot: Snapshot, record: Record, names: Sequence[str], *, again: bool = False) -> None:
    """Bring these files of the record's commit into the snapshot folder.

    Descriptions come first: they say what the weights must be. With ``again`` files that are here
    are fetched too; they stay in their place until the new ones are complete.
    """
    bodies = _Bodies(snapshot, record, again)
    sizes = {name: record.tree[name].get("size") or 0 for name in names}
    large = sorted((name for name in names if sizes[name] >= LARGE), key=lambda n: -sizes[n])
    small = [name for name in names if sizes[name] < LARGE]
    weights = [name for name in small if name.lower().endswith(WEIGHT_SUFFIXES)]
    bodies.choose(names, large)
    bodies.bring([name for name in small if name not in set(weights)], _SMALL_AT_ONCE)
    snapshot.look_at_indexes(record)
    bodies.bring(weights, _SMALL_AT_ONCE)
    bodies.bring(large, _LARGE_AT_ONCE)


class _Bodies:
    """One transfer of files of one commit."""

    def __init__(self, snapshot: Snapshot, record: Record, again: bool):
        self.snapshot, self.record, self.again = snapshot, record, again
        self.commit: str = record.facts["commit"]
        self.stop = CancelToken()
        self.tracker = _Shared(snapshot.tracker, self.stop)
        self.policy = trusting(snapshot.policy, snapshot.endpoint)
        self.by_client: set[str] = set()
        self.token = snapshot.known_token()

    def choose(self, names: Sequence[str], large: list[str]) -> None:
        """Decide which files the official client fetches."""
        snapshot, tree = self.snapshot, self.record.tree
        self.by_client = {name for name in names if snapshot.layout.blob(tree[name]) is None}
        if not self.policy.allow_private:
            if self.by_client or snapshot.hub_engine == "official":
                raise InvalidArgument(
                    "the Hub's client cannot be held to a policy that checks addresses",
                    hint="hub_engine='range'; and an endpoint that lists the files' hashes",
                )
        elif snapshot.hub_engine == "official":
            self.by_client = set(names)
        elif snapshot.hub_engine == "auto" and large and xet_is_on():
            self.by_client |= xet_files(snapshot, self.record, large)

    def bring(self, names: Sequence[str], threads: int) -> None:
        """Bring files, so many at a time."""
        _at_once(self.bring_one, names, threads, self.snapshot.cancel, self.stop)

    def bring_one(self, name: str) -> None:
        """Bring one file."""
        if name not in self.by_client:
            self._by_range(name)
            return
        if self.snapshot.hub_engine == "official" or not self.snapshot.layout.blob(
            self.record.tree[name]
        ):
            fetch_by_client(self.snapshot, self.commit, name, self.tracker, self.again)
            return
        try:
            fetch_by_client(self.snapshot, self.commit, name, self.tracker, self.again)
        except (Cancelled, OutOfSpace, DownloadDenied):
            raise
        except DownloadFailed:  # xet is one way, not the only one
            self._by_range(name)

    def _by_range(self, name: str) -> None:
        """Fetch with our own engine, asking for a fresh signature when one has expired."""
        denied: DownloadDenied | None = None
        for _ in range(_FRESH_SIGNATURES):
            try:
                self._fetch(name)
                return
            except DownloadDenied as error:
                self.snapshot.check_access(self.commit, name)  # tells gated, private, bad token
                denied = error
        raise DownloadFailed(
            f"{self.snapshot.source}: the content server refuses {name}, though the Hub allows it",
            hint="run it again later; what has arrived is kept",
        ) from denied

    def _fetch(self, name: str) -> None:
        snapshot, promise = self.snapshot, self.record.tree[name]
        layout, size = snapshot.layout, promise.get("size")
        blob = layout.blob(promise)
        assert blob is not None
        sha256, waiting = promise.get("sha256"), blob.with_name(f".{blob.name}.new")
        url = f"{snapshot.page}/resolve/{self.commit}/{quote(name)}"

        def reuse() -> Fetched | None:
            if sha256 is None and waiting.is_file():  # killed before it was known to be right
                with suppress(ChecksumMismatch):
                    _keep_if_right(waiting, blob, snapshot.source, name)
            if not self.again and blob.is_file() and size in (None, blob.stat().st_size):
                return Fetched(blob, "", blob.stat().st_size, Note(""), "", 0, 0, 0.0)
            return None

        def keep(fetched: Fetched) -> None:
            if sha256 is None:
                _keep_if_right(fetched.path, blob, snapshot.source, name)

        for last_chance in (False, True):
            try:
                fetched = Fetcher(self.policy).fetch(
                    url, layout.blobs, blob.name if sha256 else waiting.name,
                    sha256=sha256 or False, size=size, token=self.token, lock=layout.lock(blob),
                    reuse=reuse, keep=keep, tracker=self.tracker, cancel=self.stop,
                )  # fmt: skip
                break
            except ChecksumMismatch:
                if sha256 or last_chance:  # with a sha256 the engine has tried twice itself
                    raise
        assert fetched is not None
        path = layout.link(blob, self.commit, name)
        if fetched.sha256:
            self.record.files[name] = {
                "size": fetched.size,
                "sha256": fetched.sha256,
                "mtime_ns": path.stat().st_mtime_ns,
            }


def trusting(policy: UrlPolicy | None, endpoint: str) -> UrlPolicy:
    """Return the policy with the operator's own endpoint exempt from the check of addresses."""
    policy = policy or UrlPolicy()
    if policy.allow_private:
        return policy
    return replace(policy, trusted=(*policy.trusted, public_url(endpoint)))


def _keep_if_right(path: Path, blob: Path, source: str, name: str) -> None:
    """Move content to its blob if git's hash is the promised one."""
    with disk_errors(path):
        right = git_hash(path) == blob.name
        if right:
            path.replace(blob)
            return
        path.unlink(missing_ok=True)
    raise ChecksumMismatch(
        f"{source}: {name} is not what was promised; nothing was kept",
        hint="run it again; a proxy or mirror on the way may damage data",
    )


class _Shared(Tracker):
    """One tracker for several threads: counts under a lock; the phase was announced before."""

    def __init__(self, real: Tracker, stop: CancelToken):
        self._real, self._stop = real, stop
        self._lock = threading.RLock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            setattr(self._real, name, value)

    def advance(self, rows: int = 0, nbytes: int = 0, message: str = "") -> None:
        """Add work done."""
        self._stop.check()
        with self._lock:
            self._real.advance(rows, nbytes, message)

    def enter(self, phase: str, message: str = "") -> None:
        """Only check for a stop: an event per file would be too many."""
        self.advance()


def _at_once(
    work: Callable[[str], None],
    names: Sequence[str],
    threads: int,
    cancel: CancelToken | None,
    stop: CancelToken,
) -> None:
    """Run ``work`` for all names; the first failure, or ``cancel``, stops the others."""
    if not names:
        return
    with ThreadPoolExecutor(min(threads, len(names)), "lancenb-hub") as pool:
        waiting: set[Future[None]] = {pool.submit(work, name) for name in names}
        try:
            while waiting:
                done, waiting = wait(waiting, 0.2, FIRST_EXCEPTION)
                if cancel is not None:
                    cancel.check()
                for future in done:
                    future.result()
        finally:
            if waiting:
                stop.cancel()
                for future in waiting:
                    future.cancel()
