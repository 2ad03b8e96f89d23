"""Class names and ids: where they come from and that they never change."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lancenb.convert.images import PngConverter, class_names
from lancenb.convert.images._labels import merge_names, translation
from lancenb.convert.images._layout import read_layout
from lancenb.convert.images._listing import natural_key
from lancenb.errors import InvalidArgument, SchemaMismatch

from .conftest import picture, table_of

NAMES = st.lists(st.text("abcde", min_size=1, max_size=3), max_size=8)


@settings(deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=5))
def test_ids_stay_whatever_is_appended(rounds):
    names: list[str] = []
    for found in rounds:
        before = list(names)
        names = merge_names(set(found), existing=names)
        assert names[: len(before)] == before
        assert len(set(names)) == len(names)
        assert set(names) == set(before) | set(found)
        assert names[len(before) :] == sorted(names[len(before) :])


@settings(deadline=None)
@given(NAMES, NAMES)
def test_translation_keeps_the_class_of_each_row(found, existing):
    source = sorted(set(found))
    names = merge_names(source, existing=list(dict.fromkeys(existing)))
    assert [names[i] for i in translation(source, names)] == source


@settings(deadline=None)
@given(st.lists(st.text("ab/1 2", min_size=1, max_size=6)))
def test_natural_order_is_total_and_stable(names):
    assert sorted(names, key=natural_key) == sorted(reversed(names), key=natural_key)


def test_nested_folders_belong_to_the_class():
    assert read_layout(["cat/1.png", "cat/x/y/2.png", "dog/3.png"]).classes == ["cat", "cat", "dog"]


def test_files_beside_class_folders_have_no_class():
    assert read_layout(["1.png", "cat/2.png"]).classes == [None, "cat"]


def test_a_class_that_is_named_like_a_split_stays_a_class():
    layout = read_layout(["train/1.png", "bus/2.png"])
    assert layout.splits is None
    assert layout.classes == ["train", "bus"]


def test_w16_append_keeps_label_ids(make_folder, tmp_path):
    first = make_folder({"dog/1.png": picture(seed=1), "cow/1.png": picture(seed=2)})
    second = make_folder({"ant/1.png": picture(seed=3), "dog/2.png": picture(seed=4)})
    out = tmp_path / "t.lance"
    report = PngConverter().convert(first, out)
    assert class_names(report.schema) == ["cow", "dog"]
    report = PngConverter().convert(second, out, mode="append")
    table = table_of(report)
    assert class_names(table.schema) == ["cow", "dog", "ant"]
    assert table["label"].to_pylist() == [0, 1, 2, 1]
    assert table["path"].to_pylist() == ["cow/1.png", "dog/1.png", "ant/1.png", "dog/2.png"]
    assert table.schema.metadata[b"lancenb.kind"] == b"images"


def test_append_of_known_classes_changes_no_metadata(make_folder, tmp_path):
    folder = make_folder({"a/1.png": picture(), "b/1.png": picture(seed=1)})
    only_b = make_folder({"a/9.png": picture(seed=2), "b/2.png": picture(seed=3)})
    report = PngConverter().convert(folder, tmp_path / "t.lance")
    before = table_of(report).schema.metadata
    table = table_of(PngConverter().convert(only_b, tmp_path / "t.lance", mode="append"))
    assert table.schema.metadata == before
    assert table["label"].to_pylist() == [0, 1, 0, 1]


def test_overwrite_makes_a_fresh_label_map(make_folder, tmp_path):
    one = make_folder({"x/1.png": picture(), "y/1.png": picture()})
    two = make_folder({"a/1.png": picture(), "x/1.png": picture()})
    PngConverter().convert(one, tmp_path / "t.lance")
    table = table_of(PngConverter().convert(two, tmp_path / "t.lance", mode="overwrite"))
    assert class_names(table.schema) == ["a", "x"]
    assert table["label"].to_pylist() == [0, 1]


def test_concurrent_extension_is_noticed_and_retried(make_folder, tmp_path):
    base = make_folder({"m/1.png": picture(), "n/1.png": picture()})
    other = make_folder({"z/1.png": picture(), "m/2.png": picture()})
    mine = make_folder({"b/1.png": picture(), "m/3.png": picture()})
    out = tmp_path / "t.lance"
    PngConverter().convert(base, out)

    class Racing(PngConverter):
        raced = False

        def plan(self, source, *, existing=None):
            plan = super().plan(source, existing=existing)
            if not self.raced:
                self.raced = True
                PngConverter().convert(other, out, mode="append")
            return plan

    table = table_of(Racing().convert(mine, out, mode="append"))
    names = class_names(table.schema)
    assert names == ["m", "n", "z", "b"]
    shown = [names[i] for i in table["label"].to_pylist()]
    assert sorted(shown) == ["b", "m", "m", "m", "n", "z"]
    for name, path in zip(shown, table["path"].to_pylist(), strict=True):
        assert path.startswith(name + "/")


def test_given_classes_fix_the_order_and_refuse_others(make_folder, tmp_path):
    folder = make_folder({"a/1.png": picture(), "b/1.png": picture()})
    report = PngConverter(classes=["b", "c", "a"]).convert(folder, tmp_path / "t.lance")
    assert class_names(report.schema) == ["b", "c", "a"]
    assert table_of(report)["label"].to_pylist() == [2, 0]
    with pytest.raises(SchemaMismatch, match="'b'"):
        PngConverter(classes=["a"]).convert(folder, tmp_path / "u.lance")
    assert not (tmp_path / "u.lance").exists()
    with pytest.raises(InvalidArgument, match="twice"):
        PngConverter(classes=["a", "a"])


def test_labels_by_mapping_function_or_not_at_all(make_folder, tmp_path):
    folder = make_folder({"n01/1.png": picture(), "n02/2.png": picture(), "n03/3.png": picture()})
    by_folder = {"n01": "tench", "2.png": "goldfish"}
    table = table_of(PngConverter(label=by_folder).convert(folder, tmp_path / "a.lance"))
    assert class_names(table.schema) == ["goldfish", "tench"]
    assert table["label"].to_pylist() == [1, 0, None]
    by_name = PngConverter(label=lambda path: int(path[-5]))
    table = table_of(by_name.convert(folder, tmp_path / "b.lance"))
    assert class_names(table.schema) is None
    assert table["label"].to_pylist() == [1, 2, 3]
    table = table_of(PngConverter(label=None).convert(folder, tmp_path / "c.lance"))
    assert "label" not in table.column_names
    with pytest.raises(InvalidArgument, match="float"):
        PngConverter(label=lambda path: 0.5).convert(folder, tmp_path / "d.lance")


def test_unlabelled_rows_append_as_null(make_folder, tmp_path):
    labelled = make_folder({"a/1.png": picture(), "b/1.png": picture()})
    flat = make_folder({"x.png": picture(), "y.png": picture()})
    PngConverter().convert(labelled, tmp_path / "t.lance")
    table = table_of(PngConverter().convert(flat, tmp_path / "t.lance", mode="append"))
    assert table["label"].to_pylist() == [0, 1, None, None]
    assert class_names(table.schema) == ["a", "b"]


def test_labelled_rows_do_not_fit_an_unlabelled_table(make_folder, tmp_path):
    labelled = make_folder({"a/1.png": picture(), "b/1.png": picture()})
    flat = make_folder({"x.png": picture()})
    PngConverter().convert(flat, tmp_path / "t.lance")
    with pytest.raises(SchemaMismatch, match="label"):
        PngConverter().convert(labelled, tmp_path / "t.lance", mode="append")
    report = PngConverter(label=None).convert(labelled, tmp_path / "t.lance", mode="append")
    assert table_of(report).num_rows == 3


def test_splits_become_a_column_or_are_picked(make_folder, tmp_path):
    files = {
        "train/a/1.png": picture(),
        "train/b/1.png": picture(),
        "val/a/1.png": picture(),
    }
    folder = make_folder(files)
    table = table_of(PngConverter().convert(folder, tmp_path / "a.lance"))
    assert class_names(table.schema) == ["a", "b"]
    assert table["split"].to_pylist() == ["train", "train", "validation"]
    table = table_of(PngConverter(split="validation").convert(folder, tmp_path / "b.lance"))
    assert table["path"].to_pylist() == ["val/a/1.png"]
    assert "split" not in table.column_names
