"""Tables with gaps as numpy batches: refused by row, or filled with a mask beside."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.data import LanceTorchDataset, loader
from lancenb.errors import CorruptInput, InvalidArgument
from tests.data.tables import image_table, pattern, png, write

DAY = datetime.date(2024, 5, 1)
COLUMNS = {
    "whole": pa.array([1, None, 3], pa.int16()),
    "real": pa.array([None, 2.0, 3.0], pa.float32()),
    "flag": pa.array([True, None, True]),
    "text": pa.array(["a", None, "c"]),
    "word": pa.array(["a", "b", None]).dictionary_encode(),
    "pair": pa.array([[[1, 2]], None, [[3, 4]]], pa.list_(pa.list_(pa.int32(), 2), 1)),
    "some": pa.array([[1.0], None, [2.0, 3.0]], pa.list_(pa.float32())),
    "day": pa.array([DAY, None, DAY]),
    "raw": pa.array([b"x", None, b""]),
    "full": pa.array([7, 8, 9], pa.uint8()),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write(pa.table(COLUMNS), tmp_path_factory.mktemp("nulls") / "gaps.lance")


def test_a_fill_has_a_mask_beside_each_column_with_gaps(table):
    (batch,) = lnb.batches(table, 3, nulls="fill")
    assert list(batch) == [
        name for column in COLUMNS if column != "full" for name in (column, f"{column}_mask")
    ] + ["full"]
    assert batch["whole"].dtype == np.int16
    assert batch["whole"].tolist() == [1, 0, 3]
    assert batch["real"].dtype == np.float32
    assert np.isnan(batch["real"][0])
    assert batch["flag"].tolist() == [True, False, True]
    assert batch["text"].tolist() == ["a", "", "c"]
    assert batch["word"].tolist() == ["a", "b", ""]
    assert (batch["pair"].dtype, batch["pair"].shape) == (np.int32, (3, 1, 2))
    assert batch["pair"].tolist() == [[[1, 2]], [[0, 0]], [[3, 4]]]
    assert [row.tolist() for row in batch["some"]] == [[1.0], [], [2.0, 3.0]]
    assert np.isnat(batch["day"]).tolist() == [False, True, False]
    assert batch["raw"].tolist() == [b"x", None, b""]
    for column, values in COLUMNS.items():
        if column != "full":
            assert batch[f"{column}_mask"].dtype == bool
            assert batch[f"{column}_mask"].tolist() == values.is_valid().to_pylist()


def test_a_fill_is_that_of_a_data_set(table):
    columns = ["whole", "real", "flag", "text", "pair", "full"]
    (ours,) = lnb.batches(table, 3, columns=columns, nulls="fill")
    (theirs,) = loader(LanceTorchDataset(table, columns=columns, nulls="fill"), 3)
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        wanted = theirs[name]
        np.testing.assert_array_equal(array, wanted if name == "text" else wanted.numpy())


def test_every_batch_has_the_mask_also_of_rows_without_gaps(table):
    data = lnb.batches(table, 1, columns=["whole", "pair", "full"], nulls="fill", shuffle=True)
    assert data.columns == ("whole", "whole_mask", "pair", "pair_mask", "full")
    spec = data.spec()
    assert tuple(spec) == data.columns
    assert (spec["whole_mask"].shape, spec["whole_mask"].dtype) == ((None,), np.dtype(bool))
    assert spec["pair"].shape == (None, 1, 2)
    found = [tuple(batch) for batch in data]
    assert found == [data.columns] * 3
    (kept,) = lnb.batches(table, 3, columns=["whole"], filter="whole > 0", nulls="fill")
    assert kept["whole_mask"].tolist() == [True, True]
    (none,) = lnb.batches(table, 3, columns=["pair"], filter="pair IS NULL", nulls="fill")
    assert none["pair"].tolist() == [[[0, 0]]]


def test_without_a_fill_the_row_and_both_ways_out_are_named(table):
    with pytest.raises(CorruptInput, match="row 1 has no value in column 'pair'") as caught:
        next(lnb.batches(table, 3, columns=["pair"]))
    assert "filter=[('pair', 'is not', None)], or nulls='fill'" in caught.value.hint
    (kept,) = lnb.batches(table, 3, columns=["pair"], filter=[("pair", "is not", None)])
    assert kept["pair"].tolist() == [[[1, 2]], [[3, 4]]]


def test_what_a_fill_cannot_do(tmp_path, table):
    lists = pa.array([None, [3, None]], pa.list_(pa.int32(), 2))
    inside = write(pa.table({"x": lists}), tmp_path / "x.lance")
    with pytest.raises(CorruptInput, match="row 1 has no value in column 'x'") as caught:
        next(lnb.batches(inside, 2, nulls="fill"))
    assert "fill" not in caught.value.hint
    both = write(pa.table({"x": [1, None], "x_mask": [1, 2]}), tmp_path / "y.lance")
    with pytest.raises(InvalidArgument, match="the mask of 'x'"):
        lnb.batches(both, 2, nulls="fill")
    assert next(lnb.batches(both, 2, columns=["x"], nulls="fill"))["x_mask"].tolist() == [1, 0]
    with pytest.raises(InvalidArgument, match="nulls is"):
        lnb.batches(table, 2, nulls="keep")


def test_labels_of_pictures_are_filled_and_pictures_are_not(tmp_path):
    cells = [png(pattern(0, i)) for i in range(3)]
    rows = image_table(cells, [0, 1, 2])
    place = rows.schema.get_field_index("label")
    field = rows.schema.field(place)
    gap = pa.array([0, None, 2], field.type)
    uri = write(rows.set_column(place, field.with_nullable(True), gap), tmp_path / "p.lance")
    (batch,) = lnb.batches(uri, 3, nulls="fill")
    assert list(batch) == ["image", "label", "label_mask"]
    assert batch["label"].tolist() == [0, 0, 2]
    assert batch["label_mask"].tolist() == [True, False, True]


def test_jax_gets_what_is_filled(table):
    pytest.importorskip("jax")
    from lancenb.data import to_jax

    (batch,) = to_jax(table, 3, columns=["whole", "text"], nulls="fill")
    assert batch["whole"].tolist() == [1, 0, 3]
    assert batch["whole_mask"].tolist() == [True, False, True]
    (pair,) = to_jax(table, 3, as_tuple=("whole", "whole_mask"), columns=["whole"], nulls="fill")
    assert pair[1].tolist() == [True, False, True]
