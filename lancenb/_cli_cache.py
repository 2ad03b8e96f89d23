"""``lancenb cache``: what downloads have left on this disk, checked and cleared."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from ._cli_answers import size
from ._cli_words import in_shell_words
from .errors import InvalidArgument

if TYPE_CHECKING:
    from .download import Cache, CacheEntry

EXAMPLE = """examples:
  lancenb cache
  lancenb cache verify --kind hub
  lancenb cache clear --older-than 30d --larger-than 1GB --dry-run"""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12,
          "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}  # fmt: skip
# which options mean something for which action
_TAKES = {
    "ls": {"kind", "name", "older_than", "larger_than", "leftovers", "all"},
    "verify": {"kind", "name", "repair"},
    "clear": {"kind", "name", "older_than", "larger_than", "leftovers", "revision", "dry_run"},
}


def words() -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the arguments of the command."""
    flag = {"action": "store_true"}
    return (
        ("action", {"nargs": "?", "choices": tuple(_TAKES), "default": "ls",
                    "help": "list (default), hash everything again, or delete"}),
        ("--kind", {"help": "only url, hub (with its revisions), arrow, synthetic or view, or "
                    "what the cache notes for itself: verified, placed, locks"}),
        ("--name", {"metavar": "TEXT", "help": "only what has this text in its name or source"}),
        ("--older-than", {"metavar": "AGE", "help": "not changed for so long: 12h, 30d, 8w"}),
        ("--larger-than", {"metavar": "SIZE", "help": "larger than: 500MB, 1GB, 2GiB"}),
        ("--all", {**flag, "help": "with ls: every entry, also notes and locks of the cache"}),
        ("--leftovers", {**flag, "help": "only what killed downloads left behind"}),
        ("--revision", {"metavar": "REV", "help": "with clear --kind hub: only this revision"}),
        ("--repair", {**flag, "help": "with verify: drop what is damaged"}),
        ("--dry-run", {**flag, "help": "with clear: only say what would go"}),
        ("--cache", {"metavar": "FOLDER", "help": "cache root (or LANCENB_CACHE)"}),
        ("--json", {**flag, "help": "one JSON object per line"}),
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """List, verify or clear; 1 when something is damaged and was not repaired."""
    from .download import Cache
    from .download._cache_report import as_text

    given = {name: getattr(args, name) for name in set().union(*_TAKES.values())}
    for name, value in given.items():
        if value and name not in _TAKES[args.action]:
            raise InvalidArgument(
                f"--{name.replace('_', '-')} means nothing for {args.action}",
                hint=f"it goes with {_owner(name)}",
            )
    age = _seconds(args.older_than) if args.older_than else None
    least = _bytes(args.larger_than) if args.larger_than else None
    cache = Cache(args.cache)
    if args.action == "verify":
        return _verify(cache, args)
    if args.action == "clear":
        freed = cache.clear(
            args.kind, name=args.name, older_than=age, larger_than=least, revision=args.revision,
            leftovers=args.leftovers, dry_run=args.dry_run,
        )  # fmt: skip
        print(json.dumps({"freed_bytes": int(freed), "dry_run": args.dry_run})
              if args.json else in_shell_words(str(freed), "cache"))  # fmt: skip
        return 0
    found = cache.leftovers(args.kind) if args.leftovers else cache.entries(args.kind)
    chosen = [entry for entry in found if _wanted(entry, args.name, age, least)]
    if args.json:
        for entry in chosen:
            print(json.dumps(_facts(entry)))
    else:
        everything = args.all or args.kind is not None or args.leftovers
        print(in_shell_words(as_text(cache, chosen, everything=everything), "cache"))
        if args.kind == "hub" and not args.leftovers:
            _print_revisions(cache, chosen)
    return 0


def _verify(cache: Any, args: argparse.Namespace) -> int:
    bar = sys.stderr.isatty() and not args.json
    report = cache.verify(args.kind, name=args.name, repair=args.repair, progress=bar)
    if args.json:
        damaged = [{"entry": d.entry.title, "file": d.file, "reason": d.reason}
                   for d in report.damaged]  # fmt: skip
        print(json.dumps({"checked": report.checked, "bytes": report.bytes, "damaged": damaged,
                          "unknown": len(report.unknown), "ok": report.ok}))  # fmt: skip
    else:
        print(in_shell_words(repr(report), "cache"))
    return 0 if report.ok or args.repair else 1


def _owner(name: str) -> str:
    return " and ".join(action for action, takes in _TAKES.items() if name in takes)


def _wanted(entry: CacheEntry, name: str | None, age: float | None, least: int | None) -> bool:
    if name is not None and not entry.matches(name):
        return False
    if age is not None and time.time() - entry.modified < age:
        return False
    return least is None or entry.size > least


def _facts(entry: CacheEntry) -> dict[str, Any]:
    return {
        "kind": entry.kind, "name": entry.name, "title": entry.title, "path": str(entry.path),
        "size": entry.size, "modified": entry.modified, "note": entry.note,
    }  # fmt: skip


def _print_revisions(cache: Cache, chosen: list[CacheEntry]) -> None:
    from . import _html

    repos = {entry.title for entry in chosen}
    rows = [
        (item.repo, item.commit[:12], ", ".join(item.refs), str(item.files), size(item.size))
        for item in cache.revisions()
        if item.repo in repos
    ]
    if rows:
        head = ("repository", "commit", "leads there", "files", "size")
        print(f"\n{_html.columns([head, *rows])}")


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip().lower())
    if match is None:
        raise InvalidArgument(f"--older-than {text!r} is no age", hint="12h, 30d or 8w")
    return float(match[1]) * _UNITS[match[2]]


def _bytes(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?)b?", text.strip().lower())
    if match is None or match[2] not in _SIZES:
        raise InvalidArgument(f"--larger-than {text!r} is no size", hint="500MB, 1GB or 2GiB")
    return int(float(match[1]) * _SIZES[match[2]])
