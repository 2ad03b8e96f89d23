"""Indices, arguments and rows that cannot work."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch

from lancenb.data import LanceTorchDataset, batches, epoch_order, loader, split
from lancenb.errors import CorruptInput, InvalidArgument, InvalidFilter, UnsupportedFormat
from lancenb.store import lance_module
from lancenb.train.evaluation import score
from tests.data.tables import image_table, pattern, patterns, png


@pytest.fixture
def data(tmp_path):
    return LanceTorchDataset(patterns(tmp_path / "p.lance", 6), mapping={"label": "label"})


def test_batches_count_from_the_end_as_single_samples_do(data):
    assert data.__getitems__([-1, 0]) == [data[5], data[0]]


@pytest.mark.parametrize("index", [6, -7, 10**6])
def test_an_index_outside_is_named(data, index):
    with pytest.raises(IndexError, match=f"no sample {index}:"):
        data[index]
    with pytest.raises(IndexError, match=f"no sample {index}:"):
        data.__getitems__([0, index])


@pytest.mark.parametrize("index", [1.5, "label", None, slice(0, 2)])
def test_an_index_that_is_no_number(data, index):
    with pytest.raises(TypeError):
        data[index]


@pytest.mark.parametrize(
    "options", [{"columns": 5}, {"mapping": 5}, {"transform": 5}, {"store": 5}]
)
def test_arguments_of_the_wrong_type(data, options):
    with pytest.raises(InvalidArgument):
        LanceTorchDataset(data.uri, **options)


NAMES = ["a b", "a'b", 'a"b', "select", "null", "x-y", "a\\b", "1x", "a;b", "a\nb", " ", "%", "a,b"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_columns_that_are_no_plain_words(tmp_path, name):
    uri = str(tmp_path / "n.lance")
    lance_module().write_dataset(pa.table({name: [1, 2, None, 4], "y": [5, 6, 7, 8]}), uri)
    found = LanceTorchDataset(uri, columns=[name], filter=[(name, ">=", 2)])
    assert [row[name].item() for row in found] == [2, 4]
    assert len(LanceTorchDataset(uri, columns=["y"], filter=f"`{name}` < 4")) == 2
    filled = LanceTorchDataset(uri, mapping={"k": name, "v": "y"}, nulls="fill", cache=False)
    batch = next(iter(loader(filled, 4)))
    assert batch["v"].tolist() == [5, 6, 7, 8]
    assert batch["k_mask"].tolist() == [True, True, False, True]
    arrays = next(iter(batches(uri, 2, columns=[name], filter=[(name, "<", 4)], shuffle=False)))
    assert arrays[name].tolist() == [1, 2]


def test_fields_of_a_struct_in_a_filter(tmp_path):
    rows = pa.table({"s": [{"x": 1, "y z": 2}, {"x": 3, "y z": 5}], "v": [1, 2]})
    lance_module().write_dataset(rows, str(tmp_path / "s.lance"))
    for where in ([("s.x", ">", 1)], "s.x > 1", [("s.y z", ">", 3)], "s.`y z` > 3"):
        found = LanceTorchDataset(str(tmp_path / "s.lance"), columns=["v"], filter=where)
        assert [row["v"].item() for row in found] == [2]


@pytest.mark.parametrize("name", ["a`b", "`a`", ""])
def test_names_that_lance_cannot_read_back(tmp_path, name):
    uri = str(tmp_path / "n.lance")
    lance_module().write_dataset(pa.table({name: [1, 2], "y": [5, 6]}), uri)
    for options in ({}, {"columns": [name]}, {"mapping": {"k": name}, "nulls": "fill"}):
        with pytest.raises(UnsupportedFormat, match="Lance takes no name") as caught:
            LanceTorchDataset(uri, **options)
        assert "columns=" in caught.value.hint
    with pytest.raises(UnsupportedFormat, match="Lance takes no name"):
        batches(uri, 2, columns=[name])
    with pytest.raises(InvalidFilter):
        LanceTorchDataset(uri, columns=["y"], filter=[(name, ">=", 2)])
    assert LanceTorchDataset(uri, columns=["y"])[1]["y"] == 6


@pytest.mark.parametrize("fraction", ["x", None, [0.5]])
def test_a_fraction_that_is_no_number(data, fraction):
    with pytest.raises(InvalidArgument):
        split(data, fraction)


@pytest.mark.parametrize("rows", [-1, "x", 2.5])
def test_an_order_of_impossible_rows(rows):
    with pytest.raises(InvalidArgument):
        epoch_order(rows)


def test_an_error_in_a_worker_process_is_told_as_one_sentence(tmp_path):
    table = image_table([png(pattern(0, 0)), b"xx"], [0, 1], sizes=[(16, 16)] * 2)
    lance_module().write_dataset(table, str(tmp_path / "bad.lance"))
    batches = loader(LanceTorchDataset(str(tmp_path / "bad.lance")), 2, num_workers=1)
    with pytest.raises(CorruptInput) as caught:
        list(batches)
    assert "\n" not in caught.value.message
    assert caught.value.message.startswith("row 1 ")
    assert caught.value.hint


def test_scores_with_too_few_names_or_labels_that_are_no_ids():
    with pytest.raises(InvalidArgument, match="1 class names for 2"):
        score(torch.zeros(1, 2), torch.tensor([0]), ["a"])
    with pytest.raises(InvalidArgument, match="float32"):
        score(torch.zeros(1, 2), torch.tensor([0.5]))


def test_figures_by_hand_with_few_and_absent_classes():
    logits = torch.tensor([[3.0, 1, 0], [0, 3, 1], [2, 1, 0], [1, 0, 2]])
    found = score(logits, torch.tensor([0, 1, 1, 0]))  # class 2 is predicted once, never true
    assert found.confusion.tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert found.accuracy == 0.5
    assert found.top5 == 1.0
    assert found.f1 == pytest.approx((0.5 + 2 / 3 + 0) / 3)
