"""Peers with threads in this process, as their documentation shows them: LanceDB, NVIDIA DALI."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks._peers_loaders import Open, Pack
from tests.benchmarks._peers_suite import Epochs, Settings


class ArrowPack:
    """A record batch of LanceDB to pictures and labels; pixels are not copied row by row."""

    def __init__(self, pack: Pack | None):
        self.pack = pack

    def __call__(self, batch: Any) -> tuple[Any, Any]:
        import torch

        if self.pack is not None:
            return self.pack(batch["cell"].to_pylist(), batch["label"].to_pylist())
        pixels = batch["image"].flatten().to_numpy(zero_copy_only=False)
        images = torch.from_numpy(pixels.copy()).view(-1, 3, 32, 32)
        return images, torch.from_numpy(batch["label"].to_numpy().copy())

    def rows(self, batch: Any) -> list[tuple[Any, Any]]:
        """The same row by row, for a DataLoader to stack."""
        images, labels = self(batch)
        return list(zip(images.unbind(), labels.unbind(), strict=True))


def _lancedb(folder: Path) -> Any:
    import lancedb

    return lancedb.connect(str(folder)).open_table("t")


def lancedb_streaming(pack: Pack | None) -> Open:
    """LanceDB's StreamingDataset in a DataLoader: its threads in this process, its transform."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        from lancedb.streaming import StreamingDataset
        from torch.utils.data import DataLoader

        table, shape = _lancedb(folder), ArrowPack(pack).rows

        def epochs(epoch: int) -> Iterator[Any]:
            data = StreamingDataset(
                table,
                epoch=epoch,
                read_batch_size=settings.batch,
                transform=shape,
                transform_parallelism=settings.threads,
            )
            return iter(DataLoader(data, settings.batch))

        return epochs

    return open_


def lancedb_permutation(pack: Pack | None) -> Open:
    """LanceDB's Permutation, whole batches by its ``iter``."""

    def open_(folder: Path, settings: Settings) -> Epochs:
        from lancedb.permutation import Permutation, permutation_builder

        table, shape = _lancedb(folder), ArrowPack(pack)

        def epochs(epoch: int) -> Iterator[Any]:
            order = permutation_builder(table).shuffle(seed=epoch).execute()
            data = Permutation.from_tables(table, order).with_transform(shape)
            return iter(data.iter(settings.batch))

        return epochs

    return open_


def dali(folder: Path, settings: Settings) -> Epochs:
    """NVIDIA DALI on the CPU: file reader, decoder of the random crop, resize."""
    import torch
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(batch_size=settings.batch, num_threads=settings.threads, device_id=None)
    def pipeline() -> Any:
        data, label = fn.readers.file(
            file_root=str(folder),
            shuffle_after_epoch=True,
            pad_last_batch=False,
            name="files",
        )
        crop: Any = fn.decoders.image_random_crop(
            data, device="cpu", output_type=types.DALIImageType.RGB
        )
        crop = fn.resize(crop, size=[224, 224], antialias=True)
        return fn.transpose(crop, perm=[2, 0, 1]), label

    made: Any = pipeline()
    made.build()
    count = made.epoch_size("files") // settings.batch

    def epochs(epoch: int) -> Iterator[Any]:
        for _ in range(count):
            images, labels = made.run()
            # views of DALI's own buffers: they hold until the next run()
            yield (
                torch.from_numpy(images.as_array()),
                torch.from_numpy(labels.as_array().reshape(-1).astype("int64")),
            )

    return epochs
