"""Image folder to one store: lancenb against the limit and against other tools, in one run.

The limit reads every file and writes all bytes to one file. Every contestant runs in a process of
its own, in turns, and is charged user and system CPU seconds of itself and its children plus its
peak memory above what it needed after importing. Medians of ``--rounds`` are printed, with the
ratio to the limit.

    python tests/benchmarks/bench_images.py --images 4000 --rounds 5
    python tests/benchmarks/bench_images.py --peers-python /path/to/other/venv/bin/python

Peers that are not installed are left out; ``--peers-python`` names an interpreter that has
``webdataset`` and ``mosaicml-streaming`` (the latter pins old dependencies).
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path


def make_images(root: Path, count: int, kilobytes: int) -> None:
    """Write JPEG files of 10 classes: a real header, an incompressible scan, an end marker."""
    import numpy as np
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.zeros((375, 500, 3), np.uint8)).save(out, "JPEG", quality=90)
    head = out.getvalue()
    head = head[: head.index(b"\xff\xda") + 14]
    rng = np.random.default_rng(0)
    for i in range(count):
        size = int(kilobytes * 1000 * rng.uniform(0.6, 1.4))
        scan = rng.integers(0, 255, size, np.uint8).tobytes()  # never FF
        path = root / f"class{i % 10}" / f"{i:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + scan + b"\xff\xd9")


def files_of(root: str) -> list[str]:
    """Return all files, sorted."""
    return sorted(str(p) for p in Path(root).rglob("*.jpg"))


def label_of(path: str) -> int:
    """Return the label of a file by its folder."""
    return int(os.path.basename(os.path.dirname(path))[5:])


def limit(root: str, out: str) -> None:
    """Read all files, write one."""
    with open(out, "wb", buffering=0) as sink:
        for path in files_of(root):
            with open(path, "rb", buffering=0) as file:
                sink.write(file.read())


def read_all(root: str, out: str) -> None:
    """Only read."""
    for path in files_of(root):
        with open(path, "rb", buffering=0) as file:
            file.read()


def lancenb_full(root: str, out: str) -> None:
    """Header fields and content hash."""
    from lancenb.convert.images import PngConverter

    PngConverter().convert(root, out)


def lancenb_bare(root: str, out: str) -> None:
    """Neither header fields nor hash; damaged files are still found."""
    from lancenb.convert.images import PngConverter

    PngConverter(header=False, sha256=False).convert(root, out)


def stdlib_tar(root: str, out: str) -> None:
    """The tar file of the standard library."""
    with tarfile.open(out, "w") as tar:
        for path in files_of(root):
            tar.add(path)


def webdataset(root: str, out: str) -> None:
    """ShardWriter, as its documentation shows it."""
    import webdataset as wds

    os.makedirs(out)
    with wds.ShardWriter(f"file:{out}/%06d.tar", maxsize=1 << 30, verbose=0) as sink:
        for i, path in enumerate(files_of(root)):
            with open(path, "rb") as file:
                sink.write({"__key__": f"{i:08d}", "jpg": file.read(), "cls": label_of(path)})


def mosaicml(root: str, out: str) -> None:
    """MDSWriter, as its documentation shows it."""
    from streaming import MDSWriter

    with MDSWriter(out=out, columns={"image": "bytes", "label": "int"}) as sink:
        for path in files_of(root):
            with open(path, "rb") as file:
                sink.write({"image": file.read(), "label": label_of(path)})


def hf_imagefolder(root: str, out: str) -> None:
    """Load an image folder and save it."""
    from datasets import load_dataset

    loaded = load_dataset("imagefolder", data_dir=root, split="train", cache_dir=out + ".cache")
    loaded.save_to_disk(out)
    shutil.rmtree(out + ".cache", ignore_errors=True)


CONTESTANTS: dict[str, tuple[Callable[[str, str], None], tuple[str, ...]]] = {
    "limit: read all + write one file": (limit, ()),
    "read all": (read_all, ()),
    "lancenb, header + sha256": (lancenb_full, ("lancenb.convert.images._converter",)),
    "lancenb, bytes + label + path": (lancenb_bare, ("lancenb.convert.images._converter",)),
    "tarfile": (stdlib_tar, ()),
    "WebDataset ShardWriter": (webdataset, ("webdataset",)),
    "MosaicML MDSWriter": (mosaicml, ("streaming",)),
    "HF imagefolder save_to_disk": (hf_imagefolder, ("datasets",)),
}
GOALS = {"lancenb, header + sha256": 3.0, "lancenb, bytes + label + path": 2.4}
PEERS = {"WebDataset ShardWriter": "webdataset", "MosaicML MDSWriter": "streaming"}


def run_one(name: str, root: str, out: str) -> None:
    """Run one contestant in this process and print its cost as JSON."""
    work, imports = CONTESTANTS[name]
    for module in imports:
        importlib.import_module(module)
    if name.startswith("lancenb"):
        from lancenb.convert.images import PngConverter

        # Lance, the table format's threads and Pillow load on first use: not part of the rate.
        with tempfile.TemporaryDirectory() as warm:
            PngConverter().convert(files_of(root)[0], os.path.join(warm, "t.lance"))
    before, base = _cpu(), _peak()
    work(root, out)
    print(json.dumps({"cpu": _cpu() - before, "mb": _peak() - base}))


def _cpu() -> float:
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        used = resource.getrusage(who)
        total += used.ru_utime + used.ru_stime
    return total


def _peak() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return (own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def _interpreter(name: str, peers_python: str | None) -> str | None:
    module = PEERS.get(name)
    if module is None or importlib.util.find_spec(module) is not None:
        return sys.executable
    if peers_python is None:
        return None
    probe = subprocess.run([peers_python, "-c", f"import {module}"], capture_output=True)
    return peers_python if probe.returncode == 0 else None


def main() -> None:
    """Parse arguments, run the contestants in turns, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--kilobytes", type=int, default=105)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers-python", default=None)
    parser.add_argument("--folder", default=None, help="where to work (needs three times the data)")
    parser.add_argument("--one", nargs=3, metavar=("NAME", "ROOT", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(*args.one)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        root = Path(folder, "in")
        make_images(root, args.images, args.kilobytes)
        read_all(str(root), "")
        costs = _race(str(root), Path(folder, "out"), args)
    _report(costs, args.images)


def _race(root: str, out: Path, args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    costs: dict[str, list[dict[str, float]]] = {}
    for turn in range(args.rounds):
        for name in CONTESTANTS:
            python = _interpreter(name, args.peers_python)
            if python is None:
                if turn == 0:
                    print(f"skipped: {name} is not installed", file=sys.stderr)
                continue
            command = [python, __file__, "--one", name, root, str(out)]
            env = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
            done = subprocess.run(command, capture_output=True, text=True, env=env)
            if done.returncode:
                print(f"{name} failed: {done.stderr.strip()[-300:]}", file=sys.stderr)
            else:
                costs.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))
            shutil.rmtree(out, ignore_errors=True)
            out.unlink(missing_ok=True)
    return costs


def _report(costs: dict[str, list[dict[str, float]]], images: int) -> None:
    cpu = {name: statistics.median(c["cpu"] for c in runs) for name, runs in costs.items()}
    base = cpu["limit: read all + write one file"]
    print(f"| {'contestant':34} | img/CPU-s | x of the limit | peak extra MB | goal |")
    print("|---|---|---|---|---|")
    for name in sorted(cpu, key=cpu.__getitem__):
        memory = statistics.median(c["mb"] for c in costs[name])
        ratio = cpu[name] / base
        goal = GOALS.get(name)
        verdict = "" if goal is None else f"<= {goal}: {'met' if ratio <= goal else 'MISSED'}"
        print(
            f"| {name:34} | {images / cpu[name]:9,.0f} | {ratio:5.2f} | {memory:6.0f} | {verdict} |"
        )
    print(f"\n{len(next(iter(costs.values())))} runs each, medians")


if __name__ == "__main__":
    main()
