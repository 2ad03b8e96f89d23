"""Malicious, damaged and mistaken files: nothing runs, nothing crashes, the file is named."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from lancenb.convert.weights import TensorConverter, read_tensors
from lancenb.errors import CorruptInput, EmptyInput, LancenbError, UnsafeInput, UnsupportedFormat

from .helpers import assert_table
from .test_checkpoints import Config, Net, state


class Evil:
    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


def malicious(marker: str) -> list:
    touch = f"open({marker!r}, 'w').close()"
    return [
        Evil(os.system, f"touch {marker}"),
        Evil(exec, touch),
        Evil(eval, f"open({marker!r}, 'w')"),
        Evil(open, marker, "w"),
        Evil(getattr, Config, "depth"),
        Evil(__import__, "os"),
        Evil(pickle.loads, pickle.dumps(1)),
    ]


@pytest.mark.parametrize("index", range(7))
@pytest.mark.parametrize("form", ["zip", "legacy", "raw", "module"])
@pytest.mark.parametrize("salvage", ["auto", True, False])
def test_w12_malicious_pickles_never_run(tmp_path, form, index, salvage):
    marker = tmp_path / "marker"
    bad = malicious(str(marker))[index]
    path = tmp_path / "m.bin"
    if form == "raw":
        path.write_bytes(pickle.dumps(bad, protocol=2))
    else:
        content = {"w": torch.ones(2), "hook": bad}
        if form == "module":
            model = Net()
            model.hook = bad
            content = model
        torch.save(content, path, _use_new_zipfile_serialization=form != "legacy")
    with pytest.raises(UnsafeInput, match="run code") as caught:
        TensorConverter(salvage=salvage).convert(path, tmp_path / "t.lance")
    assert str(path) in str(caught.value)
    assert not marker.exists()
    assert not (tmp_path / "t.lance").exists()


def test_w12_name_tricks_of_pickle_protocol_4_are_seen(tmp_path):
    marker = tmp_path / "marker"
    for module, name in (("os", "system"), ("torch.serialization", "os.system")):
        body = pickle.PROTO + b"\x04"
        for text in (module, name):
            body += pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode()
        body += pickle.STACK_GLOBAL
        command = f"touch {marker}".encode()
        body += pickle.BINUNICODE + struct.pack("<I", len(command)) + command
        body += pickle.TUPLE1 + pickle.REDUCE + pickle.STOP
        path = tmp_path / "m.pth"
        path.write_bytes(body)
        with pytest.raises((UnsafeInput, UnsupportedFormat)):
            read_tensors(path)
        assert not marker.exists()


def test_flipped_byte_is_noticed_though_torch_loads_it(tmp_path):
    path = tmp_path / "m.pth"
    tensors = {"w": torch.zeros(1000)}
    torch.save(tensors, path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        [member] = [m for m in archive.infolist() if m.filename.endswith("/data/0")]
    data[member.header_offset + 1000] ^= 1
    path.write_bytes(bytes(data))
    assert not torch.equal(torch.load(path)["w"], tensors["w"])
    with pytest.raises(CorruptInput, match=r"m\.pth.*checksum") as caught:
        TensorConverter().convert(path, tmp_path / "t.lance")
    assert "check_crc" in caught.value.hint
    assert TensorConverter(check_crc=False).convert(path, tmp_path / "t.lance").rows == 1


def test_checkpoints_without_checksums_are_accepted_and_noted(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state(), tmp_path / "m.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    report = TensorConverter().convert(tmp_path / "m.pth", tmp_path / "t.lance")
    assert report.lineage["checksums"] == "absent"
    assert_table(state(), tmp_path / "t.lance")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files(tmp_path, zipped, share):
    path = tmp_path / "m.pth"
    torch.save(
        {"w": torch.randn(500), "v": torch.randn(300)}, path, _use_new_zipfile_serialization=zipped
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(LancenbError, match=r"m\.pth"):
        TensorConverter().convert(path, tmp_path / "t.lance")
    assert not (tmp_path / "t.lance").exists()


def test_random_damage_never_crashes_or_runs(tmp_path):
    chance = np.random.default_rng(3)
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save({"w": torch.randn(20), "e": 3}, buffer, _use_new_zipfile_serialization=zipped)
        good = buffer.getvalue()
        for _ in range(120):
            data = bytearray(good)
            for at in chance.integers(0, len(data), 3):
                data[at] = chance.integers(0, 256)
            path = tmp_path / "m.pth"
            path.write_bytes(bytes(data))
            told = None
            try:
                source = read_tensors(path)
                list(source.tensors())
            except LancenbError as error:
                told = str(error)
            assert told is None or "m.pth" in told


@pytest.mark.parametrize(
    ("content", "error", "text"),
    [
        (b"", EmptyInput, "empty"),
        (b"<!DOCTYPE html><html>login</html>", CorruptInput, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", CorruptInput, "git-LFS"),
        (b"\0" * 5000, CorruptInput, "neither"),
        (b"GGUF" + b"\0" * 100, UnsupportedFormat, "GGUF"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 100, UnsupportedFormat, "HDF5"),
        (pickle.dumps({"a": [1, 2]}, protocol=2), UnsupportedFormat, "did not write"),
        (b"PK\x03\x04" + b"\0" * 100, CorruptInput, "damaged"),
    ],
)
def test_other_content_named_pth(tmp_path, content, error, text):
    path = tmp_path / "m.pth"
    path.write_bytes(content)
    with pytest.raises(error, match=text) as caught:
        read_tensors(path)
    assert "m.pth" in str(caught.value)
    assert caught.value.hint


def test_zips_that_are_not_checkpoints(tmp_path):
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(UnsupportedFormat, match="zip"):
        read_tensors(path)
    torch.save(state(), tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as source, zipfile.ZipFile(path, "w") as archive:
        for member in source.infolist():
            archive.writestr(member.filename, source.read(member), zipfile.ZIP_DEFLATED)
    with pytest.raises(UnsafeInput, match="compressed"):
        read_tensors(path)


def test_pickles_that_swell_or_loop_are_refused(tmp_path):
    bomb = ["x"]
    for _ in range(40):
        bomb = [bomb] * 10
    torch.save({"w": torch.ones(1), "bomb": bomb}, tmp_path / "m.pth")
    with pytest.raises(CorruptInput, match=r"m\.pth"):
        read_tensors(tmp_path / "m.pth")
    loop = {"w": torch.ones(1)}
    loop["self"] = loop
    torch.save(loop, tmp_path / "l.pth")
    with pytest.raises(CorruptInput, match="itself"):
        read_tensors(tmp_path / "l.pth")
