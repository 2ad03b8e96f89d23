from __future__ import annotations

import inspect
import io
import multiprocessing
import pickle

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

import lancenb
from lancenb.data import LanceTorchDataset, split
from lancenb.errors import (
    ColumnNotFound,
    CorruptInput,
    InvalidArgument,
    InvalidFilter,
    NotFound,
    TagNotFound,
    VersionNotFound,
)
from lancenb.store import Store, lance_module
from tests.data.tables import CLASSES, image_table, pattern, patterns, png, write


@pytest.fixture
def table(tmp_path):
    return patterns(tmp_path / "p.lance", 30, max_rows_per_file=7)


def test_w31_reads_the_image_tables_that_converters_write(table):
    data = LanceTorchDataset(table)
    image, label = data[4]
    assert image.dtype == torch.uint8
    assert image.shape == (3, 16, 16)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), pattern(1, 4))
    assert label.dtype == torch.int64
    assert int(label) == 1
    assert data.class_names == CLASSES
    assert data.num_classes == 3


def test_w31_reads_what_the_images_converter_writes(tmp_path):
    for label, name in enumerate(CLASSES):
        folder = tmp_path / "src" / name
        folder.mkdir(parents=True)
        for i in range(3):
            (folder / f"{i}.png").write_bytes(png(pattern(label, i)))
    lancenb.convert(tmp_path / "src", str(tmp_path / "t.lance"))
    data = LanceTorchDataset(str(tmp_path / "t.lance"))
    assert data.class_names == sorted(CLASSES)
    seen = {(int(label), image.numpy().tobytes()) for image, label in data}
    wanted = {
        (sorted(CLASSES).index(name), pattern(label, i).transpose(2, 0, 1).tobytes())
        for label, name in enumerate(CLASSES)
        for i in range(3)
    }
    assert seen == wanted


def test_w33_has_a_length_and_shuffles_in_a_plain_dataloader(table):
    data = LanceTorchDataset(table)
    assert len(data) == 30
    batches = list(torch.utils.data.DataLoader(data, batch_size=8, shuffle=True))
    labels = torch.cat([labels for _, labels in batches])
    assert sorted(labels.tolist()) == sorted(i % 3 for i in range(30))


def test_one_take_per_batch(table):
    data = LanceTorchDataset(table, cache=False)
    calls = []
    real = data.table._dataset

    class Counting:
        def take(self, rows, columns):
            calls.append(list(rows))
            return real.take(rows, columns=columns)

        def __getattr__(self, name):
            return getattr(real, name)

    data.table._dataset = Counting()
    found = data.__getitems__([5, 2, 29, 2])
    assert calls == [[5, 2, 29, 2]]
    assert [int(label) for _, label in found] == [2, 2, 2, 2]


def test_w30_a_mapping_is_a_plain_dictionary(table):
    data = LanceTorchDataset(table, mapping={"x": "image", "y": "label", "where": "path"})
    sample = data[3]
    assert list(sample) == ["x", "y", "where"]
    assert sample["where"] == "folder/0003.png"
    assert sample["x"].shape == (3, 16, 16)


def test_columns_choose_and_keep_dtypes(tmp_path):
    half = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(12, dtype=np.float16)), 3)
    nested = pa.FixedSizeListArray.from_arrays(
        pa.FixedSizeListArray.from_arrays(pa.array(np.arange(16, dtype=np.uint8)), 2), 2
    )
    ragged = pa.array([[1, 2], [], [3], [4, 5, 6]], pa.list_(pa.int32()))
    source = pa.table(
        {
            "v": half,
            "m": nested,
            "r": ragged,
            "n": pa.array([1, 2, 3, 4], pa.int16()),
            "f": pa.array([0.5, 1.5, 2.5, 3.5], pa.float32()),
            "ok": [True, False, True, True],
            "text": ["a", "b", "ü", None],
        }
    )
    data = LanceTorchDataset(write(source, tmp_path / "t.lance"))
    sample = data[2]
    assert sample["v"].dtype == torch.float16
    assert sample["v"].tolist() == [6, 7, 8]
    assert sample["m"].dtype == torch.uint8
    assert sample["m"].tolist() == [[8, 9], [10, 11]]
    assert sample["r"].dtype == torch.int32
    assert [data[i]["r"].tolist() for i in range(4)] == [[1, 2], [], [3], [4, 5, 6]]
    assert sample["n"].dtype == torch.int16
    assert sample["f"].dtype == torch.float32
    assert sample["ok"].dtype == torch.bool
    assert sample["text"] == "ü"
    assert list(LanceTorchDataset(data.uri, columns=["text"])[0]) == ["text"]


def test_fixed_shape_tensors_keep_shape(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    source = pa.table({"t": pa.FixedShapeTensorArray.from_numpy_ndarray(array)})
    data = LanceTorchDataset(write(source, tmp_path / "t.lance"))
    assert torch.equal(data[1]["t"], torch.from_numpy(array[1]))


def test_fixed_shape_tensors_stored_in_another_order_of_axes(tmp_path):
    array = np.asfortranarray(np.arange(24, dtype=np.float32).reshape(4, 2, 3))
    kind = pa.fixed_shape_tensor(pa.float32(), [3, 2], permutation=[1, 0])
    flat = np.ascontiguousarray(array.transpose(0, 2, 1)).reshape(-1)
    stored = pa.ExtensionArray.from_storage(
        kind, pa.FixedSizeListArray.from_arrays(pa.array(flat), 6)
    )
    wanted = torch.from_numpy(np.array(stored.to_numpy_ndarray()))
    data = LanceTorchDataset(write(pa.table({"t": stored}), tmp_path / "t.lance"))
    assert torch.equal(data[1]["t"], wanted[1])
    assert torch.equal(data.read_batch([3, 1])["t"], wanted[[3, 1]])


def test_w35_text_labels_get_small_stable_ids(tmp_path):
    words = ["cat", "dog", "ant", "cat"]
    uri = write(pa.table({"text": list("abcd"), "label": words}), tmp_path / "t.lance")
    data = LanceTorchDataset(uri, columns=["text", "label"])
    assert data.class_names == ["ant", "cat", "dog"]
    assert [int(data[i]["label"]) for i in range(4)] == [1, 2, 0, 1]
    some = LanceTorchDataset(uri, columns=["text", "label"], filter="text = 'b'")
    assert int(some[0]["label"]) == 2, "a filter must not renumber the classes"
    given = LanceTorchDataset(uri, columns=["label"], class_names=["dog", "cat", "ant"])
    assert int(given[1]["label"]) == 0
    unknown = LanceTorchDataset(uri, columns=["label"], class_names=["dog", "cat"])
    with pytest.raises(CorruptInput, match=r"row 2 .*'ant'"):
        unknown[2]


def test_with_classes_counts_ids_by_name(table):
    data = LanceTorchDataset(table).with_classes(["dot", "circle", "stripe", "more"])
    assert [int(data[i][1]) for i in range(3)] == [1, 2, 0]
    assert data.num_classes == 4
    assert data.labels()[:3].tolist() == [1, 2, 0]
    with pytest.raises(InvalidArgument, match="'dot'"):
        LanceTorchDataset(table).with_classes(["circle", "stripe"])


def test_version_is_pinned_by_number_and_tag(tmp_path):
    uri = patterns(tmp_path / "p.lance", 6)
    lance_module().dataset(uri).tags.create("first", 1)
    data = LanceTorchDataset(uri)
    patterns(tmp_path / "p.lance", 3, mode="append")
    assert len(data) == 6
    assert len(list(data)) == 6
    again = pickle.loads(pickle.dumps(data))
    assert (len(again), again.version) == (6, 1)
    assert int(again[5][1]) == 2
    assert len(LanceTorchDataset(uri)) == 9
    assert len(LanceTorchDataset(uri, version="first")) == 6
    assert len(LanceTorchDataset(uri, version=2)) == 9
    with pytest.raises(VersionNotFound):
        LanceTorchDataset(uri, version=7)
    with pytest.raises(TagNotFound):
        LanceTorchDataset(uri, version="best")


def test_filter_by_sql_and_triples_counts_rows_after_deletions(tmp_path):
    uri = patterns(tmp_path / "p.lance", 30, max_rows_per_file=7)
    lance_module().dataset(uri).delete("path IN ('folder/0000.png', 'folder/0008.png')")
    wanted = [f"folder/{i:04}.png" for i in range(30) if i % 3 == 2 and i != 8]
    for condition in ("label = 2", [("label", "=", 2)]):
        data = LanceTorchDataset(uri, columns=["path", "label"], filter=condition)
        assert [s["path"] for s in data] == wanted
        assert {int(s["label"]) for s in data} == {2}
    assert len(LanceTorchDataset(uri, filter="label = 17")) == 0
    with pytest.raises(ColumnNotFound, match="colour"):
        LanceTorchDataset(uri, filter="colour = 2")
    with pytest.raises(ColumnNotFound):
        LanceTorchDataset(uri, filter=[("colour", "=", 2)])
    with pytest.raises(InvalidFilter):
        LanceTorchDataset(uri, filter="label === ")


def test_pickle_is_small_and_opens_nothing(table):
    data = LanceTorchDataset(table)
    data[0]
    raw = pickle.dumps(data)
    assert len(raw) < 6000
    again = pickle.loads(raw)
    assert again.table._dataset is None
    assert torch.equal(again[7][0], data[7][0])


def _turned(orientation: int) -> bytes:
    array = np.zeros((8, 12, 3), np.uint8)
    array[:, :3] = (255, 0, 0)
    picture = Image.fromarray(array)
    exif = picture.getexif()
    exif[0x0112] = orientation
    sink = io.BytesIO()
    picture.save(sink, "PNG", exif=exif)
    return sink.getvalue()


def test_exif_orientation_is_applied_at_read(tmp_path):
    uri = write(image_table([_turned(1), _turned(6)], [0, 1]), tmp_path / "t.lance")
    data = LanceTorchDataset(uri)
    assert data[0][0].shape == (3, 8, 12)
    turned = data[1][0]
    assert turned.shape == (3, 12, 8)
    assert turned[0, 0].tolist() == [255] * 8, "the red edge is on top after turning right"
    assert turned[0, -1].tolist() == [0] * 8


def test_every_mode_becomes_rgb(tmp_path):
    base = Image.fromarray(pattern(1, 0))
    cells = []
    for mode in ("RGB", "L", "P", "RGBA", "LA", "1", "CMYK", "I;16"):
        sink = io.BytesIO()
        if mode == "I;16":
            grey = np.asarray(base.convert("L")).astype(np.uint16) * 257
            Image.fromarray(grey).save(sink, "PNG")
        else:
            base.convert(mode).save(sink, "TIFF" if mode == "CMYK" else "PNG")
        cells.append(sink.getvalue())
    data = LanceTorchDataset(write(image_table(cells, None), tmp_path / "t.lance"))
    shown = [data[i] for i in range(len(cells))]
    assert all(image.shape == (3, 16, 16) and image.dtype == torch.uint8 for image in shown)
    grey, sixteen = shown[1].int(), shown[7].int()
    assert (grey - sixteen).abs().max() == 0, "16-bit grey keeps its upper bits"
    assert torch.equal(shown[0], shown[3])


@pytest.fixture
def damaged(tmp_path):
    cells = [png(pattern(i % 3, i)) for i in range(10)]
    cells[4] = b"junk that is no picture"
    cells[7] = cells[7][: len(cells[7]) // 2]
    return write(image_table(cells, [i % 3 for i in range(10)]), tmp_path / "t.lance")


@pytest.mark.parametrize("cache", [True, False])
def test_w83_a_corrupt_picture_names_its_row_and_file(damaged, cache):
    data = LanceTorchDataset(damaged, cache=cache)
    with pytest.raises(CorruptInput, match=r"row 4 \('folder/0004.png'\)") as caught:
        data.__getitems__([3, 4])
    assert "skip" in caught.value.hint
    assert [bad.row for bad in data.check()] == [4, 7]


@pytest.mark.parametrize("cache", [True, False])
def test_w83_corrupt_pictures_can_be_skipped_and_are_counted(damaged, cache):
    data = LanceTorchDataset(damaged, on_error="skip", cache=cache)
    for _ in range(2):
        found = data.__getitems__(list(range(10)))
        assert len(found) == 8
    assert [(bad.row, bad.path) for bad in data.skipped] == [
        (4, "folder/0004.png"),
        (7, "folder/0007.png"),
    ]
    assert data.skipped_count == 2
    with pytest.raises(CorruptInput, match="row 4"):
        data[4]


def test_cached_pictures_equal_decoded_ones(table):
    plain = LanceTorchDataset(table, cache=False)
    cached = LanceTorchDataset(table, cache=True)
    order = [3, 29, 3, 0]
    for _ in range(2):
        images, labels = cached.read_batch(order)
        for i, image, label in zip(order, images, labels, strict=True):
            assert torch.equal(image, plain[i][0])
            assert label == plain[i][1]
    assert torch.equal(plain.read_batch(order)[0], cached.read_batch(order)[0])
    limited = LanceTorchDataset(table, cache_limit=1000)
    assert limited.memory.ready(limited).picture is None
    assert torch.equal(limited.read_batch(order)[0], cached.read_batch(order)[0])


def test_pictures_of_many_sizes_are_not_cached(tmp_path):
    cells = [png(pattern(0, i, 8 + i)) for i in range(4)]
    data = LanceTorchDataset(write(image_table(cells, [0] * 4), tmp_path / "t.lance"), cache=True)
    assert data.picture_size is None
    assert [data[i][0].shape[1] for i in range(4)] == [8, 9, 10, 11]


def test_a_turned_picture_ends_the_cache_but_is_right(tmp_path):
    table = image_table([_turned(1), _turned(6)], [0, 1], sizes=[(12, 8), (12, 8)])
    data = LanceTorchDataset(write(table, tmp_path / "t.lance"), cache=True)
    assert [tuple(image.shape) for image, _ in data.__getitems__([0, 1])] == [
        (3, 8, 12),
        (3, 12, 8),
    ]
    assert [tuple(data[i][0].shape) for i in (0, 1)] == [(3, 8, 12), (3, 12, 8)]


def test_a_weights_table_is_refused(tmp_path):
    source = pa.table(
        {"seq": [0], "name": ["w"], "dtype": ["float32"], "shape": [[1]], "data": [b"1"]}
    )
    marked = source.replace_schema_metadata({b"lancenb.kind": b"weights"})
    with pytest.raises(InvalidArgument, match="weights") as caught:
        LanceTorchDataset(write(marked, tmp_path / "w.lance"))
    assert "load_weights" in caught.value.hint


def test_bad_arguments(table, tmp_path):
    with pytest.raises(NotFound):
        LanceTorchDataset(tmp_path / "nothing.lance")
    with pytest.raises(ColumnNotFound, match="colour"):
        LanceTorchDataset(table, columns=["colour"])
    with pytest.raises(InvalidArgument, match="columns or mapping"):
        LanceTorchDataset(table, columns=["image"], mapping={"x": "image"})
    with pytest.raises(InvalidArgument, match="list of names"):
        LanceTorchDataset(table, columns="image")
    with pytest.raises(InvalidArgument, match="int"):
        LanceTorchDataset(7)
    with pytest.raises(InvalidArgument, match="on_error"):
        LanceTorchDataset(table, on_error="ignore")
    data = LanceTorchDataset(table)
    with pytest.raises(IndexError):
        data[30]
    assert torch.equal(data[-1][0], data[29][0])


def test_missing_labels_and_values_name_the_row(tmp_path):
    cells = [png(pattern(0, i)) for i in range(3)]
    data = LanceTorchDataset(write(image_table(cells, [0, None, 1]), tmp_path / "t.lance"))
    with pytest.raises(CorruptInput, match=r"row 1 .*'label'"):
        data[1]
    numbers = write(pa.table({"n": [1, None, 3]}), tmp_path / "n.lance")
    with pytest.raises(CorruptInput, match=r"row 1 .*'n'"):
        LanceTorchDataset(numbers)[1]
    assert len(LanceTorchDataset(numbers, filter="n IS NOT NULL")) == 2
    outside = LanceTorchDataset(write(image_table(cells, [0, 5, 1]), tmp_path / "o.lance"))
    with pytest.raises(CorruptInput, match=r"row 1 .*label 5.*3 classes"):
        outside[1]


def test_split_is_disjoint_balanced_and_seeded(tmp_path):
    data = LanceTorchDataset(patterns(tmp_path / "p.lance", 60))
    rest, part = split(data, 0.2, seed=1)
    paths = [set(np.asarray(side.rows).tolist()) for side in (rest, part)]
    assert paths[0].isdisjoint(paths[1])
    assert paths[0] | paths[1] == set(range(60))
    assert np.bincount(part.labels()).tolist() == [4, 4, 4]
    assert split(data, 0.2, seed=1)[1].rows.tolist() == part.rows.tolist()
    assert split(data, 0.2, seed=2)[1].rows.tolist() != part.rows.tolist()
    with pytest.raises(InvalidArgument):
        split(data, 1.0)


def test_an_open_lance_dataset_is_a_source(table):
    data = LanceTorchDataset(lance_module().dataset(table, version=1))
    assert len(data) == 30
    assert torch.equal(data[3][0], pickle.loads(pickle.dumps(data))[3][0])


def _read_in_fork(data, queue):
    try:
        data[0]
        queue.put("read")
    except Exception as error:
        queue.put(f"{type(error).__name__}: {error}")


@pytest.mark.filterwarnings("ignore")
def test_a_fork_after_use_is_a_clear_error_not_a_crash(table):
    data = LanceTorchDataset(table, cache=False)
    data[0]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_read_in_fork, args=(data, queue))
    child.start()
    said = queue.get(timeout=300)
    child.join(300)
    assert said.startswith("ForkedReader")
    assert "spawn" in said


@pytest.mark.s3
def test_w32_reads_from_s3_through_a_store(s3_store: Store):
    table = image_table([png(pattern(i % 3, i)) for i in range(9)], [i % 3 for i in range(9)])
    uri = s3_store.join("t.lance")
    lance_module().write_dataset(table, uri, storage_options=s3_store.storage_options)
    data = LanceTorchDataset(uri, store=s3_store, filter="label > 0")
    again = pickle.loads(pickle.dumps(data))
    assert [int(label) for _, label in again] == [1, 2, 1, 2, 1, 2]
    assert "secret" not in repr(data).lower()


def test_stream_is_a_choice_of_the_data_set(table):
    from lancenb.data.stream import LanceTorchStream

    stream = LanceTorchDataset(table, stream=True, mapping={"where": "path"})
    assert isinstance(stream, LanceTorchStream)
    plain = LanceTorchDataset(table, columns=["path"])
    paths = [sample["path"] for sample in plain.stream(shuffle=False)]
    assert paths == [f"folder/{i:04}.png" for i in range(30)]
    assert sorted(sample["where"] for sample in stream) == paths
    assert len(pickle.loads(pickle.dumps(plain))) == 30


def test_the_order_of_a_stream_is_given_with_it(table):
    where = {"mapping": {"where": "path"}}
    paths = [f"folder/{i:04}.png" for i in range(30)]
    shown = LanceTorchDataset(table, stream=True, shuffle=False, **where)
    assert [sample["where"] for sample in shown] == paths
    assert [
        s["where"] for s in LanceTorchDataset(table, stream=True, shuffle=True, **where)
    ] != paths
    with pytest.raises(InvalidArgument, match="no order") as caught:
        LanceTorchDataset(table, shuffle=True)
    assert "stream(shuffle=...)" in caught.value.hint
    assert "shuffled by blocks" in LanceTorchDataset.__doc__


def test_help_shows_the_arguments():
    class Own(LanceTorchDataset):
        def __init__(self, folder: str):
            super().__init__(f"{folder}/t.lance")

    shown = inspect.signature(LanceTorchDataset).parameters
    wanted = list(inspect.signature(LanceTorchDataset.__init__).parameters)
    assert ["self", *shown] == wanted
    assert {"source", "filter", "nulls", "stream", "shuffle"} <= set(shown)
    assert list(inspect.signature(Own).parameters) == ["folder"]


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("store/flowers@old", "DataManager(root)['flowers'] with version='old'"),
        ("flowers@3", "DataManager(root)['flowers'] with version=3"),
        ("flowers", "DataManager(root)['flowers']"),
        ("tables/t.lance@2", "did you mean 't.lance' with version=2?"),
    ],
)
def test_a_version_behind_a_name_is_given_apart(tmp_path, monkeypatch, given, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").mkdir()
    patterns(tmp_path / "tables" / "t.lance", 3)
    with pytest.raises(NotFound) as caught:
        LanceTorchDataset(given)
    assert caught.value.hint.endswith(hint)


def test_a_folder_of_pictures_is_converted_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for kind in ("cat", "dog"):
        (tmp_path / "pics" / "train" / kind).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pics" / "train" / kind / "1.png")
    with pytest.raises(NotFound, match="no Lance table") as caught:
        LanceTorchDataset("pics/train")
    line, _, then = caught.value.hint.removeprefix("convert it first: ").partition(", then give ")
    eval(line, {"lancenb": lancenb})
    assert LanceTorchDataset(then.strip("'")).class_names == ["cat", "dog"]
    with pytest.raises(NotFound) as caught:
        LanceTorchDataset(tmp_path)
    assert "train.lance" in caught.value.hint, "a folder of tables"
    for left in ("_transactions", "data"):
        (tmp_path / "broken" / left).mkdir(parents=True)
        with pytest.raises(NotFound) as caught:
            LanceTorchDataset("broken")
        assert "interrupted first write" in caught.value.hint
