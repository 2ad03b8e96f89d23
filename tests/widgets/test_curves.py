"""The curves without a browser: points, samples, inputs, what travels, what stays."""

from __future__ import annotations

import base64
import io
import json
import math
import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import csv

import lancenb as lnb
from lancenb.errors import EmptyInput, InvalidArgument, NotFound, UnsupportedFormat
from lancenb.widgets import Curves, _series
from lancenb.widgets._curves_names import place
from lancenb.widgets._curves_wire import BUDGET, csv_part, packed
from lancenb.widgets._series import LIMIT, Series

NAN, INF = float("nan"), float("inf")


def series_of(values, steps=None) -> Series:
    values = np.asarray(values, np.float64)
    steps = np.arange(len(values), dtype=np.float64) if steps is None else np.asarray(steps, float)
    made = Series()
    made.extend(steps, np.full(len(values), NAN), 0.5 * steps, values)
    return made


def lines(curves: Curves) -> dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]:
    """Unpack what the front end gets: position and value of every line."""
    found = {}
    for part in ("ended", "live"):
        data = np.frombuffer(getattr(curves, f"{part}_data"), np.float32)
        for fact in getattr(curves, part):
            at, n = fact["offset"] // 4, fact["points"]
            key = fact["run"], fact["metric"]
            found[key] = fact["base"] + data[at : at + n].astype(float), data[at + n : at + 2 * n]
    return found


# ---------------------------------------------------------------- sampling


def test_a_short_series_is_sampled_whole():
    sample = series_of([3, 1, 2]).sample()
    assert sample.x.tolist() == [0, 1, 2]
    assert sample.y.tolist() == [3, 1, 2]
    assert sample.bands.shape == (4, 0)


@pytest.mark.parametrize("size", [2001, 12_345, 100_000, 1_000_000])
def test_a_long_series_keeps_its_peaks_its_ends_and_its_gaps(size: int):
    values = np.random.default_rng(0).normal(size=size)
    values[size // 3], values[size // 2], values[size // 5] = 99, -88, NAN
    sample = series_of(values).sample()
    assert len(sample.x) <= LIMIT
    assert sample.x[0] == 0
    assert sample.x[-1] == size - 1
    assert (np.diff(sample.x) > 0).all()
    kept = dict(zip(sample.x.tolist(), sample.y.tolist(), strict=True))
    assert kept[size // 3] == 99
    assert kept[size // 2] == -88
    assert math.isnan(kept[size // 5])
    middle, mean, low, high = sample.bands
    assert (np.diff(middle) > 0).all()
    assert ((low <= mean) & (mean <= high)).all()
    assert mean.mean() == pytest.approx(0, abs=0.05)


@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(NAN), st.just(INF)), min_size=1, max_size=700),
    st.lists(st.integers(1, 300), min_size=1, max_size=8),
    st.integers(2, 40),
)
@settings(max_examples=60, deadline=None)
def test_sampling_piece_by_piece_gives_what_sampling_at_once_gives(values, cuts, buckets):
    whole, grown = series_of(values), Series()
    at = 0
    for cut in [*cuts, len(values)]:
        for step in range(at, min(at + cut, len(values))):
            grown.append(step, NAN, 0.5 * step, values[step])
        at = min(at + cut, len(values))
        grown.sample(buckets=buckets)
    one, two = whole.sample(buckets=buckets), grown.sample(buckets=buckets)
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.y, two.y, equal_nan=True)
    assert np.allclose(one.bands, two.bands, equal_nan=True)
    assert len(one.x) <= 5 * buckets
    finite = [v for v in values if math.isfinite(v)]
    if finite:
        assert np.nanmin(one.y) == min(finite)
        assert np.nanmax(one.y) == max(finite)
    assert whole.trouble() == grown.trouble()


def test_zooming_in_gives_every_point_there():
    series = series_of(np.arange(100_000) % 7)
    near = series.sample("step", 50_000, 50_100)
    assert near.x.tolist() == list(range(49_999, 50_102))
    assert near.y.tolist() == [x % 7 for x in range(49_999, 50_102)]
    half = series.sample("time", 0, 25_000)
    assert len(half.x) <= LIMIT
    assert half.x[-1] == pytest.approx(25_000, abs=200)
    assert series.sample("step", 200_000, 300_000).total <= 1


def test_steps_out_of_order_are_put_right():
    series = Series()
    for step in (5, 1, 3, 2, 4):
        series.append(step, 0, 0, 10 * step)
    assert series.sample().x.tolist() == [1, 2, 3, 4, 5]
    assert series.sample().y.tolist() == [10, 20, 30, 40, 50]


def test_an_added_point_costs_little_however_long_the_series_is(monkeypatch):
    series = series_of(np.random.default_rng(0).normal(size=1_000_000))
    series.sample()
    summed, inner = [], _series._summed

    def counted(rows, start):
        summed.append(rows.size)
        return inner(rows, start)

    monkeypatch.setattr(_series, "_summed", counted)
    for step in range(20):
        series.append(1_000_000 + step, 0, 0, 1.0)
        series.sample()
    assert sum(summed) < 20 * 5_000, "a sample must not read a million points again"


# ---------------------------------------------------------------- what travels


def test_a_million_points_travel_as_a_few_thousand():
    size = 1_000_000
    steps = np.arange(size)
    c = Curves({"step": steps, "loss": np.sin(steps / 1000.0), "lr": steps * 1e-9})
    assert c.table().num_rows == size
    assert len(c.ended_data) <= 2 * 4 * 14 * 400
    assert all(fact["points"] <= LIMIT for fact in c.ended)
    assert all(fact["total"] == size for fact in c.ended)


def test_no_message_is_larger_than_the_budget():
    c = Curves()
    rng = np.random.default_rng(0)
    for run in range(60):
        columns = {f"loss_{i}": rng.normal(size=5000) for i in range(5)}
        c._store.extend(f"run {run}", {"step": np.arange(5000), **columns})
    facts, data = packed(c._store.runs.values(), "step")
    assert len(facts) == 300
    assert 200_000 < len(data) <= BUDGET


def test_positions_stay_exact_where_single_precision_is_not():
    steps = 10**9 + np.arange(50)
    c = Curves({"step": steps, "loss": np.ones(50)})
    assert lines(c)["run", "loss"][0].tolist() == steps.tolist()


def test_live_and_ended_runs_travel_apart():
    c = Curves()
    c.add("a", 1, loss=1.0)
    c.add("b", 1, loss=2.0)
    c.finish("a")
    assert [fact["run"] for fact in c.ended] == ["a"]
    assert [fact["run"] for fact in c.live] == ["b"]
    before = c.ended_data
    c.add("b", 2, loss=3.0)
    c.refresh()
    assert c.ended_data is before, "what has ended does not travel again"
    assert lines(c)["b", "loss"][1].tolist() == [2, 3]


def test_points_from_many_threads_all_arrive_and_few_updates_are_sent():
    c = Curves()
    updates = []
    c.observe(lambda change: updates.append(time.monotonic()), "live_data")

    def work(name: str) -> None:
        for step in range(2000):
            c.add(name, step, loss=step, lr=0.1)

    begin = time.monotonic()
    threads = [threading.Thread(target=work, args=(f"run {i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        c.finish(f"run {i}")
    assert len(updates) <= 10 * (time.monotonic() - begin) + 5
    assert c.table().num_rows == 8000
    assert not c.live
    assert sorted({name for name, _ in lines(c)}) == [f"run {i}" for i in range(4)]


def test_the_last_points_are_drawn_without_another_call():
    c = Curves()
    c.add("a", 1, loss=1.0)
    c.add("a", 2, loss=0.5)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with c._drawing:  # the points and where they lie are set one after the other
            drawn = lines(c).get(("a", "loss"), ((), np.empty(0)))[1].tolist()
        if drawn == [1, 0.5]:
            break
        time.sleep(0.02)
    assert drawn == [1, 0.5]


def test_closing_leaves_no_timer_behind():
    c = Curves()
    c.add("a", 1, loss=1.0)
    timer = c._pending
    c.close()
    c.add("a", 2, loss=1.0)
    if timer is not None:
        timer.join(60)
        assert not timer.is_alive()
    assert c.table().num_rows == 2, "the points stay"
    assert c._pending is None


def test_the_front_end_is_answered_in_pieces_below_a_megabyte():
    rng = np.random.default_rng(0)
    size = 40_000
    c = Curves({"a very long name " * 3: {"step": np.arange(size), "loss": rng.normal(size=size)}})
    body, (first,) = c._answer_csv(0)
    texts = [first] + [c._answer_csv(part)[1][0] for part in range(1, body["parts"])]
    assert body["parts"] > 1
    assert max(map(len, texts)) < 1_000_000
    back = csv.read_csv(io.BytesIO(b"".join(texts)))
    assert back["loss"].to_pylist() == c.table()["loss"].to_pylist()
    body, (data,) = c._answer_zoom("step", 100, 200)
    assert body["series"][0]["points"] == 103
    assert len(data) < 1_000_000
    with pytest.raises(IndexError):
        csv_part(c.table(), 99)


# ---------------------------------------------------------------- inputs

HISTORY = {"step": [1, 2, 3], "train_loss": [3.0, 2.0, 1.0], "val_loss": [None, None, 1.5]}


def as_pandas():
    return pytest.importorskip("pandas").DataFrame(HISTORY)


@pytest.mark.parametrize(
    "thing",
    [
        HISTORY,
        pa.table(HISTORY),
        as_pandas,
        [
            {"step": s, "train_loss": t, "val_loss": v}
            for s, t, v in zip(*HISTORY.values(), strict=True)
        ],
        {"run": HISTORY},
    ],
    ids=["mapping", "arrow", "pandas", "rows", "named"],
)
def test_histories_of_all_kinds_give_the_same_lines(thing):
    c = lnb.curves(thing() if callable(thing) else thing)
    x, y = lines(c)["run", "train_loss"]
    assert (x.tolist(), y.tolist()) == ([1, 2, 3], [3, 2, 1])
    x, y = lines(c)["run", "val_loss"]
    assert (x.tolist(), y.tolist()) == ([3], [1.5])
    assert [panel["key"] for panel in c.panels] == ["loss"], "train and val share a panel"


def test_a_list_of_numbers_is_a_history_and_names_stay_apart():
    c = lnb.curves([3.0, 2.0], [3.0, 1.0])
    assert [run["name"] for run in c.runs] == ["run", "run 2"]
    assert lines(c)["run 2", "value"][1].tolist() == [3, 1]


def test_the_csv_of_lightning_with_its_holes(tmp_path):
    folder = tmp_path / "version_3"
    folder.mkdir()
    (folder / "metrics.csv").write_text(
        "epoch,step,train_loss,val_loss\n0,0,3.0,\n0,1,2.0,\n0,1,,2.5\n1,2,1.0,\n"
    )
    c = lnb.curves(folder)
    assert [run["name"] for run in c.runs] == ["version_3"]
    assert lines(c)["version_3", "train_loss"][0].tolist() == [0, 1, 2]
    assert lines(c)["version_3", "val_loss"][0].tolist() == [1]
    assert c.table().num_rows == 3, "two rows of one step are one step"


def test_our_own_csv_comes_back_run_by_run(tmp_path):
    c = lnb.curves({"a": {"loss": [2.0, 1.0]}, "b": {"loss": [5.0]}})
    again = lnb.curves(c.to_csv(tmp_path / "c.csv"))
    assert again.table().select(["run", "step", "loss"]) == c.table().select(
        ["run", "step", "loss"]
    )


def test_whole_epochs_are_spread_over_their_steps():
    c = lnb.curves({"epoch": [0, 0, 1, 1], "loss": [4.0, 3.0, 2.0, 1.0]}, axis="epoch")
    assert lines(c)["run", "loss"][0].tolist() == [0.5, 1, 1.5, 2]


def test_an_artefact_that_holds_a_history(dm):
    pa_table = pa.table({"step": [1, 2], "loss": [0.5, 0.25]})
    dm.convert(pa_table, "log-of-a-run")
    assert lines(lnb.curves(dm["log-of-a-run"]))["log-of-a-run", "loss"][1].tolist() == [0.5, 0.25]
    with pytest.raises(EmptyInput, match="no history"):
        lnb.curves(dm["net"])


def test_a_history_from_far_away(far):
    import torch

    history = {"step": [1, 2], "train_loss": [2.0, None]}
    far.save_weights("far-net", {"w": torch.ones(2)}, extras={"lancenb.history": history})
    assert lines(lnb.curves(far.get("far-net")))["far-net", "train_loss"][1].tolist() == [2]


@pytest.mark.parametrize(
    ("thing", "error"),
    [
        (object(), InvalidArgument),
        (17, InvalidArgument),
        ({"loss": ["a", "b"]}, EmptyInput),
        ({"loss": [1.0], "acc": [1.0, 2.0]}, InvalidArgument),
        ({}, EmptyInput),
        ([], InvalidArgument),
        ("nowhere.csv", NotFound),
    ],
)
def test_what_is_no_history_is_said_in_one_sentence(thing, error):
    with pytest.raises(error) as caught:
        lnb.curves(thing)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_file_of_another_kind_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnsupportedFormat):
        lnb.curves(tmp_path / "x.parquet")


def test_bad_points_are_refused_and_good_ones_stay():
    c = Curves()
    c.add("a", 1, loss=1)
    for values in ({"loss": "much"}, {"loss": [1, 2]}):
        with pytest.raises(InvalidArgument, match="loss"):
            c.add("a", 2, **values)
    with pytest.raises(InvalidArgument, match="step"):
        c.add("a", NAN, loss=1)
    with pytest.raises(InvalidArgument, match="no run 'b'"):
        c.finish("b")
    with pytest.raises(InvalidArgument, match="ends as"):
        c.finish("a", "tired")
    with pytest.raises(InvalidArgument):
        Curves(axis="moon")
    with pytest.raises(InvalidArgument):
        Curves(smooth=1.0)
    assert c.table()["loss"].to_pylist() == [1]


# ---------------------------------------------------------------- words and panels


def test_gaps_are_said_in_words():
    c = Curves()
    for step in range(1, 200):
        c.add("a", step, loss=NAN if step >= 120 else 1.0, grad=INF if step == 7 else 1.0)
    c.finish("a", "failed")
    assert c.notes == [
        "loss became NaN at step 120 (80 such points)",
        "grad became infinite at step 7",
    ]
    assert np.isnan(lines(c)["a", "loss"][1][119:]).all()
    assert next(fact for fact in c.ended if fact["metric"] == "loss")["gap"] == 120
    json.dumps([c.runs, c.panels, c.notes, c.ended], allow_nan=False)


def test_panels_come_in_a_fixed_order():
    c = Curves()
    c.add("a", 1, loader_wait=0.1, rows_per_second=9, lr=1, val_acc=1, train_acc=1, val_loss=1)
    c.finish("a")
    titles = [panel["title"] for panel in c.panels]
    assert titles == ["loss", "acc", "learning rate", "throughput", "waiting for data"]


@pytest.mark.parametrize(
    ("metric", "panel", "part"),
    [
        ("train_loss", "loss", "train"),
        ("val/loss", "loss", "val"),
        ("validation_accuracy", "accuracy", "val"),
        ("train_loss_step", "loss", "train"),
        ("train_loss_epoch", "loss", "train"),
        ("lr-Adam", "lr", ""),
        ("learning_rate", "lr", ""),
        ("train", "train", ""),
        ("training", "training", ""),
    ],
)
def test_figures_find_their_panel(metric, panel, part):
    assert (place(metric).panel, place(metric).part) == (panel, part)


# ---------------------------------------------------------------- what stays


def test_the_static_form_is_true_and_escaped():
    c = Curves(label="<b>bold</b>")
    c.add("<i>run</i>", 1, loss=2.0)
    c.add("<i>run</i>", 2, loss=1.25)
    c.finish("<i>run</i>")
    (bundle, _) = c._repr_mimebundle_()
    assert "<b>" not in bundle["text/html"]
    assert "<i>run" not in bundle["text/html"]
    assert bundle["text/html"].count("<path") >= 2
    assert "1.25" in bundle["text/html"]
    assert bundle["text/plain"] == "<b>bold</b>: 1 run\n<i>run</i>, done, 2 steps: loss 1.25"
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert min(picture.size) > 150
    assert len(set(picture.convert("L").resize((80, 50)).tobytes())) > 10, "not empty"


def test_an_empty_picture_has_no_png_and_says_so():
    bundle, _ = Curves()._repr_mimebundle_()
    assert "image/png" not in bundle
    assert "No points yet" in bundle["text/html"]


def test_a_long_run_gives_a_short_static_form():
    rng = np.random.default_rng(0)
    runs = {f"r{i}": {"loss": rng.normal(size=50_000)} for i in range(8)}
    bundle, _ = lnb.curves(runs)._repr_mimebundle_()
    assert len(bundle["text/html"]) < 80_000
    assert len(bundle["image/png"]) < 400_000


def test_the_displayed_picture_is_renewed_when_the_last_run_ends():
    c = Curves()

    class Handle:
        def __init__(self):
            self.got = []

        def update(self, data, **options):
            self.got.append((data, options))

    handle = Handle()
    c._shown = [handle]
    c.add("a", 1, loss=1.0)
    c.add("b", 1, loss=1.0)
    c.finish("a")
    assert handle.got == []
    c.finish("b")
    ((data, options),) = handle.got
    assert {"text/html", "text/plain", "image/png"} <= set(data)
    assert options["raw"]


def test_showing_without_a_notebook_is_silent(capsys):
    Curves().show()
    assert capsys.readouterr() == ("", "")


def test_png_without_pyplot(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys, lancenb as lnb; c = lnb.curves({'loss': [2.0, 1.0]});"
        f"c.to_png({str(tmp_path / 'c.png')!r}); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    assert Image.open(tmp_path / "c.png").format == "PNG"


def test_figures_come_as_a_mapping_too():
    both = lnb.Curves()
    both.add("b", 1, {"loss": 1.0, "val/acc": 0.5}, lr=0.1)
    assert both.table().select(["loss", "val/acc", "lr"]).to_pylist() == [
        {"loss": 1.0, "val/acc": 0.5, "lr": 0.1}
    ]
    with pytest.raises(InvalidArgument, match="figures have names"):
        both.add("b", 2, 0.5)
    for step, value in ((10**400, 1.0), (2, 10**400)):
        with pytest.raises(InvalidArgument, match="is a number"):
            both.add("b", step, loss=value)


def test_a_table_that_is_no_history_is_refused(dm: lnb.DataManager):
    for name in ("shapes", "table"):
        with pytest.raises(InvalidArgument, match="no history"):
            lnb.curves(dm[name])
    dm.convert(pa.table({"step": [1, 2], "f1": [0.1, 0.2]}), "log")
    assert [each["title"] for each in lnb.curves(dm["log"]).panels] == ["f1"]
