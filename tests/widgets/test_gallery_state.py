"""What pages and people set on a gallery: refused politely, redacted, in order."""

from __future__ import annotations

import gc
import io
import json
from datetime import date
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa
import pytest
from PIL import Image

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter, LancenbError
from lancenb.widgets.audio import AudioPlayer

SECRET = "https://me:s3cretPW@host/x"


def png() -> bytes:
    Image.new("RGB", (8, 8), "teal").save(out := io.BytesIO(), "PNG")
    return out.getvalue()


def labelled(path: Path, labels: Any) -> str:
    lance.write_dataset(pa.table({"image": [png()] * len(labels), "label": labels}), str(path))
    return str(path)


def test_a_selection_after_a_filter_stays(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"], where="label = 1")
    gallery.where = ""
    gallery.selected = [0, 3, 7]
    assert gallery.wait()
    assert gallery.selected == [0, 3, 7]
    assert gallery.picked == [[0, 0], [3, 3], [7, 7]]
    gallery.chosen = ["star"]
    gallery.picked = [[0, 1]]
    assert gallery.wait()
    assert gallery.rows(["label"])["label"].to_pylist() == [2, 2]


def test_a_wrong_assignment_raises_and_changes_nothing(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"], where="width > 1")
    with pytest.raises(ColumnNotFound, match="widht"):
        gallery.where = "widht > 3"
    with pytest.raises(InvalidArgument, match="no class 'cow'"):
        gallery.chosen = ["cow"]
    with pytest.raises(InvalidArgument, match="ranges"):
        gallery.picked = [5]
    assert (gallery.where, gallery.chosen, gallery.picked) == ("width > 1", [], [])


@pytest.mark.parametrize("picked", [[["x", 1]], [[0]], [5], [[0, float("inf")]], [[0, 10**15]]])
def test_forged_selections_do_no_harm(dm: lnb.DataManager, picked: Any) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    gallery.set_state({"picked": [[1, 1]]})
    gallery.set_state({"picked": picked})
    assert len(gallery.selected) in (1, 24)
    gallery.set_state({"picked": [[2, 3]], "size": 10**9})
    assert gallery.selected == [2, 3]
    assert gallery.size == 256
    assert "selected" in repr(gallery)


@pytest.mark.parametrize("args", [None, [1], {"client": "a"}])
def test_forged_questions_are_answered(dm: lnb.DataManager, args: Any) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    heard: list[Any] = []
    gallery.send = lambda content, buffers=(): heard.append(content)
    gallery._receive(gallery, {"ask": "page", "id": 1, "args": args}, None)
    assert gallery._desk.settle(60)
    assert heard[0]["error"]


def test_secrets_in_a_filter_stay_in_python(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    gallery.set_state({"where": f"path = '{SECRET}'"})
    assert gallery.wait()
    assert (gallery.matches, gallery.where) == (0, f"path = '{SECRET}'")
    gallery.set_state({"where": f"nothing = '{SECRET}'"})
    assert gallery.wait()
    assert gallery.problem
    whole = json.dumps(gallery.get_state(), default=str) + str(gallery._repr_mimebundle_())
    assert "s3cretPW" not in whole
    gallery.set_state({"where": gallery.get_state("where")["where"]})  # a page repeats it
    assert SECRET in gallery.where


def test_a_filter_of_a_page_of_text_is_refused_at_once(
    dm: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    monkeypatch.setattr("lancenb.catalog._names.difflib", None)  # comparing would take seconds
    gallery.set_state({"where": "x" * 20_000})
    assert gallery.wait()
    assert "too long" in gallery.problem["message"]
    with pytest.raises(InvalidFilter, match="5,000 characters"):
        gallery.where = "x" * 5_000
    with pytest.raises(ColumnNotFound):
        gallery.where = "x" * 4_000  # no suggestion is looked for
    many = lnb.Gallery(dm["shapes"], where=[("label", "in", list(range(1, 3000)))])
    many.chosen = ["star"]
    assert many.wait()
    assert many.matches == 8


@pytest.mark.parametrize(
    "labels",
    [
        [True, False, True],
        [1.5, 2.0, None],
        ["it's", "a\nb", ""],
        [-1, 7, 7],
        ["1", "2", "01"],
        [date(2020, 1, 1)] * 3,
    ],
    ids=str,
)
def test_every_class_finds_its_rows(tmp_path: Path, labels: list[Any]) -> None:
    gallery = lnb.Gallery(labelled(tmp_path / "t.lance", labels))
    gallery.wait()
    assert gallery.classes
    for name, rows in gallery.classes:
        gallery.chosen = [name]
        assert gallery.wait()
        assert (gallery.matches, gallery.problem) == (rows, {}), name


@pytest.mark.parametrize("labels", [[b"a", b"b"], [["a"], ["b"]]], ids=str)
def test_values_that_no_text_stands_for_are_no_classes(tmp_path: Path, labels: Any) -> None:
    gallery = lnb.Gallery(labelled(tmp_path / "t.lance", labels))
    assert gallery.wait()
    assert gallery.classes == []


@pytest.mark.parametrize("make", [lnb.Gallery, AudioPlayer, lnb.TableView])
def test_refused_arguments_leave_no_noise(
    dm: lnb.DataManager, make: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    more = {"where": "nope"} if make is lnb.TableView else {}
    for target in (dm["table"], "nope"):
        with pytest.raises(LancenbError):
            make(target, **more)
    gc.collect()
    assert capsys.readouterr().err == ""
