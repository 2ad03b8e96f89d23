from __future__ import annotations

import gc
import json
import logging
import subprocess
import sys
import warnings

import pytest
import torch

from lancenb.data import LanceDataModule, LanceTorchDataset
from lancenb.errors import Cancelled, EmptyInput, InvalidArgument
from lancenb.progress import CancelToken, Progress
from lancenb.train import ImageClassifier, evaluate, fit
from tests.data.tables import CLASSES, patterns


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return patterns(tmp_path_factory.mktemp("fit") / "p.lance", 60)


def test_w56_overfits_32_pictures_and_reports_validation(data):
    few = LanceTorchDataset(data).subset(range(32))
    result = fit("resnet18", few, val=few, epochs=12, batch_size=16, lr=0.003, accelerator="cpu")
    assert evaluate(result.model, few).accuracy > 0.95
    history = result.to_pandas()
    assert list(history["step"]) == list(range(1, 25))
    assert history["epoch"].tolist() == [e for e in range(12) for _ in range(2)]
    assert history["val_acc"].notna().tolist() == [False, True] * 12
    assert history["val_acc"].iloc[-1] == pytest.approx(evaluate(result.model, few).accuracy)
    assert result.last_loss < result.first_loss / 3
    assert not result.model.training
    assert "<svg" in result._repr_html_()
    assert "training loss</text>" in result._repr_html_()


def test_two_runs_give_the_same_losses_and_weights(data):
    def run(threads: int):
        torch.manual_seed(threads)  # what happened before must not matter
        return fit(
            "resnet18",
            data,
            epochs=2,
            steps=3,
            batch_size=16,
            seed=7,
            threads=threads,
            accelerator="cpu",
        )

    one, two = run(1), run(3)
    assert one.history.equals(two.history)
    for (name, a), b in zip(
        one.model.net.state_dict().items(), two.model.net.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    other = fit("resnet18", data, epochs=2, steps=3, seed=8, accelerator="cpu")
    assert not one.history.equals(other.history)
    assert one.history.num_rows == 6, "steps bound each epoch"


def test_the_schedule_ends_with_the_run_whatever_its_length(data):
    for steps in (4, 9):
        rates = (
            fit("resnet18", data, epochs=2, steps=steps, batch_size=4, lr=0.02, accelerator="cpu")
            .history["lr"]
            .to_pylist()
        )
        assert len(rates) == 2 * steps
        assert max(rates) == pytest.approx(0.02, rel=0.05)
        assert rates[0] < max(rates)
        assert rates[-1] < 0.1 * max(rates)


def test_training_leaves_no_traces_in_the_process(data):
    torch.manual_seed(1)
    wanted = torch.rand(1)
    torch.manual_seed(1)
    levels = logging.getLogger("lightning.pytorch").level
    fit("resnet18", data, steps=1, accelerator="cpu")
    assert torch.rand(1) == wanted
    assert not torch.are_deterministic_algorithms_enabled()
    assert logging.getLogger("lightning.pytorch").level == levels


def test_fit_is_quiet(data, capfd):
    gc.collect()  # what other tests left behind may warn when it goes
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        fit("resnet18", data, val=0.2, steps=1, accelerator="cpu")
    out = capfd.readouterr()
    assert out.out == ""
    assert out.err == ""
    assert [str(w.message) for w in seen] == []


def test_fit_is_quiet_in_a_fresh_process(data):
    code = f"import lancenb; lancenb.fit('resnet18', {data!r}, steps=1)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""


def test_the_record_says_how_to_run_it_again(data):
    result = fit("resnet18", data, val=0.25, steps=2, seed=3, accelerator="cpu")
    run = json.loads(json.dumps(result.run))
    assert run["data"] == {"name": "p.lance", "version": 1, "rows": 45}
    assert run["validation"] == {"name": "p.lance", "version": 1, "rows": 15, "fraction": 0.25}
    assert run["settings"]["seed"] == 3
    assert run["classifier"]["class_names"] == CLASSES
    assert run["classifier"]["stem"] == "small"
    assert run["versions"]["torch"] == torch.__version__.split("+")[0]
    assert run["steps_done"] == 2
    assert run["val_acc"] is not None
    again = fit(
        "resnet18",
        data,
        val=0.25,
        steps=run["settings"]["steps"],
        seed=run["settings"]["seed"],
        batch_size=run["settings"]["batch_size"],
        accelerator="cpu",
    )
    assert again.run["loss_last"] == run["loss_last"]


def test_the_record_of_a_module_and_of_data_of_its_own(data):
    options = {"steps": 1, "batch_size": 16, "accelerator": "cpu"}
    module = LanceDataModule(data, val_fraction=0.2, batch_size=16)
    run = fit("simple_cnn", module, **options).run
    assert run["validation"] == {"name": "p.lance", "version": 1, "rows": 12, "fraction": 0.2}
    run = fit("simple_cnn", data, val=LanceTorchDataset(data).subset(range(9)), **options).run
    assert run["validation"] == {"name": "p.lance", "version": 1, "rows": 9, "fraction": None}
    assert fit("simple_cnn", data, **options).run["validation"] is None


def test_the_record_has_the_losses_that_the_result_shows(data):
    result = fit("simple_cnn", data, epochs=4, batch_size=10, lr=0.02, accelerator="cpu")
    losses = result.history["train_loss"].to_pylist()
    assert len(losses) == 24
    assert result.first_loss == pytest.approx((losses[0] + losses[1]) / 2)
    assert result.last_loss == pytest.approx((losses[-1] + losses[-2]) / 2)
    assert (result.run["loss_first"], result.run["loss_last"]) == (
        result.first_loss,
        result.last_loss,
    )


def test_two_loggers_write_to_one_folder_per_run(data, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    monkeypatch.chdir(tmp_path)
    for names in (["csv", "tensorboard"], ["tensorboard", "csv"]):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            fit("simple_cnn", data, steps=1, name="net", loggers=names, accelerator="cpu")
        assert [str(w.message) for w in seen] == []
    (named,) = (tmp_path / "lancenb-logs").iterdir()
    assert sorted(each.name for each in named.iterdir()) == ["version_0", "version_1"]
    for folder in named.iterdir():
        assert (folder / "metrics.csv").exists()
        assert list(folder.glob("events.out.tfevents.*"))


def test_an_own_classifier_is_trained_in_place(data):
    model = ImageClassifier("resnet18", 3, image_size=16, optimizer="adamw", schedule="constant")
    before = model.net.fc.weight.clone()
    result = fit(model, data, steps=1, lr=0.001, accelerator="cpu")
    assert result.model is model
    assert not torch.equal(before, model.net.fc.weight)
    assert set(result.history["lr"].to_pylist()) == {0.001}


def test_progress_and_cancel(data):
    events: list[Progress] = []
    fit("resnet18", data, steps=2, progress=events.append, accelerator="cpu")
    assert events[0].phase == "train"
    assert events[0].total_rows == 60
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        fit("resnet18", data, steps=2, cancel=token, accelerator="cpu")

    def stop(event: Progress) -> None:
        if event.rows:
            late.cancel()

    late = CancelToken()
    with pytest.raises(Cancelled):
        fit("resnet18", data, epochs=50, progress=stop, cancel=late, accelerator="cpu")


def test_a_last_batch_of_one_row_does_not_stop_the_training(data):
    lone = LanceTorchDataset(data).subset(range(17))
    assert fit("resnet18", lone, batch_size=16, accelerator="cpu").history.num_rows == 1


def test_wrong_arguments(data):
    with pytest.raises(InvalidArgument, match="epochs"):
        fit("resnet18", data, epochs=0)
    with pytest.raises(InvalidArgument, match="steps"):
        fit("resnet18", data, steps=0)
    with pytest.raises(InvalidArgument, match="manager"):
        fit("resnet18", data, save=True)
    with pytest.raises(EmptyInput):
        fit("resnet18", LanceTorchDataset(data, filter="label > 9"))
    from lancenb.errors import NotFound

    with pytest.raises(NotFound, match="resnet19"):
        fit("resnet19", data)
