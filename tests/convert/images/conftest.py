"""Small pictures and folders made on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image


def picture(
    format: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (5, 4), seed: int = 0, **options
) -> bytes:
    """Encode a small picture whose pixels depend on ``seed``."""
    import numpy as np

    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), np.uint8)
    image = Image.fromarray(noise, "RGBA" if mode == "RGBA" else None).convert("RGBA")
    if mode == "F":
        image = Image.fromarray(noise[..., 0].astype("float32"))
    elif mode.startswith("I;16"):
        image = Image.fromarray(noise[..., 0].astype("uint16") * 257)
    elif mode == "CMYK":
        image = image.convert("RGB").convert("CMYK")
    elif mode == "LA":
        image = image.convert("LA")
    elif mode != "RGBA":
        image = image.convert("RGB").convert(mode)
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Write files, given as {relative path: bytes}, into a fresh folder."""
    made = 0

    def make(files: dict[str, bytes]) -> Path:
        nonlocal made
        made += 1
        root = tmp_path / f"in{made}"
        for name, data in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return root

    return make


def table_of(report):
    """Read a whole table back with plain pylance."""
    import lance

    return lance.dataset(report.uri).to_table()
