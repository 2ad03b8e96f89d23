"""safetensors files, shards and folders; the checks of the header."""

from __future__ import annotations

import json
import math
import re
import struct
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lancenb.convert.weights import TensorConverter, read_tensors
from lancenb.convert.weights._pages import FileMap, PageDropper
from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    LancenbError,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)

from .helpers import assert_same, assert_table


def write(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    path.write_bytes(struct.pack("<Q", size) + text + data)
    return path


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def tensors():
    torch.manual_seed(0)
    return {
        "w": torch.randn(10, 3),
        "h": torch.randn(5).bfloat16(),
        "f8": torch.randn(4).to(torch.float8_e4m3fn),
        "mask": torch.tensor([True, False, True]),
        "scalar": torch.tensor(3),
        "none": torch.zeros(0, 7),
        "c": torch.randn(3, dtype=torch.complex64),
        "u": torch.tensor([1, 2**63, 3], dtype=torch.uint64),
    }


def test_round_trip(tmp_path):
    save_file(tensors(), tmp_path / "m.safetensors", metadata={"format": "pt"})
    report = TensorConverter().convert(tmp_path / "m.safetensors", tmp_path / "t.lance")
    assert report.rows == len(tensors())
    source = read_tensors(tmp_path / "m.safetensors")
    assert source.extras == {"safetensors_metadata": {"format": "pt"}}
    assert_table(dict(source.tensors()), tmp_path / "t.lance")
    found = dict(source.tensors())
    assert_same(tensors(), {name: found[name] for name in tensors()})


def test_half_byte_elements(tmp_path):
    header = {"x": entry("F4", (2, 6), 0, 6)}
    write(tmp_path / "m.safetensors", header, bytes(range(6)))
    [item] = read_tensors(tmp_path / "m.safetensors").items
    assert (item.dtype, item.shape) == ("float4_e2m1fn_x2", (2, 3))
    with pytest.raises(CorruptInput, match="splits a byte"):
        read_tensors(write(tmp_path / "n.safetensors", {"x": entry("F4", (3,), 0, 2)}, b"ab"))
    with pytest.raises(UnsupportedFormat, match="F6"):
        read_tensors(write(tmp_path / "o.safetensors", {"x": entry("F6_E2M3", (4,), 0, 3)}, b"abc"))


BAD = {
    "overlap": ({"a": entry(), "b": entry(begin=4, end=12)}, bytes(12)),
    "hole": ({"a": entry(), "b": entry(begin=12, end=20)}, bytes(20)),
    "duplicate": (
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},' * 1
        + b'"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b"x",
    ),
    "trailing": ({"a": entry()}, bytes(9)),
    "truncated": ({"a": entry()}, bytes(7)),
    "unknown type": ({"a": entry("F12")}, bytes(8)),
    "type not text": ({"a": {**entry(), "dtype": ["F32"]}}, bytes(8)),
    "size": ({"a": entry(shape=(3,))}, bytes(8)),
    "negative": ({"a": entry(begin=-8, end=0)}, b""),
    "backwards": ({"a": entry(begin=8, end=0)}, bytes(8)),
    "float offset": ({"a": {**entry(), "data_offsets": [0, 8.0]}}, bytes(8)),
    "bool shape": ({"a": {**entry("U8", (1,), 0, 1), "shape": [True]}}, b"x"),
    "shape no list": ({"a": {**entry(), "shape": 2}}, bytes(8)),
    "three offsets": ({"a": {**entry(), "data_offsets": [0, 8, 8]}}, bytes(8)),
    "huge shape": ({"a": entry(shape=(1 << 40, 1 << 40), end=8)}, bytes(8)),
    "not an object": ({"a": 3}, b""),
    "list": (b"[1]", b""),
    "not json": (b"{nope}", b""),
    "nan": (b'{"a": NaN}', b""),
    "not utf-8": (b'{"\xff": 1}', b""),
    "deep": (b'{"a":' + b"[" * 100_000, b""),
    "metadata": ({"__metadata__": {"a": {"b": 1}}}, b""),
    "metadata list": ({"__metadata__": [1]}, b""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_headers(tmp_path, name):
    header, data = BAD[name]
    path = write(tmp_path / "m.safetensors", header, data)
    with pytest.raises(CorruptInput, match=r"m\.safetensors"):
        TensorConverter().convert(path, tmp_path / "t.lance")
    assert not (tmp_path / "t.lance").exists()


@pytest.mark.parametrize("length", [1, 99, 100_000_001, 2**63, 2**64 - 1])
def test_lying_header_lengths(tmp_path, length):
    path = write(tmp_path / "m.safetensors", {"a": entry()}, bytes(8), length=length)
    with pytest.raises(CorruptInput):
        read_tensors(path)


def test_a_file_of_another_suffix_is_known_by_content(tmp_path):
    save_file({"w": torch.ones(3)}, tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").rename(tmp_path / "m.pth")
    assert read_tensors(tmp_path / "m.pth").names == ["w"]


def shard(folder, suffix=".safetensors"):
    state = {f"l{i}": torch.full((3,), float(i)) for i in range(4)}
    stem = "model" if suffix == ".safetensors" else "pytorch_model"
    mapping = {}
    for number in (1, 2):
        part = {n: t for i, (n, t) in enumerate(state.items()) if i % 2 == number - 1}
        name = f"{stem}-{number:05d}-of-00002{suffix}"
        if suffix == ".safetensors":
            save_file(part, folder / name)
        else:
            torch.save(part, folder / name)
        mapping.update(dict.fromkeys(part, name))
    index = {"metadata": {"total_size": 48}, "weight_map": {n: mapping[n] for n in state}}
    path = folder / f"{stem}{suffix}.index.json"
    path.write_text(json.dumps(index))
    return state, path


@pytest.mark.parametrize("suffix", [".safetensors", ".bin"])
def test_sharded_index_and_folder(tmp_path, suffix):
    state, index = shard(tmp_path, suffix)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    for number, source in enumerate((index, tmp_path)):
        report = TensorConverter().convert(source, tmp_path / f"t{number}.lance")
        assert_table(state, tmp_path / f"t{number}.lance")
        assert len(report.lineage["files"]) == 3
    assert read_tensors(tmp_path).extras["config"] == {"model_type": "bert"}
    shards = sorted(str(p) for p in tmp_path.glob(f"*-of-*{suffix}"))
    assert set(read_tensors(shards).names) == set(state)
    with pytest.raises(UnsupportedFormat, match="l0"):
        read_tensors([shards[0], shards[0]])


def test_bad_indexes(tmp_path):
    _, index = shard(tmp_path)
    good = json.loads(index.read_text())

    def broken(change):
        content = json.loads(json.dumps(good))
        change(content)
        index.write_text(json.dumps(content))
        return index

    with pytest.raises(CorruptInput, match="ghost"):
        read_tensors(broken(lambda c: c["weight_map"].update(ghost=c["weight_map"]["l0"])))
    with pytest.raises(SourceNotFound, match="gone"):
        read_tensors(broken(lambda c: c["weight_map"].update(l0="gone.safetensors")))
    for evil in ("../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "a\\b"):
        with pytest.raises(UnsafeInput):
            read_tensors(broken(lambda c, evil=evil: c["weight_map"].update(l0=evil)))
    with pytest.raises(EmptyInput):
        read_tensors(broken(lambda c: c["weight_map"].clear()))
    with pytest.raises(CorruptInput):
        read_tensors(broken(lambda c: c.pop("weight_map")))
    index.write_text("{")
    with pytest.raises(CorruptInput, match="JSON"):
        read_tensors(index)
    left = broken(lambda c: c["weight_map"].pop("l1"))
    assert read_tensors(left).left_out[0][0].endswith("l1")


def test_folder_order_is_that_of_transformers(tmp_path):
    torch.save({"from": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    assert read_tensors(tmp_path).notes["format"] == "torch zip"
    save_file({"from": torch.ones(1)}, tmp_path / "model.safetensors")
    assert read_tensors(tmp_path).notes["format"] == "safetensors"
    for name in ("training_args.bin", "optimizer.pt"):
        torch.save({"x": torch.ones(1)}, tmp_path / name)
    assert read_tensors(tmp_path).names == ["from"]


def test_w13_folders_without_or_with_doubtful_weights_are_errors(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EmptyInput, match="empty"):
        TensorConverter().convert(empty, tmp_path / "t.lance")
    two = tmp_path / "two"
    two.mkdir()
    save_file({"a": torch.ones(1)}, two / "a.safetensors")
    save_file({"b": torch.ones(1)}, two / "b.safetensors")
    with pytest.raises(UnsupportedFormat, match="2 sets") as caught:
        TensorConverter().convert(two, tmp_path / "t.lance")
    assert "a.safetensors" in caught.value.hint
    one = tmp_path / "one"
    one.mkdir()
    (one / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CorruptInput, match=r"model\.safetensors"):
        TensorConverter().convert(one, tmp_path / "t.lance")
    with pytest.raises(SourceNotFound):
        read_tensors(tmp_path / "nothing.pth")
    assert not (tmp_path / "t.lance").exists()


def test_expectations_of_the_shared_files(shared_data, tmp_path, monkeypatch):
    import csv
    import hashlib

    from lancenb.convert.weights import load_tensors

    from .helpers import raw

    marker = tmp_path / "marker"
    monkeypatch.setenv("LANCENB_PICKLE_MARKER", str(marker))
    known = json.loads((shared_data / "expected_tensors.json").read_text())
    kinds = {"pth", "pth_malicious", "torchscript", "safetensors"}
    with (shared_data / "expectations.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] in kinds]
    assert rows
    for number, row in enumerate(rows):
        path, target = shared_data / row["path"], tmp_path / f"{number}.lance"
        if row["expected"] != "ok":
            with pytest.raises(LancenbError) as caught:
                TensorConverter().convert(path, target)
            assert path.name in str(caught.value)
            assert not target.exists()
            continue
        assert TensorConverter().convert(path, target).rows == int(row["rows"])
        found = {
            name: [
                str(t.dtype).removeprefix("torch."),
                list(t.shape),
                hashlib.sha256(raw(t)).hexdigest(),
            ]
            for name, t in load_tensors(target).items()
        }
        assert found == known[row["path"]]
        lines = [f"{n}|{d}|{s}|{h}" for n, (d, s, h) in sorted(found.items())]
        assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == row["content_sha256"]
    assert not marker.exists()


def memory(kind):
    """Bytes of this process in memory: ``Anon`` of its own, ``File`` of mapped files."""
    status = Path("/proc/self/status")
    found = re.search(rf"Rss{kind}:\s+(\d+)", status.read_text() if status.exists() else "")
    if not found:
        pytest.skip("this system does not tell")
    return int(found[1]) << 10


def test_memory_stays_small_while_a_large_file_is_converted(tmp_path):
    """A 400 MB file with one tensor of 300 MB adds little memory of the process's own."""
    for name, save in (("m.safetensors", save_file), ("m.pth", torch.save)):
        state = {"big": torch.ones(75_000_000), "small": torch.ones(25_000_000)}
        save(state, tmp_path / name)
        del state
    for name in ("m.safetensors", "m.pth"):
        start = memory("Anon")
        peak = [start]
        stop = threading.Event()

        def watch(peak=peak, stop=stop):
            while not stop.wait(0.005):
                peak[0] = max(peak[0], memory("Anon"))

        thread = threading.Thread(target=watch)
        thread.start()
        report = TensorConverter().convert(tmp_path / name, tmp_path / f"{name}.lance")
        stop.set()
        thread.join()
        assert report.bytes == 400_000_000
        assert peak[0] - start < 250e6, name
        assert math.isclose(report.rows, 2)


def test_pages_of_a_mapped_file_are_given_back(tmp_path):
    """How soon depends on when a thread gets a processor, so no time is asked for."""
    size = 64 << 20
    (tmp_path / "big").write_bytes(b"x" * size)
    mapped = FileMap(tmp_path / "big")
    start = memory("File")
    assert int(mapped.array.max()) == ord("x")
    assert memory("File") - start > size // 2, "all pages were touched"
    end = time.monotonic() + 120
    with PageDropper([mapped.region]):
        while memory("File") - start > size // 4 and time.monotonic() < end:
            time.sleep(0.01)
    assert memory("File") - start < size // 4
    assert int(mapped.array.min()) == ord("x"), "the bytes are there still"
