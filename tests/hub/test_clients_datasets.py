"""datasets and Lance against the local Hub: pushing, loading, streaming, opening in place."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lancenb.testing import HubStub

from .client import Client


def picture(number: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


def push(name: str) -> None:
    from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
    from datasets import Image as ImageFeature

    features = Features(
        {"img": ImageFeature(), "label": ClassLabel(names=["cat", "dog"]), "n": Value("int64")}
    )
    rows = [{"img": {"bytes": picture(i), "path": None}, "label": i % 2, "n": i} for i in range(10)]
    whole = Dataset.from_list(rows, features=features)
    parts = DatasetDict(train=whole.select(range(8)), test=whole.select(range(8, 10)))
    parts.push_to_hub(name, token="hf_ann", private=True)


def load(name: str, cache: str, split: str = "train", **options: Any) -> dict[str, Any]:
    """Return the columns of a split, pictures as the hash of their bytes, and label names."""
    from datasets import load_dataset

    if not options.get("streaming"):
        options["cache_dir"] = cache
    rows = load_dataset(name, split=split, **options)
    names = getattr((rows.features or {}).get("label"), "names", None)
    if "image" in rows.features or "img" in rows.features:
        from datasets import Image as ImageFeature

        key = "image" if "image" in rows.features else "img"
        rows = rows.cast_column(key, ImageFeature(decode=False))
    columns: dict[str, list[Any]] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, dict):
                content = value["bytes"] or Path(value["path"]).read_bytes()
                value = hashlib.sha256(content).hexdigest()
            columns.setdefault(key, []).append(value)
    return {**columns, "names": names}


PICTURES = [hashlib.sha256(picture(i)).hexdigest() for i in range(10)]


def test_push_to_hub_and_load_parquet_with_pictures(hub: HubStub, client: Client, tmp_path: Path):
    client(push, "ann/pets")
    repo = hub.repos.get("dataset", "ann/pets")
    assert repo
    assert repo.private
    card = repo.metadata(repo.refs["main"])
    assert card["dataset_info"]["splits"][0]["num_examples"] == 8
    expected = {"img": PICTURES[:8], "label": [0, 1] * 4, "n": list(range(8)),
                "names": ["cat", "dog"]}  # fmt: skip
    assert client(load, "ann/pets", str(tmp_path), token="hf_ann") == expected
    got = client(load, "ann/pets", "", token="hf_ann", streaming=True)
    assert got == expected
    assert client(load, "ann/pets", str(tmp_path), "test[:1]", token="hf_ann")["n"] == [8]


def test_streaming_reads_by_ranges(hub: HubStub, client: Client, tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    repo = hub.repos.create("dataset", "acme/long")
    for i in range(2):
        noise = [hashlib.sha256(b"%d %d" % (i, n)).digest() * 100 for n in range(1000)]
        pq.write_table(pa.table({"n": range(1000), "x": noise}), tmp_path / f"{i}.parquet")
        repo.commit({f"data/train-{i}.parquet": tmp_path / f"{i}.parquet"})
    assert client(first, "acme/long", 5) == [0, 1, 2, 3, 4]
    seen = hub.cdn.requests("GET")
    assert seen
    assert all(one.range and one.status == 206 for one in seen)
    assert max(one.sent for one in seen) < (tmp_path / "0.parquet").stat().st_size


def first(name: str, count: int) -> list[int]:
    from datasets import load_dataset

    rows = load_dataset(name, split="train", streaming=True)
    return [row["n"] for row in rows.take(count)]


def test_text_tables_and_folders_of_pictures(hub: HubStub, client: Client, tmp_path: Path):
    new = hub.repos.create
    repo = new("dataset", "acme/csv")
    old = repo.commit({"train.csv": b"a,b\n1,x\n", "test.csv": b"a,b\n3,z\n"})
    repo.commit({"train.csv": b"a,b\n1,x\n2,y\n"})
    lines = "\n".join(json.dumps({"a": i}) for i in range(3))
    new("dataset", "acme/jsonl").commit({"data.jsonl": lines.encode()})
    pictures = {f"{kind}/{i}.png": picture(i + j) for j, kind in enumerate(("cat", "dog"))
                for i in (0, 2)}  # fmt: skip
    new("dataset", "acme/folder").commit(pictures)
    cache = str(tmp_path)
    assert client(load, "acme/csv", cache) == {"a": [1, 2], "b": ["x", "y"], "names": None}
    assert client(load, "acme/csv", cache, revision=old)["a"] == [1]
    assert client(load, "acme/csv", cache, "test")["a"] == [3]
    assert client(load, "acme/jsonl", cache)["a"] == [0, 1, 2]
    got = client(load, "acme/folder", cache)
    assert (got["label"], got["names"]) == ([0, 0, 1, 1], ["cat", "dog"])
    assert sorted(got["image"]) == sorted(PICTURES[:4])


def test_refusals(hub: HubStub, client: Client, tmp_path: Path):
    for kind in ("private", "gated"):
        repo = hub.repos.create("dataset", f"acme/csv-{kind}", **{kind: True})
        repo.commit({"train.csv": b"a\n1\n"})
    hub.repos.create("dataset", "acme/open").commit({"train.csv": b"a\n1\n"})
    for name, token, revision in (
        ("none", "hf_ann", None),
        ("open", "hf_ann", "none"),
        ("csv-private", None, None),
        ("csv-private", "hf_bob", None),
        ("csv-gated", None, None),
        ("csv-gated", "hf_bob", None),
    ):
        options = {"token": token, "revision": revision}
        failure = client.failure(load, f"acme/{name}", str(tmp_path), **options)
        assert failure.kinds[0] == "DatasetNotFoundError"
        assert ("gated" in failure.text) == ("gated" in name)


@pytest.fixture(scope="module")
def table(session_hub: HubStub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Publish a Lance table with two versions in two commits; return the commits."""
    import lance
    import pyarrow as pa

    folder = tmp_path_factory.mktemp("lance")
    path = folder / "t.lance"
    noise = [hashlib.sha256(b"%d" % i).digest() * 100 for i in range(3000)]
    lance.write_dataset(pa.table({"n": range(3000), "x": noise}), path)
    repo = session_hub.repos.import_folder("dataset", "acme/lance", folder)
    one = repo.refs["main"]
    lance.write_dataset(pa.table({"n": [3000], "x": [b"new"]}), path, mode="append")
    files = [file for file in path.rglob("*") if file.is_file()]
    two = repo.commit({file.relative_to(folder).as_posix(): file for file in files})
    session_hub.repos.import_folder("dataset", "acme/lance-private", folder, private=True)
    return {"one": one, "two": two}


def opened(name: str, version: int | None = None, **options: str) -> dict[str, Any]:
    import lance

    url = f"hf://datasets/{name}/t.lance"
    rows = lance.dataset(url, version=version, storage_options=options or None)
    taken = rows.take([7, 2999], columns=["n", "x"]).to_pydict()
    filtered = rows.to_table(columns=["n"], filter="n >= 2998")["n"].to_pylist()
    digest = hashlib.sha256(b"".join(taken["x"])).hexdigest()
    return {"rows": rows.count_rows(), "version": rows.version, "taken": taken["n"],
            "digest": digest, "filtered": filtered}  # fmt: skip


def test_lance_opens_tables_where_they_are(hub: HubStub, client: Client, table: dict[str, str]):
    rows = [hashlib.sha256(b"%d" % i).digest() * 100 for i in (7, 2999)]
    digest = hashlib.sha256(b"".join(rows)).hexdigest()
    two = {"rows": 3001, "version": 2, "taken": [7, 2999], "digest": digest,
           "filtered": [2998, 2999, 3000]}  # fmt: skip
    one = {**two, "rows": 3000, "version": 1, "filtered": [2998, 2999]}
    assert client(opened, "acme/lance") == two
    assert client(opened, "acme/lance", 1) == one
    assert client(opened, "acme/lance", hf_revision=table["one"]) == one
    assert client(opened, "acme/lance", hf_revision=table["two"]) == two
    assert client(opened, "acme/lance-private", hf_token="hf_ann") == two
    assert client.failure(opened, "acme/lance-private")
    assert client.failure(opened, "acme/none")
    assert hub.cdn.requests("GET")


def test_datasets_reads_lance_too(client: Client, table: dict[str, str], tmp_path: Path):
    got = client(load, "acme/lance", str(tmp_path))
    assert got["n"] == list(range(3001))
