"""huggingface_hub against the local Hub: uploads, commits, branches, tags, settings, names."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from lancenb.testing import HubStub

from .client import Client

TWELVE_MB = (12 << 20) + 5


def upload(folder: str, name: str, kind: str) -> list[str]:
    from huggingface_hub import HfApi

    api = HfApi(token="hf_ann")
    url = api.create_repo(name, repo_type=kind)
    again = api.create_repo(name, repo_type=kind, exist_ok=True)
    assert url == again
    assert (url.repo_id, url.repo_type) == (name, kind)
    done = api.upload_folder(folder_path=folder, repo_id=name, repo_type=kind)
    first = done.oid
    api.upload_file(
        path_or_fileobj=b"late", path_in_repo="late.txt", repo_id=name, repo_type=kind,
        commit_message="Late", commit_description="very late",
    )  # fmt: skip
    api.upload_folder(folder_path=folder, repo_id=name, repo_type=kind, delete_patterns="*.txt")
    return [first, *api.list_repo_files(name, repo_type=kind)]


def test_upload_of_a_folder_in_one_commit(hub: HubStub, client: Client, folder: Path):
    (folder / "weights.safetensors").write_bytes(os.urandom(TWELVE_MB))
    for kind in ("model", "dataset"):
        sha, *files = client(upload, str(folder), "ann/up", kind)
        assert files == [
            ".gitattributes",
            "README.md",
            "config.json",
            "sub/weights.bin",
            "weights.safetensors",
        ]
        repo = hub.repos.get(kind, "ann/up")
        assert repo
        tree = repo.commits[sha]
        for path in ("config.json", "sub/weights.bin", "weights.safetensors"):
            assert tree[path].data.read_bytes() == (folder / path).read_bytes()
        content = (folder / "weights.safetensors").read_bytes()
        assert tree["weights.safetensors"].sha256 == hashlib.sha256(content).hexdigest()
        assert tree["config.json"].sha256 is None
        titles = [commit.title for commit in repo.log(repo.refs["main"])]
        assert titles[1:] == ["Late", "Upload folder using huggingface_hub", "initial commit"]
        assert repo.metadata(sha) == {"license": "mit", "tags": ["tiny"]}
    puts = hub.cdn.requests("PUT")
    assert len(puts) == 1 + 3, "once each for both kinds, the large one in three parts"
    assert sum(seen.received for seen in puts) == TWELVE_MB + 256 * 800
    assert len(hub.hub.requests("POST", "/complete-multipart/")) == 1


def commit(parent: str | None) -> tuple[str, str]:
    from huggingface_hub import (
        CommitOperationAdd,
        CommitOperationCopy,
        CommitOperationDelete,
        HfApi,
    )

    done = HfApi(token="hf_ann").create_commit(
        "acme/c",
        [
            CommitOperationAdd("new.txt", b"new"),
            CommitOperationAdd("new.bin", b"\0" * 100),
            CommitOperationDelete("old.txt"),
            CommitOperationDelete("gone/", is_folder=True),
            CommitOperationCopy("w.bin", "copy.bin"),
            CommitOperationCopy("a.txt", "copy.txt"),
        ],
        commit_message="All at once",
        parent_commit=parent,
    )
    return done.oid, str(done.commit_url)


def test_a_commit_of_many_operations(hub: HubStub, client: Client):
    repo = hub.repos.create("model", "acme/c")
    first = repo.commit({"old.txt": b"o", "a.txt": b"a", "w.bin": b"\1" * 50, "gone/x/y": b"y"})
    sha, page = client(commit, first)
    assert page == f"{hub.url}/acme/c/commit/{sha}"
    tree = repo.commits[sha]
    assert {path: entry.data.read_bytes() for path, entry in tree.items()} == {
        "a.txt": b"a",
        "w.bin": b"\1" * 50,
        "new.txt": b"new",
        "new.bin": b"\0" * 100,
        "copy.bin": b"\1" * 50,
        "copy.txt": b"a",
    }
    assert tree["new.bin"].sha256, "content with zero bytes goes to LFS whatever its name"
    assert repo.history[sha].parent == first
    assert client.failure(commit, first).status == 412
    assert client.failure(commit, sha).status == 404, "old.txt has gone"
    assert repo.refs["main"] == sha


def delete_file(name: str, path: str) -> None:
    from huggingface_hub import HfApi

    HfApi(token="hf_ann").delete_file(path, name)


def refs() -> list[Any]:
    from huggingface_hub import HfApi

    api = HfApi(token="hf_ann")
    api.create_branch("acme/r", branch="dev/x")
    api.create_branch("acme/r", branch="dev/x", exist_ok=True)
    api.create_branch("acme/r", branch="old", revision="v0")
    api.create_tag("acme/r", tag="v1", revision="dev/x", tag_message="one")
    api.create_tag("acme/r", tag="v1", exist_ok=True)
    sha = api.upload_file(path_or_fileobj=b"2", path_in_repo="a", repo_id="acme/r",
                          revision="dev/x").oid  # fmt: skip
    api.delete_branch("acme/r", branch="old")
    api.delete_tag("acme/r", tag="v0")
    found = api.list_repo_refs("acme/r")
    branches = {ref.name: ref.target_commit for ref in found.branches}
    tags = {ref.name: ref.target_commit for ref in found.tags}
    api.super_squash_history("acme/r", branch="dev/x")
    return [sha, branches, tags, len(api.list_repo_commits("acme/r", revision="dev/x"))]


def wrong_ref(what: str, *args: Any, **options: Any) -> None:
    from huggingface_hub import HfApi

    getattr(HfApi(token="hf_ann"), what)("acme/r", *args, **options)


def test_branches_and_tags(hub: HubStub, client: Client):
    repo = hub.repos.create("model", "acme/r")
    first = repo.commit({"a": b"0"})
    repo.tags["v0"] = first
    second = repo.commit({"a": b"1"})
    sha, branches, tags, squashed = client(refs)
    assert branches == {"main": second, "dev/x": sha}
    assert tags == {"v1": second}
    assert squashed == 1
    assert repo.commits[repo.refs["dev/x"]]["a"].data.read_bytes() == b"2"
    for what, options, kind, status in (
        ("create_branch", {"branch": "dev/x"}, "HfHubHTTPError", 409),
        ("create_branch", {"branch": "b", "revision": "none"}, "RevisionNotFoundError", 404),
        ("create_tag", {"tag": "v1"}, "HfHubHTTPError", 409),
        ("create_tag", {"tag": "v2", "revision": "none"}, "RevisionNotFoundError", 404),
        ("delete_branch", {"branch": "none"}, "RevisionNotFoundError", 404),
        ("delete_branch", {"branch": "main"}, "HfHubHTTPError", 403),
        ("delete_tag", {"tag": "v0"}, "RevisionNotFoundError", 404),
        ("super_squash_history", {"branch": "none"}, "RevisionNotFoundError", 404),
    ):
        failure = client.failure(wrong_ref, what, **options)
        assert (failure.kinds[0], failure.status) == (kind, status), what


def whole_life(name: str) -> list[Any]:
    from huggingface_hub import HfApi

    api, others = HfApi(token="hf_ann"), HfApi(token="hf_bob")
    seen = []
    api.create_repo(name, private=True)
    seen.append(others.repo_exists(name))
    api.update_repo_settings(name, private=False, gated="manual")
    info = others.model_info(name)
    seen.append((info.private, info.gated))
    api.upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=name)
    api.move_repo(name, name + "-moved")
    seen.append(api.model_info(name).id)
    seen.append(Path(api.hf_hub_download(name, "x.txt")).read_text())
    api.delete_repo(name + "-moved")
    seen.append(api.repo_exists(name + "-moved"))
    api.delete_repo(name + "-moved", missing_ok=True)
    return seen


def test_the_life_of_a_repository(hub: HubStub, client: Client):
    assert client(whole_life, "ann/life") == [
        False,
        (False, "manual"),
        "ann/life-moved",
        "x",
        False,
    ]


def write(name: str, token: str | bool) -> None:
    from huggingface_hub import HfApi

    HfApi(token=token).upload_file(path_or_fileobj=b"x", path_in_repo="x.txt", repo_id=name)


def change(token: str | bool, what: str, *args: Any, **options: Any) -> None:
    from huggingface_hub import HfApi

    getattr(HfApi(token=token), what)(*args, **options)


def test_who_may_not_write(hub: HubStub, client: Client):
    repo = hub.repos.create("model", "acme/w")
    sha = repo.commit({"a": b"a"})
    for token, status, words in (
        ("hf_ann_read", 403, "write token"),
        ("hf_bob", 403, "rights"),
        ("hf_wrong", 401, "Invalid credentials"),
        (False, 401, "Invalid username or password"),
    ):
        failure = client.failure(write, "acme/w", token)
        assert (failure.kinds[0], failure.status) == ("HfHubHTTPError", status)
        assert words in failure.text
        for what, args, options in (
            ("create_tag", ["acme/w"], {"tag": "t"}),
            ("create_repo", ["acme/new"], {}),
            ("delete_repo", ["acme/w"], {}),
            ("move_repo", ["acme/w", "acme/v"], {}),
            ("update_repo_settings", ["acme/w"], {"private": True}),
        ):
            assert client.failure(change, token, what, *args, **options).status == status, what
    assert repo.refs == {"main": sha}
    assert repo.tags == {}
    assert not repo.private
    client(change, "hf_bob", "create_repo", "mine")
    client(write, "bob/mine", "hf_bob")
    assert client.failure(change, "hf_bob", "move_repo", "bob/mine", "acme/mine").status == 403
    client(change, "hf_ann", "create_repo", "acme/taken")
    assert client.failure(change, "hf_ann", "create_repo", "acme/taken").status == 409
    assert client.failure(change, "hf_ann", "move_repo", "acme/w", "acme/taken").status == 409


def bad_card(name: str) -> None:
    from huggingface_hub import HfApi

    card = b"---\nlicense: [mit\n---\n"
    HfApi(token="hf_ann").upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=name)


def test_a_card_that_cannot_be_read_is_refused(hub: HubStub, client: Client):
    hub.repos.create("model", "acme/card").commit({"a": b"a"})
    failure = client.failure(bad_card, "acme/card")
    assert failure.kinds[0] == "ValueError"
    assert "Invalid metadata in README.md" in failure.text
    assert client.failure(delete_file, "acme/card", "none").kinds[0] == "RemoteEntryNotFoundError"


def upload_bytes(name: str, size: int) -> None:
    from huggingface_hub import HfApi

    content = os.urandom(size)
    HfApi(token="hf_ann").upload_file(path_or_fileobj=content, path_in_repo="w.bin", repo_id=name)


def test_an_upload_that_failed_once_is_repeated(hub: HubStub, client: Client):
    repo = hub.repos.create("model", "acme/again")
    hub.cdn.faults.add("status", method="PUT", status=500)
    client(upload_bytes, "acme/again", 300_000)
    assert [seen.status for seen in hub.cdn.requests("PUT")] == [500, 200]
    assert repo.commits[repo.refs["main"]]["w.bin"].size == 300_000


def send(url: str, method: str, body: object) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = Request(url, data, {"Authorization": "Bearer hf_ann"}, method=method)
    if "/upload/" in url:
        del request.headers["Authorization"]
    try:
        with urlopen(request) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except HTTPError as error:
        return error.code, json.loads(error.read())


def test_content_that_is_not_what_was_announced_is_refused(hub: HubStub):
    hub.repos.create("model", "acme/lfs").commit({"a": b"a"})
    lfs = f"{hub.url}/acme/lfs.git/info/lfs"
    content = b"\0" * (6 << 20)
    oid, size = hashlib.sha256(content).hexdigest(), len(content)
    order = {"operation": "upload", "objects": [{"oid": oid, "size": size}]}
    status, plan = send(f"{lfs}/objects/batch", "POST", order)
    put = plan["objects"][0]["actions"]["upload"]["href"]
    assert (status, plan["transfer"]) == (200, "basic")
    assert send(put, "PUT", content[1:])[0] == 400
    assert send(put.replace("secret", "guess"), "PUT", content)[0] == 403
    assert send(f"{lfs}/verify", "POST", {"oid": oid, "size": size})[0] == 404
    line = {"key": "lfsFile", "value": {"path": "w", "algo": "sha256", "oid": oid, "size": size}}
    lines = json.dumps({"key": "header", "value": {"summary": "s"}}) + "\n" + json.dumps(line)
    commit_url = f"{hub.url}/api/models/acme/lfs/commit/main"
    assert send(commit_url, "POST", lines.encode())[0] == 400

    _, plan = send(f"{lfs}/objects/batch", "POST", {**order, "transfers": ["multipart"]})
    action = plan["objects"][0]["actions"]["upload"]
    assert (plan["transfer"], sorted(action["header"])) == ("multipart", ["1", "2", "chunk_size"])
    parts = {"oid": oid, "parts": [{"partNumber": 1, "etag": "x"}, {"partNumber": 2, "etag": "y"}]}
    assert send(action["href"], "POST", parts)[0] == 400, "no part has come"
    half = int(action["header"]["chunk_size"])
    assert send(action["header"]["2"], "PUT", content[half:])[0] == 200
    assert send(action["header"]["1"], "PUT", content[:half])[0] == 200
    assert send(action["href"], "POST", parts)[0] == 200
    assert send(f"{lfs}/verify", "POST", {"oid": oid, "size": size})[0] == 200
    assert send(f"{lfs}/verify", "POST", {"oid": oid, "size": size + 1})[0] == 404
    assert send(commit_url, "POST", lines.encode())[0] == 200
    _, plan = send(f"{lfs}/objects/batch", "POST", order)
    assert "actions" not in plan["objects"][0], "it is here already"
    short = {"operation": "upload", "objects": [{"oid": "12", "size": 1}]}
    _, plan = send(f"{lfs}/objects/batch", "POST", short)
    assert plan["objects"][0]["error"]["code"] == 422


def test_what_is_not_there_is_said(hub: HubStub):
    hub.repos.create("model", "acme/nothing").commit({"a": b"a"})
    for path in ("/api/models/acme/nothing/discussions", "/acme/nothing/tree/main", "/api/what"):
        status, answer = send(f"{hub.url}{path}", "GET", {})
        assert (status, "this local Hub has no" in answer["error"]) == (404, True)
    lines = b'{"key": "header", "value": {}}'
    url = f"{hub.url}/api/models/acme/nothing/commit"
    assert send(f"{url}/main?create_pr=1", "POST", lines)[0] == 400
    assert send(f"{url}/none", "POST", lines)[0] == 404
    assert send(f"{url}/main", "POST", lines + b'\n{"key": "dance", "value": {}}')[0] == 400
