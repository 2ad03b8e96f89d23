"""Every table, text and archive of the real test files gives what reference libraries gave.

The folder of real files holds ``expectations.csv``: what pyarrow, pandas, ``csv``, ``json`` and
others made of each file. Weights and pictures have their own tests beside those converters.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

import lancenb
from lancenb.convert.text._csv_types import NULLS
from lancenb.convert.text._json_types import ENCODING
from lancenb.errors import LancenbError
from tests.conftest import find_shared_data

DELIMITED = {"csv", "tsv"}
JSON = {"json", "jsonl"}
TABLES = {"parquet", "parquet_bomb", "arrow_ipc"}
ARCHIVES = {"zip", "zip_bomb", "gz_bomb", "tar"}
COVERED = DELIMITED | JSON | TABLES | ARCHIVES | {"text"}
ELSEWHERE = {
    *("image", "image_folder", "hf_parquet_images", "pth", "pth_malicious", "safetensors"),
    *("torchscript", "hf_dataset_folder"),
}
LAYOUTS = {"idx", "idx_gz", "coco"}
LATER = {"audio", "video", "pointcloud", "pointcloud_bin"}


def _rows() -> list[dict[str, str]]:
    folder = find_shared_data()
    if folder is None:
        return []
    with (folder / "expectations.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _cases(kinds: set[str], expected: str = "") -> list[Any]:
    found = [
        pytest.param(row, id=row["path"])
        for row in _rows()
        if row["kind"] in kinds and row["expected"] in (expected or row["expected"])
    ]
    absent = pytest.mark.skip(reason="the folder of real test files is absent")
    return found or [pytest.param({}, id="none", marks=absent)]


@pytest.fixture(scope="session")
def canon(shared_data: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("canon", shared_data / "canon.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _convert(shared_data: Path, row: dict[str, str], folder: Path) -> tuple[Any, pa.Table]:
    import lance

    report = lancenb.convert(shared_data / row["path"], folder / "t.lance")
    return report, lance.dataset(str(folder / "t.lance")).to_table()


def test_every_kind_is_covered_somewhere() -> None:
    kinds = {row["kind"] for row in _rows()}
    assert kinds <= COVERED | ELSEWHERE | LATER | LAYOUTS


@pytest.mark.parametrize("row", _cases(DELIMITED, "ok"))
def test_delimited_text(
    row: dict[str, str], shared_data: Path, tmp_path: Path, canon: ModuleType
) -> None:
    detail = json.loads(row["detail"])
    report, table = _convert(shared_data, row, tmp_path)
    names, wanted = canon.csv_strings(
        str(shared_data / row["path"]), detail["encoding"], detail["delimiter"], detail["header"]
    )
    assert canon.rows_sha256(wanted) == row["content_sha256"]
    assert (report.rows, table.num_rows) == (int(row["rows"]), len(wanted))
    assert table.num_columns == len(detail["columns"])
    if names is not None and len(set(names)) == len(names) and "" not in names:
        assert [n.replace(".", "_") for n in names] == table.column_names
    for index, column in enumerate(table.columns):
        for text, value in zip((r[index] for r in wanted), column.to_pylist(), strict=True):
            assert _same_cell(text, value, column.type), (row["path"], text, value)


def _same_cell(text: str, value: Any, kind: pa.DataType) -> bool:
    """Whether a value says exactly what the cell said."""
    if value is None:
        return text.strip() in NULLS
    if pa.types.is_string(kind):
        return text == value
    if pa.types.is_boolean(kind):
        return text.strip().lower() == str(value).lower()
    if pa.types.is_integer(kind):
        return text.strip() == str(value)
    if pa.types.is_floating(kind):
        return float(text) == value or (math.isnan(value) and text.strip().lower() == "nan")
    return text.strip().replace(" ", "T").removesuffix("Z") == value.isoformat().replace(
        "+00:00", ""
    )


@pytest.mark.parametrize("row", _cases({"text"}, "ok"))
def test_plain_text(row: dict[str, str], shared_data: Path, tmp_path: Path) -> None:
    encoding = json.loads(row["detail"])["encoding"]
    text = (shared_data / row["path"]).read_bytes().decode(encoding)
    assert hashlib.sha256(text.encode()).hexdigest() == row["content_sha256"]
    report, table = _convert(shared_data, row, tmp_path)
    assert report.rows == int(row["rows"])
    assert table.column("text").to_pylist() == text.splitlines()


@pytest.mark.parametrize("row", _cases(JSON, "ok"))
def test_json(row: dict[str, str], shared_data: Path, tmp_path: Path, canon: ModuleType) -> None:
    data = (shared_data / row["path"]).read_text(encoding="utf-8-sig")
    if row["kind"] == "jsonl":
        wanted = [json.loads(line) for line in data.splitlines() if line.strip()]
        whole = "\n".join(map(canon.json_sha256, wanted))
        assert hashlib.sha256(whole.encode()).hexdigest() == row["content_sha256"]
    else:
        loaded = json.loads(data)
        assert canon.json_sha256(loaded) == row["content_sha256"]
        wanted = loaded if isinstance(loaded, list) else [loaded]
    report, table = _convert(shared_data, row, tmp_path)
    assert report.rows == int(row["rows"] or 1)
    assert len(wanted) == table.num_rows
    for value, got in zip(wanted, _objects(table), strict=True):
        assert _without_nulls(value) == _without_nulls(got)


def _objects(table: pa.Table) -> Iterator[Any]:
    """Give the rows back as the JSON values they came from."""
    names = [
        (f.metadata or {}).get(b"lancenb.source_name", f.name.encode()).decode()
        for f in table.schema
    ]
    for row in table.to_pylist():
        values = [_decode(v, f) for v, f in zip(row.values(), table.schema, strict=True)]
        yield values[0] if names == ["value"] else dict(zip(names, values, strict=True))


def _decode(value: Any, field: pa.Field) -> Any:
    note = (field.metadata or {}).get(ENCODING)
    if value is None:
        return None
    if note == b"json":
        return json.loads(value)
    if note in (b"text", b"integer"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    if pa.types.is_list(field.type):
        return [_decode(item, field.type.value_field) for item in value]
    if pa.types.is_struct(field.type):
        return {f.name: _decode(value.get(f.name), f) for f in field.type}
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


@pytest.mark.parametrize("row", _cases(TABLES, "ok"))
def test_tables(row: dict[str, str], shared_data: Path, tmp_path: Path, canon: ModuleType) -> None:
    if row["kind"] == "parquet_bomb":
        report = lancenb.convert(shared_data / row["path"], tmp_path / "t.lance")
        assert report.rows == int(row["rows"])
        return
    report, table = _convert(shared_data, row, tmp_path)
    assert report.rows == table.num_rows == int(row["rows"])
    if row["content_sha256"]:
        assert canon.table_sha256(table) == row["content_sha256"]


@pytest.mark.parametrize("row", _cases({"zip", "tar"}, "ok"))
def test_archives(row: dict[str, str], shared_data: Path, tmp_path: Path) -> None:
    from lancenb.convert.archive import open_archive

    with open_archive(shared_data / row["path"]) as archive:
        lines = [
            f"{m.name}|{m.size}|{hashlib.sha256(archive.read(m)).hexdigest()}"
            for m in archive.members
        ]
        litter = sum(m.litter for m in archive.members)
    assert len(lines) == int(row["rows"])
    if row["kind"] == "zip":
        assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == row["content_sha256"]
    report, table = _convert(shared_data, row, tmp_path)
    assert report.rows == len(lines) - litter
    if "sha256" in table.column_names:
        kept = [line.rsplit("|", 1)[1] for line in lines[: report.rows]]
        assert table.column("sha256").to_pylist() == kept


@pytest.mark.parametrize("row", _cases(COVERED, "error"))
def test_bad_files_are_named_and_leave_nothing(
    row: dict[str, str], shared_data: Path, tmp_path: Path
) -> None:
    path = shared_data / row["path"]
    with pytest.raises(LancenbError) as caught:
        lancenb.convert(path, tmp_path / "t.lance")
    assert path.name in caught.value.message
    assert not (tmp_path / "t.lance").exists()
    for folder in (Path.cwd(), Path("/tmp"), tmp_path, *tmp_path.parents[:4]):
        assert not list(folder.glob("lancenb_slip*"))


@pytest.mark.parametrize("row", _cases(COVERED, "either"))
def test_disputed_files_give_rows_or_a_typed_error(
    row: dict[str, str], shared_data: Path, tmp_path: Path
) -> None:
    path = shared_data / row["path"]
    try:
        named = lancenb.convert(path, tmp_path / "t.lance").rows >= 0
    except LancenbError as error:
        named = path.name in error.message and not (tmp_path / "t.lance").exists()
    assert named


@pytest.mark.parametrize("row", _cases(COVERED, "error"))
def test_bad_files_leave_nothing_in_the_catalogue(
    row: dict[str, str], shared_data: Path, tmp_path: Path
) -> None:
    manager = lancenb.DataManager(tmp_path / "store")
    with pytest.raises(LancenbError):
        manager.convert(shared_data / row["path"], "bad")
    assert list(manager.list()) == []
    assert not list((tmp_path / "store").glob("*/bad-*"))


@pytest.mark.parametrize("row", _cases({"idx", "idx_gz"}, "ok"))
def test_idx_files(row: dict[str, str], shared_data: Path, tmp_path: Path) -> None:
    report, table = _convert(shared_data, row, tmp_path)
    shape = [int(n) for n in row["shape"].split("x")]
    assert report.rows == table.num_rows == shape[0] == int(row["rows"])
    digest, detail = hashlib.sha256(), json.loads(row["detail"])
    if "image" in table.column_names:
        for data in table["image"].to_pylist():
            with Image.open(io.BytesIO(data)) as picture:
                assert (picture.mode, picture.size) == ("L", (shape[2], shape[1]))
                digest.update(picture.tobytes())
        labels = Path(row["path"].replace("images-idx3", "labels-idx1"))
        beside = next(r for r in _rows() if Path(r["path"]) == labels)
        detail = json.loads(beside["detail"])
    else:
        digest.update(bytes(table["label"].to_pylist()))
    assert digest.hexdigest() == row["content_sha256"]
    counts = Counter(table["label"].to_pylist())
    assert [counts[n] for n in range(10)] == detail["label_counts"]


@pytest.mark.parametrize("row", _cases({"coco"}, "ok"))
def test_annotated_pictures(row: dict[str, str], shared_data: Path, tmp_path: Path) -> None:
    detail = json.loads(row["detail"])
    folder = {**row, "path": str(Path(row["path"]).parent)}
    report, table = _convert(shared_data, folder, tmp_path)
    assert report.rows == int(row["rows"])
    objects = [one for row in table["objects"].to_pylist() for one in row]
    counts = Counter(one["category"] for one in objects)
    assert counts == detail["per_category"]
    assert f"{len(objects)} annotations, {len(counts)} categories" in row["shape"]
    boxes = sum(number for one in objects for number in one["bbox"])
    assert boxes == pytest.approx(detail["bbox_sum"], abs=0.01)
    data = json.loads((shared_data / row["path"]).read_text(encoding="utf-8"))
    assert [one["bbox"] for one in objects] == [a["bbox"] for a in data["annotations"]]
    assert [one["segmentation"]["polygons"] for one in objects] == [
        a["segmentation"] for a in data["annotations"]
    ]


@pytest.mark.parametrize("row", _cases({"coco"}, "ok"))
def test_annotations_are_plain_json(row: dict[str, str], shared_data: Path, tmp_path: Path) -> None:
    """The annotation file by itself is JSON all the same."""
    data = json.loads((shared_data / row["path"]).read_text(encoding="utf-8"))
    report = lancenb.convert(shared_data / row["path"], tmp_path / "t.lance", field="annotations")
    assert report.rows == len(data["annotations"])


@pytest.mark.parametrize("kind", sorted(LATER))
def test_kinds_that_come_later_say_so(kind: str, shared_data: Path, tmp_path: Path) -> None:
    rows = [row for row in _rows() if row["kind"] == kind]
    for row in rows:
        with pytest.raises(LancenbError) as caught:
            lancenb.convert(shared_data / row["path"], tmp_path / "t.lance")
        assert Path(row["path"]).name in caught.value.message
        assert not (tmp_path / "t.lance").exists()
    pytest.skip(f"{len(rows)} files of kind {kind} are refused by name, not yet converted")
