"""Model weights as tables: one row per tensor, mapped on loading.

>>> import tempfile, torch
>>> from lancenb.convert.weights import load_tensors, save_weights
>>> uri = tempfile.mkdtemp() + "/m.lance"
>>> save_weights({"w": torch.arange(3.0)}, uri).rows
1
>>> load_tensors(uri)["w"].tolist()
[0.0, 1.0, 2.0]
"""

from __future__ import annotations

from ._converter import TensorConverter
from ._items import TensorItem, TensorSource
from ._plan import weights_plan
from ._read import read_tensors
from .load import WeightsLoad, load_weights
from .save import save_weights
from .table import load_tensors, tensor_index

__all__ = [
    "TensorConverter",
    "TensorItem",
    "TensorSource",
    "WeightsLoad",
    "load_tensors",
    "load_weights",
    "read_tensors",
    "save_weights",
    "tensor_index",
    "weights_plan",
]
