"""What the cache answers with: what was freed, what was found damaged, and how it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _html
from ._cache_list import CacheEntry

if TYPE_CHECKING:
    from .cache import Cache

_MANY = 20
#: What the cache notes for itself; of interest to nobody but those who look for a fault.
BOOKKEEPING = ("verified", "placed", "locks")
_HEADERS = ("kind", "what", "size", "changed (UTC)")


class Damaged(NamedTuple):
    """A file that is not what it should be.

    Attributes:
        entry: the entry it belongs to.
        file: its name within the entry.
        reason: what is wrong with it.
    """

    entry: CacheEntry
    file: str
    reason: str


@dataclass(frozen=True)
class CachedRevision:
    """One revision of a repository in the cache.

    Attributes:
        repo: such as ``hf:model:acme/tiny``.
        commit: its full name.
        refs: branches and tags that lead to it.
        files: how many files.
        size: bytes of its files, of which other revisions may use some too.
        modified: seconds since the epoch of the newest file.
        path: its folder.
    """

    repo: str
    commit: str
    refs: tuple[str, ...]
    files: int
    size: int
    modified: float
    path: Path


class Cleared(int):
    """The bytes that a clear has freed, or would free; what went and what stayed is beside it.

    Attributes:
        entries: what was deleted.
        in_use: what was left alone because somebody is working on it.
        dry_run: whether nothing was really deleted.
    """

    entries: tuple[CacheEntry, ...]
    in_use: tuple[CacheEntry, ...]
    dry_run: bool

    def __new__(
        cls,
        nbytes: int,
        entries: Sequence[CacheEntry] = (),
        in_use: Sequence[CacheEntry] = (),
        dry_run: bool = False,
    ) -> Cleared:
        """Make one from the bytes and the entries."""
        made = super().__new__(cls, nbytes)
        made.entries, made.in_use, made.dry_run = tuple(entries), tuple(in_use), dry_run
        return made

    def _title(self) -> str:
        verb = "would free" if self.dry_run else "freed"
        title = f"{verb} {_html.size(int(self))} in {_entries(len(self.entries))}"
        if self.in_use:
            title += f"; {_entries(len(self.in_use))} in use left alone"
        return title

    def __str__(self) -> str:
        return "\n".join([self._title(), *_text_rows(self.entries)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        card = _html.facts(self._title(), [])
        return card + (_html.table(_HEADERS, _rows(self.entries)) if self.entries else "")


@dataclass(frozen=True, repr=False)
class CacheReport:
    """What a check of the cache found.

    Attributes:
        checked: files that were hashed.
        bytes: bytes that were hashed.
        damaged: files that are not what they should be, each with entry, file and reason.
        unknown: files (with their entry) of which no hash is known.
        in_use: entries that somebody was writing; they were not judged.
        leftovers: what killed processes have left behind.
        repaired: whether damaged entries and leftovers were dropped.
    """

    checked: int
    bytes: int
    damaged: tuple[Damaged, ...] = ()
    unknown: tuple[tuple[CacheEntry, str], ...] = ()
    in_use: tuple[CacheEntry, ...] = ()
    leftovers: tuple[CacheEntry, ...] = ()
    repaired: bool = False

    @property
    def ok(self) -> bool:
        """Whether everything that could be checked is right."""
        return not self.damaged

    def _title(self) -> str:
        state = f"{len(self.damaged)} damaged" if self.damaged else "all right"
        if self.damaged and self.repaired:
            state += ", dropped: the next download fetches them again"
        return f"checked {_html.count(self.checked, 'file')}, {_html.size(self.bytes)}: {state}"

    def _pairs(self) -> list[tuple[str, Any]]:
        left = _html.size(sum(item.size for item in self.leftovers))
        return [
            ("hash unknown", _html.count(len(self.unknown), "file") if self.unknown else ""),
            ("in use", ", ".join(item.title for item in self.in_use)),
            ("left over", f"{len(self.leftovers)}, {left}" if self.leftovers else ""),
            ("to drop them", "verify(repair=True)" if self._to_do() else ""),
        ]

    def _to_do(self) -> bool:
        return bool(self.damaged or self.leftovers) and not self.repaired

    def __repr__(self) -> str:
        lines = [self._title()]
        lines += [f"  {key}: {value}" for key, value in self._pairs() if value]
        shown = [(d.entry.title, d.file, d.reason) for d in self.damaged[:_MANY]]
        lines += [f"  {line}" for line in _html.columns(shown).splitlines()]
        if len(self.damaged) > _MANY:
            lines.append(f"  and {len(self.damaged) - _MANY:,} more")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        card = _html.facts(self._title(), self._pairs())
        rows = [(d.entry.title, d.file, d.reason) for d in self.damaged[:_MANY]]
        if not rows:
            return card
        more = f"the first {_MANY} of {len(self.damaged):,}" if len(self.damaged) > _MANY else ""
        return card + _html.table(("damaged", "file", "what is wrong"), rows, more)


def summary(
    cache: Cache, chosen: Sequence[CacheEntry] | None = None, *, everything: bool = False
) -> tuple[list[tuple[str, Any]], list[CacheEntry], list[tuple[Any, ...]]]:
    """Return facts, entries worth showing and one row per kind of a cache.

    Args:
        cache: the cache.
        chosen: only these entries; default: all.
        everything: what the cache notes for itself, too.
    """
    import shutil

    found = cache.entries() if chosen is None else chosen
    own = [] if everything else [e for e in found if e.kind in BOOKKEEPING]
    entries = [e for e in found if e not in own and (everything or not e.name.startswith("."))]
    left = cache.leftovers()
    root = cache.root
    while not root.exists() and root != root.parent:
        root = root.parent
    facts: list[tuple[str, Any]] = [
        ("folder", _short(cache.root)),
        ("free on its disk", _html.size(shutil.disk_usage(root).free)),
        ("left over", _freeable(left) if left else ""),
        ("notes and locks", _noted(own) if own else ""),
    ]
    kinds = {
        kind: [e for e in entries if e.kind == kind] for kind in sorted({e.kind for e in entries})
    }
    rows = [(kind, len(own), _html.size(sum(e.size for e in own))) for kind, own in kinds.items()]
    if not cache.chosen:
        shared = cache.entries("hub")
        size = _html.size(sum(item.size for item in shared))
        words = f"{size} in {_short(cache.hub)}, cleared only by clear('hub')"
        facts.append(("shared with transformers", words if shared else ""))
    return facts, entries, rows


def as_text(
    cache: Cache, chosen: Sequence[CacheEntry] | None = None, *, everything: bool = False
) -> str:
    """Return a cache, or chosen entries of it, as a table for a terminal."""
    facts, entries, rows = summary(cache, chosen, everything=everything)
    lines = [_title(entries), *(f"  {key}: {value}" for key, value in facts if value)]
    if rows:
        lines += ["", _html.columns([("kind", "entries", "size"), *rows])]
        lines += ["", *_text_rows(entries, len(entries) if everything else _MANY)]
    return "\n".join(lines)


def as_html(cache: Cache) -> str:
    """Return a cache as a card for a notebook."""
    facts, entries, rows = summary(cache)
    card = _html.facts(_title(entries), facts)
    if not rows:
        return card
    shown = _html.table(_HEADERS, _rows(entries), _more(entries))
    return card + _html.table(("kind", "entries", "size"), rows) + shown


def _title(entries: Sequence[CacheEntry]) -> str:
    total = _html.size(sum(item.size for item in entries))
    return f"download cache: {_entries(len(entries))}, {total}"


def _entries(number: int) -> str:
    return f"{number:,} entr{'y' if number == 1 else 'ies'}"


def _freeable(left: Sequence[CacheEntry]) -> str:
    size = _html.size(sum(item.size for item in left))
    return f"{len(left):,}, {size}; clear(leftovers=True) deletes them"


def _noted(own: Sequence[CacheEntry]) -> str:
    kinds = ", ".join(sorted({item.kind for item in own}))
    size = _html.size(sum(item.size for item in own))
    return f"{_entries(len(own))} of {kinds}, {size}, not listed"


def _short(path: Path) -> str:
    """Return a path for people: the home folder is ``~``."""
    home = Path.home()
    return (
        f"~/{path.relative_to(home)}" if path.is_relative_to(home) and path != home else str(path)
    )


def _rows(entries: Sequence[CacheEntry], most: int = _MANY) -> list[tuple[str, str, str, str]]:
    return [
        (
            item.kind,
            f"{item.title} ({item.note})" if item.note else item.title,
            _html.size(item.size),
            _html.when(datetime.fromtimestamp(item.modified, UTC)),
        )
        for item in entries[:most]
    ]


def _more(entries: Sequence[CacheEntry], most: int = _MANY) -> str:
    if len(entries) <= most:
        return ""
    return f"the largest {most} of {len(entries):,}; cache.entries() lists all"


def _text_rows(entries: Sequence[CacheEntry], most: int = _MANY) -> list[str]:
    if not entries:
        return []
    lines = _html.columns([_HEADERS, *_rows(entries, most)]).splitlines()
    return lines + ([f"({_more(entries, most)})"] if _more(entries, most) else [])
