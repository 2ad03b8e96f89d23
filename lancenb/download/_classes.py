"""Class names of the drawn images, apart from the drawing: who only lists them needs no NumPy."""

from __future__ import annotations

CLASSES = (
    "checker", "circle", "cross", "diamond", "moon", "ring", "square", "star", "stripes",
    "triangle",
)  # fmt: skip
