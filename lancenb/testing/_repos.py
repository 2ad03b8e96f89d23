"""The content of the local Hub: repositories, commits, files with git and LFS hashes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ._blobs import Blob, Blobs, goes_to_lfs
from ._card import card_of

KINDS = {"model": "", "dataset": "datasets/", "space": "spaces/"}


@dataclass(frozen=True)
class Entry:
    """One file of a commit.

    Attributes:
        path: inside the repository.
        data: where its content is.
        size: in bytes.
        oid: git hash: of the content, or of the LFS pointer.
        sha256: of the content, for files in LFS; else None.
    """

    path: str
    data: Path
    size: int
    oid: str
    sha256: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the tree listing's form."""
        item: dict[str, Any] = {
            "type": "file",
            "oid": self.oid,
            "size": self.size,
            "path": self.path,
        }
        if self.sha256:
            pointer = len(lfs_pointer(self.sha256, self.size))
            item["lfs"] = {"oid": self.sha256, "size": self.size, "pointerSize": pointer}
        return item


def lfs_pointer(sha256: str, size: int) -> bytes:
    """Return what git keeps instead of a file in LFS."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    ).encode()


def git_hash(content: bytes) -> str:
    """Return the hash that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def make_entry(path: str, blob: Blob, *, lfs: bool | None = None) -> Entry:
    """Enter content under a path, in git or in LFS as the Hub would."""
    if lfs is None:
        lfs = goes_to_lfs(path, blob.size, blob.sample)
    if not lfs:
        return Entry(path, blob.path, blob.size, blob.sha1, None)
    oid = git_hash(lfs_pointer(blob.sha256, blob.size))
    return Entry(path, blob.path, blob.size, oid, blob.sha256)


@dataclass(frozen=True)
class Commit:
    """One commit: its words and where it comes from."""

    sha: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str


@dataclass
class Repo:
    """A repository with its commits, branches and tags.

    Attributes:
        kind: ``model``, ``dataset`` or ``space``.
        name: ``owner/name``.
        blobs: where content is kept.
        private: only its owner and the Hub's members see it.
        gated: everyone sees it, only they read its files; ``True`` is ``"auto"``.
        card: metadata to show instead of that of the README.
        commits: the files of every commit.
        history: the words of every commit.
        refs: branch -> commit.
        tags: tag -> commit.
        created: when.
        lock: held while a branch gets a new commit.
    """

    kind: str
    name: str
    blobs: Blobs = field(repr=False)
    private: bool = False
    gated: bool | str = False
    card: dict[str, Any] = field(default_factory=dict)
    commits: dict[str, dict[str, Entry]] = field(default_factory=dict)
    history: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    created: str = field(default_factory=lambda: _now())
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @property
    def owner(self) -> str:
        """The user or organisation it belongs to."""
        return self.name.rpartition("/")[0]

    @property
    def prefix(self) -> str:
        """What the address of a page of this kind begins with."""
        return KINDS[self.kind]

    def commit(
        self,
        files: Mapping[str, bytes | Path],
        ref: str = "main",
        keep: bool = True,
        *,
        delete: Iterable[str] = (),
        title: str = "Add files",
        message: str = "",
        author: str = "ann",
    ) -> str:
        """Add a commit.

        Args:
            files: content, or the file that holds it now, by path.
            ref: branch; made when there is none.
            keep: keep the files that the branch has.
            delete: paths to leave out.
            title: first line of the message.
            message: the rest of it.
            author: who did it.

        Returns:
            The hash of the commit.
        """
        entries = [make_entry(path, self.blobs.add(data)) for path, data in files.items()]
        with self.lock:
            tree = dict(self.commits[self.refs[ref]]) if keep and ref in self.refs else {}
            for path in delete:
                del tree[path]
            tree |= {entry.path: entry for entry in entries}
            return self.commit_tree(tree, ref, title=title, message=message, author=author)

    def commit_tree(
        self, tree: dict[str, Entry], ref: str, *, title: str, message: str, author: str
    ) -> str:
        """Make ``tree`` the newest commit of a branch and return the hash."""
        parent = self.refs.get(ref)
        text = "\n".join(f"{path} {tree[path].oid}" for path in sorted(tree))
        seed = f"{self.kind} {self.name} {parent} {len(self.commits)} {title} {text}"
        sha = hashlib.sha1(seed.encode(), usedforsecurity=False).hexdigest()
        self.commits[sha] = tree
        self.history[sha] = Commit(sha, parent, title, message, author, _now())
        self.refs[ref] = sha
        return sha

    def resolve(self, revision: str) -> str | None:
        """Return the commit of a branch, tag or commit hash."""
        for prefix, names in (("refs/heads/", self.refs), ("refs/tags/", self.tags)):
            for name in (revision, revision.removeprefix(prefix)):
                if name in names:
                    return names[name]
        return revision if revision in self.commits else None

    def log(self, sha: str) -> list[Commit]:
        """Return the commits that led to ``sha``, newest first."""
        found: list[Commit] = []
        at: str | None = sha
        while at is not None:
            found.append(self.history[at])
            at = self.history[at].parent
        return found

    def last_change(self, sha: str, path: str) -> Commit:
        """Return the commit that gave a file or folder the content it has in ``sha``."""
        changed, before = self.history[sha], self._state(sha, path)
        for commit in self.log(sha)[1:]:
            if self._state(commit.sha, path) != before:
                break
            changed = commit
        return changed

    def _state(self, sha: str, path: str) -> list[tuple[str, str]]:
        return [
            (name, entry.oid)
            for name, entry in sorted(self.commits[sha].items())
            if name == path or name.startswith(path + "/")
        ]

    def metadata(self, sha: str) -> dict[str, Any]:
        """Return the metadata of the card at a commit."""
        readme = self.commits[sha].get("README.md")
        return self.card or (card_of(readme.data.read_bytes()) if readme else {})


class Repos:
    """All repositories of a Hub.

    Args:
        blobs: where content is kept.

    Attributes:
        lock: held while repositories change.
        moved: old kind and name -> new name.
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.lock = threading.RLock()
        self.moved: dict[tuple[str, str], str] = {}
        self._repos: dict[tuple[str, str], Repo] = {}

    def create(self, kind: str, name: str, **options: Any) -> Repo:
        """Make an empty repository.

        Args:
            kind: ``model``, ``dataset`` or ``space``.
            name: ``owner/name``.
            **options: ``private``, ``gated``, ``card`` of :class:`Repo`.
        """
        if kind not in KINDS:
            raise ValueError(f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
        repo = Repo(kind, name, self.blobs, **options)
        with self.lock:
            self._repos[kind, name] = repo
            self.moved.pop((kind, name), None)
        return repo

    def import_folder(self, kind: str, name: str, folder: str | Path, **options: Any) -> Repo:
        """Make a repository with one commit of a folder's files.

        Args:
            kind: ``model``, ``dataset`` or ``space``.
            name: ``owner/name``.
            folder: where the files are; they are copied (those of 64 MiB and more are linked).
            **options: ``private``, ``gated``, ``card`` of :class:`Repo`.
        """
        folder = Path(folder)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        repo = self.create(kind, name, **options)
        repo.commit({path.relative_to(folder).as_posix(): path for path in files})
        return repo

    def get(self, kind: str, name: str) -> Repo | None:
        """Return a repository."""
        return self._repos.get((kind, name))

    def all(self, kind: str) -> list[Repo]:
        """Return the repositories of a kind, oldest first."""
        return [repo for (found, _), repo in list(self._repos.items()) if found == kind]

    def delete(self, repo: Repo) -> None:
        """Forget a repository."""
        with self.lock:
            del self._repos[repo.kind, repo.name]

    def move(self, repo: Repo, name: str) -> None:
        """Rename a repository; its old address leads to the new one."""
        with self.lock:
            del self._repos[repo.kind, repo.name]
            self.moved[repo.kind, repo.name] = name
            repo.name = name
            self._repos[repo.kind, name] = repo


def _now() -> str:
    now = datetime.fromtimestamp(time.time(), UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
