"""What is known of a Hub snapshot on this disk: its tree, and which files were hashed and right."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ._files import disk_errors
from ._partial import hash_file
from .cache import Cache


class Record:
    """One JSON file per repository and commit in ``verified/`` of the cache."""

    def __init__(self, cache: Cache, repo_type: str, repo_id: str, commit: str):
        name = f"{repo_type}--{repo_id.replace('/', '--')}--{commit}.json"
        self.path = cache.folder("verified") / name
        self.facts: dict[str, Any] = {}
        self.tree: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        try:
            data = json.loads(self.path.read_text("utf-8"))
            self.facts, self.tree, self.files = data["facts"], data["tree"], data["files"]
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def save(self) -> None:
        """Write atomically."""
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.new")
        data = {"facts": self.facts, "tree": self.tree, "files": self.files}
        with disk_errors(fresh):
            fresh.write_text(json.dumps(data), "utf-8")
            os.replace(fresh, self.path)

    def known(self, name: str, path: Path) -> bool:
        """Whether this very file was hashed and found right before."""
        seen = self.files.get(name)
        try:
            stat = path.stat()
        except OSError:
            return False
        return seen is not None and (seen["size"], seen["mtime_ns"]) == (
            stat.st_size,
            stat.st_mtime_ns,
        )

    def verify(self, name: str, path: Path) -> bool:
        """Hash a file and compare it with what the repository promises; remember if right."""
        promise = self.tree.get(name, {})
        sha256 = hash_file(path).hexdigest()
        stat = path.stat()
        if promise.get("sha256"):
            right = sha256 == promise["sha256"]
        elif promise.get("oid") and stat.st_size == promise.get("size"):
            blob = hashlib.sha1(b"blob %d\0" % stat.st_size, usedforsecurity=False)
            blob.update(path.read_bytes())
            right = blob.hexdigest() == promise["oid"]
        else:
            right = promise.get("size") in (None, stat.st_size)
        if right:
            self.files[name] = {
                "size": stat.st_size,
                "sha256": sha256,
                "mtime_ns": stat.st_mtime_ns,
            }
        return right
