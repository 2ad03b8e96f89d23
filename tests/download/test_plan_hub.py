"""Plans for repositories: what would come, from listings and headers alone."""

from __future__ import annotations

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from lancenb.download import Cache, ModelDownloader, PlannedTensor, download, plan
from lancenb.errors import CorruptInput, InvalidArgument, Offline, SourceNotFound
from lancenb.testing import HubStub, Repo

INDEX = "model.safetensors.index.json"


def weights(seed: int, rows: int = 200_000) -> bytes:
    rng = np.random.default_rng(seed)
    big = rng.standard_normal((rows, 4)).astype("float32")
    return save({f"a{seed}": big, f"b{seed}": np.arange(3, dtype="int64")})


def header_size(content: bytes) -> int:
    return 8 + int.from_bytes(content[:8], "little")


@pytest.fixture(scope="module")
def shards() -> dict[str, bytes]:
    return {f"model-0000{i}-of-00002.safetensors": weights(i) for i in (1, 2)}


def index_of(shards: dict[str, bytes], **more: str) -> bytes:
    listed = {f"{letter}{n[8 + 2]}": n for n in shards for letter in "ab"}
    return json.dumps({"metadata": {}, "weight_map": {**listed, **more}}).encode()


@pytest.fixture
def repo(hub: HubStub, shards: dict[str, bytes]) -> Repo:
    card = {"license": "apache-2.0", "tags": ["tiny"], "pipeline_tag": "text-generation"}
    made = hub.repos.create("model", "acme/big", card=card)
    made.commit(
        {
            **shards, INDEX: index_of(shards), "config.json": b"{}", "README.md": b"# big",
            "pytorch_model.bin": b"pickle" * 1000, "modeling_big.py": b"print('no')",
        }
    )  # fmt: skip
    return made


def test_headers_only(hub: HubStub, repo: Repo, shards: dict[str, bytes]) -> None:
    seen = plan("hf:model:acme/big")
    asked = [s.headers["range"].removeprefix("bytes=").split("-") for s in hub.cdn.log]
    headers = sum(header_size(content) for content in shards.values())
    assert sum(int(last) - int(first) + 1 for first, last in asked) == headers
    assert sum(s.sent for s in hub.cdn.log) <= headers
    assert {t.name for t in seen.tensors} == {"a1", "b1", "a2", "b2"}
    first = next(t for t in seen.tensors if t.name == "a1")
    assert first == PlannedTensor("a1", "float32", (200_000, 4), 3_200_000, next(iter(shards)))
    assert seen.parameters == 2 * (800_000 + 3)
    assert hub.leaked == []
    assert not list(Cache().hub.rglob("*.safetensors"))


def test_what_a_plan_says(hub: HubStub, repo: Repo, shards: dict[str, bytes]) -> None:
    seen = plan("hf:model:acme/big")
    tree = repo.commits[repo.refs["main"]]
    by_name = {f.name: f for f in seen.files}
    assert set(by_name) == {*shards, INDEX, "config.json", "README.md", "modeling_big.py"}
    for name, file in by_name.items():
        assert (file.size, file.sha256) == (tree[name].size, tree[name].sha256)
        assert file.git_sha1 == (None if file.sha256 else tree[name].oid)
        assert not file.cached
    kinds = {name: by_name[name].kind for name in ("config.json", INDEX, "modeling_big.py")}
    assert kinds == {"config.json": "config", INDEX: "config", "modeling_big.py": "code"}
    assert by_name[next(iter(shards))].kind == "weights"
    assert (seen.kind, seen.license, seen.revision) == ("model", "apache-2.0", "main")
    assert seen.commit == repo.refs["main"]
    assert seen.card["pipeline_tag"] == "text-generation"
    assert seen.total_bytes == seen.missing_bytes == sum(tree[n].size for n in by_name)
    assert seen.free_bytes
    assert any("modeling_big.py is Python code" in note for note in seen.notes)


def test_what_is_here_already(hub: HubStub, repo: Repo) -> None:
    download("hf:model:acme/big", allow="*.json")
    seen = plan("hf:model:acme/big")
    assert {f.name for f in seen.files if f.cached} == {INDEX, "config.json"}
    seen.download()
    hub.hub.log.clear()
    hub.cdn.log.clear()
    again = plan("hf:model:acme/big")
    assert again.missing_bytes == 0
    assert again.tensors == seen.tensors
    assert (len(hub.hub.log), hub.cdn.log) == (1, [])
    hub.close()
    assert plan("hf:model:acme/big", offline=True).tensors == seen.tensors


def test_a_plan_is_carried_out_as_it_was_made(hub: HubStub, repo: Repo) -> None:
    seen = plan("hf:model:acme/big")
    repo.commit({"config.json": b'{"changed": 1}'})
    result = seen.download()
    assert {f.name for f in result} == {f.name for f in seen.files}
    assert (result.path / "config.json").read_bytes() == b"{}"
    assert (result.lineage["revision"], result.lineage["commit"]) == ("main", seen.commit)
    assert {f.name: f.sha256 for f in result if f.name.endswith("tensors")} == {
        f.name: f.sha256 for f in seen.files if f.name.endswith("tensors")
    }
    with pytest.raises(InvalidArgument, match="split"):
        seen.download(split="train")
    newer = download("hf:model:acme/big")
    assert (newer.path / "config.json").read_bytes() == b'{"changed": 1}'


def test_a_missing_shard_is_named(hub: HubStub, repo: Repo, shards: dict[str, bytes]) -> None:
    lost = "model-00003-of-00003.safetensors"
    repo.commit({INDEX: index_of(shards, c=lost)})
    for act in (plan, download):
        with pytest.raises(CorruptInput, match=lost) as caught:
            act("hf:model:acme/big")
        assert "another revision" in caught.value.hint
    assert not [s for s in hub.cdn.log if s.sent > 1000], "weights moved although one is missing"


def test_a_tensor_that_is_not_in_its_shard(
    hub: HubStub, repo: Repo, shards: dict[str, bytes]
) -> None:
    repo.commit({INDEX: index_of(shards, lost=next(iter(shards)))})
    with pytest.raises(CorruptInput, match="lost is in model-00001"):
        download("hf:model:acme/big")


def test_no_header_to_read(hub: HubStub) -> None:
    repo = hub.repos.create("model", "acme/old")
    repo.commit({"config.json": b"{}", "pytorch_model.bin": b"x" * 100})
    seen = plan("hf:model:acme/old")
    assert seen.tensors == ()
    assert any("pytorch_model.bin has no header" in note for note in seen.notes)
    repo.commit({"model.safetensors": b"version https://git-lfs.github.com/spec/v1\n"})
    broken = plan("hf:model:acme/old")
    assert any("is no safetensors file" in note for note in broken.notes)


def test_gated_and_private(hub: HubStub, shards: dict[str, bytes]) -> None:
    repo = hub.repos.create("model", "acme/gated", gated=True)
    repo.commit({"model.safetensors": weights(1), "config.json": b"{}"})
    seen = plan("hf:model:acme/gated")
    assert seen.gated
    assert seen.tensors == ()
    assert any("cannot be read yet" in note and "accept the terms" in note for note in seen.notes)
    assert len(plan("hf:model:acme/gated", token="hf_ann").tensors) == 2
    data = hub.repos.create("dataset", "acme/closed", gated=True)
    data.commit({"a.csv": b"x\n1\n"})
    for spec in ("hf:dataset:acme/closed", "datasets:acme/closed"):
        closed = plan(spec)
        assert [f.name for f in closed.files] == ["a.csv"]
        assert any("cannot be read yet" in note for note in closed.notes)
        assert not any("cannot be read" in note for note in plan(spec, token="hf_ann").notes)
    hub.repos.create("model", "acme/own", private=True).commit({"model.safetensors": weights(2)})
    with pytest.raises(SourceNotFound, match="private"):
        plan("hf:model:acme/own")
    mine = plan("hf:model:acme/own", token="hf_ann")
    assert mine.private
    assert any("private" in note for note in mine.notes)
    assert hub.leaked == []


def test_the_token_is_shown_nowhere(hub: HubStub) -> None:
    hub.repos.create("model", "acme/own", private=True).commit({"model.safetensors": weights(2)})
    seen = plan("hf:model:acme/own", token="hf_ann")
    kept = [repr(seen), str(seen), seen._repr_html_(), pickle.dumps(seen).decode("latin-1"),
            str(dataclasses.asdict(seen)), repr(seen.request)]  # fmt: skip
    assert not [text for text in kept if "hf_ann" in text]
    assert seen.download().size == seen.total_bytes
    again = pickle.loads(pickle.dumps(seen))
    assert again == seen
    assert again.download(token="hf_ann").from_cache


def test_data_sets(hub: HubStub, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    card = {"license": "mit", "pretty_name": "Pets", "task_categories": ["image-classification"]}
    repo = hub.repos.create("dataset", "acme/pets", card=card)
    for split, rows in (("train", 30), ("test", 10)):
        pq.write_table(pa.table({"x": list(range(rows))}), tmp_path / f"{split}.parquet")
        repo.commit({f"data/{split}-00000-of-00001.parquet": tmp_path / f"{split}.parquet"})
    whole = plan("hf:dataset:acme/pets")
    assert (whole.kind, whole.license) == ("dataset", "mit")
    assert whole.card["pretty_name"] == "Pets"
    assert {f.kind for f in whole.files if f.name.endswith("parquet")} == {"data"}
    part = plan("hf:dataset:acme/pets:data/test*")
    assert [f.name for f in part.files] == ["data/test-00000-of-00001.parquet"]
    assert not hub.cdn.log
    rows = plan("datasets:acme/pets", split="test", limit=5)
    assert [f.name for f in rows.files] == ["data/test-00000-of-00001.parquet"]
    assert (rows.card["split"], rows.card["limit"]) == ("test", 5)
    assert any("first 5 rows" in note for note in rows.notes)
    assert not rows.files[0].cached
    assert rows.download().lineage["rows"] == 5
    assert plan("datasets:acme/pets", split="test", limit=5).missing_bytes == 0
    with pytest.raises(SourceNotFound, match="no split"):
        plan("datasets:acme/pets", split="nothing")


def test_a_lance_table(hub: HubStub, tmp_path: Path) -> None:
    import lance
    import pyarrow as pa

    lance.write_dataset(pa.table({"x": list(range(50))}), tmp_path / "repo" / "t.lance")
    hub.repos.import_folder("dataset", "acme/tables", tmp_path / "repo")
    seen = plan("hf://datasets/acme/tables/t.lance")
    assert (seen.kind, seen.source) == ("lance", "hf://datasets/acme/tables/t.lance")
    assert all(f.name.startswith("t.lance/") for f in seen.files)
    assert not hub.cdn.log
    hub.repos.get("dataset", "acme/tables").commit({"t.lance/_versions/9.manifest": b"broken"})
    result = seen.download()
    assert (result.kind, result.lineage["rows"]) == ("lance", 50)
    assert result.lineage["commit"] == seen.commit
    assert result.size == seen.total_bytes
    with pytest.raises(SourceNotFound, match="no Lance table"):
        plan("hf://datasets/acme/tables/other.lance")


def test_a_renamed_repository(hub: HubStub, repo: Repo) -> None:
    hub.repos.move(repo, "acme/new")
    seen = plan("hf:model:acme/big")
    assert len(seen.tensors) == 4
    assert seen.download().size == seen.total_bytes


def test_many_files_and_unsafe_names(hub: HubStub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lancenb.download._plan_kinds.MANY", 20)
    repo = hub.repos.create("dataset", "acme/pictures")
    repo.commit({f"a/{i}.png": bytes([i]) for i in range(25)} | {"../evil.csv": b"1"})
    seen = plan("hf:dataset:acme/pictures")
    assert any("25 files mean as many requests" in note for note in seen.notes)
    assert any("'../evil.csv'" in note for note in seen.notes)
    assert "../evil.csv" not in {f.name for f in seen.files}


def test_not_enough_room(hub: HubStub, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lancenb.download._plan_kinds.free_space", lambda folder: 1_000_000)
    seen = plan("hf:model:acme/big")
    assert any("free 5.4 MB" in note and "LANCENB_CACHE" in note for note in seen.notes), seen.notes


def test_offline_without_a_copy(hub: HubStub, repo: Repo) -> None:
    with pytest.raises(Offline):
        plan("hf:model:acme/big", offline=True)
    assert hub.hub.log == []
    assert ModelDownloader("acme/big").plan().total_bytes > 0
    download("hf:model:acme/big", allow="*.json")
    part = plan("hf:model:acme/big", offline=True)
    assert part.tensors == ()
    assert any("not known offline" in note for note in part.notes)
