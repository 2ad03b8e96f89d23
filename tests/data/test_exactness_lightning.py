"""A real Trainer, stopped in the middle of an epoch and resumed from its checkpoint."""

from __future__ import annotations

import math
import warnings

import lightning as L
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightning.fabric.utilities.types import _Stateful
from lightning.pytorch.utilities.combined_loader import CombinedLoader

from lancenb.data import LoaderState, loader

ROWS = 24
EPOCHS = 3


class Stopped(Exception):
    """The run is killed."""


class Net(L.LightningModule):
    """Keeps account of the rows it sees; may ask for the number of steps while it is set up."""

    def __init__(self, kill_at=None, path=None, one_cycle=False):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen: list[tuple[int, int]] = []
        self.kill_at, self.path, self.one_cycle = kill_at, path, one_cycle
        self.steps_told = None

    def training_step(self, batch, batch_idx):
        self.seen += [(self.current_epoch, row) for row in batch.tolist()]
        return (self.weight * batch.float().mean()).sum()

    def on_train_batch_end(self, *args):
        if self.global_step == self.kill_at:
            self.trainer.save_checkpoint(self.path)
            raise Stopped

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=1e-3)
        if not self.one_cycle:
            return optimizer
        self.steps_told = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 1e-2, total_steps=self.steps_told + 20
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def _fit(net, batches, path=None, keep=True, loaders=None, **options):
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        callbacks=[LoaderState(batches)] if keep else [],
        **{"max_epochs": EPOCHS, **options},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(net, batches, ckpt_path=path, **loaders or {})
    return trainer


def _batches(size=4, **options):
    return loader(list(range(ROWS)), size, shuffle=True, seed=7, **options)


def _wanted(size=4):
    batches = _batches(size)
    return [(epoch, row) for epoch in range(EPOCHS) for batch in batches for row in batch.tolist()]


def _killed(net, batches, path=None, **options):
    with pytest.raises(Stopped):
        _fit(net, batches, path, **options)
    return net.seen


def test_lightning_finds_what_it_looks_for():
    batches = _batches()
    assert isinstance(batches, _Stateful)
    combined = CombinedLoader(batches)
    assert combined.sampler is batches.sampler
    assert callable(combined.sampler.set_epoch)
    net = Net()
    trainer = _fit(net, batches, keep=False)
    assert trainer.train_dataloader is batches, "neither wrapped nor given another sampler"
    assert net.seen == _wanted()


def _resumed_twice(tmp_path, kills, keep):
    path = str(tmp_path / "run.ckpt")
    seen = _killed(Net(kills[0], path), _batches(), keep=keep)
    again = Net(kills[1], str(tmp_path / "second.ckpt"))
    seen = seen + _killed(again, _batches(threads=1), path, keep=keep)
    last = Net()
    _fit(last, _batches(prefetch=1), again.path, keep=keep)
    return seen + last.seen


@pytest.mark.parametrize("kills", [(1, 4), (5, 11), (4, 12), (8, 17)])
def test_two_resumes_see_exactly_the_rest(tmp_path, kills):
    assert _resumed_twice(tmp_path, kills, keep=False) == _wanted()


@pytest.mark.parametrize("kills", [(2, 3), (5, 6), (6, 7), (6, 10), (6, 12), (12, 17)])
def test_two_resumes_at_ends_of_epochs_see_exactly_the_rest(tmp_path, kills):
    assert _resumed_twice(tmp_path, kills, keep=True) == _wanted()


@pytest.mark.parametrize("kill", [2, 6, 8])
def test_w_lightning_20550_a_schedule_of_all_steps_does_not_break_a_resume(tmp_path, kill):
    path = str(tmp_path / "run.ckpt")
    first = Net(kill, path, one_cycle=True)
    seen = _killed(first, _batches())
    last = Net(one_cycle=True)
    _fit(last, _batches(), path)
    assert seen + last.seen == _wanted()
    assert first.steps_told == last.steps_told == 6 * EPOCHS


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (3, 8), (8, 3)])
@pytest.mark.parametrize("one_cycle", [False, True])
def test_a_resume_with_another_batch_size(tmp_path, before, after, one_cycle):
    path = str(tmp_path / "run.ckpt")
    seen = _killed(Net(2, path, one_cycle=one_cycle), _batches(before))
    last = Net(one_cycle=one_cycle)
    _fit(last, _batches(after), path)
    assert seen + last.seen == _wanted()


def test_a_checkpoint_at_the_end_of_an_epoch(tmp_path):
    path = str(tmp_path / "run.ckpt")

    class AtEnd(Net):
        def on_train_epoch_end(self):
            if self.current_epoch == 0:
                self.trainer.save_checkpoint(path)
                raise Stopped

    seen = _killed(AtEnd(), _batches())
    last = Net()
    _fit(last, _batches(), path)
    assert [row for row in seen + last.seen if row[0] < 2] == _wanted()[: 2 * ROWS]


@pytest.mark.parametrize("steps", [2, 6, 8])
def test_an_epoch_that_max_steps_has_stopped_is_not_counted(tmp_path, steps):
    path, first = str(tmp_path / "run.ckpt"), Net()
    _fit(first, _batches(), max_steps=steps).save_checkpoint(path)
    last = Net()
    _fit(last, _batches(), path)
    assert first.seen + last.seen == _wanted()


def test_limited_epochs_each_have_an_order_of_their_own():
    net = Net()
    _fit(net, _batches(), limit_train_batches=2)
    wanted = [row for epoch in range(EPOCHS) for row in _wanted()[epoch * ROWS :][:8]]
    assert net.seen == wanted


class StoppedAt(Net):
    """Is killed in a hook, once so many steps are done."""

    def __init__(self, hook, step, path):
        super().__init__(step, path)
        self.hook = hook

    def validation_step(self, batch, batch_idx):
        pass

    def _stop(self, hook):
        if hook == self.hook and self.global_step == self.kill_at:
            self.trainer.save_checkpoint(self.path)
            raise Stopped

    def on_train_batch_end(self, *args):
        self._stop("batch")

    def on_train_epoch_end(self):
        self._stop("epoch")

    def on_validation_end(self):
        self._stop("validation")


def _gone_on_with(path, sizes, hook, epoch, keep=True, accumulate=1, by_steps=False):
    """Rows of a run that stopped when an epoch was through, and of the rest with other batches."""
    per_epoch = [math.ceil(math.ceil(ROWS / size) / accumulate) for size in sizes]
    step, more = epoch * per_epoch[0], {"accumulate_grad_batches": accumulate}
    every = step + (EPOCHS - epoch) * per_epoch[1]
    limits = {"max_steps": every, "max_epochs": -1} if by_steps else {"max_epochs": EPOCHS}
    loaders = {"val_dataloaders": [0]} if hook == "validation" else {}
    net = StoppedAt(hook, step, path)
    if hook == "end":
        limit = {"max_steps": step, "max_epochs": -1} if by_steps else {"max_epochs": epoch}
        trainer = _fit(net, _batches(sizes[0]), keep=keep, **limit, **more)
        trainer.save_checkpoint(path)
    else:
        with pytest.raises(Stopped):
            _fit(net, _batches(sizes[0]), keep=keep, loaders=loaders, **limits, **more)
    last = StoppedAt("", 0, path)
    trainer = _fit(last, _batches(sizes[1]), path, keep=keep, loaders=loaders, **limits, **more)
    assert (trainer.current_epoch, trainer.global_step) == (EPOCHS, every)
    return net.seen + last.seen


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    hook=st.sampled_from(["batch", "validation", "epoch", "end"]),
    epoch=st.integers(1, EPOCHS - 1),
    accumulate=st.integers(1, 2),
    by_steps=st.booleans(),
)
def test_the_end_of_an_epoch_and_another_batch_size(tmp_path_factory, **how):
    path = str(tmp_path_factory.mktemp("ends") / "run.ckpt")
    assert _gone_on_with(path, **how) == _wanted()


@pytest.mark.parametrize("sizes", [(8, 2), (2, 8), (4, 4), (4, 3)])
@pytest.mark.parametrize("hook", ["epoch", "end"])
def test_the_end_of_an_epoch_without_a_callback(tmp_path, sizes, hook):
    assert _gone_on_with(str(tmp_path / "run.ckpt"), sizes, hook, 1, keep=False) == _wanted()


@pytest.mark.parametrize("by_steps", [False, True])
@pytest.mark.parametrize("steps", [1, 3, 4])
def test_rows_that_are_no_batch_any_more_end_their_epoch(tmp_path, steps, by_steps):
    """Four batches of five are an epoch; after three of them there is none of ten left."""
    path, first, last = str(tmp_path / "run.ckpt"), Net(), Net()
    if by_steps:
        stopped = _fit(first, _batches(5, drop_last=True), max_steps=steps)
        stopped.save_checkpoint(path)
    else:
        first.kill_at, first.path = steps, path
        _killed(first, _batches(5, drop_last=True))
    trainer = _fit(last, _batches(10, drop_last=True), path)
    assert trainer.current_epoch == EPOCHS
    rest = (ROWS - 5 * steps) // 10 * 10
    kept = [5 * steps + rest, 20, 20]
    wanted = [_wanted()[epoch * ROWS :][: kept[epoch]] for epoch in range(EPOCHS)]
    assert first.seen + last.seen == [row for epoch in wanted for row in epoch]
