"""Lance tables on the Hub: opened where they are, brought here, pinned to a commit."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from lancenb.convert import to_datasets
from lancenb.download import Cache, UrlPolicy, download, open_lance
from lancenb.download._hub_files import HubFolder
from lancenb.download.errors import BlockedURL, DownloadDenied, GatedRepo, RevisionNotFound
from lancenb.download.lance_repo import lance_table, parse_table
from lancenb.errors import (
    AlreadyExists,
    ChecksumMismatch,
    InvalidArgument,
    LancenbError,
    Offline,
    SourceNotFound,
    StoreNotWritable,
    TagNotFound,
    VersionNotFound,
)
from lancenb.progress import Tracker
from lancenb.store import lance_module, open_table
from lancenb.testing import HubStub

URI = "hf://datasets/acme/birds/data/birds.lance"


@pytest.fixture
def birds(hub: HubStub, tmp_path: Path) -> dict[str, str]:
    """Serve a table with two versions and a tag; return the commits by name."""
    lance = lance_module()
    folder = tmp_path / "repo"
    path = folder / "data" / "birds.lance"
    rows = pa.table({"id": range(100), "song": [b"x" * 1000] * 100})
    lance.write_dataset(rows, str(path))
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    (folder / "data" / "other.csv").write_text("a\n1\n")
    repo = hub.repos.import_folder("dataset", "acme/birds", folder)
    commits = {"old": repo.refs["main"]}
    lance.write_dataset(rows, str(path), mode="append")
    lance.dataset(str(path)).tags.create("first", 1)
    commits["new"] = repo.commit(
        {p.relative_to(folder).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}
    )
    return commits


def repo_of(hub: HubStub) -> object:
    return hub.repos._repos["dataset", "acme/birds"]


def test_a_remote_table_is_pinned_to_one_commit(hub: HubStub, birds: dict[str, str]) -> None:
    table = open_lance(URI)
    assert table.count_rows() == 200
    assert table.take([150], columns=["id"]).to_pydict() == {"id": [50]}
    hub.hub.log.clear()
    table.to_table()
    asked = [seen.path for seen in hub.hub.log if "/resolve/" in seen.path]
    assert asked
    assert all(f"/resolve/{birds['new']}/data/birds.lance/" in path for path in asked)
    assert not hub.leaked


def test_revision_version_and_tag(hub: HubStub, birds: dict[str, str]) -> None:
    assert open_lance(URI, revision=birds["old"]).count_rows() == 100
    assert open_lance(f"{URI}@{birds['old']}").count_rows() == 100
    inner = URI.replace("acme/birds", f"acme/birds@{birds['old']}")
    assert open_lance(inner).count_rows() == 100
    assert open_lance(URI, version=1).count_rows() == 100
    assert open_lance(URI, version="first").count_rows() == 100
    with pytest.raises(VersionNotFound, match="no version 9") as caught:
        open_lance(URI, version=9)
    assert "1-2" in caught.value.hint
    with pytest.raises(TagNotFound, match="frist") as tag:
        open_lance(URI, version="frist")
    assert "first" in tag.value.hint
    with pytest.raises(RevisionNotFound):
        open_lance(URI, revision="v9")
    with pytest.raises(InvalidArgument, match="at 'a' and at 'b'"):
        open_lance(f"{URI}@a", revision="b")


def test_what_is_not_there_is_named(hub: HubStub, birds: dict[str, str]) -> None:
    with pytest.raises(SourceNotFound, match="no Lance table") as caught:
        open_lance("hf://datasets/acme/birds/data/brids.lance")
    assert "data/birds.lance" in caught.value.hint
    with pytest.raises(SourceNotFound):
        open_lance("hf://datasets/acme/nothing/t.lance")
    with pytest.raises(SourceNotFound):
        open_lance("hf://models/acme/birds/t.lance")


@pytest.mark.parametrize(
    "uri", ["hf://spaces/a/b/t.lance", "hf://datasets/a/t.lance", "hf://datasets/a/b/../t.lance"]
)
def test_addresses_that_are_none(uri: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_table(uri)


def test_private_and_gated_tables(
    hub: HubStub, birds: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = repo_of(hub)
    repo.private = True  # type: ignore[attr-defined]
    with pytest.raises(SourceNotFound, match="private"):
        open_lance(URI)
    table = open_lance(URI, token="hf_ann")
    assert table.count_rows() == 200
    assert "hf_ann" not in repr(table)
    monkeypatch.setenv("HF_TOKEN", "hf_ann")
    assert open_table(URI).count_rows() == 200
    monkeypatch.delenv("HF_TOKEN")
    repo.private, repo.gated = False, True  # type: ignore[attr-defined]
    start = time.monotonic()
    with pytest.raises(GatedRepo, match="terms") as caught:
        open_lance(URI)
    assert time.monotonic() - start < 60
    assert "hf auth login" in caught.value.hint
    with pytest.raises((GatedRepo, DownloadDenied)):
        download(URI)
    local = download(URI, token="hf_ann")
    assert "hf_ann" not in repr(local) + str(local.lineage)
    assert not hub.leaked


def test_a_dead_hub_is_told_soon(hub: HubStub, birds: dict[str, str]) -> None:
    hub.close()
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(Offline):
            open_lance(URI)
        with pytest.raises(Offline):
            open_table(URI)
        assert time.monotonic() - start < 60


def test_a_local_copy_holds_just_that_table(
    hub: HubStub, birds: dict[str, str], tmp_path: Path
) -> None:
    result = download(URI)
    assert result.kind == "lance"
    assert result.path.name == "birds.lance"
    assert {file.name.split("/")[0] for file in result} <= {
        "data",
        "_versions",
        "_transactions",
        "_refs",
    }
    assert all(file.sha256 for file in result)
    assert open_table(result.path).count_rows() == 200
    assert result.lineage["commit"] == birds["new"]
    assert result.lineage["license"] == "mit"
    assert (result.lineage["version"], result.lineage["rows"]) == (2, 200)
    assert not list(result.path.parent.rglob("*.csv"))
    again = download(URI, offline=True)
    assert (again.path, again.from_cache) == (result.path, True)
    old = download(f"{URI}@{birds['old']}")
    assert open_table(old.path).count_rows() == 100
    mine = download(URI, to=tmp_path / "mine.lance")
    assert mine.path == tmp_path / "mine.lance"
    assert open_table(mine.path).count_rows() == 200
    assert download(URI, to=tmp_path / "mine.lance").path == mine.path
    assert download(URI, to=tmp_path / "in").path == tmp_path / "in" / "birds.lance"
    with pytest.raises(AlreadyExists):
        download(f"{URI}@{birds['old']}", to=tmp_path / "mine.lance")


def test_a_copy_in_the_cache_that_was_written_to_is_left_alone(
    hub: HubStub, birds: dict[str, str]
) -> None:
    first = download(URI).path
    lance_module().write_dataset(pa.table({"id": [1], "song": [b"y"]}), str(first), mode="append")
    second = download(URI).path
    assert second != first
    assert open_table(second).count_rows() == 200
    assert open_table(first).count_rows() == 201


def test_damage_on_the_way_is_found(hub: HubStub, birds: dict[str, str]) -> None:
    hub.cdn.faults.add("corrupt", path="*", times=1)
    assert open_table(download(URI).path).count_rows() == 200
    hub.cdn.faults.add("corrupt", path="*", times=0)
    with pytest.raises(ChecksumMismatch):
        download(URI, force=True)


def test_four_at_once_make_one_copy(hub: HubStub, birds: dict[str, str], cache: Path) -> None:
    found: list[Path] = []
    name = URI.removeprefix("hf://")

    def work() -> None:
        result = lance_table(name, cache=Cache(cache), tracker=Tracker())
        found.append(result.path)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_what_another_download_has_just_ended_is_no_error(
    hub: HubStub, birds: dict[str, str], cache: Path
) -> None:
    blobs = cache / "hub" / "datasets--acme--birds" / "blobs"
    blobs.mkdir(parents=True)
    # Listed, and not there when it is looked at: what a renamed part looks like.
    (blobs / ".0123456789abcdef.part").symlink_to(blobs / "renamed")
    assert open_table(download(URI).path).count_rows() == 200


def test_a_link_that_another_download_makes_too_is_never_gone(cache: Path) -> None:
    layout = HubFolder(Cache(cache), "dataset", "acme/birds")
    layout.blobs.mkdir(parents=True)
    blob = layout.blobs / ("a" * 64)
    blob.write_bytes(b"x")
    path = layout.snapshot("b" * 40) / "data" / "x.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")  # replaced by the link, as what links to lost content is
    gone = threading.Event()

    def work() -> None:
        for _ in range(300):
            if not path.exists():
                gone.set()

    watcher = threading.Thread(target=work)
    watcher.start()
    while watcher.is_alive():
        layout.link(blob, "b" * 40, "data/x.bin")
        path.with_suffix(".old").write_bytes(b"x")
        path.with_suffix(".old").replace(path)
    assert not gone.is_set()
    layout.link(blob, "b" * 40, "data/x.bin")
    assert path.resolve() == blob.resolve()
    assert [file.name for file in layout.blobs.iterdir()] == [blob.name]


def test_servers_do_not_hand_addresses_to_lance(hub: HubStub, birds: dict[str, str]) -> None:
    policy = UrlPolicy.for_servers(trusted=(hub.cdn.url,))
    with pytest.raises(BlockedURL, match="cannot check addresses"):
        open_lance(URI, policy=policy)
    assert open_table(download(URI, policy=policy).path).count_rows() == 200


def test_tables_of_model_repositories_and_the_way_to_datasets(
    hub: HubStub, birds: dict[str, str], tmp_path: Path
) -> None:
    hub.repos.import_folder("model", "acme/net", tmp_path / "repo")
    uri = "hf://models/acme/net/data/birds.lance"
    assert open_lance(uri).count_rows() == 200
    assert download(uri).lineage["repo_type"] == "model"
    stream = to_datasets(f"{URI}@{birds['old']}", columns=["id"], streaming=True)
    assert [row["id"] for row in stream.take(3)] == [0, 1, 2]
    assert len(to_datasets(URI, cache=tmp_path / "c")) == 200


def test_every_door_reads_a_table_on_the_hub(
    hub: HubStub, birds: dict[str, str], tmp_path: Path
) -> None:
    import lancenb
    from lancenb.data import LanceTorchDataset
    from lancenb.widgets import preview

    assert "birds" in str(preview(URI))
    data = LanceTorchDataset(URI, columns=["id"])
    repo_of(hub).commit({"data/birds.lance/_versions/x.txt": b"later"})  # type: ignore[attr-defined]
    copy = pickle.loads(pickle.dumps(data))
    assert int(copy[150]["id"]) == 50
    assert copy.table.options["hf_revision"] == birds["new"]
    dm = lancenb.DataManager(tmp_path / "store")
    artifact = dm.register("birds", f"{URI}@{birds['old']}")
    assert artifact.rows == 100
    assert f"@{birds['old']}/" in artifact.to_dict()["uri"]
    assert dm.fsck().ok
    assert int(LanceTorchDataset(dm["birds"], columns=["id"])[5]["id"]) == 5


def test_writes_are_refused_in_words(hub: HubStub, birds: dict[str, str], tmp_path: Path) -> None:
    import lancenb

    rows = pa.table({"id": [1], "song": [b"y"]})
    for mode in ("create", "append", "overwrite"):
        with pytest.raises(StoreNotWritable, match="only read"):
            lancenb.convert(rows, URI, mode=mode)
    dm = lancenb.DataManager(tmp_path / "store")
    dm.register("birds", URI)
    with pytest.raises(StoreNotWritable, match="only read"):
        dm.convert(rows, "birds", mode="append")
    with pytest.raises(StoreNotWritable):
        dm.rollback("birds", 1)
    with pytest.raises(LancenbError):
        dm.tag("birds", "mine")
    dm.delete("birds", confirm="birds", force=True)
    assert open_table(URI).count_rows() == 200


def test_a_repository_of_files_has_whole_tables(hub: HubStub, birds: dict[str, str]) -> None:
    from lancenb.download import DatasetDownloader

    result = DatasetDownloader("acme/birds", mode="repo").download()
    assert open_table(result.path / "data" / "birds.lance").count_rows() == 200
    table = DatasetDownloader(URI).download()
    assert (table.kind, open_table(table.path).count_rows()) == ("lance", 200)


REPLACED = """
import os, signal, sys
real = os.replace

def replace(old, new):
    real(old, new)
    if os.fspath(old) == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
from lancenb.download import download
download(sys.argv[1], to=sys.argv[2], force=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="folders change places in one step on Linux")
def test_a_table_is_replaced_in_one_step(birds: dict[str, str], tmp_path: Path) -> None:
    """A kill after the old table has gone, and before the new one is there, cannot happen."""
    path = tmp_path / "mine.lance"
    download(URI, revision=birds["old"], to=path)
    code = [sys.executable, "-c", REPLACED, URI, str(path)]
    done = subprocess.run(code, env=dict(os.environ), capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    assert open_table(path).count_rows() == (100 if done.returncode else 200)
    assert [item.name for item in tmp_path.iterdir() if item.name.startswith(".mine")] == []
