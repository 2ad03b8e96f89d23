"""Plans for everything that is not a repository, and how plans look."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import lancenb
from lancenb.download import DownloadPlan, PlannedFile, UrlPolicy, download, plan
from lancenb.download.errors import BlockedURL, TooLarge
from lancenb.errors import Conflict, InvalidArgument, Offline, SourceNotFound
from lancenb.testing import FileServer

TENSORS = save({"w": np.zeros((300_000, 2), "float16"), "b": np.ones(2, "float32")})


def test_an_address_is_asked_for_its_first_byte(files: FileServer, cache: Path) -> None:
    url = files.add("/data/pets.csv", b"a,b\n" * 1000)
    seen = plan(url + "?signature=hush")
    assert seen.files == (PlannedFile("pets.csv", 4000, None, None, "data", False),)
    assert (seen.kind, seen.source) == ("file", url)
    assert [s.headers["range"] for s in files.log] == ["bytes=0-0"]
    assert any("nobody has published a hash" in note for note in seen.notes)
    shown = [repr(seen), str(seen), seen._repr_html_(), str(dataclasses.asdict(seen)),
             pickle.dumps(seen).decode("latin-1"), repr(seen.request)]  # fmt: skip
    assert not [text for text in shown if "hush" in text]
    assert seen.download().path.read_bytes() == b"a,b\n" * 1000
    assert plan(url + "?signature=hush").cached_bytes == 4000


def test_safetensors_at_an_address(files: FileServer, cache: Path) -> None:
    url = files.add("/m/tiny.safetensors", TENSORS)
    seen = plan(url)
    header = 8 + int.from_bytes(TENSORS[:8], "little")
    ranges = [s.headers["range"] for s in files.log]
    assert ranges == ["bytes=0-0", "bytes=0-7", f"bytes=8-{header - 1}"]
    assert {(t.name, t.dtype, t.shape) for t in seen.tensors} == {
        ("w", "float16", (300_000, 2)),
        ("b", "float32", (2,)),
    }
    seen.download()
    files.log.clear()
    assert plan(url).tensors == seen.tensors
    assert [s.headers["range"] for s in files.log] == ["bytes=0-0"]


def test_a_hash_in_the_name(files: FileServer, cache: Path) -> None:
    url = files.add("/resnet18-f37072fd.pth", b"x" * 100)
    seen = plan(url)
    assert seen.files[0].sha256 == "f37072fd"
    assert any("has no header" in note for note in seen.notes)
    assert plan(url, sha256=False).files[0].sha256 is None


def test_a_file_that_changes_after_the_plan(files: FileServer, cache: Path) -> None:
    url = files.add("/a.bin", b"x" * 100)
    seen = plan(url)
    files.add("/a.bin", b"y" * 120)
    with pytest.raises(Conflict, match="120 bytes now, 100 were planned"):
        seen.download()
    assert plan(url).files[0].cached
    files.add("/a.bin", b"z" * 120)
    assert not plan(url).files[0].cached


def test_addresses_that_may_not_be_asked(files: FileServer, cache: Path) -> None:
    url = files.add("/a.bin", b"x" * 100)
    with pytest.raises(BlockedURL):
        plan(url, policy=UrlPolicy(schemes=("https",)))
    with pytest.raises(BlockedURL):
        plan(url, policy=UrlPolicy.for_servers())
    with pytest.raises(TooLarge):
        plan(url, policy=UrlPolicy(max_bytes=50))
    with pytest.raises(SourceNotFound):
        plan(f"{files.url}/nothing")
    with pytest.raises(Offline):
        plan(url, offline=True)
    download(url)
    assert plan(url, offline=True).missing_bytes == 0


def test_torchvision(files: FileServer, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.add("/models/resnet18-f37072fd.pth", b"x" * 1000)
    monkeypatch.setenv("LANCENB_MIRRORS", f"https://download.pytorch.org/={files.url}/")
    seen = plan("torchvision:resnet18")
    assert seen.kind == "model"
    assert seen.files[0].sha256 == "f37072fd"
    assert seen.card["torchvision"] == "resnet18/IMAGENET1K_V1"
    assert seen.card["num_params"] == 11_689_512


def test_names_of_the_registry(cache: Path) -> None:
    guided = plan("imagenet")
    assert "image-net.org" in guided.source
    assert any("cannot be fetched for you" in note for note in guided.notes)
    assert guided.license
    with pytest.raises(SourceNotFound, match="cannot be downloaded automatically") as caught:
        guided.download()
    assert "register" in caught.value.hint
    official = plan("mnist:official", split="test")
    assert next(f.name for f in official.files).startswith("t10k-images")
    assert all(f.sha256 and f.size for f in official.files)
    drawn = plan("synthetic", split="test", limit=7)
    assert drawn.card["rows"] == 7
    assert drawn.missing_bytes == 0
    assert drawn.download().lineage["rows"] == 7


def test_local_paths(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "model.safetensors").write_bytes(TENSORS)
    (tmp_path / "m" / "config.json").write_text("{}")
    seen = plan(tmp_path / "m")
    assert {t.name for t in seen.tensors} == {"w", "b"}
    assert seen.missing_bytes == 0
    assert all(f.cached for f in seen.files)
    assert seen.download().size == seen.total_bytes
    with pytest.raises(SourceNotFound):
        plan(tmp_path / "nothing")
    with pytest.raises(InvalidArgument, match="revision="):
        plan(tmp_path / "m", revision="v1")


class Balanced(HTMLParser):
    """Collects text, and fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_how_a_plan_looks(cache: Path, tmp_path: Path) -> None:
    odd = "<script>alert(1)</script>"
    file = PlannedFile(f"{odd}.csv", 1_500_000, "ab" * 32, None, "data", True)
    seen = DownloadPlan(
        spec="hf:dataset:acme/x", kind="dataset", source="hf:dataset:acme/x",
        files=(file, PlannedFile("b.csv", 500_000)), revision="main", commit="c" * 40,
        license="mit", gated=True, card={"tags": [odd]}, notes=(odd,),
    )  # fmt: skip
    line = repr(seen)
    assert line == "<DownloadPlan hf:dataset:acme/x: 2 files, 500.0 kB to download>".replace(
        "500.0", "500.0"
    )
    text = str(seen)
    for word in ("main (commit cccccccccccc)", "mit", "gated", "1.5 MB", "sha256 abababababab"):
        assert word in text
    html = Balanced()
    html.feed(seen._repr_html_())
    assert html.open == []
    assert "<script" not in seen._repr_html_()
    assert any(odd in word for word in html.words)
    assert "var(--jp-ui-font-color1, #222)" in seen._repr_html_()


def test_planning_is_light() -> None:
    assert lancenb.plan is plan
    code = (
        "import sys, lancenb; lancenb.plan('synthetic'); "
        "print([m for m in ('torch', 'datasets', 'pyarrow', 'PIL', 'lance', 'huggingface_hub') "
        "if m in sys.modules])"
    )
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "[]"
