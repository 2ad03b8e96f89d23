"""Pickles and headers made to harm the reader."""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path

import pytest

import lancenb as lnb
from lancenb.convert.weights import _salvage
from lancenb.convert.weights._stubs import HARMLESS
from lancenb.errors import CorruptInput


def text(value: str) -> bytes:
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def named(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def tensor(size: int = 4) -> bytes:
    storage = b"(" + text("storage") + named("torch", "FloatStorage") + text("0") + text("cpu")
    return (
        named("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + (storage + number(4) + b"tQ")
        + number(0)
        + (b"(" + number(size) + b"t(" + number(1) + b"t\x89")
        + (named("collections", "OrderedDict") + b")RtR")
    )


UNKNOWN = named("somewhere", "Thing") + b")R"  # makes torch refuse, so that our reader reads


def checkpoint(folder: Path, value: bytes) -> Path:
    path = folder / "model.pth"
    body = b"\x80\x04}(" + text("w") + tensor() + text("odd") + value + text("u") + UNKNOWN + b"u."
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", body)
        archive.writestr("archive/data/0", bytes(16))
    return path


SET = tensor() + b"(" + tensor() + number(0) + b"(" + number(2000) + b"t(" + number(1) + b"ttb"
GROW = tensor(0) + b"(" + tensor(0) + number(0) + b"(" + number(2000) + b"t(" + number(1) + b"ttb"
DEFAULTS = named("torch._utils", "_rebuild_tensor_v2") + (
    b"N}" + text("__defaults__") + b"(" + number(1) + b"ts\x86b"
)
ATTRIBUTE = named("collections", "OrderedDict") + b"}" + text("kept") + number(1) + b"sb"


@pytest.mark.parametrize(
    "attack", [SET, GROW, DEFAULTS, ATTRIBUTE, tensor() + number(0) + number(5) + b"s"]
)
def test_a_pickle_changes_neither_tensors_nor_our_functions(tmp_path: Path, attack: bytes) -> None:
    with pytest.raises(lnb.LancenbError) as caught:
        lnb.convert(checkpoint(tmp_path, attack), tmp_path / "m.lance")
    assert "model.pth" in str(caught.value)
    assert not (tmp_path / "m.lance").exists()
    assert _salvage._rebuild_v2.__defaults__ is None
    assert not hasattr(HARMLESS["collections OrderedDict"], "kept")


@pytest.mark.timeout(300)
def test_sets_that_hold_each_other_end(tmp_path: Path) -> None:
    body = b"(" + number(1) + b"\x91q\x00"
    for level in range(40):
        old = bytes([level])
        body += b"0(h" + old + b"(h" + old + number(7) + b"\x91\x91q" + bytes([level + 1])
    report = lnb.convert(checkpoint(tmp_path, body), tmp_path / "m.lance")
    assert report.rows == 1


def test_integers_too_long_for_decimal_digits_are_kept(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(1), "seed": 10**5000, 10**5000: 1}, tmp_path / "m.pth")
    uri = lnb.convert(tmp_path / "m.pth", tmp_path / "m.lance").uri
    extras = _extras(uri)
    assert int(extras["seed"], 16) == 10**5000


def _extras(uri: str) -> dict[str, str]:
    from lancenb.convert.weights import load_weights

    return load_weights(uri).extras


def test_a_forged_numpy_type_is_not_read(tmp_path: Path) -> None:
    kind = named("numpy", "dtype") + b"("
    f8 = kind + text("f8") + b"\x89\x88tR"
    fields = b"}" + text("f0") + b"(" + f8 + number(1 << 30) + b"ts"
    state = b"(" + number(3) + text("|") + b"N(" + text("f0") + b"t" + fields
    forged = kind + text("V8") + b"\x89\x88tR" + state + number(8) + number(1) + number(0) + b"tb"
    made = named("numpy.core.multiarray", "_reconstruct") + b"(" + named("numpy", "ndarray")
    array = made + b"(" + number(0) + b"tC\x01btR(" + number(1) + b"(" + number(1) + b"t"
    array += forged + b"\x89C\x08AAAAAAAAtb"
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        body = b"\x80\x04}(" + text("w") + tensor() + text("n") + array + b"u."
        archive.writestr("archive/data.pkl", body)
        archive.writestr("archive/data/0", bytes(16))
    lnb.convert(path, tmp_path / "m.lance")
    assert "n" not in _extras(str(tmp_path / "m.lance"))


@pytest.mark.parametrize(
    ("name", "shape", "size"),
    [("\ud800", [1], 4), ("w", [0, 2**61, 2**61], 0), ("w", [1] * 70_000, 4)],
)
def test_headers_torch_could_not_load_are_refused(
    tmp_path: Path, name: str, shape: list[int], size: int
) -> None:
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}
    header = json.dumps({name: entry}).encode()
    path = tmp_path / "w.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(CorruptInput, match=r"w\.safetensors"):
        lnb.convert(path, tmp_path / "w.lance")
