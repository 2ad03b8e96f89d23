"""Damaged notes, foreign descriptions, files changed behind our back, secrets in messages."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from lancenb.download import Fetcher, UrlPolicy, download, plan
from lancenb.download._addresses import is_public
from lancenb.download._names import url_key
from lancenb.download._quiet import has_query, without_queries
from lancenb.download.errors import BlockedURL
from lancenb.errors import (
    AlreadyExists,
    DownloadFailed,
    InvalidArgument,
    LancenbError,
    SourceNotFound,
    UnsafeInput,
)
from lancenb.testing import FileServer, HubStub


def flip(path: Path) -> None:
    """Change one byte; size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def true_to_its_hashes(result: object) -> bool:
    files = getattr(result, "files")  # noqa: B009
    return all(hashlib.sha256(f.path.read_bytes()).hexdigest() == f.sha256 for f in files)


# files changed on disk


def test_rows_changed_in_the_cache_are_made_again(hub: HubStub) -> None:
    hub.repos.create("dataset", "acme/rows").commit({"data/train.csv": b"a,b\n" + b"1,2\n" * 500})
    made = download("datasets:acme/rows", split="train")
    flip(made.files[0].path)
    again = download("datasets:acme/rows", split="train")
    assert not again.from_cache
    assert true_to_its_hashes(again)
    os.utime(again.files[0].path)  # another time, same bytes: still good
    assert download("datasets:acme/rows", split="train").from_cache


def test_table_changed_at_its_place(hub: HubStub, tmp_path: Path) -> None:
    lance, pa = pytest.importorskip("lance"), pytest.importorskip("pyarrow")
    lance.write_dataset(pa.table({"x": list(range(500))}), tmp_path / "repo" / "t.lance")
    hub.repos.import_folder("dataset", "acme/t", tmp_path / "repo")
    spec, to = "hf://datasets/acme/t/t.lance", tmp_path / "mine" / "t.lance"
    put = download(spec, to=to)
    assert download(spec, to=to).path == to
    flip(next(item.path for item in put.files if item.name.startswith("data/")))
    with pytest.raises(AlreadyExists, match="changed"):
        download(spec, to=to)
    mended = download(spec, to=to, force=True)
    assert true_to_its_hashes(mended)
    assert [item.name for item in to.parent.iterdir()] == ["t.lance"]


def test_force_replaces_tables_only(hub: HubStub, tmp_path: Path) -> None:
    lance, pa = pytest.importorskip("lance"), pytest.importorskip("pyarrow")
    lance.write_dataset(pa.table({"x": [1]}), tmp_path / "repo" / "t.lance")
    hub.repos.import_folder("dataset", "acme/t", tmp_path / "repo")
    other = tmp_path / "t.lance" / "diary.txt"
    other.parent.mkdir()
    other.write_text("mine")
    with pytest.raises(AlreadyExists):
        download("hf://datasets/acme/t/t.lance", to=other.parent, force=True)
    assert other.read_text() == "mine"


# names that servers choose


def test_chosen_names_replace_nothing(files: FileServer, cache: Path, tmp_path: Path) -> None:
    mine = tmp_path / "docs" / "thesis.docx"
    mine.parent.mkdir()
    mine.write_text("ten years")
    url = files.add("/x", b"other", name="thesis.docx")
    with pytest.raises(AlreadyExists, match=r"thesis\.docx") as caught:
        download(url, to=mine.parent)
    assert "force=True" in str(caught.value)
    assert mine.read_text() == "ten years"
    named = download(url, to=mine.parent / "new.docx")  # what has arrived is used
    assert named.path.read_bytes() == b"other"
    assert download(url, to=mine.parent, force=True).path == mine
    assert mine.read_bytes() == b"other"
    assert sorted(item.name for item in mine.parent.iterdir() if item.suffix == ".part") == []


def test_own_and_equal_files_are_no_loss(files: FileServer, cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "same.txt").write_bytes(b"content")
    url = files.add("/x", b"content", name="same.txt")
    assert download(url, to=folder).path.name == "same.txt"
    (folder / "same.txt").write_bytes(b"changed")  # it came from there: fetched again
    assert download(url, to=folder).path.read_bytes() == b"content"


# descriptions that strangers wrote


@pytest.mark.parametrize("name", ["../out/data-00000-of-00001.arrow", "/etc/passwd", "..", 5, ""])
def test_saved_rows_of_other_folders(tmp_path: Path, cache: Path, name: object) -> None:
    datasets = pytest.importorskip("datasets")
    for folder, words in (("out", "outside"), ("saved", "inside")):
        datasets.Dataset.from_dict({"x": [words]}).save_to_disk(str(tmp_path / folder))
    saved = tmp_path / "saved"
    assert download(f"datasets:{saved}").lineage["rows"] == 1
    state = json.loads((saved / "state.json").read_text())
    state["_data_files"] = [{"filename": name}]
    (saved / "state.json").write_text(json.dumps(state))
    with pytest.raises(LancenbError) as caught:
        download(f"datasets:{saved}", limit=1)
    assert isinstance(caught.value, UnsafeInput) or name in (5, "")


NOTES: dict[str, dict[str, object] | str] = {
    "total": {"total": "abc"},
    "etag": {"etag": 5},
    "lines": {"etag": '"1"\r\nX: y'},
    "letters": {"etag": '"\u20ac"'},
    "modified": {"modified": ["x"]},
    "deep": "[" * 100_000,
    "list": "[]",
    "have": '{"have": [[0, Infinity]]}',
}


@pytest.mark.parametrize("damage", NOTES)
def test_damaged_notes_on_parts(
    files: FileServer, cache: Path, tmp_path: Path, damage: str
) -> None:
    body = os.urandom(300_000)
    url = files.add("/a.bin", body)
    key = tmp_path / f".{url_key(url)}.part"
    key.write_bytes(body[:1000])
    note = {"note": {"url": url, "etag": '"1"', "total": len(body)}, "have": None, "boot": None}
    change = NOTES[damage]
    if isinstance(change, dict):
        note["note"].update(change)  # type: ignore[union-attr]
        text = json.dumps(note)
    else:
        text = json.dumps({**note, **json.loads(change)}) if damage == "have" else change
    key.with_name(f"{key.name}.json").write_text(text)
    fetched = Fetcher(retries=0).fetch(url, tmp_path)
    assert fetched is not None
    assert fetched.path.read_bytes() == body
    assert fetched.resumed_from == 0


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../victim.txt"}, {"name": "/victim.txt"}, {"name": 5}, {"name": ".meta.json"},
        {"name": ""}, {"sha256": None}, {"sha256": "zz"}, {"size": "1"}, {"size": None},
        {"note": {"url": "x", "etag": '"1"\r\nX: y'}}, {"note": 3},
    ],
)  # fmt: skip
def test_foreign_notes_on_files(
    files: FileServer, cache: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    url = files.add("/a.bin", b"new content")
    first = download(url)
    victim = cache / "victim.txt"
    victim.write_bytes(b"old")
    record = first.path.parent / ".meta.json"
    meta = json.loads(record.read_text())
    meta |= {"size": 3, "sha256": hashlib.sha256(b"old").hexdigest()}
    record.write_text(json.dumps(meta | change))
    result = download(url)
    assert result.path.read_bytes() == b"new content"
    assert victim.read_bytes() == b"old"


# secrets


@pytest.mark.parametrize(
    "query",
    ["?SECRET", "?/x=SECRET", "?a=1&b=(x)SECRET", "?a='SECRET", "?sv[1]=SECRET", "?a=1)SECRET"],
)
def test_odd_queries_are_signatures_too(query: str) -> None:
    text = f'"GET http://a.example/x{query} HTTP/1.1" 200'
    assert has_query(text)
    assert without_queries(text) == '"GET http://a.example/x HTTP/1.1" 200'
    assert "SECRET" not in without_queries(f"(url=http://a.example/x{query})")
    assert not has_query("what is this? nothing")


def test_malformed_headers_show_no_address(
    files: FileServer, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    download(files.add("/a.bin", b"x"))  # the filters are in place from the first call on
    for name in ("urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry"):
        logging.getLogger(name).warning("Failed to parse headers (url=%s)", "http://h/x?sig=SECRET")
    assert "Failed to parse headers (url=http://h/x)" in caplog.text
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize(
    "spec",
    [
        "https:/me:PW@h/x?sig=SIG", "https:/me:P?PW@h", "hf://me:PW@h/x", "hf:me:PW@h", "me:PW@h",
        "http:\\\\me:PW@h/", "gopher:me:PW@x", "https:me:PW@h", "//me:PW@h/x", "h.example/x?s=SIG",
        "https://me:PW@h/x?sig=SIG", "transformers:me:PW@h?s=SIG",
    ],
)  # fmt: skip
def test_messages_show_no_passwords(spec: str, cache: Path) -> None:
    for ask in (download, plan):
        with pytest.raises(LancenbError) as caught:
            ask(spec)
        error: BaseException | None = caught.value
        while error is not None:
            assert "PW" not in str(error)
            assert "SIG" not in str(error)
            error = error.__cause__ or error.__context__


# odd inputs


def test_links_to_nothing(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "gone").symlink_to(tmp_path / "nowhere")
    for ask in (download, plan):
        with pytest.raises(SourceNotFound, match="gone is a link to nothing"):
            ask(str(tmp_path / "in"))


@pytest.mark.parametrize("limit", [2**63, 2**70, 10**5000], ids=("63", "70", "huge"))
def test_more_rows_than_can_be_counted(cache: Path, limit: int) -> None:
    with pytest.raises(InvalidArgument, match="limit= is over"):
        download("synthetic", limit=limit)


@pytest.mark.parametrize("text", ["3fff::1", "3fff:fff::1", "5f00::1"])
def test_ranges_that_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))


def test_servers_show_no_files_of_their_own(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n")
    rules = UrlPolicy.for_servers()
    asks: tuple[Callable[..., object], ...] = (download, plan)
    for ask in asks:
        for spec in (tmp_path, str(tmp_path / "secret.csv"), f"datasets:{tmp_path}"):
            with pytest.raises(BlockedURL, match="path of this machine"):
                ask(spec, policy=rules)
    with pytest.raises(BlockedURL):
        download(str(tmp_path), split="train", policy=rules)
    assert download("synthetic", limit=5, policy=rules).lineage["rows"] == 5
    with suppress(DownloadFailed):  # no network in tests: that it is asked for at all
        plan("hf:dataset:acme/rows", policy=rules, offline=True)


# what an import costs


@pytest.mark.parametrize("module", ["lancenb.download", "lancenb.download.registry"])
def test_imports_are_light(module: str) -> None:
    heavy = "numpy", "pyarrow", "datasets", "torch", "lance"
    code = f"import sys, {module}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
