"""Folders of small pictures for tests, in the layout of ImageNet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ["ant", "bee", "cat"]


def picture(seed: int, width: int, height: int) -> Image.Image:
    """A picture whose pixels differ everywhere, smooth enough to survive JPEG."""
    dice = np.random.default_rng(seed)
    coarse = dice.integers(0, 256, (max(1, height // 4), max(1, width // 4), 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)


def picture_tree(root: Path, train: int = 14, val: int = 6) -> Path:
    """``train/<class>/*.JPEG`` and ``val/<class>/*.JPEG`` of many sizes, 14 and 6 pictures."""
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            name = CLASSES[number % len(CLASSES)]
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            seed = number + (100 if split == "val" else 0)
            image = picture(seed, 50 + 13 * (number % 5), 45 + 7 * (number % 7))
            # numbers of one and two digits: natural order is not that of the letters
            image.save(folder / f"{number // len(CLASSES) * 3 % 14}.JPEG", "JPEG")
    return root
