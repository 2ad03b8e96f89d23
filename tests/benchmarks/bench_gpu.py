"""CIFAR-10 on a GPU: how busy it is while batches come from Lance, and images/s beside the ceiling.

    python tests/benchmarks/bench_gpu.py [--model resnet18] [--batch-size 512] [--epochs 2]
    python tests/benchmarks/bench_gpu.py --device cpu --rows 2000 --model simple_cnn --rounds 1

All contestants train the same model from the same weights (bf16, channels last, crop and mirror on
the device) and take turns: lancenb's loader over a table of PNG, cached and not; all pixels as one
tensor on the device, which is the ceiling; a Dataset in memory with torch's DataLoader. Before the
rounds each runs an epoch that is not timed, in which every row must come at most once with its own
pixels. A round is timed from before the first batch is asked for until the device has done the last
step. Without a GPU the exit status is 2.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks._gpu_rounds import Reading, Settings, Truth, driver_reading, run_round

CEILING = "ceiling: uint8 tensor on the device"
CACHED = "lancenb, cached (the default)"
GOAL = 0.9
STEPS = "CUDA events: from begin to end of each step, gaps between its kernels included"

Batch = tuple[Any, Any]
Epochs = Callable[[int], Iterator[Batch]]
Found = dict[str, list[dict[str, Any]]]


# the rows ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Rows:
    """The table; its pixels (n, 32, 32, 3) uint8 and labels int64 (n,), read without lancenb."""

    uri: str
    images: np.ndarray
    labels: np.ndarray
    told: str


def found_cifar() -> str | None:
    """A folder with CIFAR-10 in the layout of the Hub, where tests and notebooks look."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    named = os.environ.get("LANCENB_TEST_DATA")
    folders = [Path(place) / "cifar10" for place in (named, beside) if place]
    return next((str(f) for f in folders if any(f.glob("data/train-*.parquet"))), None)


def make_rows(folder: Path, name: str | None, wanted: int) -> Rows:
    """Write the table: rows of ``name``, of the CIFAR-10 found here, else drawn ones."""
    import lancenb as lnb

    source = name or found_cifar() or "synthetic"
    uri = str(folder / "train.lance")
    have = different = 0
    while have < wanted:
        limit = min(wanted - have, different or wanted)
        files = lnb.DatasetDownloader(source, "train", folder / "cache", limit=limit).download()
        have += lnb.convert(files, uri, kind="images", mode="append" if have else "create").rows
        different = different or have
    told = f"{wanted:,} rows of {source}" if source != "synthetic" else f"{wanted:,} drawn rows"
    if different < wanted:
        told += f" ({different:,} different ones, repeated)"
    return Rows(uri, *decoded(uri), told)


def decoded(uri: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels and labels of the table by Lance and Pillow alone."""
    import lance
    from PIL import Image

    table = lance.dataset(uri).to_table(columns=["image", "label"])
    cells = table["image"].to_pylist()
    pixels = [np.asarray(Image.open(io.BytesIO(cell)).convert("RGB")) for cell in cells]
    return np.stack(pixels), table["label"].to_numpy().astype(np.int64)


# the contestants -----------------------------------------------------------------------------
def moved(batches: Any, device: Any) -> Iterator[Batch]:
    """Batches copied to the device while Python goes on (from pinned memory)."""
    for images, labels in batches:
        yield images.to(device, non_blocking=True), labels.to(device, non_blocking=True)


def lancenb(rows: Rows, settings: Settings, cache: bool, threads: int) -> Epochs:
    """lancenb's loader over the table."""
    from lancenb.data import LanceTorchDataset, loader

    batches = loader(
        LanceTorchDataset(rows.uri, cache=cache),
        settings.batch_size,
        shuffle=True,
        drop_last=True,
        threads=threads,
        pin_memory=settings.pin,
    )

    def epochs(epoch: int) -> Iterator[Batch]:
        batches.set_epoch(epoch)
        return moved(batches, settings.device)

    return epochs


def on_device(rows: Rows, settings: Settings) -> Epochs:
    """Everything on the device, a permutation per epoch."""
    import torch

    images = torch.from_numpy(rows.images.transpose(0, 3, 1, 2).copy()).to(settings.device)
    labels = torch.from_numpy(rows.labels).to(settings.device)
    generator = torch.Generator(settings.device).manual_seed(0)

    def epochs(epoch: int) -> Iterator[Batch]:
        order = torch.randperm(len(images), generator=generator, device=settings.device)
        for at in order.split(settings.batch_size)[: len(order) // settings.batch_size]:
            yield images.index_select(0, at), labels.index_select(0, at)

    return epochs


class Pictures:
    """Rows in memory as torchvision's ``CIFAR10`` gives them: one Pillow image after the other."""

    def __init__(self, data: np.ndarray, targets: list[int], transform: Callable[[Any], Any]):
        self.data, self.targets, self.transform = data, targets, transform

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        return self.transform(Image.fromarray(self.data[index])), self.targets[index]


def usual(rows: Rows, settings: Settings) -> Epochs:
    """A Dataset in memory and torch's DataLoader; uint8 goes to the device, as for the others."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.transforms import v2

    data: Any = Pictures(rows.images, rows.labels.tolist(), v2.PILToTensor())
    batches = DataLoader(
        data,
        settings.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        multiprocessing_context="spawn" if settings.workers else None,  # not forked: threads run
        pin_memory=settings.pin,
        generator=torch.Generator().manual_seed(0),
    )
    return lambda epoch: moved(batches, settings.device)


def contestants(rows: Rows, settings: Settings) -> dict[str, Epochs]:
    """All of them by name, ready to run."""
    threads = max(2, settings.workers)
    return {
        CEILING: on_device(rows, settings),
        CACHED: lancenb(rows, settings, True, 2),
        f"lancenb, cache=False, {threads} threads": lancenb(rows, settings, False, threads),
        f"Dataset in memory + DataLoader({settings.workers})": usual(rows, settings),
    }


# the run -------------------------------------------------------------------------------------
def race(rows: Rows, start: Any, settings: Settings, turns: int, read: Reading | None) -> Found:
    """An epoch of each that is checked, then the rounds in turns; figures by name."""
    field = contestants(rows, settings)
    truth = Truth(rows.images, rows.labels)
    whole = len(rows.labels) // settings.batch_size * settings.batch_size
    for name, epochs in field.items():
        truth.check(name, epochs(0), whole)
    found: Found = {name: [] for name in field}
    names = list(field)
    for turn in range(turns):
        shift = turn * len(names) // turns  # nobody always runs after the same one
        for name in names[shift:] + names[:shift]:
            figures = run_round(field[name], 1 + turn * settings.epochs, start, settings, read)
            found[name].append(figures)
            print(f"round {turn + 1} {name}: {figures['rate']:,.0f} images/s", file=sys.stderr)
    return found


def middle(runs: list[dict[str, Any]], measure: str) -> float | None:
    """Median over the rounds, None where no round has that figure."""
    known = [run[measure] for run in runs if run[measure] is not None]
    return statistics.median(known) if known else None


def table(found: Found) -> None:
    """Print a line per contestant."""
    wide = max(len(name) for name in found)
    print(f"\n| {'contestant':{wide}} | images/s (spread) | of the ceiling ", end="")
    print("| busy: driver | busy: steps | loss |\n|---|---|---|---|---|---|")
    top = [run["rate"] for run in found[CEILING]]
    for name, runs in found.items():
        rates = [run["rate"] for run in runs]
        rate = statistics.median(rates)
        ratio = statistics.median(own / best for own, best in zip(rates, top, strict=True))
        shares = [middle(runs, measure) for measure in ("driver", "events")]
        driver, steps = ("n/a" if share is None else f"{share:.0%}" for share in shares)
        print(
            f"| {name:{wide}} | {rate:11,.0f} ±{(max(rates) - min(rates)) / 2 / rate:4.0%} "
            f"| {ratio:14.2f} | {driver:>12} | {steps:>11} | {middle(runs, 'loss'):.3f} |"
        )


def goals(found: Found) -> int:
    """Print whether the GPU is as busy as promised, by each measure that there is; count misses."""
    missed = 0
    for measure, words in (("driver", "its driver"), ("events", "its steps")):
        share = middle(found[CACHED], measure)
        if share is not None:
            missed += share < GOAL
            verdict = "MISSED" if share < GOAL else "met   "
            print(f"{verdict} {CACHED}: GPU busy >= {GOAL:.0%} by {words}: {share:.1%}")
    return missed


def arguments(argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", default="resnet18", help="of ImageClassifier")
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--data", help="CIFAR-10 for DatasetDownloader; default: what is here")
    for name, value in (("rows", 50_000), ("batch-size", 512), ("epochs", 2), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1))
    parser.add_argument("--folder", help="where to work")
    parser.add_argument("--json", type=Path, help="write all figures here")
    given = parser.parse_args(argv)
    if min(given.batch_size, given.epochs, given.rounds, given.workers) < 1:
        parser.error("sizes and counts are at least 1")
    if not re.fullmatch(r"cpu|cuda(:\d+)?", given.device):
        parser.error(f"--device is cuda, cuda:1 or cpu, not {given.device}")
    if given.rows < given.batch_size:
        parser.error(f"{given.rows} rows make no batch of {given.batch_size}")
    return given


def main(argv: list[str] | None = None) -> int:
    """Make the table, run the rounds, print; 1 when a goal was missed, 2 without the device."""
    given = arguments(argv)
    import torch

    device = torch.device(given.device)
    if device.type == "cuda":
        there, index = torch.cuda.device_count(), device.index or 0
        if index >= there:
            said = f"torch finds {there or 'no'} GPU here; --device cpu goes the whole way without"
            print(f"no device {given.device}: {said}", file=sys.stderr)
            return 2
        device = torch.device("cuda", index)
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
    from lancenb._html import count
    from lancenb.train import ImageClassifier

    warm = 10 if device.type == "cuda" else 1
    settings = Settings(device, given.batch_size, given.epochs, given.workers, warm)
    read = driver_reading(device)
    with tempfile.TemporaryDirectory(prefix="lancenb-bench-", dir=given.folder) as folder:
        rows = make_rows(Path(folder), given.data, given.rows)
        torch.manual_seed(0)
        start = ImageClassifier(given.model, image_size=32, schedule="constant")
        found = race(rows, start, settings, given.rounds, read)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "the CPU"
    print(f"{rows.told}; {given.model}, bf16, batches of {given.batch_size}, on {where}")
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{given.rounds} x {count(given.epochs, 'epoch')} in turns, medians (spread)")
    table(found)
    if device.type == "cuda":
        source = f"{read.source}, after a second" if read else "neither NVML nor nvidia-smi tells"
        print(f"\nbusy, driver: {source}")
        print(f"busy, steps: {STEPS}")
    if given.json:
        given.json.write_text(json.dumps({"data": rows.told, "device": where, "runs": found}))
    return 1 if goals(found) else 0


if __name__ == "__main__":
    raise SystemExit(main())
