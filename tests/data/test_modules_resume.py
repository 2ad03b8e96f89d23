"""A run that is stopped in the middle of an epoch goes on at the very batch."""

from __future__ import annotations

import pytest
import torch

from lancenb.data import JiTDataModule, LanceDataModule, LoaderState
from tests.data.pictures import picture_tree
from tests.data.tables import patterns
from tests.data.test_modules import Tiny, trainer

ROWS, BATCH, EPOCHS = 60, 6, 3
STEPS = ROWS // BATCH * EPOCHS


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("resume") / "t.lance", ROWS)


def module_of(table, **options):
    return LanceDataModule(table, **{"batch_size": BATCH, "augment": False, **options})


def whole_run(table, **model):
    seen = Tiny(**model)
    trainer(max_epochs=EPOCHS).fit(seen, datamodule=module_of(table))
    assert len(seen.seen) == ROWS * EPOCHS
    return seen


class Killed(RuntimeError):
    pass


class KilledAt(Tiny):
    """Saves a checkpoint after each batch and dies in the middle of one."""

    def __init__(self, step, path, **options):
        super().__init__(**options)
        self.step, self.path = step, path

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.trainer.save_checkpoint(self.path)
        if self.trainer.global_step == self.step:
            raise Killed


@pytest.mark.parametrize("one_cycle", [False, True], ids=["plain", "one-cycle"])
@pytest.mark.parametrize("step", [1, 10, 13, 20, 29])
def test_lightning_20550_a_killed_run_goes_on_at_the_very_batch(table, tmp_path, one_cycle, step):
    """``trainer.estimated_stepping_batches`` before the fit makes Lightning forget the loader."""
    wanted = whole_run(table, one_cycle=one_cycle)
    path = str(tmp_path / "last.ckpt")
    first = KilledAt(step, path, one_cycle=one_cycle)
    with pytest.raises(Killed):
        trainer(max_epochs=EPOCHS).fit(first, datamodule=module_of(table))
    assert first.seen == wanted.seen[: step * BATCH]
    second = Tiny(one_cycle=one_cycle)
    run = trainer(max_epochs=EPOCHS)
    run.fit(second, datamodule=module_of(table), ckpt_path=path)
    assert second.seen == wanted.seen[step * BATCH :]
    assert run.global_step == STEPS
    assert torch.equal(second.net.weight, wanted.net.weight)


@pytest.mark.parametrize("one_cycle", [False, True], ids=["plain", "one-cycle"])
def test_two_resumes_in_a_row(table, tmp_path, one_cycle):
    wanted = whole_run(table, one_cycle=one_cycle)
    path, seen = str(tmp_path / "last.ckpt"), []
    for number, step in enumerate((3, 7, 17)):
        model = KilledAt(step, path, one_cycle=one_cycle)
        run = trainer(max_epochs=EPOCHS)
        with pytest.raises(Killed):
            run.fit(model, datamodule=module_of(table), ckpt_path=path if number else None)
        seen += model.seen
    last = Tiny(one_cycle=one_cycle)
    trainer(max_epochs=EPOCHS).fit(last, datamodule=module_of(table), ckpt_path=path)
    assert seen + last.seen == wanted.seen
    assert torch.equal(last.net.weight, wanted.net.weight)


def test_a_checkpoint_saved_after_the_fit_has_ended(table, tmp_path):
    """Lightning counts the epoch in which ``max_steps`` stopped it as done; the data does not."""
    wanted = whole_run(table)
    seen, path = [], str(tmp_path / "end.ckpt")
    for number, steps in enumerate((4, 14, 17, STEPS)):
        model = Tiny()
        stopped = trainer(max_epochs=-1, max_steps=steps)
        stopped.fit(model, datamodule=module_of(table), ckpt_path=path if number else None)
        stopped.save_checkpoint(path)
        seen += model.seen
    assert seen == wanted.seen


def test_epochs_after_a_stop_by_steps_are_all_made(table, tmp_path):
    """Lightning would count the epoch that it was stopped in as done, and make one fewer."""
    wanted = whole_run(table)
    first, path = Tiny(), str(tmp_path / "end.ckpt")
    stopped = trainer(max_steps=14)
    stopped.fit(first, datamodule=module_of(table))
    stopped.save_checkpoint(path)
    rest, run = Tiny(), trainer(max_epochs=EPOCHS, accumulate_grad_batches=1)
    run.fit(rest, datamodule=module_of(table), ckpt_path=path)
    assert first.seen + rest.seen == wanted.seen
    assert (run.current_epoch, run.global_step) == (EPOCHS, STEPS)
    assert torch.equal(rest.net.weight, wanted.net.weight)


def test_a_module_has_its_trainer_count_once(table, tmp_path):
    module, run, path = module_of(table), trainer(max_epochs=1), tmp_path / "m.ckpt"
    for _ in range(2):
        run.fit(Tiny(), datamodule=module)
    assert [type(each) for each in run.callbacks].count(LoaderState) == 1
    run.save_checkpoint(path)
    stored = torch.load(path, weights_only=False)
    assert "LoaderState" not in stored["callbacks"], "the place is in the state of the module"
    assert set(stored["LanceDataModule"]) == {"format", "train", "versions"}


def test_fewer_batches_per_epoch_than_there_are(table, tmp_path):
    limit = {"limit_train_batches": 4}
    wanted = Tiny()
    trainer(max_epochs=3, **limit).fit(wanted, datamodule=module_of(table))
    assert len(wanted.seen) == 3 * 4 * BATCH
    path = str(tmp_path / "some.ckpt")
    first = KilledAt(6, path)
    with pytest.raises(Killed):
        trainer(max_epochs=3, **limit).fit(first, datamodule=module_of(table))
    rest = Tiny()
    trainer(max_epochs=3, **limit).fit(rest, datamodule=module_of(table), ckpt_path=path)
    assert first.seen + rest.seen == wanted.seen
    two, last = Tiny(), Tiny()
    short = trainer(max_epochs=2, **limit)
    short.fit(two, datamodule=module_of(table))
    short.save_checkpoint(path)
    trainer(max_epochs=3, **limit).fit(last, datamodule=module_of(table), ckpt_path=path)
    assert two.seen + last.seen == wanted.seen


def test_more_epochs_after_a_finished_run(table, tmp_path):
    wanted = whole_run(table)
    model, path = Tiny(), str(tmp_path / "end.ckpt")
    short = trainer(max_epochs=2)
    short.fit(model, datamodule=module_of(table))
    short.save_checkpoint(path)
    rest = Tiny()
    trainer(max_epochs=EPOCHS).fit(rest, datamodule=module_of(table), ckpt_path=path)
    assert model.seen + rest.seen == wanted.seen


def test_the_same_module_again_without_a_checkpoint_starts_at_the_beginning(table):
    module, one, two = module_of(table), Tiny(), Tiny()
    trainer(max_steps=4).fit(one, datamodule=module)
    trainer(max_epochs=1).fit(two, datamodule=module)
    assert two.seen[: len(one.seen)] == one.seen
    assert len(two.seen) == ROWS


def test_validation_in_between_does_not_move_the_place(table, tmp_path):
    path = str(tmp_path / "last.ckpt")
    held = {"val_fraction": 0.2, "batch_size": 6}
    wanted = Tiny()
    trainer(max_epochs=2).fit(wanted, datamodule=module_of(table, **held))
    first = KilledAt(5, path)
    run = trainer(max_epochs=2, val_check_interval=3)
    with pytest.raises(Killed):
        run.fit(first, datamodule=module_of(table, **held))
    rest = Tiny()
    run = trainer(max_epochs=2, val_check_interval=3)
    run.fit(rest, datamodule=module_of(table, **held), ckpt_path=path)
    assert first.seen + rest.seen == wanted.seen


def test_pictures_in_folders_resume_as_well(tmp_path):
    tree = picture_tree(tmp_path / "tree")

    def module():
        return JiTDataModule(tree, img_size=32, batch_size=2, num_workers=0)

    features = 3 * 32 * 32
    wanted = Tiny(features, one_cycle=True)
    trainer(max_epochs=2).fit(wanted, datamodule=module())
    path = str(tmp_path / "last.ckpt")
    first = KilledAt(10, path, features=features, one_cycle=True)
    with pytest.raises(Killed):
        trainer(max_epochs=2).fit(first, datamodule=module())
    rest = Tiny(features, one_cycle=True)
    trainer(max_epochs=2).fit(rest, datamodule=module(), ckpt_path=path)
    assert first.seen + rest.seen == wanted.seen


def test_a_table_that_has_grown_meanwhile(tmp_path):
    uri = patterns(tmp_path / "t.lance", 24)
    held = {"val_fraction": 0.25, "batch_size": 3}
    wanted = Tiny()
    trainer(max_epochs=2).fit(wanted, datamodule=module_of(uri, **held))
    path = str(tmp_path / "last.ckpt")
    first = KilledAt(4, path)
    with pytest.raises(Killed):
        trainer(max_epochs=2).fit(first, datamodule=module_of(uri, **held))
    patterns(tmp_path / "t.lance", 12, start=77, mode="append")
    module, rest = module_of(uri, **held), Tiny()
    trainer(max_epochs=2).fit(rest, datamodule=module, ckpt_path=path)
    assert first.seen + rest.seen == wanted.seen
    assert module.get_dataset_info()["num_samples"] == 18
    assert module_of(uri, **held).get_dataset_info()["num_samples"] == 27
