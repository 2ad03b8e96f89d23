"""How much of a repository moves for so many rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lancenb.download import download
from lancenb.download._range_file import RangeFile
from lancenb.testing import HubStub
from tests.download.arrow_data import numbers, picture, read, repo, sent, shard


def test_ten_rows_of_many_shards_cost_a_few_kilobytes(hub: HubStub) -> None:
    shards = {
        f"data/train-{i:05d}-of-00004.parquet": numbers(8000, start=8000 * i) for i in range(4)
    }
    repo(hub, "acme/big", shards)
    total = sum(map(len, shards.values()))
    assert total > 30e6
    result = download("datasets:acme/big", split="train", limit=10)
    assert read(result.path)["id"].to_pylist() == list(range(10))
    # a row group begins with a dictionary of 1 MB, without which no row can be told
    assert sent(hub) < 1_500_000, f"{sent(hub):,} of {total:,} bytes"
    bodies = {seen.path for seen in hub.cdn.log}
    assert len(bodies) == 1, "only the first shard is touched"
    assert not hub.leaked


def test_a_limit_over_shards_takes_whole_ones_whole(hub: HubStub) -> None:
    shards = {
        f"data/train-{i:05d}-of-00003.parquet": numbers(3000, start=3000 * i, group=500)
        for i in range(3)
    }
    repo(hub, "acme/three", shards)
    result = download("datasets:acme/three", split="train", limit=3100)
    assert read(result.path)["id"].to_pylist() == list(range(3100))
    size = len(shards["data/train-00000-of-00003.parquet"])
    assert sent(hub) < size + 1_500_000, "one shard, and the head of the next"


def test_big_row_groups_are_not_read_whole(hub: HubStub) -> None:
    body = numbers(20_000, group=20_000, dictionary=False)
    repo(hub, "acme/group", {"data/train-00000-of-00001.parquet": body})
    assert read(download("datasets:acme/group", limit=20).path).num_rows == 20
    assert sent(hub) < 2_500_000, "a page of 2 MB, not the row group of 20 MB"


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_first_lines_of_large_text(hub: HubStub, kind: str) -> None:
    lines = {
        "csv": ["a,b", *(f'{i},"word, {i}"' for i in range(400_000))],
        "jsonl": [json.dumps({"a": i, "b": f"word, {i}"}) for i in range(400_000)],
        "txt": [f"word, {i}" for i in range(600_000)],
    }[kind]
    body = "\n".join(lines).encode()
    assert len(body) > 6e6
    repo(hub, "acme/text", {f"train.{kind}": body, f"test.{kind}": body})
    table = read(download("datasets:acme/text", split="train", limit=10).path)
    column = table["text" if kind == "txt" else "b"].to_pylist()
    assert column == [f"word, {i}" for i in range(10)]
    assert sent(hub) < 1.2e6


def test_images_of_a_folder_come_one_by_one(hub: HubStub) -> None:
    files = {
        f"{split}/{name}/{i}.png": picture(i)
        for split in ("train", "test")
        for name in ("cat", "dog")
        for i in range(40)
    }
    repo(hub, "acme/folder", files)
    result = download("datasets:acme/folder", split="train", limit=5)
    table = read(result.path)
    held = [cell["bytes"] for cell in table["image"].to_pylist()]
    assert held == [picture(i) for i in (0, 1, 10, 11, 12)], "in the order of their names"
    assert len(hub.cdn.log) == 5, "five images, five bodies"


def test_a_lance_table_gives_its_first_rows(hub: HubStub, tmp_path: Path) -> None:
    import pyarrow as pa

    from lancenb.store import lance_module

    rows = pa.table({"id": range(40_000), "load": [bytes([i % 251]) * 500 for i in range(40_000)]})
    folder = tmp_path / "repo"
    lance_module().write_dataset(rows, str(folder / "t.lance"), max_rows_per_file=10_000)
    hub.repos.import_folder("dataset", "acme/lance", folder)
    table = read(download("datasets:acme/lance", limit=10).path)
    assert table["id"].to_pylist() == list(range(10))
    assert sent(hub) < 2e6
    assert read(download("datasets:acme/lance").path).num_rows == 40_000


def test_whole_splits_move_once(hub: HubStub) -> None:
    body = shard(0, 60)
    repo(
        hub,
        "acme/pets",
        {
            "data/train-00000-of-00001.parquet": body,
            "data/test-00000-of-00001.parquet": shard(60, 90),
        },
    )
    download("datasets:acme/pets", split="train")
    assert sum(seen.sent for seen in hub.cdn.log) == len(body)


def test_reading_on_takes_fewer_and_larger_ranges() -> None:
    data = bytes(range(256)) * 100_000
    asked: list[int] = []

    def ask(start: int, length: int) -> bytes:
        asked.append(length)
        return data[start : start + length]

    file = RangeFile(ask, len(data))
    whole = b"".join(iter(lambda: file.read(10_000), b""))
    assert whole == data
    assert len(asked) < 12
    assert max(asked) <= 8 << 20
    file.seek(-4, 2)
    assert file.read() == data[-4:]
    assert file.read(5) == b""
