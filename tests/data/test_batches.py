from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading

import numpy as np
import pyarrow as pa
import pytest

import lancenb as lnb
from lancenb.data import LanceTorchDataset, epoch_order, loader
from lancenb.errors import (
    ColumnNotFound,
    CorruptInput,
    EmptyInput,
    InvalidArgument,
    UnsupportedFormat,
)
from lancenb.store import lance_module
from tests.data.tables import image_table, pattern, patterns, png, write


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("batches") / "p.lance", 37, max_rows_per_file=10)


def _numbers(tmp_path, rows=20, **columns):
    return write(
        pa.table({"n": pa.array(range(rows), pa.int64()), **columns}), tmp_path / "n.lance"
    )


def _flat(lists):
    return list(itertools.chain.from_iterable(lists))


def _seen(data):
    return [batch["n"].tolist() for batch in data]


def test_pictures_and_labels_are_those_of_the_torch_data_set(table):
    torch_data = LanceTorchDataset(table)
    (batch,) = lnb.batches(table, 37)
    assert batch["image"].dtype == np.uint8
    assert batch["image"].shape == (37, 16, 16, 3)
    assert batch["label"].dtype == np.int64
    for row in (0, 17, 36):
        image, label = torch_data[row]
        assert np.array_equal(batch["image"][row].transpose(2, 0, 1), image.numpy())
        assert batch["label"][row] == int(label)
    (first,) = lnb.batches(table, 37, layout="NCHW")
    assert np.array_equal(first["image"], batch["image"].transpose(0, 3, 1, 2))
    assert first["image"].flags["C_CONTIGUOUS"]


def test_columns_keep_dtype_and_shape(tmp_path):
    tensors = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    nested = pa.FixedSizeListArray.from_arrays(
        pa.FixedSizeListArray.from_arrays(pa.array(range(16), pa.int8()), 2), 2
    )
    rows = pa.table(
        {
            "u16": pa.array([1, 2, 3, 65535], pa.uint16()),
            "f16": pa.array(np.array([1, 2, 3, 4], np.float16)),
            "flag": pa.array([True, False, True, True]),
            "nested": nested,
            "tensor": pa.FixedShapeTensorArray.from_numpy_ndarray(tensors),
            "text": pa.array(["a", None, "ä", ""]),
            "raw": pa.array([b"\xff\x00", b"", b"x", b"y"]),
            "list": pa.array([[1], [], [2, 3], None], pa.list_(pa.int32())),
            "when": pa.array([0, 1, None, 3], pa.timestamp("ms")),
            "kind": pa.array(["x", "y", "x", "x"]).dictionary_encode(),
        }
    )
    (batch,) = lnb.batches(write(rows, tmp_path / "c.lance"), 4)
    assert batch["u16"].dtype == np.uint16
    assert batch["u16"].tolist() == [1, 2, 3, 65535]
    assert batch["f16"].dtype == np.float16
    assert batch["flag"].tolist() == [True, False, True, True]
    assert batch["nested"].shape == (4, 2, 2)
    assert batch["nested"].dtype == np.int8
    assert batch["nested"].ravel().tolist() == list(range(16))
    assert np.array_equal(batch["tensor"], tensors)
    assert batch["text"].tolist() == ["a", None, "ä", ""]
    assert batch["raw"].tolist() == [b"\xff\x00", b"", b"x", b"y"]
    assert [None if x is None else x.tolist() for x in batch["list"]] == [[1], [], [2, 3], None]
    assert batch["when"].dtype == np.dtype("datetime64[ms]")
    assert np.isnat(batch["when"]).tolist() == [False, False, True, False]
    assert batch["kind"].tolist() == ["x", "y", "x", "x"]
    batch["u16"][0] = 7  # writable: no view of Arrow's memory


def test_torch_is_not_imported(table):
    code = (
        "import sys, lancenb as lnb\n"
        f"print(len(list(lnb.batches({table!r}, 8, shuffle=True))))\n"
        "print([name for name in ('torch', 'tensorflow', 'jax') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["5", "[]"]


@pytest.mark.parametrize("shuffle", [False, True, "block"])
def test_order_is_that_of_the_loader(tmp_path, shuffle):
    uri = _numbers(tmp_path, 101)
    ours = lnb.batches(uri, 8, shuffle=shuffle, seed=5, epochs=2)
    theirs = loader(LanceTorchDataset(uri), 8, shuffle=shuffle, seed=5)
    wanted = [batch["n"].tolist() for _ in range(2) for batch in theirs]
    assert _seen(ours) == wanted
    assert wanted[:13] != wanted[13:] or not shuffle


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_batches_do_not_depend_on_threads(table, threads):
    def made(count):
        data = lnb.batches(table, 8, columns=["path"], shuffle=True, seed=2, threads=count)
        return [batch["path"].tolist() for batch in data]

    assert made(threads) == made(2)


def test_each_for_is_the_next_epoch(tmp_path):
    data = lnb.batches(_numbers(tmp_path), 6, shuffle=True, seed=9)
    first, second = _seen(data), _seen(data)
    assert sorted(_flat(first)) == sorted(_flat(second)) == list(range(20))
    assert first != second
    assert _flat(second) == epoch_order(20, seed=9, epoch=1).tolist()
    assert len(data) == 4
    assert "epoch 2" in repr(data)


@pytest.mark.parametrize("shuffle", [True, "block"])
def test_resume_is_exact_at_every_batch_and_twice_in_a_row(tmp_path, shuffle):
    uri = _numbers(tmp_path)
    options = {"shuffle": shuffle, "seed": 4, "epochs": 2}
    whole = _seen(lnb.batches(uri, 6, **options))
    for stop in range(1, len(whole) - 1):
        data = lnb.batches(uri, 6, **options)
        got = [next(data)["n"].tolist() for _ in range(stop)]
        again = lnb.batches(uri, 6, **options)
        again.load_state_dict(json.loads(json.dumps(data.state_dict())))
        got += [batch["n"].tolist() for batch in itertools.islice(again, 1)]
        third = lnb.batches(uri, 6, **options)
        third.load_state_dict(again.state_dict())
        assert len(third) == len(whole) - len(got)
        assert got + _seen(third) == whole
        data.close()
        again.close()


def test_state_counts_what_was_handed_out_not_what_was_read_ahead(tmp_path):
    data = lnb.batches(_numbers(tmp_path, 400), 4, prefetch=16, threads=2)
    next(data)
    assert data.state_dict()["position"] == 4
    data.close()
    assert next(data)["n"].tolist() == [4, 5, 6, 7]


def test_resume_with_other_ranks_and_batch_size(tmp_path):
    uri = _numbers(tmp_path, 48)
    options = {"shuffle": True, "seed": 3}
    ranks = [lnb.batches(uri, 4, rank=r, world_size=3, **options) for r in range(3)]
    seen = [n for _ in range(2) for rank in ranks for n in next(rank)["n"].tolist()]
    states = [rank.state_dict() for rank in ranks]
    assert len({state["position"] for state in states}) == 1
    rest = lnb.batches(uri, 8, **options)
    rest.load_state_dict(states[1])
    seen += _flat(_seen(rest))
    assert seen[24:] == epoch_order(48, seed=3).tolist()[24:]
    assert sorted(seen) == list(range(48))


def test_a_loaders_state_is_understood(tmp_path):
    uri = _numbers(tmp_path)
    theirs = loader(LanceTorchDataset(uri), 6, shuffle=True, seed=1)
    running = iter(theirs)
    got = [next(running)["n"].tolist()]
    data = lnb.batches(uri, 6, shuffle=True)
    data.load_state_dict(theirs.state_dict())
    got += _seen(data)
    assert _flat(got) == epoch_order(20, seed=1).tolist()
    running.close()


@pytest.mark.parametrize("uneven", ["pad", "drop"])
def test_ranks_have_equal_batches(tmp_path, uneven):
    uri = _numbers(tmp_path, 23)
    ranks = [_seen(lnb.batches(uri, 4, rank=r, world_size=2, uneven=uneven)) for r in range(2)]
    assert [len(b) for b in ranks[0]] == [len(b) for b in ranks[1]]
    rows = sorted(_flat(ranks[0] + ranks[1]))
    assert len(rows) == (24 if uneven == "pad" else 22)
    assert set(rows) <= set(range(23))
    with pytest.raises(InvalidArgument, match="share out"):
        lnb.batches(uri, 4, rank=0, world_size=2, uneven="error")


def _reading():
    return {t for t in threading.enumerate() if t.name.startswith("lancenb-batches")}


def test_endless_goes_on_and_has_no_length(tmp_path):
    before = _reading()
    with lnb.batches(_numbers(tmp_path, 5), 5, shuffle=True, epochs=None) as data:
        seen = [batch["n"].tolist() for batch in itertools.islice(data, 7)]
        assert all(sorted(batch) == list(range(5)) for batch in seen)
        assert data.epoch == 7
        with pytest.raises(TypeError, match="never ends"):
            len(data)
        assert "without end" in repr(data)
    assert _reading() <= before


def test_threads_end_with_an_iterator_that_is_dropped(tmp_path):
    before = _reading()
    data = lnb.batches(_numbers(tmp_path), 2, epochs=None)
    next(data)
    started = _reading() - before
    assert started
    del data
    for thread in started:
        thread.join(60)
    assert not [thread for thread in started if thread.is_alive()]


def test_an_endless_iterator_over_nothing_ends(tmp_path):
    uri = _numbers(tmp_path, 3)
    assert list(lnb.batches(uri, 5, drop_last=True, epochs=None)) == []
    assert list(lnb.batches(uri, 2, filter="n > 9", epochs=None)) == []


def test_restart_goes_back_to_where_the_for_began(tmp_path):
    data = lnb.batches(_numbers(tmp_path), 6, shuffle=True, epochs=2, seed=3)
    whole = _seen(lnb.batches(_numbers(tmp_path / "b"), 6, shuffle=True, epochs=2, seed=3))
    for _ in range(6):
        next(data)
    data.restart()
    assert _seen(data) == whole


def test_filter_and_pinned_version(tmp_path):
    uri = _numbers(tmp_path)
    data = lnb.batches(uri, 3, filter=[("n", ">=", 15)], shuffle=True)
    lance_module().write_dataset(pa.table({"n": pa.array([99], pa.int64())}), uri, mode="append")
    assert sorted(_flat(_seen(data))) == [15, 16, 17, 18, 19]
    assert sorted(_flat(_seen(data))) == [15, 16, 17, 18, 19]
    assert len(lnb.batches(uri, 1, version=1)) == 20


def test_seeded_transform_is_a_function_of_the_row(table):
    def noted(picture, seed):
        return np.array([picture.shape[0], seed % 2**31], np.int64)

    noted.seeded = True
    seen = {}
    for size, threads in ((8, 2), (5, 0)):
        data = lnb.batches(
            table, size, columns=["image", "path"], shuffle=True, seed=6, threads=threads,
            transform=noted,
        )  # fmt: skip
        for batch in data:
            for path, (side, seed) in zip(batch["path"], batch["image"].tolist(), strict=True):
                assert side == 16
                assert seen.setdefault(path, seed) == seed
    assert len(seen) == 37
    assert len(set(seen.values())) == 37


def test_transform_of_a_table_without_pictures_gets_the_batch(tmp_path):
    data = lnb.batches(_numbers(tmp_path), 8, transform=lambda batch: {"twice": batch["n"] * 2})
    assert next(data)["twice"].tolist() == [0, 2, 4, 6, 8, 10, 12, 14]
    data.close()


def test_pictures_of_several_sizes_need_size(tmp_path):
    cells = [png(pattern(0, 1, side)) for side in (8, 12, 20)]
    uri = write(image_table(cells, [0, 1, 2]), tmp_path / "s.lance")
    with pytest.raises(InvalidArgument, match=r"different shapes: \(8, 8, 3\)"):
        next(lnb.batches(uri, 3))
    data = lnb.batches(uri, 3, size=(10, 6))
    assert next(data)["image"].shape == (3, 10, 6, 3)
    assert lnb.batches(uri, 1).spec()["image"].shape == (None, None, None, 3)
    assert lnb.batches(uri, 1, layout="NCHW").spec()["image"].shape == (None, 3, None, None)


def _damaged(tmp_path, bad=(2,), count=6):
    cells = [b"no picture" if i in bad else png(pattern(i % 3, i)) for i in range(count)]
    return write(image_table(cells, [i % 3 for i in range(count)]), tmp_path / "d.lance")


def test_an_unreadable_picture_names_its_row_and_leaves_the_position(tmp_path):
    data = lnb.batches(_damaged(tmp_path), 2)
    next(data)
    for _ in range(2):
        with pytest.raises(CorruptInput, match=r"row 2 \('folder/0002.png'\)"):
            next(data)
        assert data.state_dict()["position"] == 2


def test_unreadable_pictures_can_be_skipped(tmp_path):
    data = lnb.batches(_damaged(tmp_path, bad=(1, 2, 3)), 2, on_error="skip")
    assert [len(batch["label"]) for batch in data] == [1, 2]
    assert list(data.skipped) == [1, 2, 3]
    ranked = lnb.batches(
        _damaged(tmp_path / "r", bad=(2, 3)), 1, on_error="skip", rank=0, world_size=2
    )
    next(ranked)
    with pytest.raises(CorruptInput, match="such as its sample 2; ranks must have equally many"):
        next(ranked)


def test_sample_reads_one_row(table):
    data = lnb.batches(table, 4, columns=["label", "path"])
    assert data.sample(4)["path"] == "folder/0004.png"
    assert data.sample(-1)["label"] == 0
    with pytest.raises(IndexError, match="no sample 37"):
        data.sample(37)


def test_what_cannot_work_is_said_at_once(tmp_path, table):
    uri = _numbers(tmp_path)
    with pytest.raises(ColumnNotFound, match="it has n"):
        lnb.batches(uri, columns=["m"])
    for options in (
        {"layout": "HWC"},
        {"on_error": "pass"},
        {"transform": 3},
        {"threads": -1},
        {"prefetch": 0},
        {"epochs": 0},
        {"columns": "n"},
        {"size": 0},
        {"size": "big"},
        {"size": (4, 0)},
        {"seed": -1},
        {"shuffle": "yes"},
        {"rank": 0},
        {"uneven": "some"},
    ):
        with pytest.raises(InvalidArgument):
            lnb.batches(uri, 2, **options)
    data = lnb.batches(uri, 2)
    with pytest.raises(InvalidArgument, match="saved"):
        data.load_state_dict(lnb.batches(table, 2).state_dict())
    with pytest.raises(EmptyInput):
        lnb.batches(uri, 2, filter="n > 99").spec()


def test_nulls_in_numbers_and_weights_and_blobs_are_refused(tmp_path):
    uri = write(pa.table({"x": pa.array([1, None], pa.int32())}), tmp_path / "x.lance")
    with pytest.raises(CorruptInput, match="row 1 has no value in column 'x'"):
        next(lnb.batches(uri, 2))
    lists = pa.array([[1, 2], [3, None]], pa.list_(pa.int32(), 2))
    uri = write(pa.table({"x": lists}), tmp_path / "y.lance")
    with pytest.raises(CorruptInput, match="row 1 has no value"):
        next(lnb.batches(uri, 2))
    import torch

    lnb.convert({"w": torch.zeros(2)}, tmp_path / "w.lance", kind="weights")
    with pytest.raises(InvalidArgument, match="holds model weights"):
        lnb.batches(tmp_path / "w.lance")
    lance = lance_module()
    schema = pa.schema([lance.blob_field("b")])
    rows = pa.table([lance.blob_array([b"x"])], schema=schema)
    with pytest.raises(UnsupportedFormat, match="holds blobs"):
        lnb.batches(write(rows, tmp_path / "b.lance"))


def test_an_artefact_by_tag(tmp_path):
    dm = lnb.DataManager(tmp_path)
    dm.convert(pa.table({"n": [1, 2]}), "numbers")
    dm.tag("numbers", "first")
    dm.convert(pa.table({"n": [3]}), "numbers", mode="append")
    assert _seen(lnb.batches(dm["numbers"], 8)) == [[1, 2, 3]]
    assert _seen(lnb.batches(dm["numbers"], 8, version="first")) == [[1, 2]]


@pytest.mark.s3
def test_over_s3(s3_store):
    dm = lnb.DataManager(s3_store)
    dm.convert(pa.table({"n": list(range(10))}), "numbers")
    data = lnb.batches(dm["numbers"], 4, shuffle="block", seed=2)
    assert sorted(_flat(_seen(data))) == list(range(10))
    assert s3_store.storage_options["aws_secret_access_key"] not in repr(data)
    assert "secret" not in json.dumps(data.state_dict())
