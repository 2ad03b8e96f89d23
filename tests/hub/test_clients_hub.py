"""huggingface_hub against the local Hub: reading, searching, refusals."""

from __future__ import annotations

import hashlib
import http.client
import json
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest

from lancenb.testing import HubStub

from .client import Client

CARD = b"---\nlicense: mit\ntags: [tiny, fun]\npipeline_tag: text-classification\n---\n# Tiny\n"
WEIGHTS = bytes(range(256)) * 5000


@pytest.fixture(scope="module")
def tiny(session_hub: HubStub) -> dict[str, str]:
    """Publish a model with two commits, a branch with a slash and a tag; return the commits."""
    repo = session_hub.repos.create("model", "acme/tiny")
    files = {"README.md": CARD, "config.json": b'{"a": 1}', "w.bin": WEIGHTS}
    names = [f"sub/dir/{i} ö#?.txt" for i in range(5)]
    first = repo.commit({**files, **{name: name.encode() for name in names}}, title="First")
    repo.tags["v1"] = repo.refs["dev/x"] = first
    second = repo.commit({"config.json": b'{"a": 2}'}, title="Second", message="more words")
    return {"first": first, "second": second}


def snapshot(*args: Any, **options: Any) -> dict[str, str]:
    from huggingface_hub import snapshot_download

    root = Path(snapshot_download(*args, **options))
    files = [path for path in root.rglob("*") if path.is_file()]
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_snapshots_of_all_revisions(hub: HubStub, client: Client, tiny: dict[str, str]):
    new = client(snapshot, "acme/tiny")
    assert len(new) == 8
    assert new["w.bin"] == hashlib.sha256(WEIGHTS).hexdigest()
    assert "sub/dir/3 ö#?.txt" in new
    requests = len(hub.log)
    assert client(snapshot, "acme/tiny") == new
    assert len(hub.log) == requests + 1
    assert client(snapshot, "acme/tiny", revision=tiny["second"]) == new
    assert len(hub.log) == requests + 1
    old = {**new, "config.json": hashlib.sha256(b'{"a": 1}').hexdigest()}
    for revision in (tiny["first"], "v1", "dev/x", "refs/heads/dev/x", "refs/tags/v1"):
        assert client(snapshot, "acme/tiny", revision=revision) == old
    assert len([seen for seen in hub.cdn.log if seen.method == "GET"]) == 1


def one_file(*args: Any, **options: Any) -> bytes:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(*args, **options)).read_bytes()


def test_one_file_with_and_without_a_token(hub: HubStub, client: Client, tiny: object, tmp_path):
    for token, kind in ((False, "a"), ("hf_ann", "b"), ("hf_ann_read", "c")):
        cache = str(tmp_path / kind)
        assert client(one_file, "acme/tiny", "w.bin", token=token, cache_dir=cache) == WEIGHTS
        got = client(one_file, "acme/tiny", "config.json", token=token, cache_dir=cache)
        assert got == b'{"a": 2}'
    assert {seen.auth for seen in hub.log} == {None, "Bearer hf_ann", "Bearer hf_ann_read"}


def facts() -> dict[str, Any]:
    from huggingface_hub import HfApi

    api = HfApi()
    info = api.model_info("acme/tiny", files_metadata=True)
    old = api.model_info("acme/tiny", revision="v1", expand=["siblings", "sha"])
    commits = api.list_repo_commits("acme/tiny")
    refs = api.list_repo_refs("acme/tiny")
    tree = list(api.list_repo_tree("acme/tiny", recursive=True, expand=True))
    paths = api.get_paths_info("acme/tiny", ["w.bin", "sub", "none"], expand=True)
    lfs = next(item.lfs for item in info.siblings or [] if item.rfilename == "w.bin")
    return {
        "sha": info.sha,
        "license": info.card_data and info.card_data.license,
        "tags": info.tags,
        "pipeline": info.pipeline_tag,
        "lfs": lfs and (lfs.sha256, lfs.size, lfs.pointer_size),
        "old": (old.sha, len(old.siblings or []), old.tags),
        "commits": [(commit.commit_id, commit.title, commit.message) for commit in commits],
        "branches": {ref.name: ref.target_commit for ref in refs.branches},
        "tag": [(ref.name, ref.ref) for ref in refs.tags],
        "files": api.list_repo_files("acme/tiny", revision="v1"),
        "tree": {item.path: item.last_commit and item.last_commit.title for item in tree},
        "top": sorted(item.path for item in api.list_repo_tree("acme/tiny")),
        "sub": [item.path for item in api.list_repo_tree("acme/tiny", "sub")],
        "paths": [item.path for item in paths],
        "exists": [
            api.file_exists("acme/tiny", "w.bin"),
            api.file_exists("acme/tiny", "none"),
            api.revision_exists("acme/tiny", "dev/x"),
            api.revision_exists("acme/tiny", "dev/y"),
            api.repo_exists("acme/tiny"),
            api.repo_exists("acme/tinier"),
        ],
    }


def test_facts_files_and_history(hub: HubStub, client: Client, tiny: dict[str, str]):
    got = client(facts)
    assert got["sha"] == tiny["second"]
    assert (got["license"], got["pipeline"]) == ("mit", "text-classification")
    assert {"tiny", "fun", "license:mit", "text-classification"} <= set(got["tags"])
    assert got["lfs"] == (hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS), 132)
    assert got["old"] == (tiny["first"], 8, None)
    assert got["commits"] == [
        (tiny["second"], "Second", "more words"),
        (tiny["first"], "First", ""),
    ]
    assert got["branches"] == {"main": tiny["second"], "dev/x": tiny["first"]}
    assert got["tag"] == [("v1", "refs/tags/v1")]
    assert len(got["files"]) == 8
    assert got["tree"]["config.json"] == "Second"
    assert got["tree"]["w.bin"] == got["tree"]["sub"] == got["tree"]["sub/dir"] == "First"
    assert len(got["tree"]) == 10
    assert got["top"] == ["README.md", "config.json", "sub", "w.bin"]
    assert got["sub"] == ["sub/dir"]
    assert got["paths"] == ["w.bin", "sub"]
    assert got["exists"] == [True, False, True, False, True, False]
    pages = [seen for seen in hub.log if "/tree/main" in seen.path]
    assert len(pages) >= 4, "the lists have several pages"


def verify(root: str) -> tuple[int, int]:
    from huggingface_hub import HfApi, snapshot_download

    snapshot_download("acme/tiny", cache_dir=root)
    good = HfApi().verify_repo_checksums("acme/tiny", cache_dir=root)
    for path in Path(root).rglob("w.bin"):
        path.resolve().write_bytes(b"x" + WEIGHTS[1:])
    bad = HfApi().verify_repo_checksums("acme/tiny", cache_dir=root)
    return len(good.mismatches), len(bad.mismatches)


def test_checksums_of_a_repository_are_real(client: Client, tiny: object, tmp_path: Path):
    assert client(verify, str(tmp_path)) == (0, 1)


def safetensors(name: str) -> dict[str, Any]:
    from huggingface_hub import HfApi

    found = HfApi().get_safetensors_metadata(name)
    tensors = {k: v for file in found.files_metadata.values() for k, v in file.tensors.items()}
    return {
        "sharded": found.sharded,
        "weights": dict(found.weight_map),
        "tensors": {name: (info.dtype, list(info.shape)) for name, info in tensors.items()},
    }


def test_safetensors_headers_by_ranges(hub: HubStub, client: Client):
    import numpy as np
    from safetensors.numpy import save

    one = save({"a": np.zeros((300, 300), dtype=np.float32)})
    two = save({"b": np.ones(2, dtype=np.int64)})
    hub.repos.create("model", "acme/single").commit({"model.safetensors": one})
    index = {"metadata": {"total_size": 360_016}, "weight_map": {"a": "m-1.safetensors",
             "b": "m-2.safetensors"}}  # fmt: skip
    hub.repos.create("model", "acme/shards").commit(
        {
            "model.safetensors.index.json": json.dumps(index).encode(),
            "m-1.safetensors": one,
            "m-2.safetensors": two,
        }
    )
    got = client(safetensors, "acme/single")
    assert got == {
        "sharded": False,
        "weights": {"a": "model.safetensors"},
        "tensors": {"a": ("F32", [300, 300])},
    }
    got = client(safetensors, "acme/shards")
    assert (got["sharded"], got["weights"]) == (True, index["weight_map"])
    assert got["tensors"] == {"a": ("F32", [300, 300]), "b": ("I64", [2])}
    assert sum(seen.sent for seen in hub.cdn.log) < len(one), "headers only"


def find(**options: Any) -> list[str]:
    from huggingface_hub import HfApi

    return [info.id for info in HfApi().list_models(token=options.pop("token", False), **options)]


def find_datasets(**options: Any) -> list[str]:
    from huggingface_hub import HfApi

    return [info.id for info in HfApi().list_datasets(token=False, **options)]


def test_search(hub: HubStub, client: Client):
    for i in range(10):
        card = {"tags": ["even" if i % 2 == 0 else "odd"], "license": "mit"}
        repo = hub.repos.create("model", f"zoo/net-{i}", card=card)
        repo.commit({"a": b"%d" % i})
    hub.repos.create("model", "zoo/secret", private=True).commit({"a": b"s"})
    hub.repos.create("model", "zoo/gated", gated=True).commit({"a": b"g"})
    repo = hub.repos.create("dataset", "zoo/cats")
    repo.commit({"README.md": b"---\ntask_categories: [image-classification]\nlanguage: en\n---\n"})
    nets = [f"zoo/net-{i}" for i in range(10)]
    assert client(find, author="zoo") == [*nets, "zoo/gated"]
    assert client(find, author="zoo", token="hf_ann") == [*nets, "zoo/secret", "zoo/gated"]
    assert client(find, author="zoo", token="hf_bob") == [*nets, "zoo/gated"]
    assert client(find, author="zoo", gated=True) == ["zoo/gated"]
    assert client(find, search="NET zoo", limit=3) == nets[:3]
    assert client(find, filter=["odd", "license:mit"]) == nets[1::2]
    assert client(find, filter="odd", author="nobody") == []
    assert client(find, search="net-", sort="last_modified", full=True)[0] == "zoo/net-9"
    assert client(find, pipeline_tag="text-classification", author="zoo") == []
    assert client(find_datasets, author="zoo", task_categories="image-classification") == [
        "zoo/cats"
    ]
    assert client(find_datasets, filter="en", search="cat") == ["zoo/cats"]
    assert client(find_datasets, language="de") == []
    pages = [seen for seen in hub.log if seen.path == "/api/models"]
    assert len(pages) > 10, "results come in pages of four"


def filesystem(repo: str) -> dict[str, Any]:
    from huggingface_hub import HfFileSystem

    fs = HfFileSystem(token="hf_ann", skip_instance_cache=True)
    root = f"datasets/{repo}"
    with fs.open(f"{root}/out/new.txt", "wb") as file:
        file.write(b"hello")
    with fs.open(f"{root}/big.bin", "rb") as file:
        file.seek(-100, 2)
        tail = file.read()
    found = {
        "ls": sorted(path.removeprefix(root + "/") for path in fs.ls(root, detail=False)),
        "glob": [path.removeprefix(root + "/") for path in fs.glob(f"{root}/**/*.txt")],
        "tail": tail,
        "text": fs.cat_file(f"{root}/out/new.txt"),
        "old": fs.exists(f"{root}@v0/out/new.txt"),
        "info": fs.info(f"{root}/big.bin")["size"],
    }
    fs.rm(f"{root}/out/new.txt")
    return {**found, "removed": not fs.exists(f"{root}/out/new.txt")}


def test_the_file_system_reads_and_writes(hub: HubStub, client: Client):
    repo = hub.repos.create("dataset", "acme/fs")
    repo.tags["v0"] = repo.commit({"big.bin": WEIGHTS, "a/b/c.txt": b"c"})
    assert client(filesystem, "acme/fs") == {
        "ls": ["a", "big.bin", "out"],
        "glob": ["a/b/c.txt", "out/new.txt"],
        "tail": WEIGHTS[-100:],
        "text": b"hello",
        "old": False,
        "info": len(WEIGHTS),
        "removed": True,
    }
    assert len(repo.history) == 3


# --- who is refused, and how

INFO = "info"


def read(what: str, name: str, token: str | bool, path: str = "w.bin", **options: Any) -> object:
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    if what == INFO:
        return api.model_info(name, **options).id
    with tempfile.TemporaryDirectory() as cache:
        found = api.hf_hub_download(name, path, cache_dir=cache, **options)
        return hashlib.sha256(Path(found).read_bytes()).hexdigest()


REFUSALS = [
    ("private", False, INFO, "RepositoryNotFoundError", 401),
    ("private", False, "file", "RepositoryNotFoundError", 401),
    ("private", "hf_bob", INFO, "RepositoryNotFoundError", 404),
    ("private", "hf_bob", "file", "RepositoryNotFoundError", 404),
    ("private", "hf_wrong", INFO, "HfHubHTTPError", 401),
    ("gated", False, "file", "GatedRepoError", 401),
    ("gated", "hf_bob", "file", "GatedRepoError", 403),
    ("missing", False, INFO, "RepositoryNotFoundError", 401),
    ("missing", "hf_ann", "file", "RepositoryNotFoundError", 404),
]


@pytest.fixture(scope="module")
def closed(session_hub: HubStub) -> None:
    """Publish a private and a gated model."""
    for kind in ("private", "gated"):
        repo = session_hub.repos.create("model", f"acme/{kind}", **{kind: True})
        repo.commit({"w.bin": WEIGHTS})


@pytest.mark.parametrize(("name", "token", "what", "kind", "status"), REFUSALS)
def test_refusals(
    client: Client, closed: None, name: str, token: Any, what: str, kind: str, status: int
):
    failure = client.failure(read, what, f"acme/{name}", token)
    assert (failure.kinds[0], failure.status) == (kind, status)
    if token == "hf_wrong":
        assert "Invalid credentials" in failure.text
    if name == "gated":
        assert "RepositoryNotFoundError" in failure.kinds


def test_who_has_access_gets_it(client: Client, closed: None):
    good = hashlib.sha256(WEIGHTS).hexdigest()
    for name in ("private", "gated"):
        for token in ("hf_ann", "hf_ann_read"):
            assert client(read, "file", f"acme/{name}", token) == good
    assert client(read, INFO, "acme/gated", False) == "acme/gated"


def test_missing_files_and_revisions(client: Client, tiny: object):
    failure = client.failure(read, "file", "acme/tiny", False, "none.bin")
    assert (failure.kinds[0], failure.status) == ("RemoteEntryNotFoundError", 404)
    failure = client.failure(read, "file", "acme/tiny", False, revision="none")
    assert (failure.kinds[0], failure.status) == ("RevisionNotFoundError", 404)
    failure = client.failure(read, INFO, "acme/tiny", False, revision="none")
    assert (failure.kinds[0], failure.status) == ("RevisionNotFoundError", 404)
    assert client.failure(read, INFO, "acme/a/b", False).kinds[0] == "HFValidationError"


def may_write(name: str, token: str) -> None:
    from huggingface_hub import auth_check

    auth_check(name, token=token, write=True)


def whoami(token: str) -> tuple[str, str]:
    from huggingface_hub import HfApi, auth_check

    found = HfApi().whoami(token=token)
    auth_check("acme/gated", token=token)
    return found["name"], found["auth"]["accessToken"]["role"]


def test_whoami(client: Client, closed: None):
    assert client(whoami, "hf_ann") == ("ann", "write")
    assert client(whoami, "hf_ann_read") == ("ann", "read")
    client(may_write, "acme/private", "hf_ann")
    assert client.failure(may_write, "acme/private", "hf_ann_read").status == 403
    assert client.failure(whoami, "hf_bob").kinds[0] == "GatedRepoError"
    assert client.failure(whoami, "hf_wrong").status == 401


def test_faults_meet_the_real_client(hub: HubStub, client: Client, tiny: object):
    """What the official client makes of them: some it survives, some it does not notice."""
    good = hashlib.sha256(WEIGHTS).hexdigest()
    for kind, outcome in (("cut", good), ("stall", good), ("corrupt", None)):
        fault = hub.cdn.faults.add(kind, path="/lfs/*", seconds=0.2)
        got = client(read, "file", "acme/tiny", False)
        assert fault.used == 1
        assert (got == good) == (outcome == good)
    assert [seen.sent for seen in hub.cdn.log][:2] == [len(WEIGHTS) // 2, len(WEIGHTS)]
    for kind, error in (
        ("rst", "ReadError"),
        ("truncate", "OSError"),
        ("status", "HfHubHTTPError"),
    ):
        hub.cdn.faults.add(kind, path="/lfs/*")
        assert client.failure(read, "file", "acme/tiny", False).kinds[0] == error
    late = hub.cdn.faults.add("status", status=429, retry_after=1)
    began = time.monotonic()
    assert client(read, "file", "acme/tiny", False) == good
    assert late.used == 1
    assert time.monotonic() - began >= 1


# --- options of the Hub, as other clients meet them


def test_small_files_by_a_redirect_and_compressed(client: Client, tmp_path: Path):
    text = b"some words\n" * 1000
    with HubStub(resolve_cache=True, gzip_text=True) as hub:
        hub.repos.create("model", "acme/t").commit({"a b.txt": text, "w.bin": WEIGHTS})
        for name, content in (("a b.txt", text), ("w.bin", WEIGHTS)):
            got = client(
                one_file, "acme/t", name, endpoint=hub.url, cache_dir=str(tmp_path), token=False
            )
            assert got == content
        seen = hub.hub.requests("GET", "/api/resolve-cache/models/acme/t/")
        assert seen[-1].sent < len(text) // 5, "it went compressed"
        redirect = urlopen(Request(f"{hub.url}/acme/t/resolve/main/a%20b.txt", method="HEAD"))
        assert redirect.url.startswith(f"{hub.url}/api/resolve-cache/")
        assert redirect.headers["Content-Length"] == str(len(text))
        assert redirect.headers["X-Repo-Commit"]
        assert urlopen(f"{hub.url}/acme/t/raw/main/w.bin").read().startswith(b"version https://git")


def test_resolve_answers_with_all_headers(hub: HubStub, tiny: dict[str, str]):
    connection = http.client.HTTPConnection(urlsplit(hub.url).netloc)
    for method in ("HEAD", "GET"):
        connection.request(method, "/acme/tiny/resolve/v1/w.bin")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 302
        assert answer.headers["X-Repo-Commit"] == tiny["first"]
        assert answer.headers["X-Linked-Size"] == str(len(WEIGHTS))
        assert answer.headers["X-Linked-ETag"] == f'"{hashlib.sha256(WEIGHTS).hexdigest()}"'
        assert answer.headers["Location"].startswith(hub.cdn.url)
        assert answer.headers["Content-Length"] != str(len(WEIGHTS))
    connection.request("GET", "/acme/tiny/resolve/v1/config.json")
    answer = connection.getresponse()
    assert answer.read() == b'{"a": 1}'
    git = hashlib.sha1(b'blob 8\0{"a": 1}').hexdigest()
    assert answer.headers["ETag"] == f'"{git}"'
    assert answer.headers["Content-Disposition"].startswith("inline; filename*=UTF-8''config.json")
    connection.request("GET", "/acme/tiny/resolve/v1/none")
    answer = connection.getresponse()
    answer.read()
    assert answer.headers["X-Error-Code"] == "EntryNotFound"
    assert answer.headers["X-Repo-Commit"] == tiny["first"]
    with pytest.raises(HTTPError, match="403"):
        urlopen(f"{hub.cdn.url}/lfs/{hashlib.sha256(WEIGHTS).hexdigest()}")
