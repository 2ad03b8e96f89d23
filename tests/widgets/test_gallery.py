"""The gallery without a browser: filters, selection, messages, bounds, faults."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter
from lancenb.widgets import _gallery_rows
from lancenb.widgets._gallery_rows import Shown
from lancenb.widgets._source import TableSource, open_source
from lancenb.widgets._thumbs import draw
from tests.widgets.conftest import left_threads


def listen(view: Any) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Return the list that messages to the front end are added to."""
    heard: list[tuple[dict[str, Any], list[bytes]]] = []
    view.send = lambda content, buffers=(): heard.append((content, list(buffers)))
    return heard


def ask(widget: Any, what: str, number: str = "a-1", /, **args: Any) -> None:
    content = {"ask": what, "id": number, "args": {"client": "a", **args}}
    widget._receive(widget, content, [])


def noise(side: int, seed: int = 0, mode: str = "RGB", kind: str = "JPEG") -> bytes:
    shape = (side, side, len(mode)) if len(mode) > 1 else (side, side)
    pixels = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels, mode).save(out, kind)
    return out.getvalue()


def test_first_page_filters_and_rows(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    assert gallery.wait()
    assert (gallery.total, gallery.matches, len(gallery.first_items)) == (24, 24, 24)
    assert sum(item["n"] for item in gallery.first_items) == len(gallery.first)
    assert gallery.classes == [["circle", 8], ["square", 8], ["star", 8]]
    gallery.chosen = ["square"]
    assert gallery.wait()
    assert {item["label"] for item in gallery.first_items} == {"square"}
    rows = [item["row"] for item in gallery.first_items]
    gallery.selected = rows[2:4]
    assert gallery.rows(["label"])["label"].to_pylist() == [1, 1]
    assert gallery.picked == [[2, 3]]
    gallery.where = "path like '%999%'"
    assert gallery.wait()
    assert (gallery.matches, gallery.selected) == (0, [])


@pytest.mark.parametrize("broken", [False, True])
def test_a_slow_store_does_not_hold_up_the_cell(
    dm: lnb.DataManager, monkeypatch: pytest.MonkeyPatch, broken: bool
) -> None:
    good, go = TableSource.take, threading.Event()

    def slow(*args: Any) -> pa.Table:
        go.wait(600)
        if broken:
            raise OSError("the store is gone")
        return good(*args)

    monkeypatch.setattr(TableSource, "take", slow)
    gallery = lnb.Gallery(dm["shapes"])
    assert (gallery.total, gallery.matches, gallery.busy) == (24, 24, True)
    assert gallery.first_items == []
    assert "still being read" in repr(gallery)
    go.set()
    assert gallery.wait()
    assert not gallery.busy
    assert len(gallery.first_items) == (0 if broken else 24)
    assert ("the store is gone" in str(gallery.problem)) == broken


def test_arguments_are_checked(dm: lnb.DataManager) -> None:
    assert lnb.Gallery(dm["shapes"], label=["star", 0], where=[("width", ">", 1)]).matches == 16
    with pytest.raises(InvalidArgument, match="no class"):
        lnb.Gallery(dm["shapes"], label="hexagon")
    with pytest.raises(InvalidFilter):
        lnb.Gallery(dm["shapes"], where="width >")
    with pytest.raises(ColumnNotFound):
        lnb.Gallery(dm["shapes"], where="wide > 3")
    with pytest.raises(InvalidArgument, match="size"):
        lnb.Gallery(dm["shapes"], size=1000)
    with pytest.raises(InvalidArgument, match="no column of encoded images"):
        lnb.Gallery(dm["table"])


def test_a_wrong_filter_of_a_page_keeps_what_is_shown(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    gallery.set_state({"where": "nothing = 1"})
    gallery.wait()
    assert gallery.problem["message"].startswith("the filter 'nothing = 1' names 'nothing'")
    assert (gallery.matches, gallery.busy) == (24, False)
    gallery.set_state({"where": "width > 1) or (true"})
    gallery.wait()
    assert gallery.problem
    gallery.set_state({"where": "width > 1"})
    gallery.wait()
    assert gallery.problem == {}


def test_a_first_page_that_comes_late_leaves_what_is_wrong_with_a_filter(
    dm: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, go = TableSource.take, threading.Event()
    monkeypatch.setattr(TableSource, "take", lambda *args: (go.wait(600), good(*args))[1])
    gallery = lnb.Gallery(dm["shapes"])
    gallery.set_state({"where": "nothing = 1"})
    assert gallery._filtering.settle(60)
    go.set()
    assert gallery.wait()
    assert "names 'nothing'" in gallery.problem["message"]
    assert len(gallery.first_items) == 24


def test_the_selection_is_observed_and_checked(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    seen: list[list[int]] = []
    gallery.observe(lambda change: seen.append(change["new"]), "selected")
    gallery.set_state({"picked": [[20, 99], [3, 4]]})  # as the front end does
    assert gallery.selected == [3, 4, 20, 21, 22, 23]
    gallery.selected = [7, 5]
    assert seen == [[3, 4, 20, 21, 22, 23], [5, 7]]
    assert gallery.picked == [[5, 5], [7, 7]]
    with pytest.raises(InvalidArgument, match="row 24"):
        gallery.selected = [24]
    assert gallery.selected == [5, 7]
    with pytest.raises(ColumnNotFound):
        gallery.rows(["nothing"])
    assert gallery.rows().num_rows == 2


def test_far_away_it_does_the_same(far: Any, loud: list[BaseException]) -> None:
    gallery = lnb.Gallery(far.get("shapes"), label="star")
    assert gallery.wait()
    assert gallery.matches == 8
    assert {item["label"] for item in gallery.first_items} == {"star"}
    gallery.selected = [0, 7]
    assert gallery.rows(["label"])["label"].to_pylist() == [2, 2]
    gallery.chosen = []
    gallery.wait()
    gallery.selected = [0, 23]
    assert gallery.rows(["path"]).num_rows == 2
    assert "shapes" in repr(gallery)


def test_a_page_that_is_too_heavy_comes_in_parts(tmp_path: Path) -> None:
    images = [noise(440, i) for i in range(30)]
    lnb.convert(pa.table({"image": pa.array(images, pa.binary())}), tmp_path / "big.lance")
    gallery = lnb.Gallery(str(tmp_path / "big.lance"))
    heard = listen(gallery)
    wanted = list(range(30))
    for turn in range(30):
        ask(gallery, "page", f"a-{turn}", view=0, indices=wanted, side=448)
        assert gallery._desk.settle(20)
        content, blobs = heard[-1]
        assert len(blobs[0]) < 900_000
        assert content["body"]["items"]
        wanted = wanted[len(content["body"]["items"]) :]
        if not wanted:
            break
    assert not wanted
    assert len(heard) > 1


def test_only_what_is_asked_is_read_and_the_cache_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_gallery_rows, "CACHE", 60_000)
    picture = noise(16, kind="PNG")
    table = pa.table({"image": pa.array([picture] * 3000, pa.binary())})
    lnb.convert(table, tmp_path / "many.lance")
    gallery = lnb.Gallery(str(tmp_path / "many.lance"))
    assert gallery.wait()
    assert gallery._thumbs.read == 48
    heard = listen(gallery)
    for first in range(0, 1000, 50):
        ask(gallery, "page", view=0, indices=list(range(first, first + 50)), side=112)
        assert gallery._desk.settle(60)
    assert gallery._thumbs.weight <= 60_000
    assert gallery._thumbs.read <= 48 + 1000
    assert [len(c["body"]["items"]) for c, _ in heard] == [50] * 20


def test_newer_questions_come_first_and_nothing_is_left(
    dm: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = set(threading.enumerate())
    gallery = lnb.Gallery(dm["shapes"])
    assert gallery.wait()
    heard, good = listen(gallery), gallery._source.take
    asked, readers = threading.Event(), set()

    def slow(*args: Any) -> pa.Table:
        readers.add(threading.current_thread())
        if threading.current_thread() is not threading.main_thread():
            assert asked.wait(600)
        return good(*args)

    monkeypatch.setattr(gallery._source, "take", slow)
    for turn in range(20):
        ask(gallery, "page", f"a-{turn}", view=0, indices=[turn], side=64)
    assert threading.main_thread() not in readers, "the thread that asks never waits"
    asked.set()
    assert gallery._desk.settle(60)
    assert heard[-1][0]["id"] == "a-19"
    assert len(heard) <= 2, "what was read when the others were asked, and the last"
    gallery.close()
    ask(gallery, "page", "a-99", view=0, indices=[0], side=64)
    assert left_threads(known) == []
    assert "a-99" not in [content["id"] for content, _ in heard]


def test_questions_about_an_earlier_filter_get_nothing(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"])
    heard = listen(gallery)
    ask(gallery, "page", view=7, indices=[0], side=112)
    gallery._desk.settle()
    assert heard == [({"id": "a-1", "body": {"view": 7, "items": []}}, [])]
    ask(gallery, "one", "a-2", view=0, index=24)
    gallery._desk.settle()
    assert heard[-1][0]["error"] == "this picture is no longer shown"
    ask(gallery, "one", "a-3", view=0, index=3)
    gallery._desk.settle()
    body = heard[-1][0]["body"]
    assert body["row"] == 3
    assert "label" in dict(body["fields"])
    assert Image.open(io.BytesIO(heard[-1][1][0])).size == (20, 16)


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "no bytes"), (None, "no bytes"), (b"GIF89a", "cannot be decoded"),
     (noise(300)[:2000], "cannot be decoded")],
)  # fmt: skip
def test_what_cannot_be_drawn_is_a_tile_with_the_reason(
    tmp_path: Path, data: bytes | None, why: str
) -> None:
    lnb.convert(pa.table({"image": pa.array([data, noise(8)], pa.binary())}), tmp_path / "x.lance")
    gallery = lnb.Gallery(str(tmp_path / "x.lance"))
    assert gallery.wait()
    items = gallery.first_items
    assert why in items[0]["why"]
    assert items[1]["n"] > 0


def test_transparency_rotation_and_deep_pixels_survive() -> None:
    clear = draw(noise(600, mode="RGBA", kind="PNG"), 224, webp=True)
    assert (clear.mime, Image.open(io.BytesIO(clear.data)).mode) == ("image/webp", "RGBA")
    out, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (600, 300)).save(out, "JPEG", exif=exif)
    turned = draw(out.getvalue(), 224)
    assert (turned.width, turned.height) == (300, 600)
    assert Image.open(io.BytesIO(turned.data)).size == (112, 224)
    deep = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 10_000).reshape(100, 100).astype(np.uint16)).save(
        deep, "PNG"
    )
    shown = draw(deep.getvalue(), 224)
    assert shown.pixels
    assert Image.open(io.BytesIO(shown.data)).getextrema() == (0, 255)


def test_the_static_form_is_true_without_a_kernel(dm: lnb.DataManager) -> None:
    gallery = lnb.Gallery(dm["shapes"], where="label = 1")
    assert gallery.wait()
    bundle = gallery._repr_mimebundle_()[0]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"].count('src="data:image/') == 8
    assert "24 images" in bundle["text/plain"]
    assert "8 match" in bundle["text/plain"]
    gallery.close()
    assert gallery._repr_mimebundle_()[0]["text/html"].count('src="data:image/') == 8


def test_places_and_rows_of_a_filter(dm: lnb.DataManager) -> None:
    shown = Shown(open_source(dm["shapes"]), "label = 1")
    rows = [shown.row(i) for i in range(shown.count)]
    assert [shown.index(row) for row in rows] == list(range(8))
    assert shown.holds(rows[3])
    assert not shown.holds(rows[3] + 100)
    assert shown.index(10**9) == 7


@pytest.mark.parametrize("name", ["rows", "page", "tensor"])
def test_live_refuses_what_only_a_picture_has(dm: lnb.DataManager, name: str) -> None:
    with pytest.raises(InvalidArgument, match="live"):
        dm["shapes"].preview(live=True, **{name: 1})


def test_live_gives_the_widget_of_the_kind(dm: lnb.DataManager) -> None:
    found = dm["shapes"].preview(live=True, label="star")
    assert isinstance(found, lnb.Gallery)
    assert found.matches == 8
    assert isinstance(lnb.preview(dm["table"], live=True), lnb.TableView)
    with pytest.raises(InvalidArgument, match="label"):
        lnb.preview(dm["table"], live=True, label=1)


@pytest.mark.s3
def test_on_s3(s3_server: Any) -> None:
    store = s3_server.store("tables")
    dm = lnb.DataManager(store)
    images = pa.array([noise(20, i, kind="PNG") for i in range(30)], pa.binary())
    dm.convert(pa.table({"image": images, "label": list(range(30))}), "tiny")
    gallery = lnb.Gallery(dm["tiny"], where="label >= 10")
    gallery.wait()
    assert gallery.matches == 20
    gallery.selected = [29]
    assert gallery.rows(["label"])["label"].to_pylist() == [29]
    again = lnb.Gallery(dm["tiny"].uri, store=store)
    assert again.total == 30
