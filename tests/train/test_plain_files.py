"""Checkpoints that ``torch.save`` wrote: what is damaged is called damaged, and never unpacked."""

from __future__ import annotations

import io
import os
import zipfile
from typing import Any

import pytest
import torch

from lancenb.errors import CorruptInput, SchemaMismatch, UnsafeInput
from lancenb.train import LanceCheckpointIO, read_checkpoint
from lancenb.train._plain_file import read_plain_file


def saved(content: Any, **options: Any) -> bytes:
    found = io.BytesIO()
    torch.save(content, found, **options)
    return found.getvalue()


CONTENT = {"state_dict": {"w": torch.arange(1000.0)}}
WHOLE = saved(CONTENT)
OLD = saved(CONTENT, _use_new_zipfile_serialization=False)


def packed(how: int) -> bytes:
    """The same parts in a zip file of another kind."""
    found = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(WHOLE)) as parts, zipfile.ZipFile(found, "w", how) as more:
        for each in parts.infolist():
            more.writestr(each.filename, parts.read(each))
    return found.getvalue()


def doubled() -> bytes:
    """A zip file whose directory names each of its parts twice."""
    found = io.BytesIO(WHOLE)
    with zipfile.ZipFile(found, "a") as archive:
        archive.filelist += archive.filelist
        archive._didModify = True  # type: ignore[attr-defined]
    return found.getvalue()


@pytest.mark.parametrize("data", [WHOLE, OLD, packed(zipfile.ZIP_STORED)])
def test_whole_files_of_both_forms(tmp_path, data):
    (tmp_path / "c.ckpt").write_bytes(data)
    found = read_checkpoint(tmp_path / "c.ckpt")
    assert torch.equal(found["state_dict"]["w"], torch.arange(1000.0))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"PK\3", "torch.save writes no such file"),
        (b"<html>not found</html>" * 40, "torch.save writes no such file"),
        (bytes(5000), "torch.save writes no such file"),
        (WHOLE[:5], "not a zip file"),
        (WHOLE[:2000], "not a zip file"),
        (WHOLE[:-1], ""),
        (OLD[:2], ""),
        (OLD[:100], ""),
        (OLD[:-1], "unexpected EOF"),
    ],
)
def test_damaged_files_are_called_damaged(tmp_path, data, said):
    (tmp_path / "c.ckpt").write_bytes(data)
    for read in (read_checkpoint, LanceCheckpointIO().load_checkpoint):
        with pytest.raises(CorruptInput, match=f"damaged or incomplete: .*{said}") as caught:
            read(tmp_path / "c.ckpt")
        assert "the one saved before" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (packed(zipfile.ZIP_DEFLATED), "compressed"),
        (packed(zipfile.ZIP_BZIP2), "compressed"),
        (doubled(), "larger than the file"),
    ],
)
def test_a_file_is_never_unpacked_to_more_than_it_is(tmp_path, monkeypatch, data, said):
    monkeypatch.setattr("torch.load", lambda *_, **__: pytest.fail("it was unpacked"))
    (tmp_path / "c.ckpt").write_bytes(data)
    with pytest.raises(CorruptInput, match=f"damaged or incomplete: its parts are .*{said}"):
        read_checkpoint(tmp_path / "c.ckpt")


class _Runs:
    def __reduce__(self):
        return os.getcwd, ()


@pytest.mark.parametrize("form", [True, False])
def test_a_whole_file_that_names_code_is_called_unsafe(tmp_path, form):
    data = saved({"state_dict": _Runs()}, _use_new_zipfile_serialization=form)
    (tmp_path / "c.ckpt").write_bytes(data)
    with pytest.raises(UnsafeInput, match="without running code"):
        read_checkpoint(tmp_path / "c.ckpt")


def test_a_file_of_something_else(tmp_path):
    (tmp_path / "c.ckpt").write_bytes(saved([1]))
    with pytest.raises(SchemaMismatch, match="no checkpoint of Lightning"):
        read_checkpoint(tmp_path / "c.ckpt")


def test_a_device_that_is_not_there_is_no_damage(tmp_path):
    (tmp_path / "c.ckpt").write_bytes(WHOLE)
    with pytest.raises(RuntimeError, match="nowhere"):
        read_plain_file(str(tmp_path / "c.ckpt"), "nowhere")
