"""``lancenb download``: one or several sources, looked at, fetched or checked."""

from __future__ import annotations

import _thread
import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _cli_answers as answers
from . import _cli_verify
from .errors import Cancelled, InvalidArgument, LancenbError, Offline
from .progress import CancelToken

if TYPE_CHECKING:
    from .download import DownloadPlan

EXAMPLE = """examples:
  lancenb download synthetic --split train --limit 500
  lancenb download --datasets cifar10,mnist --split train
  lancenb download mnist:official --to ./mnist
  lancenb download hf:model:openai-community/gpt2 --plan
  lancenb download imagenet --to /data/imagenet --verify

Private and gated repositories need a token: set HF_TOKEN or run `hf auth login`. There is no
option for it, because command lines are seen by other users and kept in histories."""
_ACTIONS = ("list", "info", "plan", "check_space", "verify")
_RESUME = "what has arrived is kept: the same command goes on from there"


def words(limit: tuple[str, dict[str, Any]]) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Return the arguments of the command.

    Args:
        limit: the argument ``--limit`` that commands share.
    """
    flag, several = {"action": "store_true"}, {"action": "append", "metavar": "PATTERN"}
    return (
        ("spec", {"nargs": "*", "help": "hf:dataset:ID, hf:model:ID, https://..., cifar10, ..."}),
        ("--datasets", {"metavar": "A,B", "help": "known datasets by name, separated by commas"}),
        ("--to", {"metavar": "PATH", "help": "put it here (default: only in the cache); several "
                  "sources get a folder each"}),
        ("--split", {"help": "split of a dataset"}), limit,
        ("--revision", {"help": "branch, tag or commit of a repository"}),
        ("--allow", {**several, "help": "files of a repository to take (may be given repeatedly)"}),
        ("--ignore", {**several, "help": "files of a repository to leave out"}),
        ("--variant", {"metavar": "NAME", "help": "form of a model's weights, such as fp16"}),
        ("--sha256", {"metavar": "HEX", "help": "expected digest of an address"}),
        ("--engine", {"choices": ("auto", "range", "official"),
                      "help": "who moves the files of the Hub (default: auto)"}),
        ("--cache", {"metavar": "FOLDER", "help": "cache root (or LANCENB_CACHE)"}),
        ("--offline", {**flag, "help": "use the cache only"}),
        ("--force", {**flag, "help": "fetch again what is in the cache"}),
        ("--list", {**flag, "help": "list the known datasets"}),
        ("--info", {"metavar": "NAME", "help": "all facts on a known dataset"}),
        ("--plan", {**flag, "help": "say what would be fetched, and fetch nothing"}),
        ("--check-space", {**flag, "help": "does it fit on the disk? fetch nothing"}),
        ("--verify", {**flag, "help": "hash the copy in the cache, or the one in --to, again; "
                      "fetch nothing, change nothing"}),
        ("--json", {**flag, "help": "one JSON object per line"}),
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Do what was asked for; 0 when all of it worked, 1 when some failed, 130 when stopped."""
    chosen = [name for name in _ACTIONS if getattr(args, name)]
    if len(chosen) > 1:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in chosen)
        raise InvalidArgument(f"{flags} do not go together", hint="one after the other")
    if args.list:
        return answers.show_list(as_json=args.json)
    if args.info:
        return answers.show_info(args.info, as_json=args.json)
    specs = [*args.spec, *filter(None, (args.datasets or "").split(","))]
    specs = [spec.strip() for spec in specs]
    if not specs:
        raise InvalidArgument(
            "nothing to download was named", hint="lancenb download --list shows known datasets"
        )
    if args.check_space:
        return _check_space(args, specs)
    work = _plan if args.plan else _verify if args.verify else _fetch
    return _each(args, specs, work)


Work = Callable[[argparse.Namespace, str, str | None, CancelToken], "answers.Answer"]


def _each(args: argparse.Namespace, specs: list[str], work: Work) -> int:
    """Work on all specs; the failure of one does not keep the others from their turn."""
    bad: list[str] = []
    with _stoppable() as cancel:
        for spec in specs:
            try:
                answer = work(args, spec, _place(args.to, spec, specs), cancel)
            except Cancelled:
                print(f"interrupted; {_RESUME}", file=sys.stderr)
                return 130
            except LancenbError as error:
                if args.debug or (len(specs) == 1 and not args.json):
                    raise
                answer = answers.failure(spec, error)
            answers.show(answer, as_json=args.json, alone=len(specs) == 1)
            if not answer.ok:
                bad.append(spec)
    if bad and len(specs) > 1 and not args.json:
        print(f"{len(bad)} of {len(specs)} failed: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


@contextmanager
def _stoppable() -> Iterator[CancelToken]:
    """Turn the first Ctrl-C into a cancel, which keeps what has arrived, and the second into one.

    Outside the main thread signals cannot be caught; there the token stays untouched.
    """
    token = CancelToken()
    if threading.current_thread() is not threading.main_thread():
        yield token
        return

    asked: list[int] = []

    def stop(number: int, _frame: Any) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)
        # Not here: a handler runs in the middle of what holds the locks of the token, of stderr
        # or, where threads are begun, of threading itself.
        _thread.start_new_thread(tell, ())

    def tell() -> None:
        print("\nstopping (Ctrl-C again stops at once)", file=sys.stderr)
        token.cancel()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield token
    finally:
        signal.signal(signal.SIGINT, before)


def _place(to: str | None, spec: str, specs: list[str]) -> str | None:
    """Return the target: as given, or for several sources a folder in it for each."""
    if to is None or len(specs) == 1:
        return to
    return os.path.join(to, answers.folder_name(spec), "")


def _options(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "revision": args.revision, "allow": args.allow, "ignore": args.ignore,
        "variant": args.variant,
        "sha256": args.sha256, "split": args.split, "limit": args.limit, "cache": args.cache,
        "offline": args.offline, "hub_engine": args.engine,
    }  # fmt: skip


def _fetch(
    args: argparse.Namespace, spec: str, to: str | None, cancel: CancelToken
) -> answers.Answer:
    from .download import download

    bar = sys.stderr.isatty() and not args.json
    return answers.fetched(
        spec, download(spec, to=to, force=args.force, progress=bar, cancel=cancel, **_options(args))
    )


def _plan(
    args: argparse.Namespace, spec: str, to: str | None, cancel: CancelToken
) -> answers.Answer:
    from .download import plan

    seen = plan(spec, cancel=cancel, **_options(args))
    kind = seen.request.kind if seen.request is not None else ""
    copied = kind not in ("", "url", "torchvision", "official", "local")
    return answers.planned(spec, _place_at(seen, to, whole=copied))


def _place_at(plan: DownloadPlan, to: str | None, *, whole: bool) -> DownloadPlan:
    """Return a plan as it looks with a target.

    Args:
        plan: as it was made, for the cache.
        to: where the result goes.
        whole: whether all of it has to be copied there from the cache.
    """
    from .download._plan_kinds import free_space

    if to is None:
        return plan
    folder = Path(to).expanduser().absolute()
    free = free_space(folder)
    notes, cache = [*plan.notes], plan.folder
    if whole and cache is not None:
        notes.append(f"its files arrive in the cache, {cache}, and are copied from there")
    else:
        notes = [note for note in notes if not note.startswith(f"{cache} has ")]
    if free is not None and plan.total_bytes > free:
        needed = answers.size(plan.total_bytes)
        notes.append(f"{folder} has {answers.size(free)} free, {needed} are needed there")
    return replace(plan, folder=folder, free_bytes=free, notes=tuple(notes))


def _verify(
    args: argparse.Namespace, spec: str, to: str | None, cancel: CancelToken
) -> answers.Answer:
    bar = sys.stderr.isatty() and not args.json
    return _cli_verify.verify(spec, to, _options(args), bar, cancel)


def _check_space(args: argparse.Namespace, specs: list[str]) -> int:
    """Say per disk what is needed and what is free; 1 when something does not fit."""
    from .download import Cache

    room = answers.Room()
    failed = 0
    for spec in specs:
        try:
            needed, known, folder, notes = _needed(args, spec)
        except LancenbError as error:
            if len(specs) == 1 and not args.json:
                raise
            answers.show(answers.failure(spec, error), as_json=args.json, alone=False)
            failed += 1
            continue
        place = Path(args.to) if args.to else folder or Cache(args.cache).root
        room.add(spec, needed, known, place, notes)
    fits = room.show(as_json=args.json)
    return 0 if fits and not failed else 1


def _needed(args: argparse.Namespace, spec: str) -> tuple[int, bool, Path | None, list[str]]:
    """Return bytes to fetch, whether all sizes are known, the folder, and what keeps them away."""
    from .download import plan, registry

    try:
        seen = plan(spec, **_options(args))
    except Offline:
        entry = registry.find(spec)
        if entry is None or not entry.nbytes:
            raise
        return entry.nbytes, False, None, []
    known = all(item.size is not None for item in seen.files)
    barred = ("it is gated", "its files cannot be read", "it cannot be fetched")
    notes = [note for note in seen.notes if note.startswith(barred)]
    return seen.total_bytes if args.to else seen.missing_bytes, known, seen.folder, notes
