"""A gallery of many images on an S3 store, through a real JupyterLab in Chromium.

Measured: seconds from the end of the cell to the first thumbnails, the time until everything in
sight is shown after a jump to a random row (median and worst), growth of the kernel's memory, the
largest message to the page, and the rows that were read.

    python -m tests.benchmarks.bench_gallery --images 100000 --jumps 40

The store is moto on loopback. It answers a range with that range alone, but reads the whole object
for each one, so that its time grows with the size of a file: ``--rows-per-file`` keeps files small.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from tests.browser import chromium
from tests.lab._lab import Lab
from tests.lab._server import Server
from tests.s3_fixtures import S3Server
from tests.store import _servers

MAKE = """
import io, sys
import numpy as np, pyarrow as pa, lance
from PIL import Image
from lancenb.store import Store
options, n, side, per_file = {options!r}, {images}, {side}, {per_file}
store = Store("s3://gallery/tables", **options).create()
rng = np.random.default_rng(0)
def jpeg(i):
    small = rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()
few = pa.array([jpeg(i) for i in range(2000)], pa.binary())
def batches():
    for first in range(0, n, 1000):
        at = pa.array(np.arange(first, min(n, first + 1000)))
        which = pa.array((np.asarray(at) * 7919) % 2000)
        yield pa.record_batch({{"image": few.take(which), "label": pa.array(np.asarray(at) % 10)}})
schema = pa.schema({{"image": pa.binary(), "label": pa.int64()}})
reader = pa.RecordBatchReader.from_batches(schema, batches())
uri = "s3://gallery/tables/many.lance"
lance.write_dataset(reader, uri, storage_options=store.storage_options,
                    max_rows_per_file=per_file, data_storage_version="2.2")
mean = sum(map(len, few.to_pylist())) / 2000
print(f"{{n}} images of {{side}} x {{side}}, {{mean / 1000:.1f}} kB each on average")
"""
START = """
import os, time
import lancenb as lnb, numpy, PIL.Image
from lancenb.store import Store, open_table
def rss():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
store = Store("s3://gallery/tables", **{options!r})
open_table("s3://gallery/tables/many.lance", store=store).count_rows()
before = rss()
sizes = []
"""
SHOW = """
began = time.time()
gallery = lnb.Gallery("s3://gallery/tables/many.lance", store=store)
made = time.time() - began
send = gallery.send
def heard(content, buffers=()):
    sizes.append(sum(map(len, buffers)) + len(str(content)))
    send(content, buffers=list(buffers))
gallery.send = heard
gallery
"""
# The row jumped to is at the top of what is in sight; ready = every cell there has its picture.
JUMP = """async (row) => {
  const box = document.querySelector(".lnb-gallery-box");
  const total = box.scrollHeight - box.clientHeight;
  const began = performance.now();
  box.scrollTop = total * row;
  await new Promise((r) => requestAnimationFrame(() => requestAnimationFrame(r)));
  for (;;) {
    const cells = [...box.querySelectorAll(".lnb-gallery-cell:not([hidden])")];
    const shown = (c) => c.dataset.state === "shown" && c.querySelector("img").complete;
    if (cells.length && cells.every(shown))
      return performance.now() - began;
    if (performance.now() - began > 30000) return 30000;
    await new Promise((r) => setTimeout(r, 5));
  }
}"""
WATCH = """() => { window.cellEnded = null; window.firstShown = null;
  const look = () => {
    const prompt = [...document.querySelectorAll(".jp-InputPrompt")].at(-1)?.textContent ?? "";
    if (!window.cellEnded && /\\[\\d+\\]/.test(prompt)) window.cellEnded = performance.now();
    const img = document.querySelector(".lnb-gallery-cell[data-state=shown] img");
    const drawn = img?.complete && img.naturalWidth;
    if (!window.firstShown && drawn) window.firstShown = performance.now();
    if (!window.firstShown || !window.cellEnded) setTimeout(look, 5);
  }; look(); }"""


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run everything once and return the figures."""
    process, endpoint = _servers.start_moto(folder)
    server = None
    try:
        options = S3Server(endpoint, "minioadmin", "minioadmin123", "moto").options()
        server = Server()
        given = {"options": options, "images": args.images, "side": args.side}
        make = MAKE.format(**given, per_file=args.rows_per_file)
        with chromium() as browser:
            return _drive(server, browser, folder, make, START.format(options=options), args)
    finally:
        if server is not None:
            server.stop()
        _servers.stop(process)


def _drive(
    server: Server, browser: Any, folder: Path, make: str, start: str, args: argparse.Namespace
) -> dict[str, Any]:
    import random

    maker = Lab(server, browser, server.write([make]), folder)
    maker.run(seconds=900)
    said = maker.page.locator(".jp-OutputArea-output").last.inner_text()
    maker.shutdown()
    maker.close()
    lab = Lab(server, browser, server.write([start, SHOW]), folder)
    lab.run(0)
    lab.page.evaluate(WATCH)
    lab.run(1)
    lab.page.wait_for_function("window.firstShown && window.cellEnded", timeout=60_000)
    first = lab.page.evaluate("window.firstShown - window.cellEnded") / 1000
    rng = random.Random(0)
    times = []
    for _ in range(args.jumps):
        times.append(lab.page.evaluate(JUMP, rng.random()))
        lab.page.wait_for_timeout(args.rest)
    facts = json.loads(
        lab.ask(
            "import json; print(json.dumps([rss() - before, max(sizes), len(sizes),"
            " gallery._thumbs.read, made, len(gallery.first), len(gallery.get_state()['first'])]))"
        )
    )
    sight = lab.page.locator(".lnb-gallery-cell:not([hidden])").count()
    lab.close()
    return {
        "images": said.strip(),
        "cell took, s": round(facts[4], 2),
        "first thumbnails after the cell, s": round(first, 3),
        "jump median, ms": round(statistics.median(times)),
        "jump 90 %, ms": round(sorted(times)[int(0.9 * len(times))]),
        "jump worst, ms": round(max(times)),
        "pictures in sight": sight,
        "kernel growth, MB": round(facts[0], 1),
        "largest message, kB": round(max(facts[1], facts[5]) / 1000, 1),
        "messages": facts[2],
        "rows read": facts[3],
    }


def main() -> None:
    """Measure and print."""
    raw = argparse.RawTextHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--jumps", type=int, default=40)
    parser.add_argument("--rest", type=int, default=300, help="milliseconds between two jumps")
    parser.add_argument("--rows-per-file", type=int, default=1000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, value in measure(args, Path(folder)).items():
            print(f"{name:38} {value}")


if __name__ == "__main__":
    main()
