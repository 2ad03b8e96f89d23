"""Small pictures (20,000 of 32 x 32, shuffled): lancenb's loader, the limit and other loaders.

    python tests/benchmarks/bench_loading.py [--rounds 5] [--quick] [--only lancenb,litdata]
    python tests/benchmarks/bench_loading.py --peers-python /path/to/other/venv/bin/python

Every contestant gives uint8 batches (256, 3, 32, 32) with row numbers as labels, in turns with the
others and in a process of its own; that each row came once and the pixels are those of the row is
checked in every run. Peers that are not installed are left out (`pip install -e '.[bench]'`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks import _peers_loaders as peers
from tests.benchmarks import _peers_suite as suites
from tests.benchmarks import _peers_threads as threads
from tests.benchmarks._peers_cells import png_batch, raw_batch, small_check, small_source
from tests.benchmarks._peers_formats import WRITERS
from tests.benchmarks._peers_run import main

LIMIT = "limit: uint8 tensor in memory, index_select"
RAW = "lancenb, raw pixels (fixed-size list)"
PNG = "lancenb, PNG"
BUFFER = "shuffles inside a buffer of 1,000 rows, not all rows"
STREAMING = "LanceDB StreamingDataset, raw pixels"


def _tensors(folder: Path) -> tuple[Any, Any]:
    import numpy as np
    import torch

    images = torch.from_numpy(np.load(folder / "truth.npy"))
    return images, torch.arange(len(images))


def in_memory(how: str) -> peers.Open:
    """Batches out of one tensor; ``how`` is "select", "index" or "cached"."""

    def open_(folder: Path, settings: suites.Settings) -> suites.Epochs:
        import torch

        images, labels = _tensors(folder)

        def epochs(epoch: int) -> Iterator[Any]:
            order = torch.randperm(settings.rows)
            ready = images[: settings.batch].clone()
            for at in order.split(settings.batch):
                if how == "select":
                    yield images.index_select(0, at), labels.index_select(0, at)
                elif how == "index":
                    yield images[at], labels[at]
                else:
                    yield ready[: len(at)], at
            if how == "cached":  # the last batch is compared with the rows that it names
                yield images[:0], labels[:0]

        return epochs

    return open_


def lancenb(**options: Any) -> peers.Open:
    """lancenb's loader: threads in this process."""

    def open_(folder: Path, settings: suites.Settings) -> suites.Epochs:
        from lancenb.data import LanceTorchDataset, loader

        data = LanceTorchDataset(str(folder / "t.lance"), **options)
        batches = loader(data, settings.batch, shuffle=True, threads=settings.threads)

        def epochs(epoch: int) -> Iterator[Any]:
            batches.set_epoch(epoch)
            for batch in batches:
                images, labels = batch.values() if isinstance(batch, dict) else batch
                yield images.view(-1, 3, 32, 32), labels

        return epochs

    return open_


CONTESTANTS = [
    suites.Contestant("headspace: the same cached batch", "", in_memory("cached")),
    suites.Contestant(LIMIT, "", in_memory("select")),
    suites.Contestant("by hand: tensor in memory, images[rows]", "", in_memory("index")),
    suites.Contestant(RAW, "lance_raw", lancenb()),
    suites.Contestant(f"{RAW}, cache=False", "lance_raw", lancenb(cache=False)),
    suites.Contestant(PNG, "lance", lancenb(), note="decoded in the first epoch, then cached"),
    suites.Contestant(f"{PNG}, cache=False", "lance", lancenb(cache=False)),
    suites.Contestant(STREAMING, "lance_raw", threads.lancedb_streaming(None), "lancedb"),
    suites.Contestant(
        "LanceDB Permutation.iter, raw pixels",
        "lance_raw",
        threads.lancedb_permutation(None),
        "lancedb",
    ),
    suites.Contestant("SafeLanceDataset, 2 workers", "lance_cells", peers.safe_lance(raw_batch)),
    *(
        suites.Contestant(f"{peer}{form}, 2 workers", data + suffix, open_(pack), needs, note)
        for peer, data, open_, needs, note in (
            ("MosaicML", "mds", peers.mosaicml, "streaming", ""),
            ("WebDataset", "wds", peers.webdataset, "webdataset", BUFFER),
            ("litdata", "litdata", peers.litdata, "litdata", ""),
        )
        for form, suffix, pack in ((", raw pixels", "", raw_batch), (", PNG", "_png", png_batch))
    ),
    suites.Contestant("HF datasets, Arrow batches", "hf", peers.hf_arrow(raw_batch, workers=False)),
    suites.Contestant("HF datasets, with_format('torch'), 2 workers", "hf_array", peers.hf_torch),
    suites.Contestant("PNG files + DataLoader(2), fast", "files", peers.files(png_batch)),
]
GOALS = [
    suites.Goal(RAW, 30_000),
    suites.Goal(RAW, 1.2, STREAMING, "wall"),
    suites.Goal(RAW, 1.2, STREAMING),
    suites.Goal(RAW, 1.2, STREAMING, "cpu", "first"),
    suites.Goal(f"{RAW}, cache=False", 1.2, STREAMING),
    *(
        suites.Goal(ours, factor, f"{peer}, {form}, 2 workers", measure)
        for ours, form in ((RAW, "raw pixels"), (PNG, "PNG"))
        for peer in ("litdata", "MosaicML", "WebDataset")
        for factor, measure in ((8.0, "wall"), (5.0, "cpu"))
    ),
    suites.Goal(RAW, 1 / 1.1, "by hand: tensor in memory, images[rows]"),
]
SUITE = suites.Suite(
    __file__,
    small_source,
    WRITERS,
    CONTESTANTS,
    GOALS,
    rows=20_000,
    batch=256,
    limit=LIMIT,
    check=small_check,
)

if __name__ == "__main__":
    raise SystemExit(main(SUITE, __doc__ or ""))
