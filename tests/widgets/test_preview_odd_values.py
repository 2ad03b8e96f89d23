"""Values that Python, NumPy or a terminal stumble over."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

import lancenb as lnb
from lancenb.errors import InvalidArgument
from lancenb.widgets._plots import bin_counts


def test_dates_outside_of_pythons_calendar(tmp_path):
    far = pa.array([2**62, -(2**62), None], pa.timestamp("us"))
    report = lnb.convert(pa.table({"t": far, "n": [1, 2, 3]}), tmp_path / "t.lance")
    shown = lnb.preview(report)
    assert shown.data["shown"] == 3
    assert str(2**62) in shown.text
    assert str(-(2**62)) in shown.data["columns"][0]["min"]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1.0, np.nextafter(1.0, 2)),
        (2.0**63, 2.0**63),
        (0.0, 0.0),
        (-1e300, 1e300),
        (5e-324, 1e-323),
    ],
)
def test_bins_over_narrow_and_huge_ranges(low, high):
    counts, edges = bin_counts(np.array([low, high]), 48, low, high)
    assert counts.sum() == 2
    assert len(edges) == 49
    assert edges[0] <= low <= high <= edges[-1]


def test_bins_over_a_range_that_is_not_finite():
    assert bin_counts(np.array([0.0]), 4, -1.7e308, 1.7e308) is None


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor([1.0, 1.0 + 1e-7]),
        torch.tensor([2**63 - 1]),
        torch.tensor([-1.7e308, 1.7e308], dtype=torch.float64),
    ],
)
def test_tensors_of_narrow_and_huge_ranges(tmp_path, tensor):
    report = lnb.convert({"w": tensor}, tmp_path / "w.lance")
    assert lnb.preview(report, tensor="w").data["name"] == "w"


def test_a_column_of_nearly_equal_numbers(tmp_path):
    table = pa.table({"x": [1.0, float(np.nextafter(1.0, 2))]})
    shown = lnb.preview(lnb.convert(table, tmp_path / "t.lance"))
    assert sum(shown.data["columns"][0]["bins"]) == 2


def test_escape_codes_do_not_reach_the_terminal(tmp_path):
    table = pa.table({"x\x1b[2J": ["\x1b]0;evil\x07", "\x9b31m"]})
    shown = lnb.preview(lnb.convert(table, tmp_path / "t.lance"))
    for text in (repr(shown), shown.html):
        assert not set(text) & {"\x1b", "\x07", "\x9b"}


@pytest.mark.parametrize("options", [{"columns": 5}, {"tensor": 5}, {"label": 1.5}])
def test_arguments_of_the_wrong_type(tmp_path, options):
    kind = {"w": torch.ones(2)} if "tensor" in options else pa.table({"x": [1]})
    report = lnb.convert(kind, tmp_path / "t.lance")
    with pytest.raises(InvalidArgument):
        lnb.preview(report, **options)
