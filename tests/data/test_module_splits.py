"""``LanceDataModule`` over one table whose column ``split`` tells training and test rows apart."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.data import JiTDataModule, LanceDataModule, LanceTorchDataset, mix, split
from lancenb.data._splits import names_split, split_rows
from lancenb.errors import EmptyInput
from tests.data.pictures import CLASSES, picture, picture_tree
from tests.data.tables import write

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def dm(tmp_path_factory):
    root = tmp_path_factory.mktemp("splits")
    tree = picture_tree(root / "pics")  # 14 to train on, 6 for validation
    for number in range(4):
        folder = tree / "test" / CLASSES[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        picture(200 + number, 40, 40).save(folder / f"{number}.JPEG", "JPEG")
    manager = lnb.DataManager(root / "store")
    manager.convert(tree, "pics", kind="images")
    return manager


def values(data) -> set[str]:
    """What stands in the column ``split`` of the rows of a data set."""
    return set(np.array(data.table.dataset.to_table()["split"].to_pylist())[data.rows])


def test_rows_are_taken_for_what_the_column_says(dm):
    module = LanceDataModule("pics", manager=dm, batch_size=4)
    found = module.get_dataset_info()
    assert (found["num_samples"], found["num_val_samples"], found["num_test_samples"]) == (14, 6, 4)
    assert values(module.train_dataset) == {"train"}
    assert values(module.val_dataset) == {"validation"}
    assert values(module.test_dataset) == {"test"}
    shown = " ".join(repr(module).split())
    assert "pics by its column split: train 14 rows, val 6 rows, test 4 rows" in shown
    assert sum(len(ids) for _, ids in module.train_dataloader()) == 14
    assert sum(len(ids) for _, ids in module.test_dataloader()) == 4
    assert module.class_names == CLASSES


def test_a_fraction_comes_from_the_training_rows(dm):
    module = LanceDataModule("pics", manager=dm, val_fraction=0.3)
    module.setup()
    held, kept = set(module.val_dataset.rows), set(module.train_dataset.rows)
    assert not held & kept
    assert len(held | kept) == 14
    assert values(module.val_dataset) | values(module.train_dataset) == {"train"}
    assert values(module.test_dataset) == {"test"}


def test_a_mixture_that_trains_on_other_rows_is_told_of(dm):
    whole = LanceTorchDataset(dm["pics"])
    kept = LanceTorchDataset(dm["pics"], filter="split = 'train'")
    for both in ([whole, kept], [kept, whole]):
        mixture = mix([(each, 1) for each in both])
        with pytest.warns(UserWarning, match="validation and test rows of 'pics'") as told:
            LanceDataModule(mixture).setup()
        assert told[0].filename == __file__
        assert "filter=\"split = 'train'\"" in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LanceDataModule(mix([(kept, 1), (whole.subset([0, 15]), 1)])).setup()


def test_what_is_given_goes_before(dm):
    data = LanceTorchDataset(dm["pics"])
    few = data.subset([15, 16])
    module = LanceDataModule(data, val=few)
    module.setup()
    assert values(module.train_dataset) == {"train"}
    assert module.val_dataset.rows.tolist() == [15, 16]
    assert values(module.test_dataset) == {"test"}


def test_a_filter_on_the_column_and_chosen_rows_say_otherwise(dm):
    whole = LanceTorchDataset(dm["pics"], filter="split IS NOT NULL")
    module = LanceDataModule(whole)
    assert module.get_dataset_info()["num_samples"] == 24
    assert "by its column" not in repr(module)
    mine = LanceTorchDataset(dm["pics"], filter=[("split", "in", ["train", "validation"])])
    assert LanceDataModule(mine).get_dataset_info()["num_samples"] == 20
    rest, part = split(LanceTorchDataset(dm["pics"]), 0.5)
    module = LanceDataModule(rest, val=part)
    module.setup()
    assert (len(module.train_dataset), len(module.val_dataset)) == (len(rest), len(part))
    other = LanceDataModule(LanceTorchDataset(dm["pics"], filter="label < 2"))
    other.setup()
    assert values(other.train_dataset) == {"train"}, "a filter on another column leaves it on"


def test_no_rows_of_a_value_that_is_not_there(dm):
    none = LanceTorchDataset(dm["pics"], filter=[("split", "=", "val")])
    with pytest.raises(EmptyInput, match="no rows") as caught:
        LanceDataModule(none).setup()
    assert caught.value.hint == "its column split has the values 'test', 'train', 'validation'"


def test_both_modules_take_the_same_rows(dm):
    ours = LanceDataModule("pics", manager=dm)
    ours.setup()
    for source in (dm["pics"], LanceTorchDataset(dm["pics"])):
        theirs = JiTDataModule(source, img_size=16, num_workers=0)
        theirs.setup()
        rows = [theirs.train_dataset.source.row(i) for i in range(14)]
        assert rows == ours.train_dataset.rows.tolist()
        assert [
            theirs.val_dataset.source.row(i) for i in range(6)
        ] == ours.val_dataset.rows.tolist()


def test_the_versions_of_a_run_keep_their_rows(dm, tmp_path):
    uri = tmp_path / "t.lance"
    row = dm["pics"].dataset().to_table()
    write(row, uri)
    module = LanceDataModule(str(uri), batch_size=4)
    batches = iter(module.train_dataloader())
    next(batches)
    state = module.state_dict()
    write(row, uri, mode="append")
    again = LanceDataModule(str(uri), batch_size=4)
    again.load_state_dict(state)
    assert sum(len(ids) for _, ids in again.train_dataloader()) == 10
    assert len(again.test_dataset) == 4


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["train", "val", "test"], {"train": [0], "val": [1], "test": [2]}),
        (["Train", "dev", None], {"train": [0], "val": [1]}),
        (["train", "unlabelled", "train"], {"train": [0, 2]}),
        (["train", "train", "train"], None),
        (["a", "b", None], None),
        (["test", "test", "validation"], None),
        ([1, 2, 3], None),
        (pa.array(["train", "test", "train"]).dictionary_encode(), {"train": [0, 2], "test": [1]}),
    ],
)
def test_values_of_the_column(tmp_path, column, expected):
    uri = write(pa.table({"x": [1.0, 2.0, 3.0], "split": column}), tmp_path / "t.lance")
    found = split_rows(LanceTorchDataset(uri, columns=["x"]))
    assert (found and {part: rows.tolist() for part, rows in found.items()}) == expected


def test_filters_that_name_the_column():
    schema = pa.schema({"split": "string", "kind": "string", "split_id": "int64"})
    for named in ("split != 'test'", "`split` IS NOT NULL", [("split", "=", "val")]):
        assert names_split(named, schema)
    for other in ("kind = 'split'", "split_id > 3", [("kind", "=", "it's split")]):
        assert not names_split(other, schema)
