"""Files of Hub snapshots: large ones by our engine, progress of the client, exact views."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..progress import Tracker
from ._files import disk_errors, link_or_copy
from ._records import Record
from .errors import DownloadDenied
from .fetch import Fetcher

if TYPE_CHECKING:
    from ._snapshot import Snapshot

_LARGE = 4 << 20


def seed_large_files(snapshot: Snapshot, record: Record, names: Sequence[str]) -> None:
    """Fetch large LFS files into ``blobs/<sha256>``; the client then only links them.

    Resumable over a killed process, verified, retried; the token stays on the Hub's origin.
    """
    from huggingface_hub import get_token

    blobs = snapshot.home / "blobs"
    token = snapshot.token or get_token()
    for name in names:
        promise = record.tree[name]
        sha256, size = promise.get("sha256"), promise.get("size") or 0
        if not sha256 or size < _LARGE or (blobs / sha256).is_file():
            continue
        url = f"{snapshot.page}/resolve/{record.facts['commit']}/{quote(name)}"
        with disk_errors(blobs):
            blobs.mkdir(parents=True, exist_ok=True)
        try:
            fetched = Fetcher().fetch(
                url,
                blobs,
                sha256,
                sha256=sha256,
                size=size,
                token=token,
                lock=snapshot.cache.lock_path("blob", sha256),
                reuse=lambda blob=blobs / sha256, size=size: _existing(blob, size),
                tracker=snapshot.tracker,
                cancel=snapshot.cancel,
            )
            if fetched is not None and fetched.final_url:  # hashed on the way
                record.files[name] = {
                    "size": size,
                    "sha256": sha256,
                    "mtime_ns": fetched.path.stat().st_mtime_ns,
                }
        except DownloadDenied:
            return  # the client asks too and can tell gated from private


def _existing(blob: Path, size: int) -> Any:
    from ._partial import Note
    from .fetch import Fetched

    if blob.is_file() and blob.stat().st_size == size:
        return Fetched(blob, blob.name, size, Note(""), "", 0, 0, 0.0)
    return None


def client_progress(tracker: Tracker) -> type:
    """Return a class that the client takes for its progress bar and that feeds ``tracker``."""
    lock = threading.Lock()
    counted = 0

    class Bar:
        """Counts bytes; the client keeps several bars over the same bytes."""

        def __init__(self, *args: Any, **options: Any):
            self.n = options.get("initial") or 0
            self.total = options.get("total")
            self.unit = options.get("unit", "it")
            self.format_dict: dict[str, Any] = {}

        def update(self, n: float | None = 1) -> None:
            nonlocal counted
            self.n += n or 0
            if self.unit == "B":
                with lock:
                    gained = max(0, int(self.n) - counted)
                    counted += gained
                    tracker.advance(0, gained)

        def nothing(self, *args: Any, **options: Any) -> None:
            """The client also draws; this does not."""

        refresh = close = set_postfix_str = nothing
        set_description = set_description_str = set_postfix = reset = nothing

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *exc: object) -> None:
            return None

    return Bar


def forget(folder: Path, names: Sequence[str]) -> None:
    """Drop files of a snapshot together with the blobs they point to."""
    for name in names:
        path = folder / name
        blob = path.resolve()
        path.unlink(missing_ok=True)
        if blob != path and blob.parent.name == "blobs":
            blob.unlink(missing_ok=True)


def view(snapshot: Snapshot, folder: Path, names: Sequence[str]) -> Path:
    """Return a folder with exactly these files: the snapshot itself if it has no others.

    A snapshot is shared: an earlier download may have left other files of the same commit in it.
    """
    present = {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    }
    if present <= set(names):
        return folder
    key = hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:12]
    title = f"{snapshot.repo_type}--{snapshot.repo_id.replace('/', '--')}"
    target = snapshot.cache.folder("view") / f"{title}--{folder.name[:12]}--{key}"
    with snapshot.cache.lock("view", target.name, snapshot.cancel), disk_errors(target):
        for name in names:
            link = target / name
            if link.is_file():
                continue
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link_or_copy((folder / name).resolve(), link)
    return target
