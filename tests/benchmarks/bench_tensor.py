"""The tensor browser: bytes and seconds to look at one tensor of a large model.

    python tests/benchmarks/bench_tensor.py [--mb 2000] [--folder DIR] [--json out]

Stores a model with one tensor of that size, opens the browser, and asks for the figures and the
heat map as the front end does. "read" counts the bytes that system calls returned to the process.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def read_so_far() -> int:
    """Bytes this process read."""
    return int(Path("/proc/self/io").read_text().split()[1])


def measure(folder: Path, megabytes: int) -> list[dict[str, Any]]:
    """Return one line per thing looked at."""
    import torch

    from lancenb.convert.weights import save_weights
    from lancenb.widgets import TensorBrowser
    from tests.widgets._asking import asked, seen

    tall = megabytes * 1_000_000 // 8192
    state = {"big": torch.randn(tall, 2048), **{f"w{i}": torch.randn(64) for i in range(500)}}
    uri = save_weights(state, str(folder / "m.lance"), hash=False).uri
    del state
    lines: list[dict[str, Any]] = []

    def timed(what: str, act: Any) -> Any:
        start, before = time.perf_counter(), read_so_far()
        found = act()
        seconds = round(time.perf_counter() - start, 4)
        lines.append({"what": what, "seconds": seconds, "read": read_so_far() - before})
        return found

    browser = timed("open", lambda: TensorBrowser(uri))
    timed("figures", lambda: asked(browser, ask="figures", name="big", bins=48))
    body, maps = timed("heat map", lambda: seen(browser, "big"))
    timed("heat map, turned", lambda: seen(browser, "big", (1, 0)))
    lines.append({"what": "sent for one heat map", "bytes": sum(m.nbytes for m in maps)})
    lines.append({"what": "said", "words": body["words"]})
    return lines


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=2000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        lines = measure(Path(folder), given.mb)
    for line in lines:
        print("  ".join(f"{key} {value}" for key, value in line.items()))
    if given.json:
        given.json.write_text(json.dumps(lines, indent=1))


if __name__ == "__main__":
    main()
