"""Decoded small pictures kept in memory as one uint8 tensor."""

from __future__ import annotations

from typing import Any

import torch


class PictureCache:
    """Pictures of one size in one uint8 tensor, filled as they are first read.

    Args:
        rows: number of pictures.
        height: pixels.
        width: pixels.
    """

    def __init__(self, rows: int, height: int, width: int):
        self.images = torch.empty((rows, 3, height, width), dtype=torch.uint8)
        self.labels = torch.empty(rows, dtype=torch.int64)
        self.known = torch.zeros(rows, dtype=torch.bool)
        self.usable = True

    @property
    def nbytes(self) -> int:
        """Bytes when full."""
        return self.images.numel() + 8 * self.labels.numel()

    def missing(self, rows: torch.Tensor) -> torch.Tensor:
        """Those of ``rows`` that have not been read yet."""
        return rows[~self.known[rows]]

    def put(self, row: int, image: torch.Tensor, label: Any) -> None:
        """Keep one picture; a surprising size (a turned photograph) ends the caching."""
        if image.shape != self.images.shape[1:]:
            self.usable = False
            return
        self.images[row] = image
        if label is not None:
            self.labels[row] = label
        self.known[row] = True
