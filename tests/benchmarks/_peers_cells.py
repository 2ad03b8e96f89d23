"""The pictures that the loaders race on, and how cells of them become a batch."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

SIDE, CROP = 32, 224
HIGH, WIDE = 375, 500


def canvases(count: int, high: int, wide: int, seed: int) -> np.ndarray:
    """Noise with the 1/f spectrum and the related colours of photographs, uint8 (n, h, w, 3)."""
    rng = np.random.default_rng(seed)
    fall = np.hypot(np.fft.fftfreq(high)[:, None], np.fft.rfftfreq(wide)[None, :])
    fall[0, 0] = 1.0

    def layer() -> np.ndarray:
        drawn = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(high, wide))) / fall, (high, wide))
        return (drawn - drawn.mean()) / drawn.std()

    found = np.empty((count, high, wide, 3), np.uint8)
    for picture in found:
        light, *colours = layer(), layer(), layer()
        red, blue = (128 + 50 * light + 20 * colour for colour in colours)
        green = 128 + 50 * light
        noise = rng.normal(scale=4, size=picture.shape)  # of the sensor
        picture[:] = np.clip(np.stack([red, green, blue], -1) + noise, 0, 255)
    return found


def windows(count: int, high: int, wide: int) -> Iterator[np.ndarray]:
    """Pictures (h, w, 3) uint8: windows into a few canvases, each brightened in its own way."""
    rng = np.random.default_rng(1)
    drawn = canvases(16, 2 * high, 2 * wide, 0)
    for _ in range(count):
        top, left = rng.integers(0, high), rng.integers(0, wide)
        seen = drawn[rng.integers(len(drawn)), top : top + high, left : left + wide]
        shift = rng.integers(-60, 60, 3)
        yield np.clip(seen.astype(np.int16) + shift, 0, 255).astype(np.uint8)


def encoded(picture: np.ndarray, kind: str) -> bytes:
    """PNG or JPEG (quality 90) bytes of a picture (h, w, 3) uint8."""
    from PIL import Image

    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, kind, quality=90)
    return sink.getvalue()


def small_source(folder: Path, rows: int) -> None:
    """CIFAR's shape: raw pixels (3, 32, 32) as cells, their PNG, the truth for the check."""
    pictures = list(windows(rows, SIDE, SIDE))
    truth = np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))
    np.save(folder / "truth.npy", truth)
    _save(folder / "cells.arrow", [row.tobytes() for row in truth])
    _save(folder / "files.arrow", [encoded(picture, "PNG") for picture in pictures])


def picture_source(folder: Path, rows: int) -> None:
    """JPEG files of 500 x 375 as cells; the mean colours are the truth for the check."""
    cells, means = [], []
    for picture in windows(rows, HIGH, WIDE):
        cells.append(encoded(picture, "JPEG"))
        means.append(picture.mean((0, 1)))
    np.save(folder / "truth.npy", np.stack(means))
    for name in ("cells", "files"):
        _save(folder / f"{name}.arrow", cells)


def small_check(source: Path, images: Any, labels: Any) -> None:
    """Raise unless the pixels are exactly those of the rows."""
    truth = np.load(source / "truth.npy")[np.asarray(labels)]
    assert np.array_equal(np.asarray(images), truth), "pixels and labels do not belong together"


def picture_check(source: Path, images: Any, labels: Any) -> None:
    """Raise unless these are uint8 crops of about the colours of their rows."""
    assert images.shape[1:] == (3, CROP, CROP), f"crops of the shape {tuple(images.shape)}"
    assert str(images.dtype).endswith("uint8"), f"crops of {images.dtype}"
    truth = np.load(source / "truth.npy")[np.asarray(labels)]
    given = np.asarray(images).mean((2, 3))
    near = np.corrcoef(given.ravel(), truth.ravel())[0, 1]
    assert len(truth) < 8 or near > 0.6, f"crops are not of their rows (correlation {near:.2f})"


def _save(path: Path, cells: list[bytes]) -> None:
    table = pa.table(
        {"cell": pa.array(cells, pa.large_binary()), "label": pa.array(range(len(cells)))}
    )
    with pa.ipc.new_file(path, table.schema) as out:
        out.write_table(table)


def load(source: Path, name: str = "cells") -> tuple[list[bytes], list[int]]:
    """Cells and labels of a source."""
    with pa.ipc.open_file(source / f"{name}.arrow") as file:
        table = file.read_all()
    return table["cell"].to_pylist(), table["label"].to_pylist()


# cells to a batch (module level: worker processes import them) -----------------------------------
def _labels(labels: Sequence[Any]) -> Any:
    import torch

    return torch.as_tensor([int(label) for label in labels], dtype=torch.int64)


def raw_batch(cells: Sequence[Any], labels: Sequence[Any]) -> tuple[Any, Any]:
    """Raw pixels to uint8 (n, 3, 32, 32)."""
    import torch

    flat = torch.frombuffer(bytearray(b"".join(cells)), dtype=torch.uint8)
    return flat.view(-1, 3, SIDE, SIDE), _labels(labels)


def png_batch(cells: Sequence[Any], labels: Sequence[Any]) -> tuple[Any, Any]:
    """PNG bytes to uint8 (n, 3, 32, 32), decoded by torchvision."""
    import torch
    from torchvision.io import decode_png

    pictures = [decode_png(torch.frombuffer(bytearray(c), dtype=torch.uint8)) for c in cells]
    return torch.stack(pictures), _labels(labels)


def crop_batch(cells: Sequence[Any], labels: Sequence[Any]) -> tuple[Any, Any]:
    """JPEG bytes to random crops, uint8 (n, 3, 224, 224): torchvision's decoder, the fast form."""
    import torch

    crops = [fast_crop(cell) for cell in cells]
    return torch.stack(crops), _labels(labels)


def fast_crop(cell: Any) -> Any:
    """Decode one JPEG and take a RandomResizedCrop of it."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    data = torch.frombuffer(bytearray(cell), dtype=torch.uint8)
    return random_crop()(decode_jpeg(data, ImageReadMode.RGB))


_MADE: list[Any] = []


def random_crop() -> Any:
    """torchvision's RandomResizedCrop(224), made once in a process."""
    if not _MADE:
        from torchvision.transforms import v2

        _MADE.append(v2.RandomResizedCrop(CROP, antialias=True))
    return _MADE[0]
