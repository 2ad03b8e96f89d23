"""Where a training stores its weights: never over another model."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch

import lancenb as lnb
from lancenb.errors import WeightsMismatch
from lancenb.train import fit
from tests.data.tables import patterns


def test_another_model_is_not_overwritten(tmp_path):
    data = "pics"
    dm = lnb.DataManager(tmp_path / "store")
    dm.register(data, str(patterns(tmp_path / "p.lance", 8)))
    dm.save_weights("net", {"a.weight": torch.ones(3), "fc.bias": torch.ones(2)})
    dm.convert(pa.table({"x": [1]}), "words")
    options = {"manager": dm, "steps": 1, "batch_size": 4, "accelerator": "cpu"}
    with pytest.raises(WeightsMismatch, match=r"2 tensors and the 122 .* share 1 name") as caught:
        fit("resnet18", data, name="net", **options)
    assert "net-2" in caught.value.hint
    with pytest.raises(WeightsMismatch, match="a table, not weights"):
        fit("resnet18", data, name="words", **options)
    assert dm["net"].version == 1
    assert fit("resnet18", data, name="new", **options).version == 1
    assert fit("resnet18", data, name="new", seed=7, **options).version == 2
    assert fit("new", data, **options).version == 3
