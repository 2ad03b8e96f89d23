"""Weights: lancenb beside safetensors and torch.save, in one run, every byte touched.

    python tests/benchmarks/bench_weights.py [--mb 500] [--rounds 7] [--folder DIR] [--json out]

Prints medians and ratios to safetensors. Contestants take turns in every round, so that a busy
moment of the machine meets all of them. "touch" sums every element's bytes after loading.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

GOALS = {
    "save with hash": 1.5,
    "save without hash": 1.2,
    "load and touch": 1.2,
}


def make_state(megabytes: float) -> dict[str, Any]:
    """A GPT-2-like state dict of about that size, float32, seeded."""
    import torch

    torch.manual_seed(0)
    shapes = [(768, 2304), (2304,), (768, 768), (768,), (768, 3072), (3072,), (3072, 768), (768,)]
    shapes += [(768,), (768,), (768,), (768,)]
    state: dict[str, Any] = {}
    left = megabytes * 1e6
    block = 0
    while left > 0:
        for index, shape in enumerate(shapes):
            tensor = torch.randn(shape)
            state[f"h.{block}.{index}.weight"] = tensor
            left -= tensor.nbytes
            if left <= 0:
                break
        block += 1
    return state


def touch(state: dict[str, Any]) -> int:
    """Read every byte: sum of the bytes as 64-bit words where possible."""
    import torch

    total = 0
    for tensor in state.values():
        flat = tensor.reshape(-1).view(torch.uint8)
        words = flat[: flat.numel() // 8 * 8].view(torch.int64)
        total += int(words.sum()) + int(flat[words.numel() * 8 :].sum())
    return total


class Peak:
    """Largest growth of resident memory inside a ``with``, in MB."""

    def __enter__(self) -> Peak:
        import psutil

        self._process = psutil.Process()
        self._start = self.value = self._process.memory_info().rss
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.005):
            self.value = max(self.value, self._process.memory_info().rss)

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        self._thread.join()
        self.megabytes = (self.value - self._start) / 1e6


def rounds(
    contestants: dict[str, Callable[[], Any]],
    count: int,
    before: Callable[[str], Any] = lambda name: None,
) -> dict[str, list[float]]:
    """Median wall and CPU seconds of each; one warm-up round and ``before`` are not counted."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in contestants}
    for turn in range(count + 1):
        for name, run in contestants.items():
            before(name)
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            if turn:
                spent = (time.perf_counter() - wall, time.process_time() - cpu)
                times[name].append(spent)
    return {
        name: [statistics.median(values) for values in zip(*spent, strict=True)]
        for name, spent in times.items()
    }


def run(megabytes: float, count: int, folder: Path) -> dict[str, Any]:
    """Run everything and return the figures."""
    import torch
    from safetensors.torch import load_file, safe_open, save_file

    from lancenb.convert.weights import TensorConverter, load_tensors, save_weights

    # Threads that spin while other work has the cores would count as time of the contestants.
    torch.set_num_threads(1)
    state = make_state(megabytes)
    size = sum(t.nbytes for t in state.values())
    safe, torched = folder / "m.safetensors", folder / "m.pth"
    hashed, plain = str(folder / "hashed.lance"), str(folder / "plain.lance")

    def fresh(path: Any) -> None:
        if Path(path).is_dir():
            shutil.rmtree(path)
        else:
            Path(path).unlink(missing_ok=True)

    def save(target: str, hash: bool) -> None:
        save_weights(state, target, hash=hash)

    targets: dict[str, Any] = {
        "safetensors": safe,
        "torch.save": torched,
        "lancenb with hash": hashed,
        "lancenb without hash": plain,
    }
    out: dict[str, Any] = {"bytes": size, "tensors": len(state), "rounds": count}
    out["save"] = rounds(
        {
            "safetensors": lambda: save_file(state, safe),
            "torch.save": lambda: torch.save(state, torched),
            "lancenb with hash": lambda: save(hashed, True),
            "lancenb without hash": lambda: save(plain, False),
        },
        count,
        lambda name: fresh(targets[name]),
    )
    expected = touch(state)

    def check(loaded: dict[str, Any]) -> None:
        assert touch(loaded) == expected

    out["load"] = rounds(
        {
            "safetensors": lambda: check(load_file(safe)),
            "torch.load": lambda: check(torch.load(torched, weights_only=True)),
            "torch.load mmap": lambda: check(torch.load(torched, weights_only=True, mmap=True)),
            "lancenb": lambda: check(load_tensors(hashed)),
        },
        count,
    )
    name = list(state)[len(state) // 2]

    def one_safe() -> None:
        with safe_open(str(safe), "pt") as file:
            touch({name: file.get_tensor(name)})

    out["one tensor"] = rounds(
        {"safetensors": one_safe, "lancenb": lambda: touch(load_tensors(hashed, only=name))},
        max(count, 9),
    )
    head = list(state)[-1]
    state[head] = state[head] + 1

    def delta() -> None:
        state[head] += 1
        save_weights(state, hashed)

    out["delta"] = rounds({"lancenb next version, one tensor changed": delta}, count)
    target = folder / "converted.lance"

    def convert(source: Path) -> None:
        TensorConverter().convert(source, target)

    out["convert"] = rounds(
        {".safetensors": lambda: convert(safe), ".pth": lambda: convert(torched)},
        max(3, count // 2),
        lambda name: fresh(target),
    )
    out["peak_mb"] = {}
    for label, work in {
        "convert .safetensors": lambda: convert(safe),
        "convert .pth": lambda: convert(torched),
        "save with hash": lambda: save(hashed, True),
    }.items():
        fresh(target)
        fresh(hashed)
        with Peak() as peak:
            work()
        out["peak_mb"][label] = peak.megabytes
    pairs = {
        "save with hash": ("save", "lancenb with hash"),
        "save without hash": ("save", "lancenb without hash"),
        "load and touch": ("load", "lancenb"),
    }
    out["ratios"] = {
        label: [a / b for a, b in zip(out[group][name], out[group]["safetensors"], strict=True)]
        for label, (group, name) in pairs.items()
    }
    return out


def main() -> int:
    """Run and print; the exit status says whether the goals were met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=float, default=500)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--json", type=Path, default=None)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench-weights-", dir=options.folder))
    try:
        figures = run(options.mb, max(5, options.rounds), folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{figures['tensors']} tensors, {figures['bytes'] / 1e6:.0f} MB, medians of rounds")
    for group in ("save", "load", "one tensor", "delta", "convert"):
        for name, (wall, cpu) in figures[group].items():
            print(f"  {group:11} {name:42} {1000 * wall:9.1f} ms, {1000 * cpu:9.1f} ms of CPU")
    for name, megabytes in figures["peak_mb"].items():
        print(f"  peak extra memory, {name:33} {megabytes:9.0f} MB")
    met = True
    for name, (wall, cpu) in figures["ratios"].items():
        good = wall <= GOALS[name]
        met &= good
        verdict = "ok" if good else "MISSED"
        print(f"  {name}: {wall:.2f}x safetensors (CPU {cpu:.2f}x), goal {GOALS[name]}x: {verdict}")
    one = 1000 * figures["one tensor"]["lancenb"][0]
    met &= one <= 10
    print(f"  one tensor: {one:.1f} ms (goal 10 ms) {'ok' if one <= 10 else 'MISSED'}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
