"""The unfinished file of a download and the note beside it that makes resuming safe."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

_BLOCK = 256 << 10
_PIECE = 64 << 10
_CONTROL = frozenset(map(chr, (*range(32), 127)))
Ranges = list[tuple[int, int]]


@dataclass
class Note:
    """What the server said about a file.

    Attributes:
        url: address without query (for people).
        etag: strong validator, or None.
        modified: ``Last-Modified`` as sent, or None.
        total: size of the whole file, or None.
        disposition: ``Content-Disposition`` as sent, or None.
        decoded: the server packed the file for the way, so offsets of one answer mean nothing
            in the next.
        digest: sha256 that the server promises (``Repr-Digest``, RFC 9530), or None.
        weak: weak ETag, or None: it proves nothing, but another one is another version.
        steady: ``modified`` was not of the last minute, so that it tells versions apart.
    """

    url: str
    etag: str | None = None
    modified: str | None = None
    total: int | None = None
    disposition: str | None = None
    decoded: bool = False
    digest: str | None = None
    weak: str | None = None
    steady: bool = False

    @property
    def validator(self) -> str | None:
        """Value for ``If-Range``: a strong ETag, else a time that is one (RFC 9110, 13.1.5)."""
        return self.etag or (self.modified if self.steady else None)

    @classmethod
    def of(cls, data: object) -> Note:
        """Return a note read from a disk, where anybody may have changed it.

        Raises:
            TypeError: a value has another type than this class writes.
            ValueError: a value could not have come from a server, or cannot go back to one.
        """
        if not isinstance(data, dict):
            raise TypeError("note")
        note = cls(**data)
        texts = (note.etag, note.modified, note.disposition, note.digest)
        if not isinstance(note.url, str) or not isinstance(note.decoded, bool):
            raise TypeError("url, decoded")
        if not all(text is None or isinstance(text, str) for text in texts):
            raise TypeError("etag, modified, disposition, digest")
        if note.total is not None and type(note.total) is not int:
            raise TypeError("total")
        if (note.total or 0) < 0:
            raise ValueError("total")
        for text in (note.etag, note.modified):  # they are sent back as headers
            if text is not None and (set(text) & _CONTROL or max(text, default="") > "\xff"):
                raise ValueError("etag, modified")
        return note

    def differs(self, other: Note) -> bool:
        """Whether the two notes cannot be about the same bytes."""
        pairs = [(self.etag, other.etag), (self.total, other.total), (self.digest, other.digest)]
        pairs.append((self.weak, other.weak))
        if not (self.etag and other.etag):
            pairs.append((self.modified, other.modified))
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    def continues(self, part: Note) -> bool:
        """Whether a part (206) with the note ``part`` belongs to the same bytes.

        It has to repeat a strong ETag (RFC 9110, 15.3.7): one that does not has ignored If-Range.
        """
        return not self.differs(part) and (self.etag is None or part.etag == self.etag)


@functools.cache
def _boot() -> str | None:
    """Name of this run of the machine (Linux), None where it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except (OSError, ValueError):
        return None


@dataclass
class Kept:
    """What an earlier, interrupted transfer has left.

    Attributes:
        note: what the server said of it.
        have: sorted ranges of bytes that are here.
        sure: False for ranges written before the machine's last start: after a power cut the
            note may speak of bytes that never reached the disk.
    """

    note: Note
    have: Ranges
    sure: bool = True

    @property
    def proven(self) -> bool:
        """Whether a server can prove, without a hash, that the rest belongs to it."""
        return self.sure and self.note.validator is not None

    @property
    def prefix(self) -> int:
        """Bytes from the beginning on without a gap."""
        return self.have[0][1] if self.have and self.have[0][0] == 0 else 0

    @property
    def count(self) -> int:
        """Bytes in all ranges."""
        return sum(stop - start for start, stop in self.have)


class Partial:
    """``NAME.part`` with ``NAME.part.json``; survives a killed process."""

    def __init__(self, path: Path):
        self.path = path
        self.note_path = path.with_name(path.name + ".json")

    @classmethod
    def of(cls, folder: Path, key: str) -> Partial:
        """Return that of the address with this key, whose file goes into ``folder``."""
        return cls(folder / f".{key}.part")

    def load(self) -> Kept | None:
        """Return what is here, None when nothing usable is."""
        try:
            data = json.loads(self.note_path.read_text("utf-8"))
            note = Note.of(data["note"])
            size = self.path.stat().st_size
            have = data.get("have")
            if have is None:
                return Kept(note, [(0, size)])
            ranges = [(int(start), int(stop)) for start, stop in have]
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None
        edges = [edge for pair in ranges for edge in pair]
        if edges != sorted(edges) or (edges and not 0 <= edges[0] <= edges[-1] <= size):
            return None
        return Kept(note, ranges, data.get("boot") == _boot())

    @property
    def _fresh(self) -> Path:
        return self.note_path.with_name(self.note_path.name + ".new")

    def save(self, note: Note, have: Ranges | None = None, *, sure: bool = True) -> None:
        """Write the note atomically: before any byte it speaks of, or after those of ``have``.

        Args:
            note: what the server said.
            have: ranges that have arrived; None for "as much as the file is long".
            sure: False where some of ``have`` was not sure when it was loaded.
        """
        boot = _boot() if have is not None and sure else None
        data = {"note": asdict(note), "have": have, "boot": boot}
        self._fresh.write_text(json.dumps(data), "utf-8")
        os.replace(self._fresh, self.note_path)

    def begin(self, note: Note, at: int, *, proven: bool = True) -> Kept:
        """Keep the first ``at`` bytes and no others, and the note on them.

        Args:
            note: what the server says now.
            at: how much of an earlier transfer stays.
            proven: False where only a hash can tell whether that belongs to the rest: whoever
                does not know it may not take the new answer's validator for a proof.
        """
        proven = proven or not at
        said = note if proven else replace(note, etag=None, steady=False)
        if at:  # a note of ranges speaks of more than will be here: nobody would believe it then
            self.save(said, [(0, at)], sure=proven)
        with self.path.open("ab") as file:
            file.truncate(at)
        self.save(said)
        return Kept(note, [(0, at)] if at else [], proven)

    def drop(self) -> None:
        """Forget what has arrived."""
        self.note_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
        self._fresh.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Make the complete file durable under its own name, in one step."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(self.path, target)
        self.tidy()

    def tidy(self) -> None:
        """Remove the notes on a file that has its own name by now, perhaps since a kill."""
        if not self.path.exists():
            for note in (self.note_path, self._fresh):
                if note.exists():
                    note.unlink(missing_ok=True)


def put(file: int, block: memoryview, at: int) -> int:
    """Write ``block`` at an offset of an open file; return where it ends.

    In pieces of 64 KiB: for larger ones the system gathers larger pages, which in a virtual
    machine mostly are not there yet (measured: up to twice the CPU time of the whole transfer).
    """
    while block:
        written = os.pwrite(file, block[:_PIECE], at)
        block, at = block[written:], at + written
    return at


def hash_file(path: Path) -> hashlib._Hash:
    """Hash a file with sha256."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        hash_span(digest, file.fileno(), 0, None)
    return digest


def hash_span(
    digest: hashlib._Hash,
    file: int,
    start: int,
    stop: int | None,
    check: Callable[[], object] | None = None,
) -> int:
    """Feed the bytes from ``start`` to ``stop`` (None: the end) of an open file to ``digest``.

    Args:
        digest: what to feed.
        file: file descriptor; its position does not matter.
        start: first byte.
        stop: byte behind the last.
        check: called after every mebibyte; may raise.

    Returns:
        Where it stopped: before ``stop`` only if the file ends there.
    """
    view = memoryview(bytearray(_BLOCK))
    while stop is None or start < stop:
        wanted = view if stop is None else view[: stop - start]
        count = os.preadv(file, [wanted], start)
        if not count:
            break
        digest.update(view[:count])
        start += count
        if check is not None:
            check()
    return start
