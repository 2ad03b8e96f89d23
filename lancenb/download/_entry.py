"""What is known of a data set, and the report on a copy of it on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..progress import Tracker


@dataclass(frozen=True)
class OfficialFile:
    """One file as the makers of a data set publish it.

    Attributes:
        name: file name.
        url: address; empty when it has to be fetched by hand.
        size: bytes; 0 when unknown.
        sha256: hex digest, empty when nobody published one.
        md5: hex digest (older data sets publish only this), or empty.
        split: the split it belongs to; None when every split needs it.
        contents: files it unpacks to -> md5.
    """

    name: str
    url: str = ""
    size: int = 0
    sha256: str = ""
    md5: str = ""
    split: str | None = None
    contents: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        size = f" ({self.size:,} bytes)" if self.size else ""
        return f"{self.name}{size}"


@dataclass(frozen=True)
class CheckReport:
    """Whether a folder or file on this machine is a whole copy of a data set.

    Attributes:
        name: the data set.
        path: what was looked at.
        found: what is there and right, one sentence each.
        missing: what is absent, damaged or of the wrong number, one sentence each.
        notes: what to do about it, and what could not be checked.
    """

    name: str
    path: Path
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was expected is there."""
        return not self.missing

    def __str__(self) -> str:
        lines = [f"{self.name} in {self.path}: {'complete' if self.ok else 'not complete'}"]
        for word, sentences in (
            ("found", self.found), ("missing", self.missing), ("note", self.notes),
        ):  # fmt: skip
            lines += [f"  {word:<8} {sentence}" for sentence in sentences]
        return "\n".join(lines)


@dataclass
class CheckRequest:
    """What a check is given; it writes its findings here.

    Attributes:
        entry: the data set.
        path: folder or file to look at.
        classes: expected number of classes; None for the data set's own.
        counts: expected rows per split; None for the data set's own.
        hashes: whether to hash archives (or to go by their size).
        tracker: told of the bytes and files looked at; a cancel takes effect here.
        found: see :class:`CheckReport`.
        missing: see :class:`CheckReport`.
        notes: see :class:`CheckReport`.
    """

    entry: DatasetEntry
    path: Path
    classes: int | None
    counts: Mapping[str, int] | None
    hashes: bool
    tracker: Tracker
    found: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def report(self) -> CheckReport:
        """Return the findings."""
        return CheckReport(
            self.entry.name, self.path, tuple(self.found), tuple(self.missing), tuple(self.notes)
        )


@dataclass(frozen=True)
class DatasetEntry:
    """One known data set.

    Attributes:
        name: short name, as used in ``download(name)``.
        kind: ``images``, ``text`` or ``table``.
        source: ``hub``, ``official`` (the makers' files), ``synthetic``, ``spec`` (any spec of
            ``download``) or ``guided`` (cannot be fetched automatically).
        target: Hub id, name of the synthetic set, or the spec.
        config: configuration on the Hub.
        classes: class names in label order.
        splits: rows per split.
        nbytes: bytes to download, about; 0 when nothing is.
        licence: note on the licence; read it before you publish anything.
        mean: per channel, pixels between 0 and 1.
        std: per channel.
        size: height and width in pixels when all images agree.
        columns: source column -> column in the image table.
        homepage: where to read more.
        guide: for ``guided``: what to get where, and why by hand.
        aliases: further names it is found by.
        files: the files its makers publish; ``download("NAME:official")`` fetches them.
        check: looks whether a folder is a whole copy; default: by ``files``.
    """

    name: str
    kind: str
    source: str
    target: str
    config: str | None = None
    classes: tuple[str, ...] = ()
    splits: dict[str, int] = field(default_factory=dict)
    nbytes: int = 0
    licence: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    columns: dict[str, str] = field(default_factory=dict)
    homepage: str = ""
    guide: str = ""
    aliases: tuple[str, ...] = ()
    files: tuple[OfficialFile, ...] = ()
    check: Callable[[CheckRequest], None] | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        rows = ", ".join(f"{count:,} {split}" for split, count in self.splits.items())
        size = f", about {self.nbytes / 1e6:,.0f} MB" if self.nbytes else ""
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"{self.name}: {self.kind}{classes} ({rows}{size})"
