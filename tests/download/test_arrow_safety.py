"""What a hostile data set tries in arrow mode."""

from __future__ import annotations

import io
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lancenb.download import UrlPolicy, download
from lancenb.download.errors import BlockedURL
from lancenb.errors import LancenbError, UnsafeInput
from lancenb.testing import FileServer, HubStub
from tests.download.arrow_data import numbers, picture, read, repo


def card(pattern: str, before: str = "", more: str = "") -> bytes:
    configs = f"configs:\n- config_name: default\n  data_files: {pattern!r}\n"
    return f"{before}---\n{more}{configs}---\n".encode()


def test_cards_name_no_other_files(hub: HubStub, files: FileServer, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("key\n1234\n")
    address = files.add("/private.csv", b"key\n1234\n")
    for pattern in (
        address,
        str(tmp_path / "secret.csv"),
        "../secret.csv",
        "hf://datasets/acme/other/train.csv",
        f"zip://a.csv::{address}",
        "~/secret.csv",
    ):
        repo(hub, "acme/hostile", {"README.md": card(pattern), "train.csv": b"a\n1\n"})
        with pytest.raises(UnsafeInput, match="not one of its own"):
            download("datasets:acme/hostile", limit=5)
    for text in (
        card(address, before="\n \n"),
        card(address, more="a: 'x --- y'\n"),
        card(address).replace(b"\n", b"\r\n"),
    ):
        repo(hub, "acme/hostile", {"README.md": text, "train.csv": b"a\n1\n"})
        with pytest.raises(UnsafeInput, match="not one of its own"):
            download("datasets:acme/hostile", limit=5)
    yaml = card(address).split(b"---\n")[1]
    repo(hub, "acme/hostile", {".huggingface.yaml": yaml, "train.csv": b"a\n1\n"})
    with pytest.raises(UnsafeInput, match="not one of its own"):
        download("datasets:acme/hostile", limit=5)
    assert files.log == []


def test_a_card_that_unfolds_without_end(cache: Path, tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, y]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    text = "\n".join(["---", *lines, "configs:", "- config_name: d", "  data_files: *a11", "---"])
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "train.csv").write_text("a\n1\n")
    start = time.monotonic()
    for card in (text, "---\nconfigs: &a\n- *a\n---"):
        (tmp_path / "in" / "README.md").write_text(card + "\n")
        with pytest.raises(UnsafeInput, match="unfolds"):
            download(tmp_path / "in", split="train", limit=1)
    assert time.monotonic() - start < 100


def test_lance_tables_name_no_other_files(hub: HubStub, tmp_path: Path) -> None:
    from lance import blob_array, blob_field

    from lancenb.download import open_lance
    from lancenb.store import lance_module

    secret = tmp_path / "secret.txt"
    secret.write_text("private")
    for name, cells in (("bad", [b"fine", f"file://{secret}"]), ("good", [b"fine", b"too"])):
        rows = pa.table({"b": blob_array(cells)}, schema=pa.schema([blob_field("b")]))
        lance_module().write_dataset(
            rows, str(tmp_path / name / "t.lance"), data_storage_version="2.2",
            allow_external_blob_outside_bases=True,
        )  # fmt: skip
        hub.repos.import_folder("dataset", f"acme/{name}", tmp_path / name)
    uri = "hf://datasets/acme/bad/t.lance"
    for limit in (None, 2):
        with pytest.raises(UnsafeInput, match=r"secret\.txt"):
            download("datasets:acme/bad", split="train", limit=limit)
    with pytest.raises(UnsafeInput, match="instead of holding it"):
        download(uri)
    with pytest.raises(UnsafeInput):
        open_lance(uri)
    table = read(download("datasets:acme/good", split="train").path)
    assert table["b"].to_pylist() == [b"fine", b"too"]
    assert open_lance(uri.replace("bad", "good")).count_rows() == 2


def named(path: str) -> bytes:
    import datasets

    features = datasets.Features({"image": datasets.Image()})
    table = pa.table({"image": [{"bytes": None, "path": path}]}, features.arrow_schema)
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.mark.parametrize("limit", [None, 1])
def test_cells_name_no_other_files(
    hub: HubStub, files: FileServer, tmp_path: Path, limit: int | None
) -> None:
    (tmp_path / "secret.png").write_bytes(picture(1))
    address = files.add("/private.png", picture(1))
    for path in (str(tmp_path / "secret.png"), address, "../../secret.png"):
        repo(hub, "acme/cells", {"train.parquet": named(path)})
        with pytest.raises(UnsafeInput, match="instead of holding it"):
            download("datasets:acme/cells", split="train", limit=limit)
    assert files.log == []
    folder = tmp_path / "local"
    folder.mkdir()
    (folder / "train.parquet").write_bytes(named(str(folder / "own.png")))
    (folder / "own.png").write_bytes(picture(2))
    table = read(download(folder, split="train", limit=limit).path)
    assert table["image"].to_pylist() == [{"bytes": picture(2), "path": "own.png"}]


def test_descriptions_of_image_folders_stay_inside(hub: HubStub, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(1))
    for path in ("../../../secret.png", str(tmp_path / "secret.png")):
        said = f"file_name,x\n{path},1\n".encode()
        repo(hub, "acme/said", {"train/metadata.csv": said, "train/0.png": picture(0)})
        with pytest.raises(LancenbError):
            download("datasets:acme/said", limit=1)


def test_names_that_leave_the_folder(hub: HubStub, cache: Path) -> None:
    made = hub.repos.create("dataset", "acme/names")
    try:
        made.commit({"../../evil.csv": b"a\n1\n", "train.csv": b"a\n1\n"})
    except ValueError:
        pytest.skip("the local Hub refuses such names itself")
    with pytest.raises(UnsafeInput):
        download("datasets:acme/names", limit=1)
    assert not list(cache.parent.rglob("evil.csv"))


@pytest.mark.parametrize("limit", [None, 5])
def test_a_policy_holds_for_rows_too(hub: HubStub, limit: int | None) -> None:
    text = "a,b\n" + "".join(f"{i},{'x' * 100}\n" for i in range(20_000))
    repo(hub, "acme/rows", {"data/train-00000-of-00001.parquet": numbers(6000)})
    repo(hub, "acme/text", {"train.csv": text.encode()})
    strict = UrlPolicy.for_servers()
    with pytest.raises(BlockedURL):
        download("datasets:acme/rows", split="train", limit=limit, policy=strict)
    assert hub.cdn.log == []
    lent = UrlPolicy.for_servers(trusted=(hub.cdn.url,))
    table = read(download("datasets:acme/rows", split="train", limit=limit, policy=lent).path)
    assert table.num_rows == (limit or 6000)
    table = read(download("datasets:acme/text", split="train", limit=limit, policy=lent).path)
    assert table.num_rows == (limit or 20_000)


def test_datasets_itself_never_asks_the_network(hub: HubStub, tmp_path: Path) -> None:
    from lancenb.store import lance_module

    repo(hub, "acme/rows", {"data/train-00000-of-00001.parquet": numbers(6000)})
    repo(hub, "acme/text", {"train.csv": b"a\n" + b"1\n" * 2_000_000})
    repo(hub, "acme/folder", {f"train/{n}/{i}.png": picture(i) for n in "ab" for i in range(9)})
    lance_module().write_dataset(pa.table({"a": [1]}), str(tmp_path / "repo" / "t.lance"))
    hub.repos.import_folder("dataset", "acme/lance", tmp_path / "repo")
    for name in ("rows", "text", "folder", "lance"):
        for limit in (None, 4) if name != "lance" else (None,):
            download(f"datasets:acme/{name}", split="train", limit=limit)
    agents = {seen.headers.get("user-agent", "") for seen in [*hub.hub.log, *hub.cdn.log]}
    assert agents
    assert not [agent for agent in agents if "datasets/" in agent]
