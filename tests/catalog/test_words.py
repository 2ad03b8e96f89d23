"""What people read: refusals before harm, hints, sizes, titles, tables for notebooks."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from lancenb import _html
from lancenb.catalog import DataManager
from lancenb.catalog.results import Optimized, Upsert
from lancenb.errors import (
    ColumnNotFound,
    InvalidArgument,
    InvalidName,
    SchemaMismatch,
    SourceNotFound,
    StoreError,
    TagNotFound,
    VersionNotFound,
)

from .helpers import points


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    (tmp_path / "people.csv").write_text("name,age\nAda,36\nBob,41\n")
    return tmp_path / "people.csv"


@pytest.fixture
def dm(tmp_path: Path, csv: Path) -> DataManager:
    dm = DataManager(tmp_path / "root")
    dm.convert(csv, "people")
    return dm


@pytest.mark.parametrize("mode", ["overwrite", "append"])
def test_no_artefact_changes_its_kind(dm: DataManager, csv: Path, tmp_path: Path, mode: str):
    dm.save_weights("model", {"w": torch.zeros(3)})
    (tmp_path / "a.txt").write_text("x\n")
    cases = [
        (csv, "model", "'model' holds weights, people.csv is a table"),
        ({"w": torch.zeros(3)}, "people", "'people' holds a table, what was given is weights"),
        (tmp_path / "a.txt", "people", "'people' holds a table, a.txt is text"),
    ]
    for source, name, words in cases:
        files = sorted(p for p in Path(dm[name].uri).rglob("*"))
        with pytest.raises(SchemaMismatch, match=words) as caught:
            dm.convert(source, name, mode=mode)
        assert "another name" in caught.value.hint
        assert f"dm.delete({name!r}" in caught.value.hint
        assert (dm[name].version, dm[name].rows) == (1, 1 if name == "model" else 2)
        assert sorted(p for p in Path(dm[name].uri).rglob("*")) == files
    assert dm.convert(csv, "people", mode=mode).version == 2


def test_a_file_is_no_root(csv: Path):
    for ask in (lambda dm: dm.list(), lambda dm: dm["x"], lambda dm: dm.convert(points(), "x")):
        with pytest.raises(StoreError, match=r"people\.csv is a file") as caught:
            ask(DataManager(csv))
        assert "folder" in caught.value.hint
    assert "is a file" in repr(DataManager(csv))


def test_names_complete(dm: DataManager, csv: Path):
    dm.convert(points(), "pts")
    assert dm._ipython_key_completions_() == ["people", "pts"]
    assert DataManager(csv)._ipython_key_completions_() == []


def test_versions_and_tags_are_named_by_artefact(dm: DataManager):
    with pytest.raises(VersionNotFound) as caught:
        dm.dataset("people", 99)
    assert (caught.value.message, caught.value.hint) == (
        "'people' has no version 99",
        "versions: 1",
    )
    with pytest.raises(TagNotFound) as other:
        dm.dataset("people", "prod")
    assert other.value.message == "'people' has no tag 'prod'"


def test_sizes_count_in_thousands():
    shown = [_html.size(n) for n in (0, 999, 1000, 999_949, 999_950, 1_500_000, 2 * 10**12, None)]
    assert shown == ["0 B", "999 B", "1.0 kB", "999.9 kB", "1.0 MB", "1.5 MB", "2.0 TB", "?"]


def test_optimize_says_when_there_is_nothing_to_do(dm: DataManager):
    done = dm.optimize("people")
    assert (done.version, dm["people"].version) == (1, 1)
    assert "nothing to do" in repr(done)
    dm.upsert("people", [{"name": "Cy", "age": 3}], key="name")
    assert repr(dm.optimize("people")).startswith("people: 2 fragments are now 1")
    assert "nothing to do" in repr(dm.optimize("people"))
    messages = " ".join(v.message for v in dm.versions("people"))
    assert not re.search("baseoperation|reserve|compaction", messages.lower())
    dm.delete_rows("people", [("name", "=", "Ada")])
    assert dm.optimize("people").version == dm["people"].version > 4  # deleted rows are dropped
    assert dm.dataset("people").get_fragments()[0].metadata.deletion_file is None


def test_html_keeps_the_theme_and_aligns_numbers(dm: DataManager):
    html = dm._repr_html_() + dm.versions("people")._repr_html_() + dm["people"]._repr_html_()
    assert "jp-layout-color1" not in html
    assert "background:transparent" in html
    made = _html.table(("name", "rows", "size"), [("a", "1,200", "3.0 kB"), ("b", "7", "1 B")])
    sides = re.findall(r"<td style=\"[^\"]*text-align:(\w+)\"", made)
    assert sides == ["left", "right", "right"] * 2


def test_an_empty_catalogue_says_how_to_begin(tmp_path: Path):
    dm = DataManager(tmp_path / "new")
    assert "dm.convert(source, name)" in repr(dm)
    html = dm._repr_html_()
    assert "dm.convert(source, name)" in html
    assert "<thead>" not in html


def test_wrong_arguments_are_told_what_is_right(dm: DataManager, csv: Path):
    model = torch.nn.Linear(2, 2)
    age = [{"name": "Ada", "age": "old"}]
    cases = [
        (lambda: dm.list(kind="pictures"), InvalidArgument, "weights, images, text, table"),
        (lambda: dm.search(kind="pictures"), InvalidArgument, "weights, images, text, table"),
        (lambda: dm.convert(csv, "x", mode="replace"), InvalidArgument, "overwrite"),
        (lambda: dm.save_weights("x", model, mode="new"), InvalidArgument, "auto"),
        (lambda: dm.search_rows("people", "name = Ada"), ColumnNotFound, "quotes: 'Ada'"),
        (lambda: dm["people", 9], InvalidArgument, "dm.dataset"),
        (lambda: dm.save_weights(model, "x"), InvalidName, "name comes first"),
        (lambda: dm.save_weights("x", "bert"), SourceNotFound, "checkpoint"),
        (lambda: dm.upsert("people", age, key="name"), SchemaMismatch, "int64"),
        (lambda: dm.convert(csv, "x", progress="yes"), InvalidArgument, "True"),
    ]
    for number, (call, kind, hint) in enumerate(cases):
        with pytest.raises(kind) as caught:
            call()
        assert hint in caught.value.hint, number
    assert dm.list().names == ["people"]


def test_python_errors_name_the_manager(dm: DataManager):
    for name in ("convert", "delete_rows", "upsert", "rollback", "delete", "save_weights"):
        with pytest.raises(TypeError, match=rf"DataManager\.{name}\(\)"):
            getattr(dm, name)()
    assert pickle.loads(pickle.dumps(DataManager.convert)) is DataManager.convert
    assert pickle.loads(pickle.dumps(dm.list))().names == ["people"]


def test_preview_by_name(dm: DataManager):
    assert "Ada" in repr(dm.preview("people"))


def test_singular_and_plural():
    assert repr(Upsert("t", 1, 0, 2)) == "t: 1 row inserted, 0 updated (version 2)"
    assert repr(Upsert("t", 2000, 1, 2)) == "t: 2,000 rows inserted, 1 updated (version 2)"
    assert "1 fragment is now 1" in repr(Optimized("t", 1, 1, 2))


def test_shapes_are_written_one_way(dm: DataManager):
    dm.save_weights("m", {"w": torch.zeros(10, 128), "b": torch.zeros(3)})
    dm.save_weights("m", {"w": torch.ones(10, 128), "b": torch.zeros(3)})
    assert "10 × 128" in repr(dm.diff("m", 1, 2))
    with pytest.raises(InvalidArgument, match="'people' holds a table, not weights"):
        dm.load_weights("people")


def test_loading_says_how_much_went_where(dm: DataManager):
    model = torch.nn.Linear(2, 2)
    dm.save_weights("m", model)
    assert repr(dm.load_weights("m", model)) == (
        "<WeightsLoad 2 tensors, 24 B, version 1, filled a Linear>"
    )
    assert repr(dm.load_weights("m")) == "<WeightsLoad 2 tensors, 24 B, version 1>"


def test_tags_and_labels_are_told_apart(dm: DataManager):
    dm.convert(pa.table({"a": np.arange(3)}), "toy", tags=["small"])
    dm.tag("toy", "prod")
    listed = repr(dm.list())
    head, *rows = listed.splitlines()[1:]
    toy = next(row for row in rows if row.startswith("toy"))
    assert toy.index("prod → 1") == head.index("tags")
    assert toy.index("small") == head.index("labels")
    assert "tags: prod → 1" in repr(dm["toy"])
    assert "labels: small" in repr(dm["toy"])
    assert ">labels<" in dm.list()._repr_html_()
