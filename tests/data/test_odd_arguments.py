"""Arguments, positions and surroundings that nobody expects: named errors, or the right thing."""

from __future__ import annotations

import argparse
import ast
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from lancenb.data import (
    LanceDataModule,
    LanceTorchDataset,
    RandomCropResize,
    batches,
    create_jit_datamodule,
    loader,
)
from lancenb.errors import CorruptInput, InvalidArgument, UnknownOption
from lancenb.store import Store
from tests.data.tables import image_table, pattern, patterns, png, write

HUGE = pytest.param(10**5000, id="huge")  # more digits than Python writes
LESS = pytest.param(-(10**5000), id="less")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    table = pa.table({"x": np.arange(20.0)})
    return write(table, tmp_path_factory.mktemp("odd") / "n.lance")


# positions --------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", ["format", "seed", "epoch", "position", "batches", "rows", "data"])
@pytest.mark.parametrize("value", [HUGE, LESS, 2**128, -1, np.array([1, 2]), [10**5000], math.nan])
def test_a_position_with_a_value_that_cannot_be_is_named(numbers, key, value):
    for make in (
        lambda: loader(LanceTorchDataset(numbers), 8),
        lambda: batches(numbers, 8, epochs=2),
        lambda: loader(list(range(20)), 8),
    ):
        with pytest.raises(InvalidArgument, match="position"):
            make().load_state_dict({**make().state_dict(), key: value})


@pytest.mark.parametrize("value", [2**128, HUGE, -1, LESS])
def test_seeds_and_epochs_have_bounds(numbers, value):
    data = LanceTorchDataset(numbers)
    with pytest.raises(InvalidArgument, match=r"below 2\*\*63"):
        loader(data, 8, epoch=2**63)
    for name, bits in (("seed", 128), ("epoch", 63)):
        with pytest.raises(InvalidArgument, match=f"{name} must be a whole number"):
            loader(data, 8, shuffle=True, **{name: value})
        most = loader(data, 8, shuffle=True, **{name: 2**bits - 1})
        assert len(next(iter(most))["x"]) == 8
        again = loader(data, 8, shuffle=True)
        again.load_state_dict(most.state_dict())
        assert len(next(iter(again))["x"]) == 8


@pytest.mark.parametrize("version", [10**30, 2**63, HUGE])
def test_a_state_of_a_data_module_with_a_version_that_cannot_be_is_named(tmp_path, version):
    uri = patterns(tmp_path / "p.lance", 12)
    module = LanceDataModule(uri, batch_size=4)
    module.setup("fit")
    next(iter(module.train_dataloader()))
    state = {**module.state_dict(), "versions": {"train": version}}
    with pytest.raises(InvalidArgument, match=r"version must be a whole number below 2\*\*63"):
        LanceDataModule(uri, batch_size=4).load_state_dict(state)


# arguments --------------------------------------------------------------------------------------
@pytest.mark.parametrize("limit", ["x", None, math.nan, -1, True, [1], 1j, LESS])
def test_a_cache_limit_that_is_no_number_of_bytes_is_refused_at_once(numbers, limit):
    with pytest.raises(InvalidArgument, match="cache_limit is a number of bytes"):
        LanceTorchDataset(numbers, cache_limit=limit)


@pytest.mark.parametrize("limit", [0, 1e9, math.inf, np.int64(4096), HUGE])
def test_any_number_of_bytes_is_a_cache_limit(numbers, limit):
    data = LanceTorchDataset(numbers, cache_limit=limit)
    assert len(data.read_batch([0, 1])["x"]) == 2
    assert data.memory.empty().limit == limit


NAMES = [
    "x",
    "a b",
    "a-b",
    "1a",
    "SELECT",
    "order",
    "a,b",
    "A",
    "a'b",
    'a"b',
    "日本",
    "a(b)",
    "a\nb",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_hint_about_a_missing_value_works_for_any_name(tmp_path, name):
    table = pa.table({name: pa.array([1, None, 3]), "z": [1, 2, 3]})
    uri = write(table, tmp_path / "t.lance")
    with pytest.raises(CorruptInput) as caught:
        LanceTorchDataset(uri).read_batch([0, 1])
    kept = LanceTorchDataset(uri, filter=hinted(caught.value.hint))
    assert kept.read_batch([0, 1])[name].tolist() == [1, 3]


@pytest.mark.parametrize("name", NAMES)
def test_the_hint_about_a_missing_text_works_for_any_name(tmp_path, name):
    def tokens(text):
        return [len(text)]

    uri = write(pa.table({name: ["a", None, "b"]}), tmp_path / "t.lance")
    with pytest.raises(CorruptInput) as caught:
        LanceTorchDataset(uri, tokenizer=tokens).read_batch([0, 1])
    kept = LanceTorchDataset(uri, tokenizer=tokens, filter=hinted(caught.value.hint))
    assert len(kept.read_batch([0, 1])["input_ids"]) == 2


def hinted(hint):
    """The filter that a hint tells to take."""
    way, _, condition = hint.partition("filter=")
    assert way == "leave such rows out: "
    return ast.literal_eval(condition)


def test_threads_version_and_store_reach_the_jit_data_module():
    store = Store("memory://odd")
    given = {"data_path": "t.lance", "threads": 5, "version": 1, "store": store}
    for args in (given, argparse.Namespace(**given)):
        module = create_jit_datamodule(args)
        assert (module.threads, module.version, module.store) == (5, 1, store)
    left = create_jit_datamodule({"data_path": "t.lance"})
    assert (left.threads, left.version, left.store) == (2, None, None)


def test_everyday_words_are_no_misspelt_names():
    others = ["restore", "score", "stored", "conversion", "versions", "thread", "read", "aversion"]
    assert create_jit_datamodule(dict.fromkeys(others, 1)).version is None
    with pytest.raises(UnknownOption, match="image_size"):
        create_jit_datamodule({"image_size": 64, "version": 1})


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("train", [None, 5, True, b"x"]),
        ("val", [5, True, b"x"]),
        ("test", [3]),
        ("manager", [5, [], {}, object()]),
        ("epochs", ["x", 0, -1, 1.5, True, HUGE.values[0]]),
        ("val_fraction", ["a", True, math.nan, 0, 1, 1j, []]),
        ("image_size", ["32", 0, 2.5, (32, 32)]),
        ("num_workers", ["2", -1]),
        ("threads", ["x", -1]),
        ("seed", ["a", -1, None, 2**128]),
        ("augment", ["yes", None, 2]),
        ("pin_memory", ["no", None]),
        ("drop_last", ["x", 2]),
        ("uneven", ["x", ["pad"], None]),
    ],
)
def test_a_data_module_refuses_what_cannot_work_when_it_is_made(numbers, name, values):
    for value in values:
        with pytest.raises(InvalidArgument, match=name):
            LanceDataModule(**{"train": numbers, name: value})


def test_a_data_module_takes_what_can_work(numbers):
    given = {"epochs": np.int64(3), "augment": 1, "pin_memory": np.bool_(False), "drop_last": None}
    module = LanceDataModule(numbers, np.float64(0.25), batch_size=5, **given)
    assert module.total_steps() == 9
    wrong: list[Any] = ["x", 0, 1.5]
    for count in wrong:
        with pytest.raises(InvalidArgument, match="epochs must be"):
            module.total_steps(count)
        with pytest.raises(InvalidArgument, match="accumulate must be"):
            module.total_steps(accumulate=count)


@pytest.mark.parametrize("names", [5, "cat", b"cat", {"cat": 0, "dog": 1}, {"cat", "dog"}, True])
def test_class_names_are_a_list_of_names(tmp_path, names):
    uri = patterns(tmp_path / "p.lance", 12)
    for make in (
        lambda: LanceTorchDataset(uri, class_names=names),
        lambda: LanceTorchDataset(uri).with_classes(names),
    ):
        with pytest.raises(InvalidArgument, match=r"class_names=.* is no list of names"):
            make()
    known = LanceTorchDataset(uri).class_names
    given = known or ["a", "b", "c"]
    assert LanceTorchDataset(uri, class_names=np.array(given)).class_names == given


# torch's default device -------------------------------------------------------------------------
class Twice:
    """A transform of a picture."""

    def __call__(self, picture):
        return picture * 2


def _numbers(folder):
    values = pa.array(np.arange(64 * 1024, dtype=np.float32))
    table = pa.table(
        {
            "v": pa.FixedSizeListArray.from_arrays(values, 1024),
            "n": pa.array([None if row == 3 else row for row in range(64)]),
        }
    )
    return write(table, folder / "n.lance"), {"nulls": "fill"}


def _pictures(folder):
    cells = [png(pattern(row % 3, row)) for row in range(64)]
    cells[5] = b"junk"
    table = image_table(cells, [row % 3 for row in range(64)])
    return write(table, folder / "p.lance"), {"on_error": "skip"}


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    ("make", "transform"),
    [(_numbers, None), (_pictures, None), (_pictures, Twice()), (_pictures, RandomCropResize(8))],
)
def test_data_sets_read_to_the_cpu_whatever_torch_makes_by_default(
    tmp_path, make, transform, cache
):
    uri, options = make(tmp_path)

    def read():
        data = LanceTorchDataset(uri, cache=cache, transform=transform, **options)
        found = [*loader(data, 32, threads=0), *loader(data, 32, threads=2)]
        if transform is None:
            found += [data.read_batch(list(range(64))), data[7], *data.__getitems__([1, 2])]
        return [
            part
            for batch in found
            for part in (batch.values() if isinstance(batch, dict) else batch)
        ]

    wanted = read()
    with torch.device("meta"):
        found = read()
    assert {part.device.type for part in found} == {"cpu"}
    for one, two in zip(wanted, found, strict=True):
        assert torch.equal(one, two)


def test_tokens_of_single_samples_are_on_the_cpu(tmp_path):
    uri = write(pa.table({"t": ["a", "bcd"]}), tmp_path / "t.lance")
    with torch.device("meta"):
        data = LanceTorchDataset(uri, columns=["t"], tokenizer=lambda text: [1] * len(text))
        assert data[1]["input_ids"].tolist() == [1, 1, 1]


def test_batches_of_tokens_are_on_the_cpu(tmp_path):
    uri = write(pa.table({"t": ["a", "bcd"]}), tmp_path / "t.lance")
    with torch.device("meta"):
        data = LanceTorchDataset(uri, columns=["t"], tokenizer=lambda text: [1] * len(text))
        assert next(iter(loader(data, 2)))["input_ids"].tolist() == [[1, 0, 0], [1, 1, 1]]


def test_data_modules_do_not_go_by_the_default_device(tmp_path):
    uri = patterns(tmp_path / "p.lance", 24)

    def batch_of(module):
        module.setup("fit")
        batch = next(iter(module.train_dataloader()))
        return batch if isinstance(batch, (list, tuple)) else [batch["image"], batch["label"]]

    def both():
        here = LanceDataModule(uri, batch_size=8, threads=0, augment=True)
        given = {"data_path": uri, "img_size": 16, "batch_size": 8, "num_workers": 0}
        steps = create_jit_datamodule(given)
        return [*batch_of(here), *batch_of(steps), torch.tensor(here.stats.mean, device="cpu")]

    wanted = both()
    with torch.device("meta"):
        found = both()
    for one, two in zip(wanted, found, strict=True):
        assert two.device.type == "cpu"
        assert torch.equal(one, two)
