"""Specs, local paths and torchvision's names."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import lancenb.download
from lancenb.download import ModelDownloader, download, parse
from lancenb.download._names import hash_in_name, public_url, safe_name
from lancenb.errors import ChecksumMismatch, InvalidArgument, SourceNotFound
from lancenb.testing import FileServer


@pytest.mark.parametrize(
    ("spec", "kind", "name"),
    [
        ("hf:model:acme/x", "model", "acme/x"),
        ("hf:model:gpt2@v1", "model", "gpt2"),
        ("hf:dataset:acme/x:data/*.csv", "dataset", "acme/x"),
        ("https://a.example/x", "url", "https://a.example/x"),
        ("torchvision:resnet18/IMAGENET1K_V1", "torchvision", "resnet18/IMAGENET1K_V1"),
        ("transformers:acme/x@main", "model", "acme/x"),
        ("datasets:acme/x:config", "arrow", "acme/x"),
        ("hf://datasets/acme/x/t.lance", "lance", "datasets/acme/x/t.lance"),
        ("hf://models/acme/x/deep/t.lance@v1", "lance", "models/acme/x/deep/t.lance"),
        ("hf://datasets/acme/x@v1/t.lance", "lance", "datasets/acme/x/t.lance"),
        ("synthetic", "synthetic", "images"),
        ("synthetic:text", "synthetic", "text"),
        ("mnist", "arrow", "ylecun/mnist"),
    ],
)
def test_specs(spec: str, kind: str, name: str) -> None:
    source = parse(spec)
    assert (source.kind, source.name) == (kind, name)


@pytest.mark.parametrize(
    "spec", ["", "  ", "hf:model:", "hf:model:../x", "hf:space:a/b", "file:///etc/passwd",
             "ftp://a.example/x", "s3://bucket/x", "transformers:a/b/c", "hf://datasets/acme", "hf://spaces/a/b/t.lance"],
)  # fmt: skip
def test_specs_that_mean_nothing(spec: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(spec)


def test_missing_paths_and_bare_ids(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match="nothing at"):
        download(tmp_path / "gone")
    with pytest.raises(SourceNotFound) as caught:
        download("bert/tiny")
    assert "hf:model:bert/tiny" in caught.value.hint
    with pytest.raises(SourceNotFound):
        download("no-such-thing")


def test_local_paths(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "a.bin"
    file.write_bytes(b"abc")
    assert [item.name for item in download(tmp_path / "in")] == ["a.bin"]
    digest = hashlib.sha256(b"abc").hexdigest()
    assert download(str(file), sha256=digest).files[0].sha256 == digest
    with pytest.raises(ChecksumMismatch):
        download(file, sha256="0" * 64)
    assert download(file, to=f"{tmp_path}/out/").path == tmp_path / "out" / "a.bin"


def test_torchvision_names_through_our_engine(
    files: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SourceNotFound, match="no model"):
        download("torchvision:resnet19")
    with pytest.raises(SourceNotFound, match="IMAGENET1K_V9"):
        download("torchvision:resnet18/IMAGENET1K_V9")
    files.add("/models/resnet18-f37072fd.pth", b"not these weights")
    monkeypatch.setenv("LANCENB_MIRRORS", f"https://download.pytorch.org/={files.url}/")
    with pytest.raises(ChecksumMismatch, match="f37072fd"):
        ModelDownloader("resnet18", mode="url").download()
    assert files.log


def test_names() -> None:
    assert safe_name("..\\..\\x.txt") == "x.txt"
    assert safe_name("a" * 400 + ".parquet").endswith(".parquet")
    assert len(safe_name("é" * 400).encode()) <= 200
    assert safe_name("\x00\x1f") == "__"
    assert hash_in_name("x-0123456.pth") is None
    assert hash_in_name("x-31122024.pth") is None
    assert public_url("https://u:p@h/x?token=1") == "https://h/x"


def test_the_package_can_be_called_and_is_light() -> None:
    assert lancenb.download.__call__ is download
    code = (
        "import sys, lancenb.download; "
        "print([m for m in ('torch', 'datasets', 'pyarrow', 'PIL', 'huggingface_hub') "
        "if m in sys.modules])"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "[]"
