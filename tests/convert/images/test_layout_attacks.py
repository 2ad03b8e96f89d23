"""Files made to freeze, crash or spy: pickles of CIFAR, saved data sets that name other files."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import lancenb
from lancenb.convert.images._pickle_data import read_pickle
from lancenb.errors import Cancelled, CorruptInput, LancenbError, UnsafeInput
from lancenb.progress import CancelToken

from .conftest import table_of
from .layouts import CIFAR10, cifar10_batch, write_cifar10

PROGRAM = """
import resource, sys
from lancenb.convert.images._pickle_data import read_pickle
from lancenb.errors import LancenbError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_pickle(memoryview(open(sys.argv[1], "rb").read()), "x")
except LancenbError as error:
    print(type(error).__name__)
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
"""


def doubled(times: int) -> bytes:
    """Instructions for t = (t, t), so often."""
    return b")q\x00" + b"h\x00\x86q\x00" * times


TEXT = b"X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\x00"
AGAIN = b"c_codecs\nencode\nh\x00\x85R"
BOMBS = {
    "a key of tuples within tuples": b"\x80\x02})" + b"\x85" * 500_000 + b"Ns.",
    "tuples within tuples": b"\x80\x02)" + b"\x85" * 500_000 + b".",
    "a key of a tuple twice itself": b"\x80\x02}" + doubled(60) + b"Ns.",
    "a short key of a tuple twice itself": b"\x80\x02}" + doubled(25) + b"Ns.",
    "a name": b"\x80\x02" + doubled(27) + b"X\x01\x00\x00\x00x\x93.",
    "an element type": b"\x80\x02cnumpy\ndtype\n" + doubled(27) + b"\x85R.",
    "an encoding": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00x" + doubled(27) + b"\x86R.",
    "a byte order": b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R(K\x03" + doubled(27) + b"tb.",
    "empty lists": b"\x80\x02(" + b"]" * 19_000_000 + b"t.",
    "one text encoded again and again": b"\x80\x02(" + TEXT + AGAIN * 1000 + b"t.",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once_and_within_little_memory(tmp_path, name):
    (tmp_path / "bomb").write_bytes(BOMBS[name])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "bomb")],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("UnsafeInput", "CorruptInput")


@pytest.mark.parametrize("key", [None, 1.5, (1,), 2**64, b"x" * 5000])
def test_keys_are_text_or_short_whole_numbers(key):
    with pytest.raises(CorruptInput, match="key"):
        read_pickle(memoryview(pickle.dumps({key: 1}, 4)), "x")
    assert read_pickle(memoryview(pickle.dumps({"a": 1, 2: 3, b"c": 4}, 4)), "x") == {
        "a": 1, 2: 3, "c": 4,
    }  # fmt: skip


def test_shapes_are_short():
    array = pickle.dumps(np.zeros(1, np.uint8), 4)
    many = pickle.dumps(tuple([2**2000] * 3000), 4)[2 + 9 : -1]
    data = array.replace(b"K\x01\x85", many, 1)
    assert data != array
    with pytest.raises(LancenbError):
        read_pickle(memoryview(data), "x")


def test_reading_can_be_cancelled():
    token = CancelToken()
    token.cancel()
    data = pickle.dumps([str(number) for number in range(40_000)], 2)
    assert len(read_pickle(memoryview(data), "x")) == 40_000
    with pytest.raises(Cancelled):
        read_pickle(memoryview(data), "x", token)


@pytest.mark.parametrize("labels", [None, 7, {"a": 1}, "0123", [[1], [2]], [None] * 4])
def test_labels_that_are_no_list_of_numbers(tmp_path, labels):
    folder = write_cifar10(tmp_path, rows=4)
    batch = pickle.dumps(cifar10_batch(4, 2, labels=labels), 2)
    (folder / "data_batch_3").write_bytes(batch)
    with pytest.raises(CorruptInput, match=r"data_batch_3.*'labels'"):
        lancenb.convert(folder, tmp_path / "t.lance")


def test_names_of_half_a_character(tmp_path):
    folder = write_cifar10(tmp_path, rows=2)
    batch = pickle.dumps(cifar10_batch(2, 2, filenames=["a.png", "\ud800.png"]), 2)
    good = (folder / "data_batch_3").read_bytes()
    (folder / "data_batch_3").write_bytes(batch)
    with pytest.raises(CorruptInput, match=r"data_batch_3 row 1.*filenames"):
        lancenb.convert(folder, tmp_path / "t.lance")
    (folder / "data_batch_3").write_bytes(good)
    names = [*CIFAR10[:9], "\udfff"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, 2))
    with pytest.raises(CorruptInput, match=r"batches\.meta.*label_names"):
        lancenb.convert(folder, tmp_path / "t.lance")


CELL = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def saved(tmp_path):
    """A saved data set whose cells are made to name files, as no ``save_to_disk`` would."""
    datasets = pytest.importorskip("datasets")

    def make(path, columns=("image",)):
        picture = tmp_path / "other.png"
        Image.new("RGB", (8, 8)).save(picture)
        kinds = datasets.Features(dict.fromkeys(columns, datasets.Image()))
        rows = {name: [{"bytes": picture.read_bytes(), "path": None}] for name in columns}
        folder = tmp_path / "saved"
        datasets.Dataset.from_dict(rows, features=kinds).save_to_disk(str(folder))
        (arrow,) = folder.glob("*.arrow")
        with pa.ipc.open_stream(arrow.read_bytes()) as reader:
            table = reader.read_all()
        cell = pa.array([{"bytes": None, "path": str(path)}], CELL)
        table = table.set_column(len(columns) - 1, table.schema.field(len(columns) - 1), cell)
        with pa.ipc.new_stream(str(arrow), table.schema) as writer:
            writer.write_table(table)
        return folder

    return make


@pytest.fixture
def private(tmp_path):
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "private.png"
    Image.new("RGB", (8, 8), "red").save(path)
    return path


@pytest.mark.parametrize("kind", ["images", "table"])
@pytest.mark.parametrize("columns", [("image",), ("image", "other")])
@pytest.mark.parametrize("form", ["{}", "../home/private.png", "zip://x::{}", "file://{}"])
def test_a_saved_folder_reads_no_file_of_others(
    tmp_path, saved, private, monkeypatch, form, columns, kind
):
    folder = saved(form.format(private), columns)
    monkeypatch.chdir(folder)
    for source in (folder, lancenb.download(f"datasets:{folder}", cache=tmp_path / "cache")):
        with pytest.raises(UnsafeInput, match="not one of its own files"):
            lancenb.convert(source, tmp_path / "t.lance", kind=kind)
        assert not (tmp_path / "t.lance").exists()


def test_its_own_files_and_a_users_own_object_are_read(tmp_path, saved, private):
    import datasets

    folder = saved(private)
    mine = table_of(
        lancenb.convert(datasets.load_from_disk(str(folder)), tmp_path / "a.lance", kind="images")
    )
    assert mine["image"].to_pylist() == [private.read_bytes()]
    private.rename(folder / "inside.png")
    (arrow,) = folder.glob("*.arrow")
    with pa.ipc.open_stream(arrow.read_bytes()) as reader:
        table = reader.read_all()
    cell = pa.array([{"bytes": None, "path": str(folder / "inside.png")}], CELL)
    table = table.set_column(0, table.schema.field(0), cell)
    with pa.ipc.new_stream(str(arrow), table.schema) as writer:
        writer.write_table(table)
    own = table_of(lancenb.convert(folder, tmp_path / "b.lance", kind="images"))
    assert own["image"].to_pylist() == mine["image"].to_pylist()
