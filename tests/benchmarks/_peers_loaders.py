"""Peers with worker processes, as their documentation shows them: uint8 batches and row numbers.

``pack(cells, labels)`` makes a batch; it runs where the peer runs its transforms. Where workers
are used they stay alive between epochs if the peer can do that.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.benchmarks._peers_suite import Epochs, Settings

Pack = Callable[[Sequence[Any], Sequence[Any]], tuple[Any, Any]]
Open = Callable[[Path, Settings], Epochs]


def _collate(pack: Pack, rows: list[Any]) -> tuple[Any, Any]:
    """Rows (dictionaries) to a batch."""
    return pack([row["cell"] for row in rows], [row["label"] for row in rows])


def _again(loader: Any) -> Epochs:
    return lambda epoch: iter(loader)


class Whole:
    """A map-style data set read by whole batches, so that workers do the packing."""

    def __init__(self, read: Callable[[list[int]], tuple[Any, Any]], rows: int, pack: Pack):
        self.read, self.rows, self.pack = read, rows, pack

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, indices: list[int]) -> tuple[Any, Any]:
        return self.pack(*self.read(indices))


def _whole(data: Whole, settings: Settings, **options: Any) -> Epochs:
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler

    batches = BatchSampler(RandomSampler(data), settings.batch, False)
    workers = settings.threads
    loader = DataLoader(
        data,
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        persistent_workers=workers > 0,
        **options,
    )
    return _again(loader)


class _Files:
    def __init__(self, folder: Path):
        self.paths = sorted(glob.glob(f"{folder}/*/*"))

    def __call__(self, indices: list[int]) -> tuple[list[bytes], list[int]]:
        cells = []
        for index in indices:
            with open(self.paths[index], "rb", buffering=0) as file:
                cells.append(file.read())
        return cells, indices


def files(pack: Pack) -> Open:
    """Files and torch's DataLoader, with a fast decoder and whole batches in the workers."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        read = _Files(folder)
        return _whole(Whole(read, len(read.paths), pack), settings)

    return open_


def image_folder(folder: Path, settings: Settings) -> Epochs:
    """torchvision's ImageFolder and DataLoader, as every tutorial has it."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    steps = [transforms.RandomResizedCrop(224), transforms.PILToTensor()]
    data = ImageFolder(str(folder), transforms.Compose(steps))
    loader = DataLoader(
        data, settings.batch, shuffle=True, num_workers=settings.threads, persistent_workers=True
    )
    return _again(loader)


def mosaicml(pack: Pack) -> Open:
    """MosaicML's StreamingDataset and StreamingDataLoader."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        from streaming import StreamingDataLoader, StreamingDataset
        from streaming.base.util import clean_stale_shared_memory

        clean_stale_shared_memory()
        data = StreamingDataset(local=str(folder), shuffle=True, batch_size=settings.batch)
        loader = StreamingDataLoader(
            data,
            batch_size=settings.batch,
            num_workers=settings.threads,
            persistent_workers=True,
            collate_fn=partial(_collate, pack),
        )
        return _again(loader)

    return open_


def webdataset(pack: Pack) -> Open:
    """WebDataset and its WebLoader."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        import webdataset as wds

        shards = sorted(glob.glob(f"{folder}/*.tar"))
        data = (
            wds.WebDataset(shards, shardshuffle=len(shards), empty_check=False)
            .shuffle(1000)
            .to_tuple("cell", "cls")
            .batched(settings.batch, collation_fn=partial(_columns, pack))
        )
        loader = wds.WebLoader(
            data, batch_size=None, num_workers=settings.threads, persistent_workers=True
        )
        return _again(loader)

    return open_


def _columns(pack: Pack, rows: list[tuple[bytes, Any]]) -> tuple[Any, Any]:
    return pack([cell for cell, _ in rows], [label for _, label in rows])


def litdata(pack: Pack) -> Open:
    """litdata's StreamingDataset and StreamingDataLoader."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        from litdata import StreamingDataLoader, StreamingDataset

        data = StreamingDataset(str(folder), shuffle=True)
        loader = StreamingDataLoader(
            data,
            batch_size=settings.batch,
            num_workers=settings.threads,
            persistent_workers=True,
            collate_fn=partial(_collate, pack),
        )
        return _again(loader)

    return open_


class _Arrow:
    """Hugging Face's Arrow files by batches of row numbers."""

    def __init__(self, folder: Path):
        from datasets import load_from_disk

        self.data = load_from_disk(str(folder)).with_format("arrow")

    def __call__(self, indices: list[int]) -> tuple[list[bytes], list[int]]:
        table = self.data[indices]
        return table["cell"].to_pylist(), table["label"].to_pylist()


def hf_arrow(pack: Pack, *, workers: bool) -> Open:
    """HF datasets, whole batches in Arrow format, in this process or in workers."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        read = _Arrow(folder)
        count = settings.threads if workers else 0
        data = Whole(read, settings.rows, pack)
        return _whole(data, Settings(settings.rows, settings.batch, count))

    return open_


def hf_torch(folder: Path, settings: Settings) -> Epochs:
    """HF datasets with_format("torch") and DataLoader."""
    from datasets import load_from_disk
    from torch.utils.data import DataLoader

    data: Any = load_from_disk(str(folder)).with_format("torch")
    loader = DataLoader(
        data, settings.batch, shuffle=True, num_workers=settings.threads, persistent_workers=True
    )
    return lambda epoch: ((batch["image"], batch["label"]) for batch in loader)


def safe_lance(pack: Pack) -> Open:
    """pylance's SafeLanceDataset and get_safe_loader (spawned workers)."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        from lance.torch.data import SafeLanceDataset, get_safe_loader

        data = SafeLanceDataset(str(folder / "t.lance"))
        loader = get_safe_loader(
            data,
            batch_size=settings.batch,
            num_workers=settings.threads,
            shuffle=True,
            collate_fn=partial(_collate, pack),
        )
        return _again(loader)

    return open_
