"""What is known of a Hub snapshot on this disk: its tree, and which files were hashed and right."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ._files import disk_errors
from ._hub_files import git_hash
from ._partial import hash_span
from .cache import Cache

_CARD = ("license", "license_name", "license_link", "pretty_name", "task_categories", "language",
         "pipeline_tag", "library_name", "base_model", "size_categories", "gated")  # fmt: skip


class Record:
    """One JSON file per repository and commit in ``verified/`` of the cache."""

    def __init__(self, cache: Cache, repo_type: str, repo_id: str, commit: str):
        name = f"{repo_type}--{repo_id.replace('/', '--')}--{commit}.json"
        self.path = cache.folder("verified") / name
        self.facts: dict[str, Any] = {}
        self.tree: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.card: dict[str, Any] = {}
        try:
            data = json.loads(self.path.read_text("utf-8"))
            self.facts, self.tree, self.files = data["facts"], data["tree"], data["files"]
            self.card = data.get("card") or {}
        except (OSError, ValueError, KeyError, TypeError):
            pass

    def save(self) -> None:
        """Write atomically."""
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.{threading.get_ident()}.new")
        data = {
            "facts": self.facts, "tree": self.tree, "files": dict(self.files), "card": self.card,
        }  # fmt: skip
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

    def verify(self, name: str, path: Path, check: Callable[[], object] | None = None) -> bool:
        """Hash a file and compare it with what the repository promises; remember if right.

        Args:
            name: name in the repository.
            path: the file.
            check: called now and then; may raise.
        """
        promise = self.tree.get(name, {})
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            hash_span(digest, file.fileno(), 0, None, check)
        sha256 = digest.hexdigest()
        stat = path.stat()
        if promise.get("sha256"):
            right = sha256 == promise["sha256"]
        elif promise.get("oid"):
            right = git_hash(path) == promise["oid"]
        else:
            right = promise.get("size") in (None, stat.st_size)
        if right:
            self.files[name] = {
                "size": stat.st_size,
                "sha256": sha256,
                "mtime_ns": stat.st_mtime_ns,
            }
        return right


def from_info(record: Record, info: Any) -> Record:
    """Fill a record from what the Hub says about a repository at one commit."""
    for item in info.siblings or []:
        lfs = item.lfs
        record.tree[item.rfilename] = {
            "size": lfs.size if lfs else item.size,
            "sha256": lfs.sha256 if lfs else None,
            "oid": item.blob_id,
        }
    card = info.card_data.to_dict() if getattr(info, "card_data", None) else {}
    record.card = {key: card[key] for key in _CARD if card.get(key)}
    record.card["configs"] = _config_names(card)
    modified = getattr(info, "last_modified", None)
    record.facts = {
        "commit": info.sha,
        "license": card.get("license"),
        "tags": list(getattr(info, "tags", None) or card.get("tags") or []),
        "gated": bool(getattr(info, "gated", False)),
        "private": bool(getattr(info, "private", False)),
        "last_modified": modified.isoformat() if modified else None,
    }
    return record


def from_disk(record: Record, folder: Path, commit: str) -> Record:
    """Fill a record from a snapshot that another client made."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            record.tree[name] = {"size": path.stat().st_size, **_promise_of(path)}
    record.facts = {"commit": commit}
    return record


def _promise_of(path: Path) -> dict[str, str]:
    """Read the expected hash from the name of the blob that a file links to."""
    try:
        etag = os.readlink(path).replace("\\", "/").rpartition("/")[2]
    except OSError:
        return {}
    kind = {64: "sha256", 40: "oid"}.get(len(etag))
    return {kind: etag} if kind and not set(etag) - set("0123456789abcdef") else {}


def _config_names(card: dict[str, Any]) -> list[str]:
    configs = card.get("configs") or []
    if not isinstance(configs, list):
        return []
    return [str(c["config_name"]) for c in configs if isinstance(c, dict) and "config_name" in c]
