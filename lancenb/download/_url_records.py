"""Notes on finished files of addresses: in the cache, and where the user wanted them."""

from __future__ import annotations

import glob
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
        return self.arrived() or self._note(self.record)

    def _note(self, path: Path) -> Meta | None:
        try:
            meta = json.loads(path.read_text("utf-8"))
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

    @property
    def _coming(self) -> Path:
        return self.record.with_name(f"{self.record.name}.coming.new")

    def announce(self, meta: Meta, part: Path) -> None:
        """Note what a file will be, before it takes its name: a kill comes right after that, too.

        Args:
            meta: the note, true as soon as the file has its name.
            part: where the file still is.
        """
        write_note(self._coming, json.dumps({**meta, "inode": part.stat().st_ino}))

    def arrived(self) -> Meta | None:
        """Return the note that a killed process has announced, if the file came by its name."""
        meta = self._note(self._coming)
        try:
            stat = (self.folder / meta["name"]).stat() if meta is not None else None
        except OSError:
            return None
        if meta is None or stat is None:
            return None
        said = (meta.pop("inode", None), meta["size"], meta.get("mtime_ns"))
        return meta if said == (stat.st_ino, stat.st_size, stat.st_mtime_ns) else None

    def unsettled(self) -> bool:
        """Whether :meth:`settle` has something to do, or somebody is at work."""
        return self._coming.exists()

    def settle(self) -> None:
        """Finish what a killed process has begun; the caller holds the lock of the address."""
        if (meta := self.arrived()) is not None:
            self.write(meta)
            self.sweep()

    def sweep(self) -> None:
        """Remove in the cache the file of an old name, then notes that nobody needs any more."""
        meta = self._read() if self.folder == self.record.parent else None
        if meta is not None and (self.folder / meta["name"]).is_file():
            for path in self.folder.iterdir():
                if not path.name.startswith(".") and path.name != meta["name"]:
                    path.unlink(missing_ok=True)
        for path in self.record.parent.glob(f"{glob.escape(self.record.name)}.*.new"):
            path.unlink(missing_ok=True)  # of another writer, too: it writes its own once more

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


def describe(url: str, fetched: Fetched, file: Path | None = None) -> Meta:
    """Return the note on a file that has just arrived, and until now is called ``file``."""
    return {
        "url": public_url(url),
        "name": fetched.path.name,
        "path": str(fetched.path),
        "sha256": fetched.sha256,
        "size": fetched.size,
        "mtime_ns": (file or fetched.path).stat().st_mtime_ns,
        "final_url": fetched.final_url,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": asdict(fetched.note),
    }
