"""Where rows come from: a local folder, or one commit of a repository."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from ._repo_files import FolderFiles, HubFiles
from ._snapshot import Snapshot
from .result import local_files


class Folder:
    """A local folder as a source of rows."""

    answers = True

    def __init__(self, path: Path):
        self.path, self.name = path, str(path)
        self.title = title_of(path.name)
        digest = hashlib.sha256()
        for item in local_files(path):
            digest.update(f"{item.name}|{item.size}|{item.path.stat().st_mtime_ns}\n".encode())
        self.state = digest.hexdigest()[:40]
        self.facts: dict[str, Any] = {"source": self.name}
        self.revision = None

    def files(self, work: Path) -> FolderFiles:
        """Return its files."""
        return FolderFiles(self.path)

    def remember(self) -> None:
        """Do nothing."""

    def origin(self, names: list[str]) -> list[dict[str, Any]]:
        """Return names and sizes of files."""
        return [{"name": n, "size": (self.path / n).stat().st_size} for n in names]


class Repo:
    """A repository of the Hub as a source of rows."""

    def __init__(self, name: str, snapshot: Snapshot, offline: bool, force: bool):
        self.name, self.title, self.snapshot, self.force = name, title_of(name), snapshot, force
        self.record = snapshot.resolve(offline=offline)
        self.answers = snapshot.revalidated and not offline
        self.state: str = self.record.facts["commit"]
        self.revision = snapshot.revision
        self.facts = {
            "source": snapshot.source,
            "endpoint": snapshot.endpoint,
            "repo_id": name,
            "repo_type": "dataset",
            "revision": snapshot.revision or "main",
            **self.record.facts,
        }

    def files(self, work: Path) -> HubFiles:
        """Return its files, which come when they are needed."""
        return HubFiles(self.snapshot, self.record, work, self.force)

    def remember(self) -> None:
        """Note what the revision leads to, for times without a network."""
        if self.answers:
            self.snapshot.remember(self.state)

    def origin(self, names: list[str]) -> list[dict[str, Any]]:
        """Return names, sizes and promised hashes of files."""
        found = []
        for name in names:
            promise = self.record.tree.get(name, {})
            kind = "sha256" if promise.get("sha256") else "git_sha1"
            digest = promise.get("sha256") or promise.get("oid")
            found.append({"name": name, "size": promise.get("size"), kind: digest})
        return found


def title_of(name: str) -> str:
    """Return the part of a key that people recognise."""
    return re.sub(r"[^\w.-]+", "--", name)[-60:]
