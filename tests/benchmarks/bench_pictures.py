"""JPEG of 500 x 375 to random crops of 224 (1,024, shuffled): lancenb, the limit, other loaders.

    python tests/benchmarks/bench_pictures.py [--rounds 5] [--quick] [--only lancenb,DALI]
    python tests/benchmarks/bench_pictures.py --peers-python /path/to/other/venv/bin/python

Every contestant gives uint8 batches (64, 3, 224, 224) with row numbers as labels, in turns with the
others and in a process of its own, with two threads or two workers; that each row came once and
crops have the colours of their rows is checked in every run. "fast" is the peer's storage with
torchvision's JPEG decoder. Peers that are not installed are left out.
"""

from __future__ import annotations

import math
import multiprocessing
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _peers_loaders as peers
from tests.benchmarks import _peers_suite as suites
from tests.benchmarks import _peers_threads as threads
from tests.benchmarks._peers_cells import (
    CROP,
    crop_batch,
    load,
    picture_check,
    picture_source,
)
from tests.benchmarks._peers_formats import WRITERS
from tests.benchmarks._peers_run import main

LIMIT = "limit: decode and crop from memory, 2 processes"
FULL = "lancenb, full decode"
AWARE = "lancenb, crop-aware decode"
LAYOUT = "its batches are channels-last, as the limit's; those of the others are contiguous"
DALI = "DALI on the CPU, 2 threads"
FOLDER = "ImageFolder + DataLoader(2)"


def _draw_box(high: int, wide: int) -> tuple[slice, slice]:
    """Rows and columns of a RandomResizedCrop."""
    for _ in range(10):
        area = high * wide * random.uniform(0.08, 1)
        aspect = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        width, height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < width <= wide and 0 < height <= high:
            top, left = random.randrange(high - height + 1), random.randrange(wide - width + 1)
            return slice(top, top + height), slice(left, left + width)
    return slice(0, high), slice(0, wide)


def _share(cells: list[bytes], batch: int, orders: Any) -> None:
    """Decode and crop rows into one buffer, with as little as can be around it."""
    import torch
    from torchvision.io import decode_jpeg

    torch.set_num_threads(1)
    resize = torch.ops.aten._upsample_bilinear2d_aa.out
    shape = (batch, 3, CROP, CROP)
    out = torch.empty(shape, dtype=torch.uint8).to(memory_format=torch.channels_last)
    while rows := orders.recv():
        for at, row in enumerate(rows):
            whole = decode_jpeg(torch.frombuffer(cells[row], dtype=torch.uint8))
            down, across = _draw_box(whole.shape[1], whole.shape[2])
            place = out[at % batch][None]
            resize(whole[None, :, down, across], [CROP, CROP], False, None, None, out=place)
        orders.send(len(rows))


def from_memory(folder: Path, settings: suites.Settings) -> suites.Epochs:
    """Decode and crop in forked processes, into one buffer each: no loader, nothing handed over."""
    import torch

    cells, _ = load(folder)
    fork = multiprocessing.get_context("fork")
    ends = []
    for _ in range(settings.threads):
        mine, theirs = fork.Pipe()
        working = fork.Process(target=_share, args=(cells, settings.batch, theirs), daemon=True)
        working.start()
        ends.append(mine)

    def epochs(epoch: int) -> Iterator[Any]:
        order = torch.randperm(settings.rows).tolist()
        shares = [order[number :: len(ends)] for number in range(len(ends))]
        for end, share in zip(ends, shares, strict=True):
            end.send(share)
        for end, share in zip(ends, shares, strict=True):
            assert end.recv() == len(share)
            shape = (len(share), 3, CROP, CROP)
            yield torch.empty(shape, dtype=torch.uint8, device="meta"), share

    return epochs


def headspace(folder: Path, settings: suites.Settings) -> suites.Epochs:
    """The same finished batch again and again: what is left when loading costs nothing."""
    import torch

    ready = torch.zeros((settings.batch, 3, CROP, CROP), dtype=torch.uint8)

    def epochs(epoch: int) -> Iterator[Any]:
        for at in torch.randperm(settings.rows).split(settings.batch):
            yield ready[: len(at)], at
        yield ready[:0].to("meta"), torch.empty(0, dtype=torch.int64)

    return epochs


def lancenb(decoder: str) -> peers.Open:
    """lancenb's loader: threads in this process."""

    def open_(folder: Path, settings: suites.Settings) -> suites.Epochs:
        from lancenb.data import LanceTorchDataset, loader
        from lancenb.data.transforms import RandomCropResize

        crop = RandomCropResize(CROP, flip=False)
        table = str(folder / "t.lance")
        data = LanceTorchDataset(table, transform=crop, decoder=decoder, cache=False)
        batches = loader(data, settings.batch, shuffle=True, threads=settings.threads)

        def epochs(epoch: int) -> Iterator[Any]:
            batches.set_epoch(epoch)
            return iter(batches)

        return epochs

    return open_


CONTESTANTS = [
    suites.Contestant("headspace: the same cached batch", "", headspace),
    suites.Contestant(LIMIT, "", from_memory),
    suites.Contestant(FULL, "lance", lancenb("torchvision"), "", LAYOUT),
    suites.Contestant(AWARE, "lance", lancenb("nvimgcodec"), "nvidia.nvimgcodec", LAYOUT),
    suites.Contestant(DALI, "files", threads.dali, "nvidia.dali"),
    suites.Contestant(
        "LanceDB StreamingDataset, 2 threads, fast",
        "lance_cells",
        threads.lancedb_streaming(crop_batch),
        "lancedb",
    ),
    suites.Contestant(
        "SafeLanceDataset, 2 workers, fast", "lance_cells", peers.safe_lance(crop_batch)
    ),
    suites.Contestant(
        "HF datasets, 2 workers, fast", "hf", peers.hf_arrow(crop_batch, workers=True)
    ),
    suites.Contestant("MosaicML, 2 workers, fast", "mds", peers.mosaicml(crop_batch), "streaming"),
    suites.Contestant(
        "WebDataset, 2 workers, fast",
        "wds",
        peers.webdataset(crop_batch),
        "webdataset",
        "shuffles inside a buffer of 1,000 rows, not all rows",
    ),
    suites.Contestant("litdata, 2 workers, fast", "litdata", peers.litdata(crop_batch), "litdata"),
    suites.Contestant("files + DataLoader(2), fast", "files", peers.files(crop_batch)),
    suites.Contestant(FOLDER, "files", peers.image_folder),
]
PYTHON_LOADERS = [c.name for c in CONTESTANTS if c.name.endswith("workers, fast")]
GOALS = [
    suites.Goal(FULL, 1 / 1.15, LIMIT),
    suites.Goal(AWARE, 1 / 1.02, LIMIT),
    suites.Goal(FULL, 1.0, DALI),
    suites.Goal(AWARE, 1.0, DALI),
    *(
        suites.Goal(AWARE, 1.8, peer, "cpu", phase)
        for peer in PYTHON_LOADERS
        for phase in ("first", "later")
    ),
    *(suites.Goal(FULL, 3.0, FOLDER, "cpu", phase) for phase in ("first", "later")),
]
SUITE = suites.Suite(
    __file__,
    picture_source,
    WRITERS,
    CONTESTANTS,
    GOALS,
    rows=1024,
    batch=64,
    limit=LIMIT,
    check=picture_check,
    quick=4,
)

if __name__ == "__main__":
    raise SystemExit(main(SUITE, __doc__ or ""))
