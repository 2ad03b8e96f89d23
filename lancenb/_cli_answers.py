"""What ``lancenb download`` prints: known datasets, results, plans, checks, space."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._cli_words import in_shell_words
from .errors import LancenbError

if TYPE_CHECKING:
    from .download import Download, DownloadPlan
    from .download.registry import CheckReport, DatasetEntry
    from .progress import CancelToken


@dataclass
class Answer:
    """What became of one source.

    Attributes:
        spec: as it was given.
        ok: whether it worked.
        text: for people.
        facts: for programs.
    """

    spec: str
    ok: bool
    text: str
    facts: dict[str, Any] = field(default_factory=dict)


def show(answer: Answer, *, as_json: bool, alone: bool) -> None:
    """Print one answer: a line, or a JSON object; failures go to the error stream."""
    if as_json:
        print(json.dumps({"spec": answer.spec, "ok": answer.ok, **answer.facts}), flush=True)
        return
    out = sys.stdout if answer.ok else sys.stderr
    if alone:
        print(answer.text, file=out)
        return
    first, *more = answer.text.splitlines() or [""]
    print(f"{'ok' if answer.ok else 'failed':<7} {answer.spec}: {first}", file=out)
    for line in more:
        print(f"        {line.strip()}", file=out)


def failure(spec: str, error: LancenbError) -> Answer:
    """Make an answer of an error."""
    return Answer(spec, False, in_shell_words(str(error), "download"), {"error": error.to_dict()})


def fetched(spec: str, found: Download) -> Answer:
    """Make an answer of a finished download."""
    text = in_shell_words(f"{found.summary()}: {found.path}", "download")
    files = [{"name": f.name, "size": f.size, "sha256": f.sha256} for f in found.files]
    facts = {
        "path": str(found.path), "kind": found.kind, "bytes": found.size,
        "from_cache": found.from_cache, "files": files, "lineage": found.lineage,
    }  # fmt: skip
    return Answer(spec, True, text, facts)


def planned(spec: str, plan: DownloadPlan) -> Answer:
    """Make an answer of a plan."""
    files = [
        {"name": f.name, "size": f.size, "sha256": f.sha256, "kind": f.kind, "cached": f.cached}
        for f in plan.files
    ]
    facts = {
        "kind": plan.kind, "source": plan.source, "commit": plan.commit, "license": plan.license,
        "gated": plan.gated, "private": plan.private, "files": files,
        "total_bytes": plan.total_bytes, "missing_bytes": plan.missing_bytes,
        "free_bytes": plan.free_bytes, "notes": [*plan.notes],
    }  # fmt: skip
    return Answer(spec, True, in_shell_words(str(plan), "download"), facts)


def checked(spec: str, report: CheckReport) -> Answer:
    """Make an answer of the check of a folder."""
    facts = {
        "path": str(report.path), "found": [*report.found], "missing": [*report.missing],
        "wrong": [*report.wrong], "notes": [*report.notes],
    }  # fmt: skip
    return Answer(spec, report.ok, in_shell_words(str(report), "download"), facts)


def rehashed(spec: str, found: Download, *, progress: bool, cancel: CancelToken) -> Answer:
    """Hash every file of a download again and compare it with what was recorded."""
    from .download.registry import digest_of
    from .progress import Tracker

    tracker = Tracker(progress, cancel, total_bytes=found.size)
    tracker.enter("verify", str(found.path))
    wrong = [
        file.name
        for file in found.files
        if file.sha256 and digest_of(file.path, "sha256", tracker) != file.sha256
    ]
    tracker.enter("done", str(found.path))
    return _judged(
        spec, found.path, len(found.files), wrong, [f.name for f in found.files if not f.sha256],
        f", {size(found.size)}", [f"damaged: {name}; {_again(spec)}" for name in wrong],
    )  # fmt: skip


def damaged(spec: str, what: str) -> Answer:
    """Make an answer of a copy in the cache that is not what it should be."""
    return Answer(spec, False, f"{what}\n  {_again(spec)}", {"damaged": [what]})


def absent(spec: str, what: str) -> Answer:
    """Make an answer of a copy that is not in the cache, or not all of it."""
    text = f"{what if spec in what else f'{spec}: {what}'}\n  lancenb download {spec} brings it"
    return Answer(spec, False, text, {"missing": [what]})


def compared(spec: str, place: Path, count: int, wrong: list[str], unknown: list[str]) -> Answer:
    """Make an answer of files at a place of the user's."""
    return _judged(spec, place, count, wrong, unknown, "", wrong)


def _again(spec: str) -> str:
    return f"lancenb download {spec} --force fetches it again"


def _judged(
    spec: str, place: Path, count: int, wrong: list[str], unknown: list[str], about: str,
    lines: list[str],
) -> Answer:  # fmt: skip
    right = count - len(wrong) - len(unknown)
    text = "\n  ".join(
        [f"{right:,} of {count:,} files right{about}: {place}", *lines]
        + [f"{name}: no hash is known" for name in unknown]
    )
    return Answer(spec, not wrong, text, {"path": str(place), "damaged": wrong, "unknown": unknown})


def show_list(*, as_json: bool) -> int:
    """Print the known datasets."""
    from .download import registry

    entries = [registry.info(name) for name in registry.list()]
    if as_json:
        for entry in entries:
            print(json.dumps(_facts(entry)))
        return 0
    rows = [
        (e.name, e.kind, f"{e.number_of_classes:,}" if e.number_of_classes else "",
         e.rows(), size(e.nbytes) if e.nbytes else "", _origin(e)) for e in entries
    ]  # fmt: skip
    _table(("name", "kind", "classes", "rows", "download", "from"), rows)
    print("\nall facts on one: lancenb download --info NAME")
    return 0


def show_info(name: str, *, as_json: bool) -> int:
    """Print all facts on one dataset."""
    from .download import registry

    entry = registry.info(name.removesuffix(":official"))
    facts = _facts(entry)
    if as_json:
        print(json.dumps(facts))
        return 0
    shown = {key: value for key, value in facts.items() if value not in ("", None, [], {})}
    shown["files"] = [f"{f.name} {size(f.size)} {f.url}".strip() for f in entry.files]
    shown["download"] = size(entry.nbytes) if entry.nbytes else ""
    for key, value in shown.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {v:,}" if isinstance(v, int) else f"{k} -> {v}"
                              for k, v in value.items())  # fmt: skip
        lines = value if key == "files" else [_joined(value)]
        for place, line in enumerate(filter(None, lines)):
            print(f"{key if place == 0 else '':<9} {line}")
    return 0


class Room:
    """What downloads need, and what is free, on each disk."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, int, dict[str, Any]]] = []
        self._needed: dict[int, int] = {}
        self._free: dict[int, tuple[int, Path]] = {}

    def add(
        self, spec: str, needed: int, known: bool, folder: Path, notes: Sequence[str] = ()
    ) -> None:
        """Count one source; ``known`` says whether all its sizes are."""
        import shutil

        there = folder.expanduser().absolute()
        while not there.exists():
            there = there.parent
        disk = there.stat().st_dev
        self._needed[disk] = self._needed.get(disk, 0) + needed
        self._free.setdefault(disk, (shutil.disk_usage(there).free, folder))
        facts = {"needed_bytes": needed, "size_known": known, "path": str(folder)}
        facts["notes"] = [*notes]
        self._rows.append((spec, disk, facts))

    def show(self, *, as_json: bool) -> bool:
        """Print it and return whether everything fits."""
        if as_json:
            for spec, disk, facts in self._rows:
                free = self._free[disk][0]
                fits = self._needed[disk] <= free
                print(json.dumps({"spec": spec, "ok": fits, **facts, "free_bytes": free}))
            return all(needed <= self._free[disk][0] for disk, needed in self._needed.items())
        for spec, _, facts in self._rows:
            about = "" if facts["size_known"] else ", or more"
            print(f"{spec}: needs {size(facts['needed_bytes'])}{about}")
            for note in facts["notes"]:
                print(f"  note: {in_shell_words(note, 'download')}")
        fits = True
        for disk, needed in self._needed.items():
            free, folder = self._free[disk]
            fits = fits and needed <= free
            told = "it fits" if needed <= free else "too little"
            print(f"needed {size(needed)}, free {size(free)} at {folder}: {told}")
            if needed > free:
                print(f"  hint: free {size(needed - free)}, or choose another disk with --cache or "
                      "--to", file=sys.stderr)  # fmt: skip
        return fits


def folder_name(spec: str) -> str:
    """Return a folder name for a source.

    >>> folder_name("hf:dataset:acme/flowers@v1")
    'hf-dataset-acme-flowers-v1'
    """
    return re.sub(r"[^\w.-]+", "-", spec).strip("-.") or "download"


def size(nbytes: int) -> str:
    """Return bytes for people.

    >>> size(1_500), size(0)
    ('1.5 kB', '0 B')
    """
    value, units = float(nbytes), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:,.0f} B" if units[0] == "B" else f"{value:,.1f} {units[0]}"


def _origin(entry: DatasetEntry) -> str:
    official = " or its makers" if any(file.url for file in entry.files) else ""
    return {
        "hub": f"hf:dataset:{entry.target}{official}", "official": "its makers",
        "synthetic": "drawn here", "guided": "by hand", "spec": entry.target,
    }[entry.source]  # fmt: skip


def _facts(entry: DatasetEntry) -> dict[str, Any]:
    files = [
        {"name": f.name, "url": f.url, "size": f.size, "sha256": f.sha256, "md5": f.md5}
        for f in entry.files
    ]
    return {
        "name": entry.name, "kind": entry.kind, "aliases": [*entry.aliases],
        "source": _origin(entry), "splits": entry.splits, "classes": [*entry.classes],
        "number_of_classes": entry.number_of_classes,
        "size": [*entry.size] if entry.size else [], "mean": [*entry.mean], "std": [*entry.std],
        "columns": entry.columns, "licence": entry.licence, "homepage": entry.homepage,
        "download": entry.nbytes, "files": files, "guide": entry.guide,
    }  # fmt: skip


def _joined(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in (head, *rows):
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )
