"""The cache: what is in it, how it looks, and what clearing takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lancenb.download import Cache, download
from lancenb.errors import InvalidArgument, NotFound
from lancenb.testing import FileServer, HubStub

BIG = bytes(range(256)) * 20_000  # 5 MB: content of the CDN
OLD = b"first" * 1_000_000


def on_disk(folder: Path) -> int:
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_symlink() or p.is_file())


def repository(hub: Path, name: str, commits: dict[str, dict[str, bytes]]) -> Path:
    """Make a repository in the official layout; the last commit is ``main``."""
    home = hub / name
    (home / "refs").mkdir(parents=True)
    (home / "blobs").mkdir()
    for commit, files in commits.items():
        folder = home / "snapshots" / commit
        folder.mkdir(parents=True)
        for path, content in files.items():
            blob = home / "blobs" / f"{len(content):040x}"
            blob.write_bytes(content)
            (folder / path).symlink_to(f"../../blobs/{blob.name}")
    (home / "refs" / "main").write_text(list(commits)[-1])
    return home


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that transformers uses, with no cache root chosen."""
    from huggingface_hub import constants

    monkeypatch.delenv("LANCENB_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    folder = tmp_path / "hf-hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))
    repository(folder, "models--acme--tiny", {"a" * 40: {"config.json": b"{}"}})
    return folder


def test_the_listing_equals_the_disk_and_says_what_things_are(
    files: FileServer, hub: HubStub, cache: Path
) -> None:
    hub.repos.create("model", "acme/tiny").commit({"config.json": b"{}", "w.safetensors": BIG})
    url = files.add("/a.bin", b"12345")
    download(url + "?X-Amz-Signature=topsecret")
    download("hf:model:acme/tiny")
    download("hf:model:acme/tiny", allow="config.json")
    download("synthetic:text", split="test", limit=5)
    store = Cache()
    assert store.size() == on_disk(cache)
    titles = {entry.title for entry in store if entry.kind != "locks"}
    assert {url, "hf:model:acme/tiny", "synthetic:text split=test limit=5"} <= titles
    assert any(title.startswith("hf:model:acme/tiny@") for title in titles)
    assert next(iter(store)).title == "hf:model:acme/tiny"  # the largest first
    text = str(store)
    assert text.startswith("download cache: ")
    assert "topsecret" not in text
    for word in ("free on its disk", "hf:model:acme/tiny", "5.1 MB", "synthetic", "changed (UTC)"):
        assert word in text
    assert f"{len(store.entries())} entries" in repr(store)
    assert store.clear() > 0
    assert on_disk(cache) == 0
    assert "0 entries" in str(store)


def test_the_card_escapes_what_strangers_wrote(files: FileServer, cache: Path) -> None:
    path = download(files.add("/a.bin", b"12345")).path
    meta = path.parent / ".meta.json"
    meta.write_text(meta.read_text("utf-8").replace("/a.bin", "/<script>"), "utf-8")
    card = Cache()._repr_html_()
    assert "&lt;script&gt;" in card
    assert "<script" not in card
    assert "--jp-ui-font-color1" in card  # the colours of the theme
    path.write_bytes(b"54321")
    for report in (Cache().verify(), Cache().clear(dry_run=True)):
        assert "<script" not in report._repr_html_()
        assert "&lt;script&gt;" in report._repr_html_()


def test_the_shared_folder_is_listed_and_cleared_only_when_asked_for(shared: Path) -> None:
    store = Cache()
    assert not store.chosen
    assert store.entries() == []
    assert [entry.title for entry in store.entries("hub")] == ["hf:model:acme/tiny"]
    assert "shared with transformers" in str(store)
    (shared / "models--acme--tiny" / "blobs" / f"{2:040x}").write_bytes(b"[]")
    assert store.verify().checked == 0
    assert len(store.verify("hub").damaged) == 1
    store.clear()
    store.clear(name="acme")
    store.clear(leftovers=True)
    store.verify(repair=True)
    assert (shared / "models--acme--tiny" / "snapshots" / ("a" * 40)).is_dir()
    assert store.clear("hub", dry_run=True) == store.size("hub")
    assert store.clear("hub") > 0
    assert on_disk(shared) == 0


def test_a_revision_goes_and_the_others_stay(hub: HubStub, cache: Path) -> None:
    repo = hub.repos.create("model", "acme/tiny")
    first = repo.commit({"config.json": b"{}", "w.safetensors": BIG, "old.safetensors": OLD})
    download("hf:model:acme/tiny", allow="*")
    second = repo.commit({"config.json": b"[]"}, delete=["old.safetensors"])
    download("hf:model:acme/tiny", allow="*")
    store = Cache()
    found = store.revisions("acme/tiny")
    assert {item.commit for item in found} == {first, second}
    assert {item.refs for item in found} == {("main",), ()}
    assert {item.repo for item in found} == {"hf:model:acme/tiny"}
    before = store.size()
    freed = store.clear("hub", name="acme/tiny", revision=first[:8], dry_run=True)
    assert freed == len(OLD) + 2
    assert store.size() == before
    assert store.clear("hub", name="acme/tiny", revision=first[:8]) == freed
    assert [item.commit for item in store.revisions()] == [second]
    assert [first in entry.name for entry in store.entries("verified")] == [False]
    result = download("hf:model:acme/tiny", allow="*", offline=True)
    assert (result.path / "w.safetensors").read_bytes() == BIG
    assert store.verify().ok
    again = download("hf:model:acme/tiny", allow="*", revision=first)
    assert (again.path / "old.safetensors").read_bytes() == OLD
    store.clear("hub", revision="main")
    assert [item.commit for item in store.revisions()] == [first]


def test_a_commit_that_a_fork_shares_goes_only_where_it_was_asked_for(cache: Path) -> None:
    store, commit = Cache(), "c" * 40
    for name in ("models--acme--tiny", "models--bob--tiny", "models--cat--tiny"):
        repository(store.hub, name, {"b" * 40: {"a": b"1"}, commit: {"a": b"22"}})
    store.clear("hub", name="bob/tiny", revision=commit)
    left = {(item.repo, item.commit[0]) for item in store.revisions()}
    assert left == {
        ("hf:model:acme/tiny", "b"),
        ("hf:model:acme/tiny", "c"),
        ("hf:model:bob/tiny", "b"),
        ("hf:model:cat/tiny", "b"),
        ("hf:model:cat/tiny", "c"),
    }


def test_files_that_repositories_share_stay_for_the_others(cache: Path) -> None:
    """The layout of the official client with its common store below ``blobs/``."""
    store, payload = Cache(), BIG[:1000]
    common = store.hub / "blobs" / "ab" / ("ab" * 32)
    common.parent.mkdir(parents=True)
    (store.hub / "blobs" / ".huggingface-shared-blobs").write_text("1")
    common.write_bytes(payload)
    users = []
    for name in ("models--acme--tiny", "models--bob--tiny"):
        home = repository(store.hub, name, {"b" * 40: {"w.bin": b"x"}})
        blob = home / "blobs" / f"{1:040x}"
        blob.unlink()
        blob.symlink_to(os.path.relpath(common, blob.parent))
        users.append(f"{name}/blobs/{blob.name}")
    common.with_name(f"{common.name}.refs").write_text("".join(f"{user}\n" for user in users))
    store.clear("hub", name="acme/tiny")
    assert [entry.title for entry in store.entries("hub") if "hf:" in entry.title] == [
        "hf:model:bob/tiny"
    ]
    link = store.hub / "models--bob--tiny" / "snapshots" / ("b" * 40) / "w.bin"
    assert link.read_bytes() == payload


def test_a_repository_that_the_client_cannot_read_can_be_cleared(cache: Path) -> None:
    store = Cache()
    home = repository(store.hub, "models--acme--tiny", {"b" * 40: {"a": b"1"}})
    (home / "refs" / "gone").write_text("d" * 40)
    assert store.revisions() == []  # the client refuses it
    assert store.clear("hub", name="acme/tiny") > 0
    assert not home.exists()


def test_by_age_size_and_name(files: FileServer, cache: Path) -> None:
    urls = [files.add(f"/{name}.bin", name.encode() * 9000) for name in ("a", "bb", "ccc")]
    homes = [download(url).path.parent for url in urls]
    for item in [*homes[0].iterdir(), homes[0]]:
        os.utime(item, (1, 1))
    store = Cache()
    cleared = store.clear("url", older_than=3600, dry_run=True)
    assert [entry.title for entry in cleared.entries] == urls[:1]
    assert "would free" in str(cleared)
    assert store.clear("url", larger_than=22_000).entries[0].title == urls[2]
    assert store.clear("url", name="/bb.bin", larger_than=10_000_000) == 0
    assert store.clear(name=homes[1].name).entries[0].title == urls[1]
    assert store.clear(older_than=3600, larger_than=1).entries[0].title == urls[0]
    assert store.entries("url") == []


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "nothing"},
        {"older_than": -1},
        {"older_than": "30d"},
        {"larger_than": True},
        {"larger_than": float("nan")},
        {"revision": "main"},
        {"kind": "url", "revision": "main"},
        {"kind": "hub", "revision": "main", "older_than": 5},
    ],
)
def test_what_cannot_be_meant_is_refused(cache: Path, options: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        Cache().clear(**options)  # type: ignore[arg-type]
    assert caught.value.hint


def test_a_revision_that_is_not_there(cache: Path) -> None:
    with pytest.raises(NotFound, match="no revision 'v9'"):
        Cache().clear("hub", name="acme/tiny", revision="v9")


def test_looking_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Cache(tmp_path / "not" / "yet")
    assert store.entries() == store.leftovers() == store.revisions() == []
    assert store.verify().ok
    assert store.clear() == 0
    assert "0 entries" in str(store)
    assert not (tmp_path / "not").exists()
