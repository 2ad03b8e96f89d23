"""Contestants in turns, each in a process of its own; medians, spread, goals."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import _timing
from tests.benchmarks._peers_report import report
from tests.benchmarks._peers_suite import Contestant, Settings, Suite, rate

REPO = Path(__file__).resolve().parents[2]


# the processes of the contestants ------------------------------------------------------------
def _write(suite: Suite, name: str, source: str, out: str) -> None:
    suite.writers[name][0](Path(source), Path(out))


def _serve(suite: Suite, name: str, folder: Path, settings: Settings, seconds: float) -> None:
    """Run one contestant: a line of results for each line that comes in."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what peers print is none of our business
    import torch

    for module in suite.imports:  # or forked workers would import it again and again
        importlib.import_module(module)
    torch.set_num_threads(1)  # threads of OpenMP that spin would count as work
    one = next(c for c in suite.contestants if c.name == name)
    data = {size: folder / size / (one.data or "source") for size in ("small", "all")}
    few = json.loads((folder / "small" / "rows.json").read_text())
    small = one.open(data["small"], Settings(few, min(settings.batch, few), settings.threads))
    _timing.run_epoch(small(0), few)  # imports and thread pools are not part of the rate
    del small
    print("{}", file=answers, flush=True)
    for _ in sys.stdin:
        found = _round(suite, one, data["all"], settings, seconds)
        gc.collect()  # ends the workers of this round's loader
        print(json.dumps(found), file=answers, flush=True)
    for worker in multiprocessing.active_children():
        worker.terminate()
        worker.join(60)
    os._exit(0)  # threads of some peers do not end by themselves


def _round(
    suite: Suite, one: Contestant, data: Path, settings: Settings, seconds: float
) -> dict[str, Any]:
    epochs = one.open(data, settings)
    stayed = _timing.evict(data) if one.data else 0.0
    found = {"first": _timing.run_epoch(epochs(0), settings.rows)}
    found["later"] = _timing.run_epochs(epochs, 1, settings.rows, seconds)
    for epoch in found.values():
        images, labels = epoch.pop("last")
        if images.device.type != "meta":
            suite.check(data.parent / "source", images, labels)
    return {**found, "stayed": stayed}


class _Child:
    """This script again, for one contestant; it lives through all rounds."""

    def __init__(self, command: list[str], env: dict[str, str], log: Path):
        self._log = log
        with open(log, "wb") as errors:
            self._process = subprocess.Popen(
                command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
            )

    def round(self) -> dict[str, Any] | str:
        """Results of one round, or what went wrong."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        return self.answer()

    def answer(self, seconds: float = 900) -> dict[str, Any] | str:
        """The next line of results (the first is empty: all is imported), or what went wrong."""
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        if not ready:
            self._process.kill()
            return f"it hung for {seconds:.0f} seconds"
        line = self._process.stdout.readline()
        return json.loads(line) if line else _last_line(self._log.read_text(errors="replace"))

    def end(self) -> None:
        """Let it end; kill it when it does not."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it ended without a word"


# the run -------------------------------------------------------------------------------------
def main(suite: Suite, doc: str) -> int:
    """Parse arguments, run the contestants in turns, print; 1 when a goal was missed."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=suite.rows)
    parser.add_argument("--batch", type=int, default=suite.batch)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of later epochs, at least")
    parser.add_argument("--only", default="", help="parts of names, separated by commas")
    parser.add_argument("--quick", action="store_true", help="one round on few rows")
    parser.add_argument("--folder", default=None, help="where to work")
    parser.add_argument("--keep", type=Path, default=None, help="folder whose data is used again")
    parser.add_argument("--peers-python", default=sys.executable, help="interpreter with the peers")
    parser.add_argument("--json", type=Path, default=None, help="write all figures here")
    parser.add_argument("--write", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        _write(suite, *args.write)
        return 0
    if args.quick and not args.one:
        args.rows, args.rounds, args.seconds = suite.rows // suite.quick, 1, 0.2
    settings = Settings(args.rows, args.batch)
    if args.one:
        _serve(suite, args.one[0], Path(args.one[1]), settings, args.seconds)
        return 0
    if args.keep:
        folder = args.keep / f"rows-{args.rows}"
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = Path(tempfile.mkdtemp(prefix="lancenb-bench-", dir=args.folder))
    try:
        with suite.around(folder) as env:
            runs, failed = _race(suite, folder, args, env)
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return report(suite, runs, failed, args)


def _race(
    suite: Suite, folder: Path, args: argparse.Namespace, env: dict[str, str]
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    wanted = [part for part in args.only.split(",") if part]
    field = [c for c in suite.contestants if not wanted or any(w in c.name for w in wanted)]
    failed: dict[str, str] = {}
    ready = _prepare(suite, folder, args, env, {c.data for c in field if c.data}, failed)
    failed |= {c.name: "no data" for c in field if c.data and c.data not in ready}
    runs: dict[str, list[dict[str, Any]]] = {}
    children: dict[str, _Child] = {}
    try:
        for number, one in enumerate(field):
            if one.name in failed:
                continue
            command = _command(suite, args, ["--one", one.name, str(folder)])
            child = _Child(command, _environment(env), folder / f"{number}.log")
            children[one.name] = child
            if isinstance(problem := child.answer(), str):  # one after the other: no crowd
                failed[one.name] = problem
        for turn in range(args.rounds):
            shift = turn * len(field) // args.rounds  # nobody always runs after the same one
            for one in field[shift:] + field[:shift]:
                if one.name in failed:
                    continue
                began = time.monotonic()
                found = children[one.name].round()
                if isinstance(found, str):
                    failed[one.name] = found
                else:
                    runs.setdefault(one.name, []).append(found)
                    found = f"{rate(found['later'], 'cpu'):,.0f} rows per CPU-second"
                took = time.monotonic() - began
                print(f"round {turn + 1} {one.name}: {found} ({took:.0f} s)", file=sys.stderr)
    finally:
        for child in children.values():
            child.end()
    return runs, failed


def _prepare(
    suite: Suite,
    folder: Path,
    args: argparse.Namespace,
    env: dict[str, str],
    wanted: set[str],
    failed: dict[str, str],
) -> set[str]:
    """Write what the contestants read, all of it and a small one to warm up with."""
    ready = set(wanted)
    for size, rows in (("all", args.rows), ("small", min(args.rows, 2 * args.batch))):
        place = folder / size
        if not (place / "rows.json").exists():
            shutil.rmtree(place, ignore_errors=True)
            (place / "source").mkdir(parents=True)
            suite.source(place / "source", rows)
            (place / "rows.json").write_text(json.dumps(rows))
        for name in sorted(wanted & ready):
            command = ["--write", name, str(place / "source"), str(place / name)]
            done = place / f"{name}.done"
            if done.exists():
                continue
            shutil.rmtree(place / name, ignore_errors=True)
            if problem := _make(suite, args, env, command):
                failed[f"data '{name}'"] = problem
                ready.discard(name)
            else:
                done.touch()
    os.sync()
    return ready


def _command(suite: Suite, args: argparse.Namespace, extra: list[str]) -> list[str]:
    settings = ["--rows", str(args.rows), "--batch", str(args.batch)]
    return [args.peers_python, suite.script, *settings, "--seconds", str(args.seconds), *extra]


def _environment(more: dict[str, str]) -> dict[str, str]:
    paths = os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    quiet = {"PYTHONWARNINGS": "ignore", "HF_DATASETS_OFFLINE": "1", "PYTHONPATH": paths}
    return {**os.environ, **quiet, **more}


def _make(suite: Suite, args: argparse.Namespace, env: dict[str, str], extra: list[str]) -> str:
    """Write data in a process of its own; return what went wrong, or ""."""
    command = _command(suite, args, extra)
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(env))
    return _last_line(done.stderr) if done.returncode else ""
