"""The unfinished file of a download and the note beside it that makes resuming safe."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

_BLOCK = 1 << 20


@dataclass
class Note:
    """What the server said about the bytes that have arrived.

    Attributes:
        url: address without query (for people).
        etag: strong validator, or None.
        modified: ``Last-Modified`` as sent, or None.
        total: size of the whole file, or None.
    """

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str | None:
        """Value for ``If-Range``: a strong ETag, else the modification time."""
        return self.etag or self.modified


class Partial:
    """``NAME.part`` with ``NAME.part.json``; survives a killed process."""

    def __init__(self, path: Path):
        self.path = path
        self.note_path = path.with_name(path.name + ".json")

    def load(self) -> tuple[int, Note | None]:
        """Return how many bytes are here and the note on them (0, None when unusable)."""
        try:
            note = Note(**json.loads(self.note_path.read_text("utf-8")))
            return self.path.stat().st_size, note
        except (OSError, ValueError, TypeError):
            return 0, None

    def save(self, note: Note) -> None:
        """Write the note atomically, before any byte it speaks of."""
        fresh = self.note_path.with_name(self.note_path.name + ".new")
        fresh.write_text(json.dumps(asdict(note)), "utf-8")
        os.replace(fresh, self.note_path)

    def drop(self) -> None:
        """Forget what has arrived."""
        self.note_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Make the complete file durable under its own name, in one step."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, target)
        self.note_path.unlink(missing_ok=True)


def hash_file(path: Path, limit: int | None = None) -> hashlib._Hash:
    """Hash a file with sha256, or its first ``limit`` bytes."""
    digest = hashlib.sha256()
    left = limit
    with path.open("rb", buffering=0) as file:
        while left is None or left > 0:
            block = file.read(_BLOCK if left is None else min(_BLOCK, left))
            if not block:
                break
            digest.update(block)
            if left is not None:
                left -= len(block)
    return digest
