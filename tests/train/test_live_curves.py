"""The Lightning callback: what it logs, what it costs, how a training's end is told."""

from __future__ import annotations

import math
import statistics
import threading
import time

import lightning as L
import pytest
import torch

import lancenb as lnb
from lancenb.errors import Cancelled, InvalidArgument
from lancenb.progress import CancelToken
from lancenb.train import LiveCurves, fit
from lancenb.train._record import brief_history
from tests.data.tables import patterns


class Taker:
    """Anything with ``add`` and ``finish`` can take the points."""

    def __init__(self):
        self.points, self.ends = [], []

    def add(self, run, step, **values):
        self.points.append((run, step, values))

    def finish(self, run, state="done"):
        self.ends.append((run, state))

    def column(self, name):
        return {step: values[name] for _, step, values in self.points if name in values}


class Line(L.LightningModule):
    """A line through points; logs in every way that Lightning has."""

    def __init__(self, fail_at=None, nap=0.0):
        super().__init__()
        self.net = torch.nn.Linear(4, 1)
        self.fail_at, self.nap = fail_at, nap

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = (self.net(x) - y).square().mean()
        if self.fail_at is not None and self.global_step == self.fail_at:
            raise RuntimeError("broken")
        time.sleep(self.nap)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        self.log("fit/error", loss.sqrt())
        return loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", torch.tensor(0.5))
        self.log("score", 0.25 + self.current_epoch)

    def configure_optimizers(self):
        groups = [{"params": [self.net.weight], "lr": 0.1}, {"params": [self.net.bias], "lr": 0.01}]
        return torch.optim.SGD(groups, lr=0.1)


def batches(count=6, nap=0.0):
    class Slow(torch.utils.data.Dataset):
        def __len__(self):
            return 4 * count

        def __getitem__(self, i):
            time.sleep(nap / 4)
            return torch.ones(4) * i, torch.ones(1)

    return torch.utils.data.DataLoader(Slow(), batch_size=4)


def train(module, callback, epochs=2, data=None, **options):
    settings = {
        "max_epochs": epochs, "logger": False, "enable_checkpointing": False,
        "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu",
        "callbacks": [callback],
    }  # fmt: skip
    trainer = L.Trainer(**{**settings, **options})
    trainer.fit(module, data or batches(), batches(1))
    return trainer


pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def test_every_logged_figure_appears_once_at_its_step():
    taker = Taker()
    train(Line(), LiveCurves(taker))
    assert {run for run, _, _ in taker.points} == {"Line"}
    assert taker.ends == [("Line", "done")]
    assert list(taker.column("train_loss")) == list(range(1, 13))
    assert list(taker.column("fit/error")) == list(range(1, 13))
    for step, loss in taker.column("train_loss").items():
        assert taker.column("fit/error")[step] == pytest.approx(math.sqrt(loss), rel=1e-4)
    assert taker.column("val_loss") == {6: 0.5, 12: 0.5}
    assert taker.column("score") == {6: 0.25, 12: 1.25}
    assert list(taker.column("train_loss_epoch")) == [6, 12]
    assert not taker.column("train_loss_step"), "the same figure under a second name"
    assert set(taker.column("lr/group 1").values()) == {0.1}
    assert set(taker.column("lr/group 2").values()) == {0.01}
    epochs = [v["epoch"] for _, _, v in taker.points if "train_loss" in v]
    assert epochs == pytest.approx([(i + 1) / 6 for i in range(12)])


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_throughput_and_waiting_are_told(monkeypatch):
    clock, taker = Clock(), Taker()
    monkeypatch.setattr("lancenb.train._curves.time", clock)
    monkeypatch.setitem(globals(), "time", clock)
    train(Line(nap=0.01), LiveCurves(taker), epochs=1, data=batches(20, nap=0.03))
    rates, waits = taker.column("rows_per_second"), taker.column("loader_wait")
    assert 1 < len(rates) < 10, "a few times a second, not every step"
    assert all(80 < rate < 110 for rate in rates.values()), rates
    assert all(0.7 < wait < 0.8 for wait in waits.values()), waits


def test_every_so_many_steps():
    taker = Taker()
    train(Line(), LiveCurves(taker, every=3, run="mine"), epochs=1)
    assert list(taker.column("train_loss")) == [3, 6]
    assert {run for run, _, _ in taker.points} == {"mine"}
    with pytest.raises(InvalidArgument):
        LiveCurves(taker, every=0)
    with pytest.raises(InvalidArgument, match="takes no points"):
        LiveCurves(object())


def test_a_broken_training_ends_as_failed_with_its_last_points():
    taker = Taker()
    with pytest.raises(RuntimeError, match="broken"):
        train(Line(fail_at=3), LiveCurves(taker))
    assert taker.ends == [("Line", "failed")]
    assert list(taker.column("train_loss")) == [1, 2, 3]


class Stop(L.Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if trainer.global_step == 4:
            raise Cancelled("enough")


def test_a_cancelled_training_ends_as_cancelled():
    taker = Taker()
    with pytest.raises(Cancelled):
        train(Line(), None, callbacks=[LiveCurves(taker), Stop()])
    assert taker.ends == [("Line", "cancelled")]


def test_trouble_with_the_picture_never_ends_the_training():
    class Broken(Taker):
        def add(self, run, step, **values):
            raise ValueError("no ink")

    with pytest.warns(RuntimeWarning, match="no ink"):
        trainer = train(Line(), LiveCurves(Broken()))
    assert trainer.global_step == 12


def _ours(before):
    """Threads and timers of pictures that were not there before."""
    return [
        thread
        for thread in threading.enumerate()
        if thread not in before
        and (thread.name.startswith("lancenb") or isinstance(thread, threading.Timer))
    ]


def test_one_callback_serves_several_trainings_and_keeps_nothing():
    curves = lnb.curves()
    callback = LiveCurves(curves)
    before = threading.enumerate()
    for _ in range(2):
        train(Line(), callback, epochs=1)
    assert [run["name"] for run in curves.runs] == ["Line", "Line 2"]
    assert not curves.running
    held = vars(callback)
    assert not any(isinstance(v, (torch.Tensor, torch.nn.Module, L.Trainer)) for v in held.values())
    assert not any(held[name] for name in ("_pending", "_rates", "_by_step", "_by_check", "run"))
    curves.close()
    deadline = time.monotonic() + 60
    while (left := _ours(before)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def test_the_callback_costs_less_than_a_hundredth_of_a_step():
    """The hooks of one step, against a short step of 20 ms."""
    spent, hooks = [], ("on_train_batch_start", "on_train_batch_end")

    class Timed(LiveCurves):
        pass

    def timed(name):
        def call(self, *args):
            begin = time.thread_time()
            getattr(LiveCurves, name)(self, *args)
            spent.append(time.thread_time() - begin)

        return call

    for name in hooks:
        setattr(Timed, name, timed(name))
    curves = lnb.curves()
    train(Line(), Timed(curves), epochs=1, data=batches(300))
    curves.close()
    steps = [sum(pair) for pair in zip(spent[::2], spent[1::2], strict=True)]
    assert len(steps) == 300
    cost = statistics.median(steps)  # others on the machine make some steps slow, not most
    assert cost < 0.01 * 0.020, f"{1e6 * cost:.0f} us a step"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("curves") / "p.lance", 60)


def test_fit_fills_curves_and_stores_the_history(data, tmp_path, capsys):
    dm = lnb.DataManager(tmp_path / "store")
    options = {"epochs": 2, "steps": 2, "batch_size": 16, "accelerator": "cpu", "manager": dm}
    data = dm.register("patterns", data).name
    one = fit("resnet18", data, val=0.2, curves=True, name="net", **options)
    assert capsys.readouterr().out == "", "headless it stays silent"
    two = fit("resnet18", data, curves=one.curves, name="other", **options)
    assert two.curves is one.curves
    assert [run["name"] for run in one.curves.runs] == ["net", "other"]
    table = one.curves.table()
    mine = table.filter([name == "net" for name in table["run"].to_pylist()])
    assert mine["train_loss"].drop_null().to_pylist() == one.history["train_loss"].to_pylist()
    assert (
        mine["val_loss"].drop_null().to_pylist() == one.history["val_loss"].drop_null().to_pylist()
    )
    assert mine["lr"].drop_null().to_pylist() == one.history["lr"].to_pylist()
    stored = lnb.curves(dm["net"], one)
    assert [run["name"] for run in stored.runs] == ["net", "net v1"]
    assert stored.table()["train_loss"].to_pylist() == 2 * one.history["train_loss"].to_pylist()
    plain = fit("resnet18", data, save=False, **options)
    assert plain.curves is None


def test_the_curves_change_nothing_of_the_training(data):
    options = {"epochs": 1, "steps": 3, "batch_size": 16, "accelerator": "cpu"}
    with_curves = fit("resnet18", data, curves=Taker(), **options)
    assert with_curves.history.equals(fit("resnet18", data, **options).history)


def test_a_cancelled_fit_marks_its_run(data):
    taker, token = Taker(), CancelToken()

    def stop(event):
        if event.rows:
            token.cancel()

    with pytest.raises(Cancelled):
        fit("resnet18", data, epochs=3, batch_size=8, cancel=token, progress=stop, curves=taker,
            accelerator="cpu")  # fmt: skip
    assert [state for _, state in taker.ends] == ["cancelled"]


def test_a_long_history_is_stored_short():
    import pyarrow as pa

    rows = 50_000
    val = [0.5 if i % 1000 == 999 else None for i in range(rows)]
    loss = [float("nan") if i == 7 else 1.0 for i in range(rows)]
    table = pa.table({"step": range(1, rows + 1), "train_loss": loss, "val_loss": val})
    brief = brief_history(table)
    assert len(brief["step"]) <= 1000
    assert brief["step"][0] == 1
    assert brief["step"][-1] == rows
    assert sum(v is not None for v in brief["val_loss"]) == 50
    whole = brief_history(table.slice(0, 10))
    assert whole["train_loss"][7] is None
