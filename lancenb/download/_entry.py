"""What is known of a data set, and the report on a copy of it on disk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .. import _html

if TYPE_CHECKING:
    from ..progress import Tracker


#: Short names of splits.
SPLITS = {"val": "validation", "valid": "validation", "dev": "validation"}


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


@dataclass(frozen=True, repr=False)
class CheckReport:
    """Whether a folder or file on this machine is a whole copy of a data set.

    Attributes:
        name: the data set.
        path: what was looked at.
        found: what is there and right, one sentence each.
        missing: what is absent, one sentence each.
        wrong: what is there but damaged, or of another number than expected, one sentence each.
        notes: what to do about it, and what could not be checked.
    """

    name: str
    path: Path
    found: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether everything that was expected is there and right."""
        return not (self.missing or self.wrong)

    def _title(self) -> str:
        state = "complete" if self.ok else "not right" if not self.missing else "not complete"
        return f"{self.name} in {self.path}: {state}"

    def _parts(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (
            ("found", self.found), ("missing", self.missing), ("wrong", self.wrong),
            ("note", self.notes),
        )  # fmt: skip

    def __str__(self) -> str:
        lines = [self._title()]
        for word, sentences in self._parts():
            lines += [f"  {word:<8} {sentence}" for sentence in sentences]
        return "\n".join(lines)

    def __repr__(self) -> str:
        counts = [f"{len(s)} {word}" for word, s in self._parts()[:3] if s]
        return f"<CheckReport {self._title()} ({', '.join(counts) or 'nothing found'})>"

    def _repr_html_(self) -> str:
        pairs = [(word, _html.lines(s)) for word, s in self._parts() if s]
        return _html.facts(self._title(), pairs)


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
        wrong: see :class:`CheckReport`.
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
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def report(self) -> CheckReport:
        """Return the findings."""
        return CheckReport(
            self.entry.name, self.path, tuple(self.found), tuple(self.missing), tuple(self.wrong),
            tuple(self.notes),
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
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
        class_count: number of classes where their names are not listed.
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
    class_count: int = 0

    @property
    def number_of_classes(self) -> int:
        """How many classes there are; 0 when there are none, or nobody knows."""
        return len(self.classes) or self.class_count

    def rows(self) -> str:
        """Return the rows per split in words; empty when nobody knows."""
        return ", ".join(f"{count:,} {split}" for split, count in self.splits.items())

    def __str__(self) -> str:
        classes = self.number_of_classes
        more = [self.rows(), f"about {_html.size(self.nbytes)}" if self.nbytes else ""]
        about = ", ".join(filter(None, more))
        return (
            f"{self.name}: {self.kind}"
            + (f", {classes:,} classes" if classes else "")
            + (f" ({about})" if about else "")
        )

    def __repr__(self) -> str:
        return f"<DatasetEntry {self}>"

    def _repr_html_(self) -> str:
        names = list(self.classes[:12]) + (["…"] if len(self.classes) > 12 else [])
        pairs = [
            ("rows", self.rows()), ("classes", self.number_of_classes or ""),
            ("", _html.chips(names) if names else ""),
            ("download", f"about {_html.size(self.nbytes)}" if self.nbytes else ""),
            ("from", self.target or self.homepage), ("homepage", self.homepage),
            ("files", _html.lines(map(str, self.files)) if self.files else ""),
            ("licence", self.licence), ("by hand", self.guide),
        ]  # fmt: skip
        return _html.facts(f"{self.name}: {self.kind}", pairs)
