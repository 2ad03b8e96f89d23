"""Hub snapshots on this disk, in the layout that huggingface_hub documents.

``models--owner--name/`` holds ``blobs/<etag>`` (sha256 of LFS files, git hash of others),
``snapshots/<commit>/<path>`` (links to blobs) and ``refs/<branch>`` (commit).
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ._files import disk_errors, link_or_copy, write_note
from .cache import Cache

if TYPE_CHECKING:
    from ._snapshot import Snapshot

_BLOCK = 1 << 20
_COMMIT, _ETAG = re.compile(r"[0-9a-f]{40}"), re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class HubFolder:
    """Places of one repository in a Hub cache.

    Args:
        cache: whose Hub folder.
        repo_type: ``model`` or ``dataset``.
        repo_id: ``owner/name``.
    """

    def __init__(self, cache: Cache, repo_type: str, repo_id: str):
        folder = f"{repo_type}s--{repo_id.replace('/', '--')}"
        self.home = cache.hub / folder
        self.blobs = self.home / "blobs"
        self._locks = cache.hub / ".locks" / folder

    def snapshot(self, commit: str) -> Path:
        """Return the folder of a commit's files."""
        return self.home / "snapshots" / commit

    def blob(self, promise: dict[str, Any]) -> Path | None:
        """Return where the content of a file belongs, None when its hash is not known."""
        etag = promise.get("sha256") or promise.get("oid")
        return self.blobs / etag if etag and _ETAG.fullmatch(etag) else None

    def lock(self, blob: Path) -> Path:
        """Return the lock that the official client takes for this content, too."""
        return self._locks / f"{blob.name}.lock"

    def has(self, name: str, commit: str, promise: dict[str, Any]) -> bool:
        """Whether the file is here, linked or not."""
        if (self.snapshot(commit) / name).is_file():
            return True
        blob = self.blob(promise)
        if blob is None or not blob.is_file():
            return False
        with suppress(OSError):  # cleared while we look
            return blob.stat().st_size == promise.get("size")
        return False

    def commit_of(self, ref: str) -> str | None:
        """Return the commit that a branch or tag led to when it was asked last."""
        try:
            commit = (self.home / "refs" / ref).read_text("utf-8").strip()
        except (OSError, ValueError):
            return None
        return commit if _COMMIT.fullmatch(commit) else None  # it becomes a path

    def remember(self, ref: str, commit: str) -> None:
        """Note which commit a branch or tag leads to."""
        path = self.home / "refs" / ref
        if self.commit_of(ref) == commit:
            return
        # in refs/ a client would take what a kill leaves for a branch, and the cache for damaged
        write_note(path, commit, beside=self.blobs / f".ref-{quote(ref, safe='')}")

    def link(self, blob: Path, commit: str, name: str) -> Path:
        """Make the content appear as a file of the commit (moved where links are not possible)."""
        path = self.snapshot(commit) / name
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.is_file() and (path.is_symlink() or not blob.is_file()):
                return path
            # Beside, then in one step: others who link the same file never see it gone.
            fresh = self.blobs / f".{blob.name}.{uuid.uuid4().hex}.link"
            try:
                fresh.symlink_to(os.path.relpath(blob, path.parent))
            except OSError:  # pragma: no cover (Windows without the right to link)
                fresh = blob
            os.replace(fresh, path)
        return path


def git_hash(path: Path) -> str:
    """Return the SHA-1 under which git stores a file's content.

    Source: git-hash-object(1); the word blob, the size and a zero byte go before the content.
    """
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def forget(folder: Path, names: Iterable[str]) -> None:
    """Drop files of a snapshot together with the blobs of this repository they point to."""
    home = Path(os.path.abspath(folder)).parent.parent
    for name in names:
        path = folder / name
        blob = path.parent / os.readlink(path) if path.is_symlink() else None
        path.unlink(missing_ok=True)
        if blob is None or Path(os.path.abspath(blob)).parent != home / "blobs":
            continue  # what a link to elsewhere leads to is not ours
        content = blob.resolve()
        blob.unlink(missing_ok=True)
        if content.is_relative_to(home.resolve()):
            content.unlink(missing_ok=True)


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
