"""What is known of a Hub snapshot on this disk: its tree, and which files were hashed and right."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import DownloadFailed
from ._files import write_note
from ._hub_files import HubFolder, git_hash
from ._partial import hash_span
from .cache import Cache
from .choose import WEIGHT_SUFFIXES

_CARD = ("license", "license_name", "license_link", "pretty_name", "task_categories", "language",
         "pipeline_tag", "library_name", "base_model", "size_categories", "gated")  # fmt: skip
_HEX = {length: re.compile(f"[0-9a-f]{{{length}}}") for length in (40, 64)}
_SHARD = re.compile(r"(.*)-(\d{3,6})-of-(\d{3,6})(?:-[0-9a-f]{16})?(\.[^/]*|)")
_MOST_BYTES, _MOST_SHARDS = 1 << 60, 100_000


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

    @property
    def whole(self) -> bool:
        """Whether the tree is all that the repository has, not only what is on this disk."""
        return bool(self.tree) and self.facts.get("complete") != "unknown"

    def save(self) -> None:
        """Write atomically."""
        data = {
            "facts": self.facts, "tree": self.tree, "files": dict(self.files), "card": self.card,
        }  # fmt: skip
        write_note(self.path, json.dumps(data))

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


def commit_in(info: Any, asked: str, source: str) -> str:
    """Return the commit that an answer is about.

    Raises:
        DownloadFailed: it is none, or not the one that was asked for.
    """
    commit = info.sha
    if not isinstance(commit, str) or not _HEX[40].fullmatch(commit):
        raise _nonsense(source, f"it names the commit {str(commit)[:80]!r}")
    if _HEX[40].fullmatch(asked) and commit != asked:
        raise _nonsense(source, f"asked for {asked}, it answers with the commit {commit}")
    return commit


def from_info(record: Record, info: Any, source: str) -> Record:
    """Fill a record from what the Hub says about a repository at one commit.

    Args:
        record: what to fill.
        info: the answer, as the official client parsed it.
        source: the repository, for messages.

    Raises:
        DownloadFailed: the answer holds what is no name, size or hash. These become paths.
    """
    record.tree = {}
    for item in info.siblings or []:
        name, lfs = item.rfilename, item.lfs
        if not isinstance(name, str):
            raise _nonsense(source, "a file has no name")
        record.tree[name] = {
            "size": _size(lfs.size if lfs else item.size, source, name),
            "sha256": _hash(lfs.sha256, 64, source, name) if lfs else None,
            "oid": _hash(item.blob_id, 40, source, name),
        }
    card = info.card_data.to_dict() if getattr(info, "card_data", None) else {}
    record.card = {key: card[key] for key in _CARD if card.get(key)}
    record.card["configs"] = _config_names(card)
    modified = getattr(info, "last_modified", None)
    record.facts = {
        "commit": commit_in(info, "", source),
        "license": card.get("license"),
        "tags": list(getattr(info, "tags", None) or card.get("tags") or []),
        "gated": bool(getattr(info, "gated", False)),
        "private": bool(getattr(info, "private", False)),
        "last_modified": modified.isoformat() if modified else None,
    }
    return record


def from_disk(record: Record, layout: HubFolder, commit: str) -> Record:
    """Fill a record from a snapshot that another client made.

    What the repository holds is in the listing that newer clients keep; without one it is not
    known, except that a file ``-00001-of-00002`` has a sister.
    """
    listed = _tree_of_client(layout.home / "trees" / f"{commit}.json")
    if listed:
        record.tree, record.facts = listed, {"commit": commit}
        return record
    folder = layout.snapshot(commit)
    record.tree = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            record.tree[name] = {"size": path.stat().st_size, **_promise_of(path)}
    for name in _absent_shards(list(record.tree)):
        record.tree[name] = {"size": None}
    record.facts = {"commit": commit, "complete": "unknown", "revalidated": False}
    return record


def _tree_of_client(path: Path) -> dict[str, dict[str, Any]]:
    """Read the listing that ``huggingface_hub`` keeps of a commit; empty if there is none."""
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["format_version"] != 1:
            return {}
        return {
            name: {
                "size": _size(item.get("lfs_size") or item["size"], "", name),
                "sha256": _hash(item.get("lfs_sha256"), 64, "", name),
                "oid": _hash(item.get("blob_id"), 40, "", name),
            }
            for name, item in data["files"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    except DownloadFailed:  # damaged: it promises nothing
        return {}


def _absent_shards(names: Iterable[str]) -> list[str]:
    """Name the files that belong to numbered ones, and are not here.

    >>> _absent_shards(["model-00001-of-00002.safetensors", "a/train-00000-of-00002.csv"])
    ['model-00002-of-00002.safetensors', 'a/train-00001-of-00002.csv']
    """
    held: dict[tuple[str, str, str], dict[int, int]] = {}
    for name in names:
        if found := _SHARD.fullmatch(name):
            stem, number, total, suffix = found.groups()
            held.setdefault((stem, total, suffix), {})[int(number)] = len(number)
    absent = []
    for (stem, total, suffix), numbers in held.items():
        count, width = int(total), max(numbers.values())
        if not 0 < count <= _MOST_SHARDS or max(numbers) > count:
            continue
        from_one = 0 not in numbers and (count in numbers or suffix.endswith(WEIGHT_SUFFIXES))
        for number in range(from_one, count + from_one):
            if number not in numbers:
                absent.append(f"{stem}-{number:0{width}d}-of-{total}{suffix}")
    return absent


def _size(value: Any, source: str, name: str) -> int | None:
    if value is None or (type(value) is int and 0 <= value < _MOST_BYTES):
        return value
    raise _nonsense(source, f"{name[:100]!r} has the size {str(value)[:40]}")


def _hash(value: Any, length: int, source: str, name: str) -> str | None:
    if value is None or (isinstance(value, str) and _HEX[length].fullmatch(value)):
        return value
    raise _nonsense(source, f"{name[:100]!r} has the hash {str(value)[:80]!r}")


def _nonsense(source: str, what: str) -> DownloadFailed:
    return DownloadFailed(
        f"what the Hub says of {source} cannot be right: {what}",
        hint="HF_ENDPOINT may be set to a faulty mirror; nothing was downloaded",
    )


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
