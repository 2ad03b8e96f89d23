"""Rows, filters, orders and figures of the table widget, without a browser."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import lancenb as lnb
from lancenb.errors import ColumnNotFound, InvalidArgument, InvalidFilter, NotFound
from lancenb.store import lance_module
from lancenb.widgets import _figures, _table_rows, table_view
from lancenb.widgets._column_stats import Bins, ColumnStats, measure
from lancenb.widgets._distinct import Distinct, hashes
from lancenb.widgets._table_cells import cells, full
from tests.widgets.conftest import left_threads

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def go(table: Any, name: str = "t", **more: Any) -> str:
        uri = str(tmp_path / f"{name}.lance")
        table = table if isinstance(table, pa.Table) else pa.table(table)
        lance_module().write_dataset(table, uri, **more)
        return uri

    return go


@pytest.fixture
def view(write: Write) -> Iterator[lnb.TableView]:
    n = 500
    words = {
        "id": range(n),
        "name": [f"n{i % 7}" if i % 10 else None for i in range(n)],
        "x": [float(-i) for i in range(n)],
    }
    made = lnb.TableView(write(words, "words"))
    yield made
    made.close()


def ask(view: Any, what: str, **args: Any) -> Any:
    """Ask as the front end does and return the answer."""
    out: list[Any] = []
    view.send = lambda content, buffers=None: out.append((content, buffers))
    view._receive(view, {"ask": what, "id": "1", "args": args}, [])
    assert view.settle(20)
    content, buffers = out[-1]
    assert "error" not in content, content
    return content["body"], buffers


def page(view: lnb.TableView, offset: int = 0, limit: int = 5) -> dict[str, Any]:
    columns = list(view.shown)
    return ask(view, "rows", offset=offset, limit=limit, columns=columns, epoch=view.epoch)[0]


def test_pages_hold_what_the_table_holds(view: lnb.TableView):
    found = page(view, 490, 50)
    assert found["numbers"] == list(range(490, 500))
    assert found["rows"][0] == ["490", None, "-490.0"]
    assert page(view, 7, 1)["rows"] == [["7", "n0", "-7.0"]]


def test_filter_and_order_are_what_rows_returns(view: lnb.TableView):
    view.filter("name = 'n3' AND id < 100")
    view.sort_by("x")
    ids = [i for i in range(100) if i % 7 == 3 and i % 10]
    assert view.rows()["id"].to_pylist() == ids[::-1]
    assert view.rows(limit=2, columns=["x"]).to_pydict() == {
        "x": [-float(ids[-1]), -float(ids[-2])]
    }
    assert page(view)["numbers"] == ids[::-1][:5]
    assert (view.count, view.total, view.sql()) == (len(ids), 500, "name = 'n3' AND id < 100")
    view.sort_by(None)
    view.filter(None)
    assert view.rows().num_rows == 500
    assert page(view)["numbers"] == [0, 1, 2, 3, 4]


def test_orders_agree_with_arrow_nulls_last(view: lnb.TableView):
    for way, places in (("name", "ascending"), ("name desc", "descending")):
        view.sort_by(way)
        whole = view.source.rows()
        expected = whole.take(pa.compute.sort_indices(whole, sort_keys=[("name", places)]))
        assert view.rows()["id"].to_pylist() == expected["id"].to_pylist()
        assert page(view, 495)["rows"][-1][1] is None


def test_triples_become_sql_that_can_be_edited(write: Write):
    view = lnb.TableView(write({"a b": ["x'y", "z"]}), where=[("a b", "=", "x'y")])
    assert view.rows()["a b"].to_pylist() == ["x'y"]
    assert view.asked == view.sql() != ""


def test_mistakes_in_the_filter_are_said_and_change_nothing(view: lnb.TableView):
    view.filter("id < 5")
    before = view.epoch
    view.asked = "nmae = 3"
    assert view.settle(10)
    assert view.problem["about"] == "filter"
    assert "name" in view.problem["hint"]
    assert (view.where, view.count, view.epoch, view.busy) == ("id < 5", 5, before, "")
    for wrong in ("id <", "id = 1; DROP TABLE x", ")"):
        view.asked = wrong
        assert view.settle(10)
        assert view.problem["message"]
        assert view.rows().num_rows == 5
    view.asked = "id < 5"
    assert view.settle(10)
    assert view.problem == {}
    with pytest.raises(InvalidFilter):
        view.filter("id <")
    with pytest.raises(ColumnNotFound):
        view.filter("nope = 1")


def test_arguments_that_do_not_fit(view: lnb.TableView, write: Write):
    uri = str(view.source.uri)
    with pytest.raises(ColumnNotFound, match="colour"):
        lnb.TableView(uri, columns=["colour"])
    with pytest.raises(ColumnNotFound, match="colour"):
        lnb.TableView(uri, order_by="colour desc")
    with pytest.raises(NotFound):
        lnb.TableView(uri + "x")
    with pytest.raises(InvalidArgument, match="no order"):
        lnb.TableView(write({"v": [[1.0, 2.0]]}, "v"), order_by="v")


def test_too_many_rows_to_sort_are_refused_politely(
    view: lnb.TableView, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_table_rows, "SORT_ROWS", 100)
    view.sort = {"column": 0, "way": "desc"}
    assert view.settle(10)
    assert "500 rows are too many" in view.problem["message"]
    assert "100" in view.problem["message"]
    assert view.sort == {}
    view.filter("id < 50")
    view.sort_by("id desc")
    assert view.rows()["id"][0].as_py() == 49


def test_stale_questions_get_no_rows(view: lnb.TableView):
    old = view.epoch
    view.filter("id > 3")
    assert ask(view, "rows", offset=0, limit=5, columns=[0], epoch=old)[0] == {}


def test_selection_survives_filter_and_order(view: lnb.TableView):
    view.selected = [3, 499]
    view.filter("id > 100")
    view.sort_by("x")
    assert view.selected == [3, 499]
    assert view.selected_rows(["id"])["id"].to_pylist() == [3, 499]


def test_the_line_of_python_gives_the_same_rows(dm: lnb.DataManager, write: Write):
    art = dm["table"]
    view = lnb.TableView(art, where="split = 'test'", columns=["id", "text"], order_by="id desc")
    assert view.code.startswith("dm.search_rows('table', where=")
    assert eval(view.code, {"dm": dm}).equals(view.rows())
    other = lnb.TableView(write({"n": [3, 1, 2]}), order_by="n")
    assert eval(other.code, {"lnb": lnb})["n"].to_pylist() == [1, 2, 3]


def test_figures_of_all_kinds(write: Write):
    n = 1000
    table = {
        "n": range(n),
        "f": [float("nan") if i == 5 else i / 4 if i % 2 else None for i in range(n)],
        "s": [["", "two words", "a b c"][i % 3] for i in range(n)],
        "b": [i % 4 == 0 for i in range(n)],
        "d": [decimal.Decimal(i) / 10 for i in range(n)],
        "t": [dt.datetime(2024, 1, 1) + dt.timedelta(days=i) for i in range(n)],
        "raw": [b"x"] * n,
    }
    view = lnb.TableView(write(table))
    facts = view.measure().result(60)
    assert "raw" not in facts
    assert {k: facts["n"][k] for k in ("min", "max", "mean", "distinct", "nulls", "approx")} == {
        "min": "0", "max": "999", "mean": "499.5", "distinct": 1000, "nulls": 0, "approx": False,
    }  # fmt: skip
    assert sum(facts["n"]["bars"]) == n
    assert (facts["f"]["nulls"], facts["f"]["odd"], facts["f"]["max"]) == (500, 1, "249.75")
    assert (facts["s"]["min"], facts["s"]["max"], facts["s"]["distinct"]) == ("0", "9", 3)
    assert facts["s"]["top"][0] == ("", 334)
    assert facts["s"]["words"] == "1.665"
    assert (facts["b"]["true"], facts["b"]["known"]) == (250, 1000)
    assert (facts["d"]["max"], facts["d"]["mean"]) == ("99.9", "49.95")
    assert (facts["t"]["min"], facts["t"]["max"][:10]) == ("2024-01-01T00:00:00", "2026-09-26")
    assert view.stats["0"]["max"] == "999"
    assert view.measuring == {
        "state": "done", "rows": n, "total": n, "fraction": 1.0, "message": "",
    }  # fmt: skip


def test_figures_come_from_the_first_rows_until_asked_for_all(
    write: Write, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_figures, "FIRST_ROWS", 100)
    view = lnb.TableView(write({"n": range(1000)}))
    page(view)
    assert view._figures.job is not None
    assert view._figures.job.result(60)["n"]["max"] == "99"
    assert (view.measuring["rows"], view.measuring["total"]) == (100, 1000)
    view.filter("n >= 500")
    assert view._figures.job.result(60)["n"]["min"] == "500"
    ask(view, "measure", whole=True)
    assert view._figures.job.result(60)["n"]["max"] == "999"
    assert view.measuring["rows"] == 500


def test_measuring_can_be_cancelled_and_ends_with_the_view(
    write: Write, monkeypatch: pytest.MonkeyPatch
):
    hold, known = threading.Event(), set(threading.enumerate())
    add = ColumnStats.add
    monkeypatch.setattr(ColumnStats, "add", lambda *a: (hold.wait(600), add(*a))[1])
    view = lnb.TableView(write({"n": range(100_000)}))
    job = view.measure()
    ask(view, "cancel")
    hold.set()
    assert job.wait(60)
    assert job.state == "cancelled"
    assert left_threads(known) == []  # the view is told after whoever waits for the job
    assert view.measuring["state"] == "cancelled"
    hold.clear()
    job = view.measure()
    view.close()
    hold.set()
    assert job.wait(60)
    assert view.settle(10)
    assert left_threads(known) == []


def test_figures_that_come_after_they_were_forgotten_are_dropped(
    view: lnb.TableView, monkeypatch: pytest.MonkeyPatch
):
    read, go, real = threading.Event(), threading.Event(), _figures.measure

    def late(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        read.set()
        assert go.wait(600)
        return found

    monkeypatch.setattr(_figures, "measure", late)
    job = view.measure()
    assert read.wait(60)
    view._figures.turn_to(view._rows)  # as another filter does
    go.set()
    assert job.wait(60)
    assert (job.state, view._figures.facts) == ("cancelled", {})


def test_a_manager_far_away(far: Any):
    view = lnb.TableView(far.get("table"), where="split = 'train'", order_by="id desc")
    assert view.rows()["id"].to_pylist()[:3] == [49, 48, 47]
    assert page(view)["rows"][0][0] == "49"
    assert view.measure().result(60)["id"]["max"] == "49"
    view.selected = [0]
    assert view.selected_rows()["id"].to_pylist() == [49]
    view.filter(None)
    assert view.selected == []  # they were places in a view that is no more
    assert "table" in repr(view)


def test_images_come_as_small_pictures_and_messages_stay_small(write: Write):
    rng = np.random.default_rng(0)

    def photo(i: int) -> bytes:
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (600, 800, 3), dtype=np.uint8)).save(out, "JPEG")
        return out.getvalue()

    images = [photo(i) for i in range(3)]
    view = lnb.TableView(write({"image": [*images, b"broken", None], "n": range(5)}))
    found, buffers = ask(view, "rows", offset=0, limit=5, columns=[0, 1], epoch=0)
    assert [place[:2] for place in found["pictures"]] == [(0, 0), (1, 0), (2, 0)]
    assert all(len(each) < 20_000 for each in buffers)
    assert max(Image.open(io.BytesIO(buffers[0])).size) <= 96
    assert "cannot be decoded" in found["rows"][3][0]["t"]
    assert found["rows"][4][0] is None
    body, pictures = ask(view, "value", row=0, column=0, start=0, epoch=0)
    assert dict(body["facts"])["size"] == "800 × 600"
    assert len(pictures[0]) < 600_000


def test_no_message_is_large(write: Write):
    wide = {f"c{i:03}": ["ü" * 5000] * 100 for i in range(60)}
    view = lnb.TableView(write(wide), columns=sorted(wide))
    found, _ = ask(view, "rows", offset=0, limit=100, columns=list(range(60)), epoch=0)
    assert 0 < len(found["rows"]) <= 100
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 1_000_000


def test_long_text_comes_in_parts(write: Write):
    text = "".join(chr(97 + i % 26) for i in range(250_000))
    view = lnb.TableView(write({"text": [text]}))
    cell = page(view)["rows"][0][0]
    assert cell["n"] == 250_000
    assert len(cell["t"]) <= 200
    got, start = "", 0
    while start < 250_000:
        body, _ = ask(view, "value", row=0, column=0, start=start, epoch=0)
        got += body["text"]
        start += body["taken"]
    assert got == text


def test_tables_of_every_shape(write: Write):
    empty = lnb.TableView(write({"a": pa.array([], pa.int64())}, "empty"))
    assert "empty" in repr(empty)
    assert (empty.count, page(empty)["rows"]) == (0, [])
    wide = lnb.TableView(write({f"c{i}": [i] for i in range(300)}, "wide"))
    assert len(wide.shown) == 30
    assert len(wide.columns) == 300
    wide.shown = [299]
    assert page(wide)["rows"] == [["299"]]
    assert wide.rows().column_names == ["c299"]
    names = ["a b", "A B", "a  b", "it's", 'quo"te', "<b>x</b>", "\u202eevil", "select"]
    odd = lnb.TableView(write({name: [i] for i, name in enumerate(names)}, "odd"))
    assert page(odd)["rows"] == [[str(i) for i in range(len(names))]]
    assert odd.measure().state in ("running", "done")
    tick = lnb.TableView(write({"a`b": [1], "n": [2]}, "tick"))
    assert page(tick)["rows"][0][1] == "2"
    assert tick.rows().column_names == ["n"]


def test_odd_values_of_every_type():
    def first(values: Any, kind: Any = None) -> Any:
        return cells(pa.array([values], kind))[0]

    assert first(2**63 - 1) == "9223372036854775807"
    assert first(2**64 - 1, pa.uint64()) == "18446744073709551615"
    assert first(decimal.Decimal("1E-8"), pa.decimal128(20, 10)) == "0.0000000100"
    assert first(0.1) == "0.1"
    assert first(0.1, pa.float32()) == "0.1"
    assert first(float("nan")) == "nan"
    assert first(float("-inf")) == "-inf"
    assert first(None, pa.string()) is None
    assert first("") == ""
    assert first(True) == "true"
    assert first(dt.date(2024, 2, 29)) == "2024-02-29"
    assert first(1, pa.timestamp("ns", tz="UTC")) == "1970-01-01T00:00:00.000000001Z"
    assert first(2**62, pa.timestamp("us")) == "4611686018427387904 as timestamp[us]"
    assert first(-90_061_001, pa.duration("ms")) == "-1 d 01:01:01.001"
    assert first(b"\x89PNG1234567") == {"t": "11 B  89 50 4e 47 31 32 33 34 …", "k": "bin"}
    assert first({"a": 1, "b": [{"c": b"zz"}]})["t"] == '{"a": 1, "b": [{"c": "2 B of bytes"}]}'
    assert first([("k", 1)], pa.map_(pa.string(), pa.int64()))["k"] == "fold"
    assert first(list(range(1000)))["t"].endswith('"… 980 more"]')
    vector = first([1.0, -2.0], pa.list_(pa.float32(), 2))
    assert (vector["t"], vector["s"]) == ("2: 1.0, -2.0", [0.5, -1.0])
    assert cells(pa.array(["a", None, "a"]).dictionary_encode()) == ["a", None, "a"]
    assert first([None, 1.0, 2.0], pa.list_(pa.float32(), 3))["t"] == "3: null, 1.0, 2.0"
    assert first(None, pa.list_(pa.float32(), 3)) is None
    broken = pa.Array.from_buffers(
        pa.string(), 1,
        [None, pa.py_buffer(np.array([0, 2], np.int32)), pa.py_buffer(b"\xff\xfe")],
    )  # fmt: skip
    assert cells(broken) == ["\ufffd\ufffd"]
    assert full(pa.scalar([[1, 2], [3]])) == json.dumps([[1, 2], [3]], indent=2)
    assert full(pa.scalar([1, 2])) == "[1, 2]"


@pytest.mark.parametrize("exact", [True, False])
def test_distinct_counts(exact: bool):
    seen = Distinct(limit=10**6 if exact else 100)
    values = np.arange(60_000) % 50_000
    for part in np.array_split(values, 7):
        seen.add(pa.array(part))
    number, sure = seen.count()
    assert sure is exact
    assert number == 50_000 if exact else abs(number - 50_000) < 2_500
    texts = Distinct(limit=100)
    texts.add(pa.array([f"row {i % 20_000}" for i in range(40_000)]))
    assert abs(texts.count()[0] - 20_000) < 1_000


def test_equal_texts_hash_equally_wherever_they_stand():
    texts = pa.array(["x", "abc", "", "abc", "ab", "abcd", "\x00", "\x00\x00"])
    found = hashes(texts).tolist()
    assert found[1] == found[3]
    assert len(set(found)) == 7
    assert hashes(texts.slice(3)).tolist() == found[3:]


def test_bins_grow_with_the_values_and_lose_none():
    bins = Bins()
    parts = [np.array([5.0, 6.0]), np.array([-1e6]), np.array([1e12, 0.0]), np.array([7.0])]
    for part in parts:
        bins.add(part)
    bars, low, high = bins.bars()
    assert sum(bars) == 6
    assert low <= -1e6
    assert high >= 1e12
    flat = Bins()
    flat.add(np.full(10, 3.0), 1.0)
    assert sum(flat.bars()[0]) == 10
    endless = Bins()
    endless.add(np.array([-1.7e308, 1.7e308]))
    assert endless.bars()[0] == []


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.float16(), pa.date32(), pa.time64("us"), pa.duration("ns"), pa.bool_(),
     pa.large_string(), pa.timestamp("s", tz="UTC"), pa.decimal128(30, 4),
     pa.dictionary("int8", "utf8")],
    ids=str,
)  # fmt: skip
def test_columns_of_nothing_but_null(kind: pa.DataType):
    batch = pa.record_batch({"c": pa.nulls(5, kind)})
    facts = measure([batch, batch], list(batch.schema), 10)["c"]
    assert (facts["nulls"], facts["rows"], facts["bars"]) == (10, 10, [])
    json.dumps(facts)


def test_static_form_is_true_and_safe(view: lnb.TableView):
    view.filter("id > 490")
    view.measure().result(60)
    html, text = view._static()
    assert "Rows 1-9 of 9." in text
    assert "9 match" in text
    assert "Columns in figures" in html
    bundle = view._repr_mimebundle_()[0]
    assert bundle["text/html"] == html
    assert "<script" not in html


def test_text_opens_with_its_reading_pane(dm: lnb.DataManager, write: Write):
    schema = pa.schema([("text", pa.string())], metadata={b"lancenb.kind": b"text"})
    view = lnb.TableView(write(pa.table({"text": ["one two", None]}, schema=schema)))
    assert view.reading
    body, _ = ask(view, "value", row=0, column=0, start=0, epoch=0)
    assert body["facts"] == [("characters", "7"), ("words", "2")]
    assert not lnb.TableView(dm["table"]).reading


def test_a_filter_typed_while_another_one_is_read_is_not_overwritten(
    dm: lnb.DataManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = lnb.TableView(dm["table"])
    began, go, read = threading.Event(), threading.Event(), table_view.Rows

    def slow(*args: Any) -> Any:
        began.set()
        assert go.wait(600)
        return read(*args)

    monkeypatch.setattr(table_view, "Rows", slow)
    view.set_state({"asked": "id < 5"})
    assert began.wait(60)
    view.set_state({"asked": "id < 3"})
    go.set()
    assert view.settle()
    assert (view.asked, view.where, view.count) == ("id < 3", "id < 3", 3)
    view.close()
