"""Endpoints, mirrors, cards and caches that say what cannot be, or less than there is."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lancenb.download import Cache, download, plan
from lancenb.download._headers import read_tensors
from lancenb.download._hub_files import HubFolder, forget
from lancenb.errors import CorruptInput, DownloadFailed, Offline, UnsafeInput
from lancenb.progress import CancelToken
from lancenb.testing import FileServer, HubStub, Repo

SMALL = b"hello world small file"


def weights(header: Any, data: int = 8) -> bytes:
    body = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(body).to_bytes(8, "little") + body + bytes(data)


def one(name: str = "w", shape: Any = (2,), offsets: Any = (0, 8), dtype: Any = "F32") -> dict:
    return {name: {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}}


# --- a snapshot that another client left half done ------------------------------------------------


@pytest.fixture
def sharded(hub: HubStub) -> Repo:
    first, second = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    made = hub.repos.create("model", "acme/sharded")
    made.commit(
        {
            "config.json": b"{}",
            "model.safetensors.index.json": json.dumps({"weight_map": {"a": first, "b": second}})
            .encode(),
            first: weights(one("a")),
            second: weights(one("b")),
        }
    )  # fmt: skip
    return made


@pytest.fixture
def numbered(hub: HubStub) -> Repo:
    made = hub.repos.create("dataset", "acme/numbered")
    made.commit({f"data/train-{i:05d}-of-00004.csv": b"a\n%d\n" % i for i in range(4)})
    return made


def by_client(name: str, *files: str, repo_type: str = "model") -> None:
    from huggingface_hub import hf_hub_download

    url = os.environ["HF_ENDPOINT"]
    for file in files:
        hf_hub_download(name, file, repo_type=repo_type, cache_dir=Cache().hub, endpoint=url)


def test_offline_half_a_model_is_not_a_model(sharded: Repo) -> None:
    by_client("acme/sharded", "config.json", "model-00001-of-00002.safetensors")
    for _ in range(2):  # the first attempt leaves nothing that would convince a second one
        with pytest.raises(Offline, match="00002-of-00002"):
            download("hf:model:acme/sharded", offline=True)
    planned = plan("hf:model:acme/sharded", offline=True)
    assert [f.name for f in planned.files if not f.cached] == ["model-00002-of-00002.safetensors"]


def test_offline_half_a_data_set_is_not_a_data_set(numbered: Repo) -> None:
    by_client("acme/numbered", "data/train-00000-of-00004.csv", repo_type="dataset")
    with pytest.raises(Offline, match="3 files are missing, such as data/train-00001-of-00004"):
        download("hf:dataset:acme/numbered", offline=True)


def test_offline_what_another_client_has_is_not_called_whole(sharded: Repo, hub: HubStub) -> None:
    shards = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    by_client("acme/sharded", "config.json")
    got = download("hf:model:acme/sharded", allow="config.json", offline=True)
    assert (got.lineage["complete"], got.lineage["revalidated"]) == ("unknown", False)
    by_client("acme/sharded", *shards)  # what came later is seen, though the first look was kept
    got = download("hf:model:acme/sharded", offline=True)
    assert [file.name for file in got.files] == ["config.json", *shards]
    assert got.lineage["complete"] == "unknown"
    got = download("hf:model:acme/sharded", revision=got.lineage["commit"])  # it asks the Hub
    assert not {"complete", "revalidated"} & set(got.lineage)
    assert len(got.files) == 4


def test_offline_the_listing_of_the_client_tells_what_is_missing(sharded: Repo) -> None:
    from huggingface_hub import snapshot_download

    folder = Path(
        snapshot_download(
            "acme/sharded", cache_dir=Cache().hub, allow_patterns="config.json",
            endpoint=os.environ["HF_ENDPOINT"],
        )
    )  # fmt: skip
    listing = folder.parent.parent / "trees" / f"{folder.name}.json"
    assert listing.is_file(), "this client keeps no listings"
    with pytest.raises(Offline, match="3 files are missing"):
        download("hf:model:acme/sharded", offline=True)
    got = download("hf:model:acme/sharded", offline=True, allow="config.json")
    assert "complete" not in got.lineage
    (Cache().folder("verified") / f"model--acme--sharded--{folder.name}.json").unlink()
    listing.write_text('{"format_version": 1, "files": {"config.json": {"size": "x"}}}')
    got = download("hf:model:acme/sharded", offline=True, allow="config.json")
    assert got.lineage["complete"] == "unknown"


# --- an endpoint that lies ------------------------------------------------------------------------


@contextmanager
def lying(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], object]) -> Iterator[None]:
    """Change what the endpoint says, as the official client hands it on."""
    import huggingface_hub

    real = huggingface_hub.HfApi.repo_info

    def changed(self: Any, *args: Any, **more: Any) -> Any:
        info = real(self, *args, **more)
        change(info)
        return info

    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub.HfApi, "repo_info", changed)
        yield


def of_files(**facts: Any) -> Callable[[Any], object]:
    return lambda info: [vars(item).update(facts) for item in info.siblings]


@pytest.fixture
def simple(hub: HubStub) -> Repo:
    made = hub.repos.create("model", "acme/a")
    made.commit({"config.json": b"{}", "x.txt": SMALL, "model.safetensors": weights(one())})
    return made


def test_hash_that_is_a_path_leaves_the_cache_alone(
    simple: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    sha1 = hashlib.sha1(b"blob %d\0" % len(SMALL) + SMALL).hexdigest()
    with (
        lying(monkeypatch, of_files(blob_id=f"{outside}/{sha1}")),
        pytest.raises(DownloadFailed, match="hf:model:acme/a cannot be right"),
    ):
        download("hf:model:acme/a")
    assert not list(outside.iterdir())


def test_hash_that_leads_to_another_repository_deletes_nothing(
    simple: Repo, hub: HubStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos.create("model", "acme/victim").commit(
        {"config.json": b'{"v":1}', "model.safetensors": weights(one())}
    )
    got = download("hf:model:acme/victim")
    blob = (got.path / "config.json").resolve()
    with (
        lying(monkeypatch, of_files(blob_id=f"../../models--acme--victim/blobs/{blob.name}",
                                    lfs=None, size=7)),
        pytest.raises(DownloadFailed),
    ):  # fmt: skip
        download("hf:model:acme/a")
    assert blob.read_bytes() == b'{"v":1}'


@pytest.mark.parametrize(
    "change",
    [
        lambda info: setattr(info, "sha", None),
        lambda info: setattr(info, "sha", "main"),
        lambda info: setattr(info, "sha", "/tmp/" + "a" * 40),
        of_files(size="abc", lfs=None),
        of_files(size=-5, lfs=None),
        of_files(size=10**30, lfs=None),
        of_files(size=2.0, lfs=None),
        of_files(blob_id="A" * 40),
        of_files(blob_id=7),
        of_files(rfilename=None),
    ],
)
@pytest.mark.parametrize("act", [download, plan])
def test_nonsense_is_refused_by_name(
    simple: Repo, monkeypatch: pytest.MonkeyPatch, change: Any, act: Any, cache: Path
) -> None:
    with lying(monkeypatch, change), pytest.raises(DownloadFailed, match="hf:model:acme/a"):
        act("hf:model:acme/a")


def test_another_commit_than_the_one_asked_for_is_refused(
    simple: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = lambda info: setattr(info, "sha", "b" * 40)  # noqa: E731
    commit = plan("hf:model:acme/a").commit
    assert commit is not None
    for record in Cache().folder("verified").iterdir():
        record.unlink()
    with lying(monkeypatch, other), pytest.raises(DownloadFailed, match="asked for"):
        download("hf:model:acme/a", revision=commit)


def test_links_to_elsewhere_are_dropped_without_what_they_lead_to(cache: Path) -> None:
    layout, victim = (HubFolder(Cache(), "model", name) for name in ("acme/a", "acme/victim"))
    folder = layout.snapshot("a" * 40)
    for made in (folder, layout.blobs, victim.blobs):
        made.mkdir(parents=True)
    for blob in (layout.blobs / "own", victim.blobs / "other"):
        blob.write_bytes(b"1")
    (folder / "x").symlink_to("../../blobs/own")
    (folder / "y").symlink_to("../../../models--acme--victim/blobs/other")
    forget(folder, ["x", "y"])
    assert [*folder.iterdir(), *layout.blobs.iterdir()] == []
    assert (victim.blobs / "other").is_file()
    assert layout.blob({"oid": "../../models--acme--victim/blobs/other"}) is None


# --- a card that is small and means much ----------------------------------------------------------


def bomb(levels: int, merge: bool = False) -> str:
    start = "a0: &a0 {k: x}\n" if merge else 'a0: &a0 "x"\n'
    lines = [start]
    for i in range(1, levels):
        many = ",".join([f"*a{i - 1}"] * 9)
        lines.append(f"a{i}: &a{i} {{<<: [{many}]}}\n" if merge else f"a{i}: &a{i} [{many}]\n")
    config = f"configs:\n- config_name: default\n  data_files: *a{levels - 1}\n"
    return "---\n" + "".join(lines) + config + "---\n"


@pytest.mark.parametrize(
    "card",
    [bomb(14), bomb(6), bomb(14, merge=True), "---\na: &a [*a]\nconfigs: *a\n---\n"],
    ids=["deep", "wide", "merged", "itself"],
)
def test_card_that_unfolds_is_refused_at_once(tmp_path: Path, cache: Path, card: str) -> None:
    import datasets  # noqa: F401  (what takes long is not what is measured)

    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "README.md").write_text(card)
    (tmp_path / "d" / "train.csv").write_text("a,b\n1,2\n")
    cancel = CancelToken()
    timer = threading.Timer(60, cancel.cancel)
    timer.start()
    try:
        with pytest.raises(UnsafeInput, match="repeats itself"):
            download(f"datasets:{tmp_path / 'd'}", cancel=cancel)
    finally:
        timer.cancel()


def test_card_with_a_few_references_is_read(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "README.md").write_text(
        "---\nx: &x train.csv\nconfigs:\n- config_name: default\n  data_files: *x\n---\n"
    )
    (tmp_path / "d" / "train.csv").write_text("a,b\n1,2\n")
    assert download(f"datasets:{tmp_path / 'd'}").lineage["rows"] == 1


# --- headers and indexes that are damaged ---------------------------------------------------------

_TWICE = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'  # noqa: E501
_DAMAGED = {
    "deep": b"[" * 100_000,
    "endless": b'{"w":{"dtype":"F32","shape":[1e999],"data_offsets":[0,8]}}',
    "digits": b'{"w":{"dtype":"F32","shape":[' + b"9" * 4000 + b'],"data_offsets":[0,8]}}',
    "more digits": b'{"w":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}',
    "float": b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0.0,8.0]}}',
    "true": b'{"w":{"dtype":"U8","shape":[true],"data_offsets":[0,1]}}',
    "huge": one(shape=(10**9, 1000)),
    "overlap": {**one("v"), **one("w")},
    "hole": {**one("v", (1,), (0, 4)), **one("w", (0,), (8, 8))},
    "twice": _TWICE,
    "type": one(dtype=[["x"]]),
    "no text": one("\ud800"),
}


@pytest.mark.parametrize("header", _DAMAGED.values(), ids=_DAMAGED)
def test_plan_notes_damaged_headers(
    hub: HubStub, files: FileServer, header: Any, cache: Path, tmp_path: Path
) -> None:
    body = weights(header)
    hub.repos.create("model", "acme/m").commit({"model.safetensors": body, "config.json": b"{}"})
    (tmp_path / "model.safetensors").write_bytes(body)
    address = files.add("/model.safetensors", body)
    for spec in ("hf:model:acme/m", address, str(tmp_path / "model.safetensors")):
        made = plan(spec)
        assert made.tensors == ()
        assert any("model.safetensors is no safetensors file" in note for note in made.notes)
        assert str(made)
        assert made._repr_html_()


def test_headers_of_odd_but_right_files_are_read() -> None:
    header = {
        "__metadata__": {"format": "pt"},
        **one("none", (0, 7), (0, 0)),
        **one("scalar", (), (0, 4)),
        **one("nibbles", (6,), (4, 7), "F4"),
        **one("tomorrow", (5,), (7, 8), "F1"),
    }
    data = weights(header)
    found = read_tensors(lambda start, length: data[start : start + length], "a", len(data))
    assert [(t.name, t.nbytes) for t in found] == [
        ("none", 0), ("scalar", 4), ("nibbles", 3), ("tomorrow", 1)
    ]  # fmt: skip


@pytest.mark.parametrize("act", [download, plan])
def test_deep_index_is_no_index(hub: HubStub, act: Any) -> None:
    hub.repos.create("model", "acme/i").commit(
        {
            "model.safetensors.index.json": b"[" * 100_000,
            "model-00001-of-00001.safetensors": weights(one()),
            "config.json": b"{}",
        }
    )
    with pytest.raises(CorruptInput, match="is not an index of shards"):
        act("hf:model:acme/i")
