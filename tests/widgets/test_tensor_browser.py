"""The tensor browser without a browser: what it reads, says, and leaves behind."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lancenb as lnb
from lancenb.convert.weights import save_weights
from lancenb.convert.weights.ranges import open_tensor
from lancenb.errors import Conflict, InvalidArgument, NotFound, VersionNotFound
from lancenb.widgets import TensorBrowser
from lancenb.widgets._histogram import FINE, glance, measure_all
from lancenb.widgets._slices import Cut, read_heat
from lancenb.widgets._tensor_rows import HeldTensor
from tests.widgets._asking import asked, seen
from tests.widgets.conftest import left_threads

LIMIT = 5_000_000


@pytest.fixture
def model(tmp_path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    torch.manual_seed(3)
    tied = torch.randn(20, 8)
    state = {
        "embed.weight": tied,
        "conv.weight": torch.randn(6, 3, 5, 4),
        "half": torch.randn(7, 9).bfloat16(),
        "tiny": torch.randn(4, 4).to(torch.float8_e4m3fn),
        "flags": torch.tensor([[True, False], [False, False]]),
        "step": torch.tensor(12),
        "empty": torch.empty(0, 4),
        "wave": torch.full((3, 3), 3 + 4j),
        "odd": torch.tensor([[1.0, math.nan, math.inf], [-2.0, 0.0, 0.0]]),
        "line": torch.arange(3000.0),
        '<img src=x onerror="1">': torch.ones(2),
        "head.weight": tied,
    }
    uri = str(tmp_path / "model.lance")
    save_weights(state, uri)
    return uri, state


def test_every_tensor_can_be_looked_at(model: Any) -> None:
    uri, state = model
    browser = TensorBrowser(uri)
    rows = asked(browser, ask="index", offset=0)[0]["rows"]
    assert [r[0] for r in rows] == list(state)
    assert dict((r[0], r[4]) for r in rows)["head.weight"] == "embed.weight"
    for name, tensor in state.items():
        _, maps = seen(browser, name)
        figures = asked(browser, ask="figures", name=name, bins=24)[0]
        assert figures["exact"]
        if not tensor.numel():
            continue
        [facts] = figures["figures"]
        values = tensor.abs() if tensor.is_complex() else tensor
        wide = values.to(torch.float64).numpy().reshape(-1)
        fine = wide[np.isfinite(wide)]
        assert (float(facts["low"]), float(facts["high"])) == (fine.min(), fine.max())
        assert facts["mean"] == pytest.approx(fine.mean())
        assert facts["std"] == pytest.approx(fine.std())
        assert facts["nan"] == np.isnan(wide).sum()
        assert facts["inf"] == np.isinf(wide).sum()
        assert sum(figures["counts"][0]) == fine.size
        if name != "line" and tensor.dim() < 3:
            assert np.array_equal(maps[0].reshape(-1), wide.astype(np.float32), equal_nan=True)
    assert seen(browser, "odd")[0]["maps"][0]["nan"] == 1
    assert "mean of 1 × 3" in seen(browser, "line")[0]["words"]


@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (2, 3), (3, 0), (0, 2), (-1, 1)])
def test_any_two_dimensions_make_a_slice(model: Any, axes: tuple[int, int]) -> None:
    uri, state = model
    browser = TensorBrowser(uri)
    tensor, places = state["conv.weight"], [3, 2, 4, 1]
    down, across = (a % 4 for a in axes)
    want = tensor[tuple(slice(None) if i in (down, across) else p for i, p in enumerate(places))]
    want = want.T if down > across else want
    _, [cells] = seen(browser, "conv.weight", axes, places)
    assert np.array_equal(cells, want.numpy())
    browser.selected = "conv.weight"
    browser.put(axes=list(axes), index=places)
    assert torch.equal(browser.slice, want)
    assert torch.equal(browser.tensor(), tensor)
    for small in (200, 40):  # evenly spaced lines and runs are values of the slice, not others
        with open_tensor(uri, "conv.weight") as opened:
            heat = read_heat(opened, Cut.fit(tensor.shape, axes, places), budget=small)
        assert np.array_equal(heat.cells, want.numpy()[heat.rows][:, heat.columns])


def test_by_default_the_first_dimension_lies_against_all_others(model: Any) -> None:
    uri, state = model
    browser = TensorBrowser(uri, selected="conv.weight")
    body, [cells] = seen(browser, "conv.weight")
    assert np.array_equal(cells, state["conv.weight"].reshape(6, 60).numpy())
    assert torch.equal(browser.slice, state["conv.weight"].reshape(6, 60))
    assert (body["axes"], body["others"], body["size"]) == ([0], [3, 5, 4], [6, 60])
    with open_tensor(uri, "conv.weight") as opened:
        heat = read_heat(opened, Cut.fit((6, 3, 5, 4)), budget=400)
    assert np.array_equal(heat.cells, cells[heat.rows][:, heat.columns])


def test_what_does_not_fit_is_named(dm: Any, model: Any) -> None:
    uri, _ = model
    browser = TensorBrowser(uri)
    with pytest.raises(NotFound, match=r"no tensor 'conv\.wieght'") as caught:
        browser.selected = "conv.wieght"
    assert "conv.weight" in caught.value.hint
    for axes, index in [((0, 0), ()), ((0, 9), ()), ((0, 1), (9, 0)), ((0, 1), (0,))]:
        with pytest.raises(InvalidArgument):
            Cut.fit((6, 3, 5, 4), axes, index)
    with pytest.raises(InvalidArgument, match="not weights"):
        TensorBrowser(dm["shapes"])
    with pytest.raises(VersionNotFound):
        TensorBrowser(uri, version=99)


def test_a_block_with_nan_says_so() -> None:
    values = torch.zeros(600, 600)
    values[3, 3], values[599, 0] = math.nan, math.inf
    heat = read_heat(HeldTensor("w", values), Cut.fit((600, 600)), cells=100)
    assert math.isnan(heat.cells[0, 0])
    assert heat.cells[-1, 0] == math.inf
    assert np.count_nonzero(~np.isfinite(heat.cells)) == 2
    assert heat.words() == "each cell is the mean of 6 × 6 values"


def test_whole_and_sampled_measures_agree_with_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lancenb.widgets._histogram._CHUNK", 4000)
    monkeypatch.setattr("lancenb.widgets._histogram._KEEP", 0)
    torch.manual_seed(0)
    a, b = torch.randn(90, 100) * 3 + 1, torch.randn(90, 100)
    a[0, :40] = 0
    found = measure_all([HeldTensor("w", a), HeldTensor("w", b)])
    x, y = a.double().numpy(), b.double().numpy()
    for figures, want in zip(found.figures, (x, y), strict=True):
        assert figures.mean == pytest.approx(want.mean())
        assert figures.std == pytest.approx(want.std())
        assert figures.zeros == (want == 0).mean()
    assert found.exact
    assert found.change is not None
    assert found.change.norm == pytest.approx(np.linalg.norm(y - x))
    assert found.change.relative == pytest.approx(np.linalg.norm(y - x) / np.linalg.norm(x))
    assert found.change.largest == pytest.approx(np.abs(y - x).max())
    counts = np.histogram(x, FINE, (found.low, found.high))[0]
    assert found.counts[0].tolist() == counts.tolist()
    short = glance([HeldTensor("w", a)], budget=8000)
    assert not short.exact
    assert short.figures[0].sampled < a.numel()
    assert short.figures[0].mean == pytest.approx(x.mean(), abs=0.3)


def big_model(where: str, megabytes: int, **options: Any) -> Any:
    """Store one tensor of about that size beside small ones."""
    width = 2048
    tall = megabytes * 1_000_000 // (4 * width)
    whole = torch.arange(tall, dtype=torch.float32)[:, None].expand(tall, width).contiguous()
    state = {"big": whole, "cube": whole[:2048].reshape(16, 128, 32, 64), "bias": torch.zeros(9)}
    return save_weights(state, where, hash=False, **options), tall


def io_read() -> int:
    """Bytes this process read by system calls."""
    return int(Path("/proc/self/io").read_text().split()[1])


def looked_at(browser: TensorBrowser, name: str, axes: Any = ()) -> tuple[int, int, Any]:
    """Return bytes read and bytes sent for figures and heat map together."""
    before = io_read()
    asked(browser, ask="figures", name=name, bins=48)
    body, maps = seen(browser, name, axes)
    return io_read() - before, sum(m.nbytes for m in maps), (body, maps)


def check_small(target: Any, tall: int, **options: Any) -> None:
    start = io_read()
    browser = TensorBrowser(target, **options)
    opening = io_read() - start
    assert opening < LIMIT / 5
    for name, axes in [
        ("big", ()),
        ("big", (1, 0)),
        ("cube", ()),
        ("cube", (1, 3)),
        ("cube", (0, 2)),
    ]:
        read, sent, (body, maps) = looked_at(browser, name, axes)
        assert opening + read < LIMIT, (name, axes, read)
        assert sent < 1_000_000
        if name == "big" and not axes:
            assert "rows read" in body["words"]
            assert maps[0][0].max() == 0
            assert maps[0].max() > 0.9 * tall
            assert len(maps[0]) >= 40


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="no counters of this process here")
def test_a_heat_map_reads_little_of_a_large_tensor(tmp_path: Path) -> None:
    report, tall = big_model(str(tmp_path / "m.lance"), 60)
    check_small(report.uri, tall)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="no counters of this process here")
def test_a_heat_map_out_of_two_gigabytes_reads_under_five_megabytes(tmp_path: Path) -> None:
    report, tall = big_model(str(tmp_path / "m.lance"), 2000)
    check_small(report.uri, tall)


def test_measuring_fills_the_list_and_can_be_cancelled(model: Any) -> None:
    uri, state = model
    browser = TensorBrowser(uri)
    assert browser.measure().result() == len(state) - 1, "a tied tensor is read once"
    known = dict((n, z) for n, z, _ in asked(browser, ask="known", since=0)[0]["known"])
    assert known["flags"] == 0.75
    assert not browser.busy
    assert browser.measured == len(known)
    assert browser.measure().result() == 0, "what is known is not read again"
    before = set(threading.enumerate())
    job = browser.measure("line", wait=False)
    browser.close()
    assert job.wait(60)
    assert left_threads(before) == []


def test_one_measuring_at_a_time(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uri, _ = model
    held = threading.Event()
    real = measure_all

    def slow(sides: Any, seen: Any) -> Any:
        assert held.wait(600)
        return real(sides, seen)

    monkeypatch.setattr("lancenb.widgets._measure_job.measure_all", slow)
    browser = TensorBrowser(uri)
    job = browser.measure(wait=False)
    with pytest.raises(Conflict):
        browser.measure()
    browser._receive(browser, {"do": "measure", "names": []}, [])
    assert "still runs" in browser.error
    browser._receive(browser, {"do": "cancel"}, [])
    held.set()
    job.wait(60)
    assert browser._settled.wait(60)
    assert (browser.busy, browser.doing, job.state) == (False, "cancelled", "cancelled")


def test_seen_from_afar(far: Any) -> None:
    browser = TensorBrowser(far.get("net"), selected="layer2.conv.weight")
    _, [cells] = seen(browser, "layer2.conv.weight", (2, 3), (1, 2, 0, 0))
    assert np.array_equal(cells, browser.tensor()[1, 2].numpy())
    assert "layer1.weight" in repr(TensorBrowser(far.get("net"), version=1))
    browser.measure()
    assert browser.measured == 4


def test_the_static_form_is_true(model: Any) -> None:
    uri, _ = model
    browser = TensorBrowser(uri)
    bundle = browser._repr_mimebundle_()[0]
    assert "6 × 3 × 5 × 4" in bundle["text/html"]
    assert "12 tensors" in bundle["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    browser.put(selected="odd")
    bundle = browser._repr_mimebundle_()[0]
    assert "lnb-heat" in bundle["text/html"]
    assert "NaN" in bundle["text/plain"]
    for name in ('<img src=x onerror="1">', "empty", "wave", "step"):
        browser.selected = name
        assert "<img src=x" not in browser._repr_mimebundle_()[0]["text/html"]


def test_errors_reach_the_front_end_as_a_sentence(model: Any) -> None:
    uri, _ = model
    browser = TensorBrowser(uri)
    out: list[Any] = []
    browser.send = lambda content, buffers=None: out.append(content)
    browser._receive(
        browser,
        {"ask": "look", "id": 7, "args": {"name": "conv.weight", "axes": [0, 0], "index": []}},
        [],
    )
    assert browser._lane.settle(60)
    assert "two dimensions" in out[0]["error"]
    assert out[0]["hint"]


def check_far(server: Any, megabytes: int) -> None:
    from tests.widgets._counting import counted

    stored = server.store("tables")
    report, tall = big_model(f"{stored.uri}/m.lance", megabytes, store=stored)
    with counted(server, stored.uri) as (store, served):
        browser = TensorBrowser(report.uri, store=store)
        asked(browser, ask="figures", name="big", bins=48)
        body, [cells] = seen(browser, "big")
        assert served.bytes < LIMIT, served
        assert served.bytes > 500_000, "the counter counts"
        assert served.requests < 250, served
        assert cells.max() > 0.9 * tall
        assert "rows read" in body["words"]


@pytest.mark.s3
def test_from_an_object_store_only_ranges_travel(s3_server: Any) -> None:
    check_far(s3_server, 24)


@pytest.mark.slow
@pytest.mark.ceph
def test_out_of_two_gigabytes_on_an_object_store_only_ranges_travel(ceph_server: Any) -> None:
    check_far(ceph_server, 2000)


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("shape", [(3_000_000,), (3, 1_000_000), (900, 900, 3), (40, 300, 30, 20)])
def test_what_is_left_out_leaves_cells_of_neighbours(shape: tuple[int, ...], far: bool) -> None:
    tensor = HeldTensor("w", torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape))
    tensor.local = not far
    heat = read_heat(tensor, Cut.fit(shape, (0, 1) if len(shape) > 1 else ()), budget=300_000)
    tall, wide = heat.block
    rows, columns = (
        np.add.reduceat(x, range(0, len(x), n)) / np.diff([*range(0, len(x), n), len(x)])
        for x, n in ((heat.rows, tall), (heat.columns, wide))
    )
    steps = [math.prod(shape[1:]), math.prod(shape[2:])] if len(shape) > 1 else [0, 1]
    assert np.allclose(heat.cells, rows[:, None] * steps[0] + columns * steps[1], rtol=1e-6)
    assert max(heat.cells.shape) <= 256
    assert np.diff(heat.columns).min() > 0
    if not heat.whole and wide > 1:
        assert all(
            np.ptp(p) < wide for p in np.split(heat.columns, range(wide, len(heat.columns), wide))
        )


def test_a_name_for_people(dm: Any) -> None:
    browser = TensorBrowser(dm["net"], selected="head.weight")
    assert browser.code == "lnb.preview(dm['net'], tensor='head.weight', version=2)"
    assert isinstance(dm["net"], lnb.Artifact)
