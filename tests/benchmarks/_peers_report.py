"""What a benchmark prints: a table for first and one for later epochs, notes, goals, JSON."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from typing import Any

from tests.benchmarks._peers_suite import Goal, Suite, rate


def report(
    suite: Suite,
    runs: dict[str, list[dict[str, Any]]],
    failed: dict[str, str],
    args: argparse.Namespace,
) -> int:
    print(f"{args.rows:,} rows, batches of {args.batch}, {os.cpu_count()} cores, ", end="")
    print(f"load {os.getloadavg()[0]:.1f}, {args.rounds} rounds in turns, medians (spread)")
    for phase, title in (
        ("first", "first epoch of a loader, files not in the page cache, workers' start included"),
        ("later", "later epochs, warm"),
    ):
        print(f"\n{title}\n")
        _table(suite, runs, phase)
    print()
    for name, found in runs.items():
        if (stayed := max(run["stayed"] for run in found)) > 0.05:
            print(f"{name}: {stayed:.0%} of the files' pages stayed in memory (it has them mapped)")
    for one in suite.contestants:
        if one.name in runs and one.note:
            print(f"{one.name}: {one.note}")
    for name, why in failed.items():
        print(f"did not run: {name}: {why}")
    results = []
    for goal in suite.goals:
        value = goal.value(runs)
        if value is not None:
            results.append({"goal": goal.text(), "value": value, "met": value >= goal.factor})
            print(f"{'met   ' if value >= goal.factor else 'MISSED'} {goal.text()}: {value:,.2f}")
    if args.json:
        figures = {"rows": args.rows, "batch": args.batch, "runs": runs, "failed": failed}
        args.json.write_text(json.dumps({**figures, "goals": results}, indent=1))
    return 0 if all(result["met"] for result in results) else 1


def _table(suite: Suite, runs: dict[str, list[dict[str, Any]]], phase: str) -> None:
    wide = max((len(name) for name in runs), default=10)
    print(
        f"| {'contestant':{wide}} | rows per CPU-s (spread) | x CPU of the limit "
        "| rows/s (spread) | first batch, s | rows |\n|---|---|---|---|---|---|"
    )

    def middle(name: str, measure: str) -> float:
        return statistics.median(rate(run[phase], measure) for run in runs[name])

    for name in sorted(runs, key=lambda name: -middle(name, "cpu")):
        cells = []
        for measure in ("cpu", "wall"):
            rates = [rate(run[phase], measure) for run in runs[name]]
            half = (max(rates) - min(rates)) / 2 / statistics.median(rates)
            cells.append(f"{statistics.median(rates):11,.0f} ±{half:4.0%}")
        more = Goal(suite.limit, 1, name, "cpu", phase).value(runs)
        times = "     -" if more is None else f"{more:6.2f}"
        waited = statistics.median(run[phase]["waited"] for run in runs[name])
        given = runs[name][-1][phase]
        bad = [f"{given[key]} {key}" for key in ("missing", "twice") if given[key]]
        exact = ", ".join(bad) or "each once"
        print(f"| {name:{wide}} | {cells[0]} | {times} | {cells[1]} | {waited:5.2f} | {exact} |")
