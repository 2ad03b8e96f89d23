"""Data sets of the ``datasets`` library to Lance and back."""

from __future__ import annotations

import io
import pickle
import threading
import wave
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pytest
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Image, List, Value

import lancenb
from lancenb.convert import to_datasets
from lancenb.download import download
from lancenb.errors import (
    Cancelled,
    ColumnNotFound,
    EmptyInput,
    InvalidArgument,
    InvalidFilter,
    LancenbError,
    NotFound,
    SchemaMismatch,
    SourceNotFound,
)
from lancenb.progress import CancelToken
from lancenb.store import lance_module


def png(seed: int) -> bytes:
    from PIL import Image as Picture

    pixels = np.random.default_rng(seed).integers(0, 255, (8, 9, 3), np.uint8)
    buffer = io.BytesIO()
    Picture.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def wav(seed: int) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes([seed, 0]) * 50)
    return buffer.getvalue()


PETS = Features(
    {"img": Image(), "kind": ClassLabel(names=["cat", "dog", "eel"]), "note": Value("string")}
)


def pets(rows: int = 12) -> Dataset:
    """Return pictures with labels and notes."""
    return Dataset.from_dict(
        {
            "img": [{"bytes": png(i), "path": f"{i}.png" if i % 2 else None} for i in range(rows)],
            "kind": [i % 3 for i in range(rows)],
            "note": [None if i == 3 else f"note {i}" for i in range(rows)],
        },
        features=PETS,
    )


RICH = Features(
    {
        "id": Value("int32"),
        "kind": ClassLabel(names=["no", "yes"]),
        "sound": Audio(sampling_rate=8000),
        "tags": List(Value("string")),
        "votes": List(ClassLabel(names=["a", "b"])),
        "box": {"x": Value("float32"), "inner": {"y": Value("int8"), "z": List(Value("bool"))}},
        "fixed": List(Value("float32"), length=3),
    }
)


def rich(rows: int = 7) -> Dataset:
    """Return rows of every kind of column except pictures."""
    rows_ = [
        {
            "id": i,
            "kind": i % 2,
            "sound": {"bytes": wav(i), "path": f"{i}.wav"},
            "tags": [f"t{j}" for j in range(i % 3)],
            "votes": [0, 1][: i % 3],
            "box": {"x": i / 2, "inner": {"y": i, "z": [True] * (i % 2)}} if i != 2 else None,
            "fixed": [i, i + 1, i + 2],
        }
        for i in range(rows)
    ]
    # from the table: encoding sounds needs a library, although these are encoded
    return Dataset(pa.Table.from_pylist(rows_, schema=RICH.arrow_schema))


def arrow(data: Any) -> pa.Table:
    """Return the rows of a data set as they are stored, in the order it shows them."""
    parts = [table.combine_chunks() for table in data.with_format("arrow").iter(batch_size=1000)]
    return pa.concat_tables(parts).combine_chunks()


def same(left: Any, right: Any) -> None:
    """Compare features and rows."""
    assert left.features == right.features
    assert arrow(left).to_pylist() == arrow(right).to_pylist()


class TestThereAndBack:
    def test_pictures(self, tmp_path: Path) -> None:
        report = lancenb.convert(pets(), tmp_path / "p.lance")
        back = to_datasets(report, original=True, cache=tmp_path / "c")
        same(back, pets())
        assert back[1]["img"].size == (9, 8)
        whole = to_datasets(tmp_path / "p.lance", cache=tmp_path / "c")
        assert {"image", "label", "width", "sha256"} <= set(whole.column_names)
        assert whole.features["label"].names == ["cat", "dog", "eel"]
        assert isinstance(whole.features["image"], Image)

    def test_every_other_kind_of_column(self, tmp_path: Path) -> None:
        lancenb.convert(rich(), tmp_path / "r.lance")
        for streaming in (False, True):
            back = to_datasets(tmp_path / "r.lance", streaming=streaming, cache=tmp_path / "c")
            same(back, rich())
        stored = lance_module().dataset(str(tmp_path / "r.lance")).to_table()
        assert stored["sound"][3]["bytes"].as_py() == wav(3), "sounds stay encoded"
        same(to_datasets(tmp_path / "r.lance", original=True, cache=tmp_path / "c"), rich())

    def test_pictures_as_a_plain_table(self, tmp_path: Path) -> None:
        lancenb.convert(pets(), tmp_path / "t.lance", kind="table")
        same(to_datasets(tmp_path / "t.lance", cache=tmp_path / "c"), pets())

    def test_selections_and_shuffles_count(self, tmp_path: Path) -> None:
        chosen = pets().shuffle(seed=1).select(range(7)).filter(lambda row: row["kind"] != 1)
        assert chosen._indices is not None
        lancenb.convert(chosen, tmp_path / "p.lance")
        same(to_datasets(tmp_path / "p.lance", original=True, cache=tmp_path / "c"), chosen)
        other = rich().shuffle(seed=2).select([4, 1])
        lancenb.convert(other, tmp_path / "r.lance")
        same(to_datasets(tmp_path / "r.lance", cache=tmp_path / "c"), other)

    def test_formats_and_transforms_of_the_user_do_not_matter(self, tmp_path: Path) -> None:
        lancenb.convert(rich().with_format("numpy", columns=["id"]), tmp_path / "r.lance")
        same(to_datasets(tmp_path / "r.lance", cache=tmp_path / "c"), rich())

    def test_text_labels(self, tmp_path: Path) -> None:
        data = Dataset.from_dict(
            {"image": [{"bytes": png(i), "path": None} for i in range(4)], "label": list("baba")},
            features=Features({"image": Image(), "label": Value("string")}),
        )
        lancenb.convert(data, tmp_path / "p.lance")
        same(to_datasets(tmp_path / "p.lance", original=True, cache=tmp_path / "c"), data)

    def test_an_append_keeps_the_way_back(self, tmp_path: Path) -> None:
        lancenb.convert(pets(4), tmp_path / "p.lance")
        folder = tmp_path / "more" / "fox"
        folder.mkdir(parents=True)
        (folder / "1.png").write_bytes(png(50))
        lancenb.convert(tmp_path / "more", tmp_path / "p.lance", mode="append")
        back = to_datasets(tmp_path / "p.lance", original=True, cache=tmp_path / "c")
        assert back.features["kind"].names == ["cat", "dog", "eel", "fox"]
        assert back["kind"][:] == [0, 1, 2, 0, 3]
        assert back["note"][4] is None

    def test_versions_columns_and_filters(self, tmp_path: Path) -> None:
        lancenb.convert(rich(4), tmp_path / "r.lance")
        lancenb.convert(rich(7), tmp_path / "r.lance", mode="overwrite")
        options: dict[str, Any] = {"cache": tmp_path / "c"}
        assert len(to_datasets(tmp_path / "r.lance", version=1, **options)) == 4
        some = to_datasets(tmp_path / "r.lance", columns=["tags", "id"], filter="id > 4", **options)
        assert some[:] == {"tags": [["t0", "t1"], []], "id": [5, 6]}
        with pytest.raises(ColumnNotFound, match="nope"):
            to_datasets(tmp_path / "r.lance", columns=["nope"], **options)
        with pytest.raises(InvalidFilter):
            to_datasets(tmp_path / "r.lance", filter="id >>> 4", **options)
        with pytest.raises(NotFound):
            to_datasets(tmp_path / "none.lance", **options)
        with pytest.raises(InvalidArgument):
            to_datasets(5, **options)

    def test_the_file_is_made_once_per_content(self, tmp_path: Path) -> None:
        lancenb.convert(rich(), tmp_path / "r.lance")
        first = to_datasets(tmp_path / "r.lance", cache=tmp_path / "c")
        again = to_datasets(tmp_path / "r.lance", cache=tmp_path / "c")
        assert first.cache_files == again.cache_files
        lance_module().dataset(str(tmp_path / "r.lance")).delete("id = 0")
        assert len(to_datasets(tmp_path / "r.lance", cache=tmp_path / "c")) == 6
        assert len(lancenb.download.Cache(tmp_path / "c").entries("arrow")) == 2
        token = CancelToken()
        token.cancel()
        with pytest.raises(Cancelled):
            to_datasets(tmp_path / "r.lance", columns=["id"], cache=tmp_path / "c", cancel=token)

    def test_streams_split_over_workers(self, tmp_path: Path) -> None:
        lancenb.convert(rich(4), tmp_path / "r.lance")
        lancenb.convert(rich(3), tmp_path / "r.lance", mode="append")
        stream = to_datasets(tmp_path / "r.lance", columns=["id"], streaming=True)
        assert isinstance(stream, datasets.IterableDataset)
        assert stream.num_shards == 2
        shares = [list(stream.shard(2, i)) for i in range(2)] if hasattr(stream, "shard") else []
        assert [len(share) for share in shares] == [4, 3]
        assert [row["id"] for row in pickle.loads(pickle.dumps(stream))] == [0, 1, 2, 3, 0, 1, 2]
        assert [row["id"] for row in stream.take(2)] == [0, 1]

    def test_through_a_catalogue(self, tmp_path: Path) -> None:
        dm = lancenb.DataManager(tmp_path / "store")
        dm.convert(pets(), "pets")
        same(dm["pets"].to_datasets(original=True, cache=tmp_path / "c"), pets())

    def test_cells_kept_in_files_of_their_own(self, tmp_path: Path) -> None:
        from lance import blob_array, blob_field

        rows = pa.table({"b": blob_array([b"one", b"two"])}, schema=pa.schema([blob_field("b")]))
        path = str(tmp_path / "b.lance")
        lance_module().write_dataset(rows, path, data_storage_version="2.2")
        assert to_datasets(path, cache=tmp_path / "c")["b"][:] == [b"one", b"two"]

    def test_a_table_of_other_origin(self, tmp_path: Path) -> None:
        lance_module().write_dataset(pa.table({"a": [1, 2]}), str(tmp_path / "x.lance"))
        assert to_datasets(tmp_path / "x.lance", cache=tmp_path / "c")["a"][:] == [1, 2]
        with pytest.raises(InvalidArgument, match="not made from a data set"):
            to_datasets(tmp_path / "x.lance", original=True, cache=tmp_path / "c")


class TestStreams:
    def test_a_stream_is_converted_as_it_comes(self, tmp_path: Path) -> None:
        lancenb.convert(pets().to_iterable_dataset(num_shards=3), tmp_path / "p.lance")
        same(to_datasets(tmp_path / "p.lance", original=True, cache=tmp_path / "c"), pets())
        stream = rich().to_iterable_dataset().shuffle(seed=3, buffer_size=4).take(5)
        lancenb.convert(stream, tmp_path / "r.lance")
        back = to_datasets(tmp_path / "r.lance", cache=tmp_path / "c")
        assert back["id"][:] == [row["id"] for row in stream.with_format("arrow")] or len(back) == 5

    def test_a_stream_that_does_not_say_its_columns(self, tmp_path: Path) -> None:
        seen: list[int] = []

        def rows() -> Any:
            for i in range(300):
                seen.append(i)
                yield {"a": i, "b": f"{i}"}

        stream = datasets.IterableDataset.from_generator(rows)
        stream = stream.map(lambda row: {**row, "c": row["a"] * 2})
        assert stream.features is None
        assert lancenb.convert(stream, tmp_path / "s.lance").rows == 300
        table = lance_module().dataset(str(tmp_path / "s.lance")).to_table()
        assert table["c"].to_pylist() == [2 * i for i in range(300)]
        assert len(seen) == 300, "the rows looked at first are not read again"

    @pytest.mark.parametrize("kind", ["table", "images"])
    def test_a_stream_that_hangs_can_be_left(self, tmp_path: Path, kind: str) -> None:
        over, woken = threading.Event(), []
        token = CancelToken()

        def rows() -> Any:
            for i in range(100):
                if i == 71:
                    threading.Timer(0.5, token.cancel).start()
                if i > 70 and not over.wait(120):
                    woken.append(i)
                    over.set()
                yield {"img": {"bytes": png(i), "path": None}, "n": i}

        features = Features({"img": Image(), "n": Value("int64")})
        stream = datasets.IterableDataset.from_generator(rows, features=features)
        with pytest.raises(Cancelled):
            lancenb.convert(stream, tmp_path / "x.lance", kind=kind, cancel=token)
        assert not woken, "it was left while it hung"
        over.set()
        assert not (tmp_path / "x.lance" / "_versions").exists()

    def test_splits_of_streams(self, tmp_path: Path) -> None:
        both = datasets.IterableDatasetDict(
            train=rich(3).to_iterable_dataset(), test=rich(2).to_iterable_dataset()
        )
        lancenb.convert(both, tmp_path / "r.lance")
        back = to_datasets(tmp_path / "r.lance", cache=tmp_path / "c")
        assert back["split"][:] == ["train"] * 3 + ["test"] * 2
        assert back.features["kind"].names == ["no", "yes"]

    def test_what_a_users_function_raises_is_not_hidden(self, tmp_path: Path) -> None:
        def fail(row: Any) -> Any:
            raise KeyError("mine")

        with pytest.raises((KeyError, LancenbError), match="mine"):
            lancenb.convert(pets().to_iterable_dataset().map(fail), tmp_path / "r.lance")
        assert not (tmp_path / "r.lance" / "_versions").exists()


class TestSplits:
    def test_a_dictionary_of_pictures(self, tmp_path: Path) -> None:
        lancenb.convert(DatasetDict(train=pets(5), test=pets(3)), tmp_path / "p.lance")
        back = to_datasets(tmp_path / "p.lance", cache=tmp_path / "c")
        assert back["split"][:] == ["train"] * 5 + ["test"] * 3
        lancenb.convert({"train": rich(2), "test": rich(1)}, tmp_path / "r.lance")
        back = to_datasets(tmp_path / "r.lance", cache=tmp_path / "c")
        assert back["split"][:] == ["train", "train", "test"]
        with pytest.raises(EmptyInput):
            lancenb.convert(DatasetDict(), tmp_path / "e.lance")
        with pytest.raises(SchemaMismatch, match="other columns"):
            lancenb.convert(
                DatasetDict(train=rich(2), test=rich(2).remove_columns("id")), tmp_path / "e.lance"
            )

    @pytest.mark.parametrize("kind", ["images", "table"])
    def test_saved_folders(self, tmp_path: Path, kind: str) -> None:
        make = pets if kind == "images" else rich
        chosen = make(6).shuffle(seed=1).select(range(4))
        chosen.save_to_disk(tmp_path / "one")
        DatasetDict(train=make(5), dev=chosen).save_to_disk(tmp_path / "two")
        before = sorted(path for path in tmp_path.rglob("*"))
        one = lancenb.convert(tmp_path / "one", tmp_path / "one.lance")
        two = lancenb.convert(tmp_path / "two", tmp_path / "two.lance")
        assert (one.kind, one.rows, two.rows) == (kind, 4, 9)
        same(to_datasets(one, original=True, cache=tmp_path / "c"), chosen)
        back = to_datasets(two, cache=tmp_path / "c")
        assert back["split"][:] == ["train"] * 5 + ["dev"] * 4
        after = [path for path in before if path.exists()]
        assert after == before, "nothing was written beside them"

    def test_a_download_of_all_splits_keeps_them_apart(self, tmp_path: Path) -> None:
        import pyarrow.parquet as pq

        for kind, make in (("table", rich), ("images", pets)):
            data = tmp_path / kind / "data"
            data.mkdir(parents=True)
            for split, rows in (("train", 5), ("odd", 2)):
                table = make(rows).with_format("arrow")[:]
                pq.write_table(table, data / f"{split}-00000-of-00001.parquet")
            got = download(tmp_path / kind, split="all", cache=tmp_path / "c")
            report = lancenb.convert(got, tmp_path / f"{kind}.lance")
            table = lance_module().dataset(report.uri).to_table()
            assert sorted(table["split"].to_pylist(), key=str) == ["odd"] * 2 + ["train"] * 5

    def test_a_damaged_saved_folder(self, tmp_path: Path) -> None:
        rich().save_to_disk(tmp_path / "one")
        next((tmp_path / "one").glob("*.arrow")).unlink()
        with pytest.raises(LancenbError, match="one"):
            lancenb.convert(tmp_path / "one", tmp_path / "x.lance")


def test_files_that_are_gone_are_told(tmp_path: Path) -> None:
    schema = Features({"sound": Audio()}).arrow_schema
    cell = {"bytes": None, "path": str(tmp_path / "gone.wav")}
    data = Dataset(pa.Table.from_pylist([{"sound": cell}], schema=schema))
    with pytest.raises(SourceNotFound, match="not there"):
        lancenb.convert(data, tmp_path / "x.lance")


def test_parquet_names_no_files_elsewhere(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    data = tmp_path / "data"
    data.mkdir()
    (tmp_path / "secret.png").write_bytes(png(1))
    (data / "own.png").write_bytes(png(2))
    paths = [str(tmp_path / "secret.png"), "../secret.png", "own.png", str(data / "own.png")]
    cells = [{"image": {"bytes": None, "path": path}} for path in paths]
    table = pa.Table.from_pylist(cells, schema=Features({"image": Image()}).arrow_schema)
    pq.write_table(table, data / "train.parquet")
    report = lancenb.convert(data / "train.parquet", tmp_path / "x.lance")
    held = lance_module().dataset(report.uri).to_table()["image"].to_pylist()
    assert held == [png(2), png(2)]
    assert len(report.skipped) == 2
    assert "names a file elsewhere" in report.skipped[0][1]
