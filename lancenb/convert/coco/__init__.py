"""COCO annotations with their pictures: boxes, categories and masks of each picture.

``convert(folder)`` reads a folder of pictures with ``instances_*.json`` (also packed, as its makers
publish them); ``convert(pictures, target, annotations="instances_val2017.json")`` says both. Each
row is one picture; its column ``objects`` has one entry per annotation: ``bbox`` (left, top, width,
height in pixels), ``category_id``, ``category``, ``area``, ``iscrowd``, ``segmentation``.

>>> square = {"segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}
>>> object_mask(square, height=4, width=4).astype(int).tolist()
[[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
"""

from __future__ import annotations

from ._masks import object_mask
from ._objects import categories

__all__ = ["categories", "object_mask"]
