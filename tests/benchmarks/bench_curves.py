"""Training curves of a million points: cost of a point, bytes on the wire, first draw, hover.

Run by hand: ``python -m tests.benchmarks.bench_curves [points]``. Goals: a point costs under 10
microseconds, a line of any length travels in under 30 kB, an update of a long live run costs under
30 ms, the first draw of the page and the answer to the pointer stay under 500 ms and 50 ms.
"""

from __future__ import annotations

import statistics
import sys
import time
from typing import Any

import numpy as np

from lancenb.widgets import Curves
from tests import browser
from tests.widgets.front.conftest import Mounted

GOALS = {
    "add, us per point of two figures": 10.0,
    "bytes per line on the wire": 30_000.0,
    "update of the live run, ms": 30.0,
    "first draw, ms": 500.0,
    "hover, ms (median)": 50.0,
    "zoom answered, ms": 100.0,
}


def fill(points: int) -> tuple[Curves, float]:
    """Return curves with one live run of ``points`` steps, and the seconds a point took."""
    losses = np.random.default_rng(0).normal(size=points).tolist()
    curves = Curves()
    begin = time.perf_counter()
    for step, loss in enumerate(losses):
        curves.add("run", step, loss=loss, lr=1e-3)
    return curves, (time.perf_counter() - begin) / points


def in_page(curves: Curves) -> dict[str, float]:
    """Measure the front end in Chromium."""
    with browser.chromium() as opened:
        page: Any = opened.new_page(viewport={"width": 1280, "height": 800})
        mounted = Mounted(page, curves)
        begin = time.perf_counter()
        mounted.load("light")
        page.wait_for_selector(".lnb-plot path")
        first = 1000 * (time.perf_counter() - begin)
        box = page.locator(".lnb-plot-box > svg").first.bounding_box()
        took = page.evaluate(
            """async ({x, y}) => { const out = [], area = document.elementFromPoint(x, y);
            for (let i = 0; i < 60; i++) { const t = performance.now();
              area.dispatchEvent(new PointerEvent("pointermove",
                {clientX: x + i, clientY: y, bubbles: true}));
              await new Promise(requestAnimationFrame); await new Promise(r => setTimeout(r));
              out.push(performance.now() - t); } return out; }""",
            {"x": box["x"] + 200, "y": box["y"] + 60},
        )
        page.close()
    return {"first draw, ms": first, "hover, ms (median)": statistics.median(took)}


def measure(points: int) -> dict[str, float]:
    """Return all figures."""
    curves, cost = fill(points)
    found = {"add, us per point of two figures": 1e6 * cost}
    curves.refresh()
    begin = time.perf_counter()
    for step in range(10):
        curves.add("run", points + step, loss=0.0, lr=1e-3)
        curves.refresh()
    found["update of the live run, ms"] = 100 * (time.perf_counter() - begin)
    found["bytes per line on the wire"] = len(curves.live_data) / len(curves.live)
    begin = time.perf_counter()
    curves._answer_zoom("step", points / 3, points / 2)
    found["zoom answered, ms"] = 1000 * (time.perf_counter() - begin)
    curves.finish("run")
    return found | in_page(curves)


def main() -> None:
    """Print every figure beside its goal."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    for name, value in measure(points).items():
        verdict = "ok" if value <= GOALS[name] else "MISSED"
        print(f"{name:36} {value:12,.2f}   goal {GOALS[name]:>8,.0f}   {verdict}")


if __name__ == "__main__":
    main()
