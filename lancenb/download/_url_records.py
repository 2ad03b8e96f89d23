"""Notes on finished files of addresses: in the cache, and where the user wanted them."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ._files import write_note
from ._names import public_url, url_key
from ._partial import Note, hash_file
from .cache import Cache
from .fetch import Fetched

_META = ".meta.json"  # safe names never begin with a dot
Meta = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where one address goes and where the note on it is.

    Attributes:
        folder: folder of the file.
        name: its name there; None for what the server proposes.
        record: the note.
    """

    folder: Path
    name: str | None
    record: Path

    @classmethod
    def in_cache(cls, cache: Cache, url: str) -> Place:
        """Return the place of ``url`` in the cache."""
        return cls.at(cache.folder("url") / url_key(url))

    @classmethod
    def at(cls, home: Path) -> Place:
        """Return the place of a folder of the cache."""
        return cls(home, None, home / _META)

    @classmethod
    def of_target(cls, cache: Cache, url: str, to: Path) -> Place:
        """Return the place of ``url`` at a target of the user: file, or existing folder."""
        to = to.absolute()
        folder, name = (to, None) if to.is_dir() else (to.parent, to.name)
        key = hashlib.sha256(f"{url}\n{folder}\n{name or ''}".encode()).hexdigest()[:16]
        return cls(folder, name, cache.folder("placed") / f"{key}.json")

    def read(self, expected: str | None) -> Meta | None:
        """Return the note on a finished, undamaged file, if there is one of the expected hash."""
        meta = self._read()
        if meta is None or (expected and not meta["sha256"].startswith(expected)):
            return None
        path = self.folder / meta["name"]
        try:
            stat = path.stat()
        except OSError:
            return None
        if stat.st_size != meta["size"]:
            return None
        if stat.st_mtime_ns != meta.get("mtime_ns"):
            if hash_file(path).hexdigest() != meta["sha256"]:
                return None
            meta["mtime_ns"] = stat.st_mtime_ns
            self.write(meta)
        return meta

    def _read(self) -> Meta | None:
        try:
            meta = json.loads(self.record.read_text("utf-8"))
            if not isinstance(meta, dict) or not {"name", "sha256", "size", "note"} <= set(meta):
                return None
            Note.of(meta["note"])
        except (OSError, ValueError, TypeError, RecursionError):  # damaged, of another version
            return None
        return meta if self._owns(meta["name"]) and _plausible(meta) else None

    def _owns(self, name: object) -> bool:
        """Whether a file of this name can be one that was put into this folder.

        Somebody else may have written the note: its name must not lead out of the folder.
        """
        if self.name is not None:
            return name == self.name
        return (
            isinstance(name, str)
            and not name.startswith(".")
            and name == name.strip()
            and bool(name)
            and not set(name) & set("/\\\0:")
        )

    def names(self, path: Path) -> bool:
        """Whether the note speaks of the file at ``path``, changed since or not."""
        meta = self._read()
        return meta is not None and self.folder / meta["name"] == path

    def write(self, meta: Meta) -> None:
        """Write the note atomically."""
        write_note(self.record, json.dumps(meta, indent=1))

    def fetched(self, meta: Meta) -> Fetched:
        """Return the file of a note as if it had just arrived, but without an address."""
        note = Note(**meta["note"])
        return Fetched(
            self.folder / meta["name"], meta["sha256"], meta["size"], note, "", 0, 0, 0.0
        )


def _plausible(meta: Meta) -> bool:
    return (
        isinstance(meta["sha256"], str)
        and re.fullmatch(r"[0-9a-f]{64}", meta["sha256"]) is not None
        and type(meta["size"]) is int
    )


def describe(url: str, fetched: Fetched) -> Meta:
    """Return the note on a file that has just arrived."""
    return {
        "url": public_url(url),
        "name": fetched.path.name,
        "path": str(fetched.path),
        "sha256": fetched.sha256,
        "size": fetched.size,
        "mtime_ns": fetched.path.stat().st_mtime_ns,
        "final_url": fetched.final_url,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": asdict(fetched.note),
    }
