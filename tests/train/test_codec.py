"""Checkpoints as tensors and JSON: every type comes back, bit for bit, and nothing is pickled."""

from __future__ import annotations

import datetime
import json
import math
from collections import OrderedDict, deque
from pathlib import Path

import numpy as np
import pytest
import torch

from lancenb.errors import CorruptInput, UnsupportedFormat
from lancenb.train._codec import decode, encode


def there_and_back(value):
    plain, tensors = encode(value)
    return decode(json.loads(json.dumps(plain, allow_nan=False)), tensors)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -(2**70), "a $tensor", "", 1.5, -0.0, float("inf"), b"\x00\xff",
        (1, (2, [3])), {1, 2}, frozenset({"a"}), deque([1, 2]), torch.Size([2, 3]), [],
        {}, {1: "a", "1": "b", None: 2, (1, 2): 3}, {"$tensor": "not one"}, {"a": {"b": {}}},
        1 + 2j, torch.bfloat16, torch.device("cpu"), Path("a/b"), np.float32(0.1), np.int64(7),
        np.bool_(True), datetime.timedelta(days=1, microseconds=3),
        datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC),
    ],
    ids=repr,
)  # fmt: skip
def test_values_keep_their_type(value):
    found = there_and_back(value)
    assert type(found) is type(value)
    assert found == value
    assert repr(found) == repr(value)


def test_nan_stays_nan():
    assert math.isnan(there_and_back({"x": [float("nan")]})["x"][0])


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.uint8]
)
def test_tensors_keep_bits_shape_and_dtype(dtype):
    value = {"w": torch.tensor([[1, 0], [0, 1]]).to(dtype).t(), "none": torch.empty(0, 3).to(dtype)}
    found = there_and_back({"a": value, "b": (value["w"],)})
    assert found["a"]["w"].dtype == dtype
    assert torch.equal(found["a"]["w"], value["w"])
    assert found["a"]["none"].shape == (0, 3)
    assert torch.equal(found["b"][0], value["w"])


def test_tensors_of_keys_that_look_alike_stay_apart():
    found = there_and_back({"a": {0: torch.zeros(1), "0": torch.ones(1)}, "a.0": torch.ones(1) * 2})
    assert [found["a"][0].item(), found["a"]["0"].item(), found["a.0"].item()] == [0, 1, 2]


def test_state_dicts_keep_order_and_format_versions():
    state = torch.nn.BatchNorm2d(3).state_dict()
    found = there_and_back(state)
    assert type(found) is OrderedDict
    assert list(found) == list(state)
    assert dict(found._metadata) == dict(state._metadata)


def test_numpy_arrays():
    value = {"a": np.arange(4, dtype=np.uint32), "z": np.array(2.5)}
    found = there_and_back(value)
    assert found["a"].dtype == np.uint32
    assert found["a"].tolist() == [0, 1, 2, 3]
    assert found["z"].shape == ()


def test_what_only_pickle_knows_is_refused_by_its_place():
    with pytest.raises(UnsupportedFormat, match=r"checkpoint\['callbacks'\]\['0'\] is a Linear"):
        encode({"callbacks": [torch.nn.Linear(1, 1)]})
    with pytest.raises(UnsupportedFormat, match="numpy array of"):
        encode({"a": np.array(["x"])})
    with pytest.raises(UnsupportedFormat):
        encode({"f": test_nan_stays_nan})


def test_a_missing_tensor_and_an_unknown_mark_are_told():
    with pytest.raises(CorruptInput, match="lacks its tensor 'w'"):
        decode({"w": {"$tensor": "w"}}, {})
    with pytest.raises(CorruptInput, match="unknown kind"):
        decode({"$magic": 1}, {})
