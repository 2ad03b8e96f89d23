"""Small data sets in the layouts of their makers, written for tests."""

from __future__ import annotations

import gzip
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def idx_bytes(values: np.ndarray, *, dims: tuple[int, ...] | None = None) -> bytes:
    """Return an idx file of unsigned bytes; ``dims`` may lie."""
    dims = values.shape if dims is None else dims
    head = bytes([0, 0, 8, len(dims)]) + b"".join(n.to_bytes(4, "big") for n in dims)
    return head + values.astype(np.uint8).tobytes()


def write_idx(
    folder: Path, prefix: str, rows: int, *, packed: bool = False, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Write pictures and labels under MNIST's names."""
    dice = np.random.default_rng(seed)
    pixels = dice.integers(0, 256, (rows, 28, 28), np.uint8)
    labels = dice.integers(0, 10, rows, np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("images-idx3", pixels), ("labels-idx1", labels)):
        data = idx_bytes(values)
        path = folder / f"{prefix}-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
    return pixels, labels


def cifar10_batch(rows: int, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Return the content of a Python batch."""
    dice = np.random.default_rng(seed)
    return {
        "batch_label": f"batch {seed}",
        "labels": [int(n) for n in dice.integers(0, 10, rows)],
        "data": dice.integers(0, 256, (rows, 3072), np.uint8),
        "filenames": [f"picture_{seed}_{i}.png" for i in range(rows)],
        **more,
    }


def write_cifar10(root: Path, rows: int = 12, protocol: int = 2) -> Path:
    """Write ``cifar-10-batches-py`` below ``root``."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for seed, name in enumerate(names):
        (folder / name).write_bytes(pickle.dumps(cifar10_batch(rows, seed), protocol))
    meta = {"num_cases_per_batch": rows, "label_names": CIFAR10, "num_vis": 3072}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta, protocol))
    return folder


def write_cifar100(root: Path, rows: int = 12) -> Path:
    """Write ``cifar-100-python`` below ``root``."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("train", "test")):
        batch = cifar10_batch(rows, seed)
        batch["fine_labels"] = [n * 10 + 9 for n in batch["labels"]]
        batch["coarse_labels"] = [n * 2 for n in batch.pop("labels")]
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    names = {
        "fine_label_names": [f"fine{i}" for i in range(100)],
        "coarse_label_names": [f"coarse{i}" for i in range(20)],
    }
    (folder / "meta").write_bytes(pickle.dumps(names, 2))
    return folder


def packed(folder: Path, names: list[str]) -> Path:
    """Return a tar.gz of files of a folder, in the order given."""
    path = folder.parent / f"{folder.name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.add(folder / name, arcname=f"{folder.name}/{name}")
    return path
