"""Text as token ids with masks, and missing values as a stated choice."""

from __future__ import annotations

import math
import pickle

import pyarrow as pa
import pytest
import torch

from lancenb.data import LanceTorchDataset, loader, split
from lancenb.data._collate import collate
from lancenb.errors import CorruptInput, InvalidArgument
from tests.data.tables import write

TEXTS = ["a bc", "", "def g hijk", "ü", None]


def lengths(text: str) -> list[int]:
    """A word becomes its length."""
    return [len(word) for word in text.split()]


class HubTokenizer:
    """The calls of a Hugging Face tokenizer, as far as they matter here."""

    pad_token_id = 99

    def convert_tokens_to_ids(self, token):
        return len(token)

    def __call__(self, texts, padding=False, truncation=False, max_length=None):
        rows = [[1, *lengths(text), 2][: max_length if truncation else None] for text in texts]
        return {
            "input_ids": rows,
            "attention_mask": [[1] * len(row) for row in rows],
            "token_type_ids": [[7] * len(row) for row in rows],
        }


@pytest.fixture
def table(tmp_path):
    source = pa.table({"text": TEXTS, "label": pa.array([0, 1, None, 1, 0], pa.int64())})
    return write(source, tmp_path / "t.lance")


def test_a_function_from_text_to_ids(table):
    data = LanceTorchDataset(table, columns=["text"], tokenizer=lengths)
    batch = data.read_batch([2, 0, 1])
    assert list(batch) == ["input_ids", "attention_mask"]
    assert batch["input_ids"].tolist() == [[3, 1, 4], [1, 2, 0], [0, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    assert batch["input_ids"].dtype == torch.int64
    sample = data[0]
    assert sample["input_ids"].tolist() == [1, 2]
    assert sample["attention_mask"].tolist() == [1, 1]


def test_a_hugging_face_tokenizer_with_its_own_padding(table):
    data = LanceTorchDataset(table, columns=["text"], tokenizer=HubTokenizer(), max_length=4)
    batch = data.read_batch([0, 2])
    assert batch["input_ids"].tolist() == [[1, 1, 2, 2], [1, 3, 1, 4]]
    short = data.read_batch([1, 0])
    assert short["input_ids"].tolist() == [[1, 2, 99, 99], [1, 1, 2, 2]]
    assert short["attention_mask"].tolist() == [[1, 1, 0, 0], [1, 1, 1, 1]]
    assert short["token_type_ids"].tolist() == [[7, 7, 0, 0], [7, 7, 7, 7]]


def test_max_length_cuts_what_a_function_gives(table):
    data = LanceTorchDataset(table, columns=["text"], tokenizer=lengths, max_length=2)
    assert data.read_batch([2])["input_ids"].tolist() == [[3, 1]]


def test_samples_collate_to_the_same_batch(table):
    data = LanceTorchDataset(table, columns=["text"], tokenizer=HubTokenizer())
    wanted = data.read_batch([2, 3, 0])
    for samples in (data.__getitems__([2, 3, 0]), [data[2], data[3], data[0]]):
        found = collate(pickle.loads(pickle.dumps(samples)))
        assert list(found) == list(wanted)
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    batches = list(loader(data.subset([0, 1, 2, 3]), 3))
    assert [tuple(batch["input_ids"].shape) for batch in batches] == [(3, 5), (1, 3)]


def test_missing_text_names_its_row(table):
    data = LanceTorchDataset(table, columns=["text"], tokenizer=lengths)
    with pytest.raises(CorruptInput, match=r"row 4 .*'text'"):
        data.read_batch([0, 4])
    filled = LanceTorchDataset(table, columns=["text"], tokenizer=lengths, nulls="fill")
    batch = filled.read_batch([0, 4])
    assert batch["input_ids"].tolist() == [[1, 2], [0, 0]]
    assert batch["text_mask"].tolist() == [True, False]


def test_which_text_column_is_meant(tmp_path, table):
    source = pa.table({"q": ["a"], "a": ["b"], "n": [1], "label": ["x"]})
    uri = write(source, tmp_path / "two.lance")
    with pytest.raises(InvalidArgument, match="q, a") as caught:
        LanceTorchDataset(uri, tokenizer=lengths)
    assert "columns=" in caught.value.hint
    with pytest.raises(InvalidArgument, match="none"):
        LanceTorchDataset(uri, columns=["n", "label"], tokenizer=lengths)
    mapped = LanceTorchDataset(uri, mapping={"text": "q", "other": "a"}, tokenizer=lengths)
    assert mapped.read_batch([0])["other"] == ["b"]
    for wrong in ({"tokenizer": 5}, {"max_length": 5}, {"tokenizer": lengths, "max_length": 0}):
        with pytest.raises(InvalidArgument):
            LanceTorchDataset(table, columns=["text"], **wrong)


def test_a_tokenizer_that_gives_something_else(table):
    data = LanceTorchDataset(table, columns=["text"], tokenizer=lambda text: text.split())
    with pytest.raises(InvalidArgument, match="no list of whole numbers"):
        data.read_batch([0])


def test_nulls_are_filled_with_a_mask_beside(tmp_path):
    source = pa.table(
        {
            "f": pa.array([1.5, None, 2.5], pa.float32()),
            "i": pa.array([None, 2, 3], pa.uint8()),
            "b": pa.array([True, None, False]),
            "v": pa.array([[1, 2], None, [5, 6]], pa.list_(pa.int16(), 2)),
            "r": pa.array([[1], None, [2]], pa.list_(pa.int32())),
            "whole": [1, 2, 3],
            "label": pa.array([0, None, 1], pa.int64()),
        }
    )
    uri = write(source, tmp_path / "t.lance")
    data = LanceTorchDataset(uri, nulls="fill", cache=True)
    for _ in range(2):
        first, second, third = data.__getitems__([0, 1, 2])
        assert list(first) == [
            "f", "f_mask", "i", "i_mask", "b", "b_mask", "v", "v_mask", "r", "r_mask",
            "whole", "label", "label_mask",
        ]  # fmt: skip
        assert math.isnan(second["f"])
        assert (int(first["i"]), first["i"].dtype) == (0, torch.uint8)
        assert (bool(second["b"]), second["b"].dtype) == (False, torch.bool)
        assert second["v"].tolist() == [0, 0]
        assert third["v"].tolist() == [5, 6]
        assert second["r"].tolist() == []
        assert second["r"].dtype == torch.int32
        assert int(second["label"]) == -100
        assert [bool(s["v_mask"]) for s in (first, second, third)] == [True, False, True]
    batch = LanceTorchDataset(uri, columns=["v", "label"], nulls="fill").read_batch([2, 1])
    assert batch["v"].tolist() == [[5, 6], [0, 0]]
    assert batch["v_mask"].tolist() == [True, False]
    assert batch["label"].tolist() == [1, -100]
    few = LanceTorchDataset(uri, columns=["f"], nulls="fill", filter="f IS NOT NULL")
    assert list(few.read_batch([0, 1])) == ["f", "f_mask"], "keys do not depend on the rows"
    with pytest.raises(InvalidArgument, match="nulls"):
        LanceTorchDataset(uri, nulls="ignore")


def test_missing_text_without_a_tokenizer(tmp_path):
    uri = write(pa.table({"text": ["a", None], "x": [1, 2]}), tmp_path / "t.lance")
    assert LanceTorchDataset(uri)[1]["text"] is None
    filled = LanceTorchDataset(uri, nulls="fill")
    assert filled[1]["text"] == ""
    batch = filled.read_batch([1, 0])
    assert batch["text"] == ["", "a"]
    assert batch["text_mask"].tolist() == [False, True]


@pytest.mark.parametrize("kinds", [["a", "b", None, "b"] * 5, [0, 1, None, 1] * 5])
def test_labels_are_filled_in_all_at_once_as_in_samples(tmp_path, kinds):
    uri = write(pa.table({"f": [float(i) for i in range(20)], "kind": kinds}), tmp_path / "t.lance")
    chosen = {"f": "f", "label": "kind"}
    data = LanceTorchDataset(uri, mapping=chosen, nulls="fill")
    assert data.labels().tolist() == [0, 1, -100, 1] * 5
    assert data.labels().tolist() == [int(data[i]["label"]) for i in range(20)]
    assert data.num_classes == 2
    rest, part = split(data, 0.25)
    assert sorted(rest.labels().tolist() + part.labels().tolist()) == sorted([0, 1, -100, 1] * 5)
    assert int((part.labels() == -100).sum()) in (1, 2)
    assert LanceTorchDataset(uri, mapping=chosen, nulls="fill", filter="kind IS NULL")[0]
    with pytest.raises(CorruptInput, match="row 2 "):
        LanceTorchDataset(uri, mapping=chosen).labels()


def test_a_number_missing_inside_a_list_is_never_made_up(tmp_path):
    source = pa.table({"v": pa.array([[1, 2], [3, None]], pa.list_(pa.int16(), 2))})
    uri = write(source, tmp_path / "t.lance")
    for nulls in ("raise", "fill"):
        data = LanceTorchDataset(uri, nulls=nulls)
        assert data.read_batch([0])["v"].tolist() == [[1, 2]]
        with pytest.raises(CorruptInput, match=r"row 1 .*'v'"):
            data.read_batch([0, 1])
