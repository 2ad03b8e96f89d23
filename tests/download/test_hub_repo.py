"""Hub repositories: the real client against a local Hub on two origins."""

from __future__ import annotations

import inspect
import json
import socket
import time
from pathlib import Path

import pytest

from lancenb.download import Cache, DatasetDownloader, ModelDownloader, download
from lancenb.download.errors import DownloadDenied, GatedRepo, RevisionNotFound
from lancenb.errors import (
    AccessDenied,
    Cancelled,
    ChecksumMismatch,
    DownloadFailed,
    InvalidArgument,
    NotFound,
    Offline,
    SourceNotFound,
)
from lancenb.progress import CancelToken, Progress
from lancenb.testing import HubStub, Repo

BIG = bytes(range(256)) * 20_000  # 5 MB: through our own engine
TINY = b"tiny weights"


@pytest.fixture
def repo(hub: HubStub) -> Repo:
    made = hub.repos.create("model", "acme/tiny", card={"license": "apache-2.0"})
    made.commit(
        {
            "config.json": b"{}",
            "README.md": b"# tiny",
            "model.safetensors": BIG,
            "pytorch_model.bin": b"the same as pickle",
            "onnx/model.onnx": b"onnx",
            "tokenizer.json": b'{"a": 1}',
        }
    )
    return made


def names(result: object) -> list[str]:
    return sorted(file.name for file in result)  # type: ignore[attr-defined]


@pytest.mark.parametrize("engine", ["auto", "range", "official"])
def test_w1_the_real_client_accepts_our_call(hub: HubStub, repo: Repo, engine: str) -> None:
    from huggingface_hub import hf_hub_download

    result = ModelDownloader("acme/tiny", hub_engine=engine).download()
    assert (result.path / "model.safetensors").read_bytes() == BIG
    gone = {"local_dir_use_symlinks", "resume_download"}
    assert not gone & set(inspect.signature(hf_hub_download).parameters)


def test_w2_each_repository_and_revision_has_its_own_folder(hub: HubStub, repo: Repo) -> None:
    other = hub.repos.create("model", "acme/other")
    other.commit({"model.safetensors": TINY})
    one, two = download("hf:model:acme/tiny"), download("hf:model:acme/other")
    repo.commit({"model.safetensors": TINY})
    new = download("hf:model:acme/tiny")
    assert len({one.path, two.path, new.path}) == 3
    assert names(two) == ["model.safetensors"]
    assert (one.path / "model.safetensors").read_bytes() == BIG
    assert (new.path / "model.safetensors").read_bytes() == TINY


def test_w3_only_one_weight_set_is_taken(hub: HubStub, repo: Repo) -> None:
    result = download("hf:model:acme/tiny")
    assert names(result) == ["README.md", "config.json", "model.safetensors", "tokenizer.json"]
    assert [p.name for p in result.path.rglob("*.bin")] == []
    assert not hub.hub.requests(path="pytorch_model.bin")


def test_w6_revision_and_token_are_used(hub: HubStub, repo: Repo) -> None:
    old = repo.refs["main"]
    repo.refs["v1"] = old
    repo.commit({"model.safetensors": TINY})
    for revision in ("v1", old):
        result = ModelDownloader("acme/tiny", revision=revision).download()
        assert result.lineage["commit"] == old
        assert (result.path / "model.safetensors").read_bytes() == BIG
    assert download("hf:model:acme/tiny@v1").lineage["revision"] == "v1"
    secret = hub.repos.create("model", "acme/secret", private=True)
    secret.commit({"model.safetensors": BIG})
    with pytest.raises(SourceNotFound, match="private"):
        download("hf:model:acme/secret")
    assert download("hf:model:acme/secret", token="hf_ann").size == len(BIG)
    assert hub.leaked == []


def test_second_call_transfers_nothing(hub: HubStub, repo: Repo) -> None:
    first = download("hf:model:acme/tiny")
    hub.hub.log.clear()
    hub.cdn.log.clear()
    second = download("hf:model:acme/tiny")
    assert (first.from_cache, second.from_cache) == (False, True)
    assert second.path == first.path
    assert len(hub.hub.log) == 1
    assert hub.cdn.log == []
    download("hf:model:acme/tiny", revision=repo.refs["main"])
    assert len(hub.hub.log) == 1


def test_the_official_cache_layout_is_shared(hub: HubStub, repo: Repo, cache: Path) -> None:
    from huggingface_hub import hf_hub_download

    path = download("hf:model:acme/tiny").path
    assert path == cache / "hub" / "models--acme--tiny" / "snapshots" / repo.refs["main"]
    theirs = hf_hub_download(
        "acme/tiny", "model.safetensors", cache_dir=cache / "hub", local_files_only=True
    )
    assert Path(theirs) == path / "model.safetensors"
    assert Path(theirs).resolve().parent.name == "blobs"


def test_lineage_says_what_and_from_where(hub: HubStub, repo: Repo) -> None:
    result = download("hf:model:acme/tiny", token="hf_ann")
    lineage = result.lineage
    assert lineage["commit"] == repo.refs["main"]
    assert lineage["endpoint"] == hub.url
    assert lineage["license"] == "apache-2.0"
    by_name = {file["name"]: file for file in lineage["files"]}
    tree = repo.commits[repo.refs["main"]]
    assert by_name["model.safetensors"]["sha256"] == tree["model.safetensors"].sha256
    assert by_name["config.json"]["git_sha1"] == tree["config.json"].oid
    assert by_name["config.json"]["sha256"]
    assert "license:apache-2.0" in lineage["tags"]
    assert {"lancenb", "huggingface_hub", "urllib3"} <= set(lineage["clients"])
    assert (lineage["repo_id"], lineage["revision"]) == ("acme/tiny", "main")
    assert lineage["downloaded"]
    assert "hf_ann" not in json.dumps(lineage)


@pytest.mark.parametrize("kind", ["cut", "rst", "corrupt", "truncate", "status"])
def test_faults_of_the_content_server_end_well(hub: HubStub, repo: Repo, kind: str) -> None:
    fault = hub.cdn.faults.add(kind)
    result = download("hf:model:acme/tiny")
    assert fault.used == 1
    assert (result.path / "model.safetensors").read_bytes() == BIG


@pytest.mark.parametrize("kind", ["rst", "corrupt", "status"])
def test_small_files_through_the_client_end_well(hub: HubStub, repo: Repo, kind: str) -> None:
    fault = hub.hub.faults.add(kind, path="*/resolve/*/tokenizer.json", method="GET")
    result = download("hf:model:acme/tiny")
    assert fault.used == 1
    assert (result.path / "tokenizer.json").read_bytes() == b'{"a": 1}'


def test_a_file_that_stays_wrong_is_refused(hub: HubStub, repo: Repo) -> None:
    hub.cdn.faults.add("corrupt", times=0)
    with pytest.raises(ChecksumMismatch):
        download("hf:model:acme/tiny")
    assert not [p for p in Cache().hub.rglob("model.safetensors")]


def test_gated_missing_and_wrong_are_told_apart(hub: HubStub, repo: Repo) -> None:
    gated = hub.repos.create("model", "acme/gated", gated=True)
    gated.commit({"model.safetensors": BIG, "config.json": b"{}"})
    with pytest.raises(GatedRepo) as caught:
        download("hf:model:acme/gated")
    assert isinstance(caught.value, AccessDenied)
    assert "accept the terms" in caught.value.hint
    with pytest.raises(GatedRepo):
        download("hf:model:acme/gated", token="hf_bob")
    assert download("hf:model:acme/gated", token="hf_ann").size > len(BIG)
    with pytest.raises(SourceNotFound):
        download("hf:model:acme/nothing")
    with pytest.raises(RevisionNotFound) as revision:
        download("hf:model:acme/tiny@v9")
    assert isinstance(revision.value, NotFound)
    with pytest.raises(DownloadDenied, match="token is not valid"):
        download("hf:model:acme/tiny", token="hf_stale")
    with pytest.raises(SourceNotFound, match="no file"):
        download("hf:model:acme/tiny", allow="*.gguf")
    for bad in ("../x", "v1/../../x", "/etc"):
        with pytest.raises(InvalidArgument):
            download("hf:model:acme/tiny", revision=bad)


def test_a_dead_endpoint_is_noticed_quickly(
    hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = download("hf:model:acme/tiny")
    hub.close()
    monkeypatch.setattr("lancenb.download._endpoint._answered", {})
    began = time.monotonic()
    with pytest.raises(Offline) as caught:
        download("hf:model:acme/else")
    assert time.monotonic() - began < 60
    assert "HF_ENDPOINT" in caught.value.hint
    late = download("hf:model:acme/tiny")
    assert late.path == kept.path
    assert late.lineage["revalidated"] is False
    assert download("hf:model:acme/tiny", offline=True).from_cache


def test_an_endpoint_that_accepts_but_is_silent(
    hub: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lancenb.download._snapshot.ETAG_TIMEOUT", 6.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(Offline, match="no answer"):
            download("hf:model:acme/tiny")
        assert time.monotonic() - began < 60


def test_an_endpoint_in_trouble(hub: HubStub, repo: Repo) -> None:
    hub.hub.faults.add("status", status=503, times=0)
    began = time.monotonic()
    with pytest.raises(Exception, match="503"):
        download("hf:model:acme/tiny")
    assert time.monotonic() - began < 60


def test_offline_without_a_copy(hub: HubStub, repo: Repo) -> None:
    with pytest.raises(Offline, match="not in the cache"):
        download("hf:model:acme/tiny", offline=True)
    assert hub.hub.log == []


def test_a_view_holds_only_what_was_asked(hub: HubStub) -> None:
    data = hub.repos.create("dataset", "acme/data")
    data.commit({"data/train.csv": b"a\n1\n", "data/test.csv": b"a\n2\n", "README.md": b"x"})
    whole = download("hf:dataset:acme/data")
    assert names(whole) == ["README.md", "data/test.csv", "data/train.csv"]
    part = download("hf:dataset:acme/data:data/test*")
    assert [p.name for p in part.path.rglob("*") if p.is_file()] == ["test.csv"]
    assert DatasetDownloader("acme/data", mode="repo").download().path == whole.path


def test_w5_no_cache_folder_is_fine(hub: HubStub, repo: Repo) -> None:
    assert ModelDownloader("acme/tiny", None).download().kind == "model"
    assert "hf_x" not in repr(ModelDownloader("acme/tiny", token="hf_x"))


def test_to_copies_plain_files(hub: HubStub, repo: Repo, tmp_path: Path) -> None:
    result = download("hf:model:acme/tiny", to=tmp_path / "mine")
    assert result.path == tmp_path / "mine"
    assert not (tmp_path / "mine" / "model.safetensors").is_symlink()
    assert names(result) == sorted(p.name for p in (tmp_path / "mine").iterdir())


def test_force_fetches_again(hub: HubStub, repo: Repo) -> None:
    download("hf:model:acme/tiny")
    hub.cdn.log.clear()
    assert not download("hf:model:acme/tiny", force=True).from_cache
    assert hub.cdn.log
    hub.cdn.faults.add("status", status=400, times=0)
    for engine in ("range", "official"):
        with pytest.raises(DownloadFailed):
            download("hf:model:acme/tiny", force=True, hub_engine=engine)
        kept = download("hf:model:acme/tiny")
        assert kept.from_cache
        assert (kept.path / "model.safetensors").read_bytes() == BIG


def test_progress_and_cancel(hub: HubStub, repo: Repo) -> None:
    events: list[Progress] = []
    download("hf:model:acme/tiny", progress=events.append)
    assert {"resolve", "download", "done"} <= {event.phase for event in events}
    assert max(event.bytes for event in events) >= len(BIG)
    repo.commit({"model.safetensors": BIG + b"x"})
    hub.cdn.faults.add("slow", rate=1 << 20)
    token = CancelToken()

    def stop(event: Progress) -> None:
        if event.bytes:
            token.cancel()

    with pytest.raises(Cancelled):
        download("hf:model:acme/tiny", progress=stop, cancel=token)


def test_options_that_mean_nothing_are_refused(hub: HubStub, repo: Repo) -> None:
    with pytest.raises(InvalidArgument, match="sha256="):
        download("hf:model:acme/tiny", sha256="0" * 64)
    with pytest.raises(InvalidArgument, match="limit="):
        download("hf:model:acme/tiny", limit=3)
    with pytest.raises(InvalidArgument, match="mode"):
        ModelDownloader("acme/tiny", mode="git")
