"""Tensors of a file that say more than there is, and those that only look odd."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch

from lancenb.train._tensors import lack, share_memory


def read_again(value: Any) -> Any:
    """What a file of it holds."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


BOTH = torch.arange(12.0).reshape(3, 4)
PLAIN = [
    torch.zeros(()),
    torch.zeros(0, 5),
    torch.zeros(2, dtype=torch.bfloat16),
    torch.zeros(2, dtype=torch.int64),
    torch.zeros(2, dtype=torch.bool),
    torch.nn.Parameter(torch.zeros(2)),
    torch.zeros(3, 1)[:, :1].expand(3, 1),
    BOTH.T,
    BOTH[1:, ::2],
    torch.zeros(2, 3, 4, 4).to(memory_format=torch.channels_last),
]


@pytest.mark.parametrize("value", PLAIN, ids=lambda v: f"{tuple(v.shape)}{v.dtype}")
def test_plain_tensors_and_views_lack_nothing(value):
    assert lack(value) is None
    assert lack(read_again(value)) is None


def test_tied_tensors_lack_nothing():
    one, other = read_again([BOTH, BOTH.T])
    assert lack(one) is lack(other) is None
    assert one.data_ptr() == other.data_ptr()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (5, "no tensor"),
        (None, "no tensor"),
        (torch.zeros(1).expand(10**9), "1000000000 values in memory for 1"),
        (torch.zeros(4).expand(10**6, 4), "4000000 values in memory for 4"),
        (torch.zeros(3, device="meta"), "the device meta"),
        (torch.zeros(3).to_sparse(), "sparse_coo"),
        (torch.zeros(3, dtype=torch.complex64), "complex64"),
        (torch.empty(3, dtype=torch.bits8), "bits8"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",  # not all of them can be shown
)
def test_what_a_tensor_lacks_is_said(value, said):
    assert said in str(lack(value))


@pytest.mark.filterwarnings("ignore")  # torch gives these kinds up, files of them stay
def test_nested_and_quantised_tensors():
    assert lack(torch.nested.nested_tensor([torch.zeros(2)] * 2)) == "a nested tensor"
    small = torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.qint8)
    assert lack(small) == "a tensor of torch.qint8"


def test_which_tensors_share_memory():
    flat = torch.zeros(12)
    assert not share_memory([])
    assert not share_memory([flat[:6], flat[6:], torch.zeros(12), torch.zeros(0)])
    assert not share_memory([flat.reshape(3, 4).T])
    assert share_memory([flat[:7], torch.zeros(2), flat[6:]])
    assert share_memory([torch.zeros(1).expand(3)])
    assert share_memory([flat.as_strided((3, 4), (1, 1))])
    assert share_memory([flat, flat])
