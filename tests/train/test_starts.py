"""What a training begins with: fresh weights, stored ones, other versions of its data; pictures."""

from __future__ import annotations

import warnings

import pytest
import torch
from torchvision.transforms import v2

from lancenb.data import LanceDataModule, LanceTorchDataset
from lancenb.errors import ArtifactNotFound, InvalidArgument, TagNotFound, VersionNotFound
from lancenb.train import (
    ImageClassifier,
    compose,
    evaluate,
    fit,
    read_checkpoint,
    run,
    run_evaluation,
)
from tests.data.tables import image_table, pattern, png
from tests.train.runs import same_weights, store

OPTIONS = {"batch_size": 16, "lr": 0.02, "accelerator": "cpu"}


@pytest.fixture
def dm(tmp_path):
    return store(tmp_path)


def test_the_name_of_a_network_means_fresh_weights_each_time(dm):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*fresh weights")
        one, two = (fit("simple_cnn", "pics", manager=dm, **OPTIONS) for _ in range(2))
    # a run that is like the last one to the millisecond is no new version
    assert one.version == 1
    assert two.version in (1, 2)
    assert same_weights(one.model.net, two.model.net)
    assert one.history["train_loss"].equals(two.history["train_loss"])
    assert two.run["start"] is None
    assert "from fresh weights" in repr(two)
    assert "fresh weights" in two._repr_html_()


def test_a_stored_model_of_such_a_name_is_asked_for(dm):
    first = fit("simple_cnn", "pics", manager=dm, **OPTIONS)
    for number, model in enumerate(("simple_cnn@1", "simple_cnn@latest", None), 2):
        found = fit(model or dm["simple_cnn"], "pics", manager=dm, **OPTIONS)
        begin = 1 if model == "simple_cnn@1" else number - 1
        assert found.run["start"] == {"name": "simple_cnn", "version": begin}
        assert (found.name, found.version) == ("simple_cnn", number)
        assert f"from simple_cnn version {begin}" in repr(found)
        assert found.first_loss < first.first_loss
    again = fit("simple_cnn", "pics", manager=dm, version=1, save=False, **OPTIONS)
    assert again.run["start"] == {"name": "simple_cnn", "version": 1}
    with pytest.raises(InvalidArgument, match="are two"):
        fit("simple_cnn@1", "pics", manager=dm, version=1)


def test_a_version_of_a_stored_model_is_named_as_for_evaluate(dm):
    for seed in (1, 2):
        fit("simple_cnn", "pics", manager=dm, name="net", seed=seed, **OPTIONS)
    dm.tag("net", "good", 1)
    starts = (("net@1", 1), ("net@good", 1), ("net@latest", 4), ("net", 5))
    for seed, (model, begin) in enumerate(starts, 3):
        found = fit(model, "pics", manager=dm, seed=seed, **OPTIONS)
        assert (found.name, found.run["start"]) == ("net", {"name": "net", "version": begin})
    assert evaluate("net@latest", "pics", manager=dm).model == ("net", 6)
    with pytest.raises(VersionNotFound):
        fit("net@99", "pics", manager=dm)
    with pytest.raises(TagNotFound):
        fit("net@better", "pics", manager=dm)
    with pytest.raises(ArtifactNotFound, match="neither a stored model"):
        fit("nobody@1", "pics", manager=dm)


def test_weights_that_came_under_the_name_of_a_network_are_told_of(dm):
    state = ImageClassifier("simple_cnn", 3).net.state_dict()
    dm.save_weights("simple_cnn", state)
    with pytest.warns(UserWarning, match=r"fresh weights; fit\('simple_cnn@latest'"):
        fit("simple_cnn", "pics", manager=dm, save=False, **OPTIONS)


def test_validation_rows_that_change_at_random_are_told_of(dm):
    data = LanceTorchDataset(dm["pics"], transform=v2.RandomCrop(12))
    options = {**OPTIONS, "manager": dm, "save": False, "image_size": 12}
    with pytest.warns(UserWarning, match="validation rows draws random numbers") as told:
        fit("simple_cnn", data, val=0.25, **options)
    (found,) = [each for each in told if "validation rows" in str(each.message)]
    assert found.filename == __file__
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*random numbers")
        fit("simple_cnn", data, **options)
        fit("simple_cnn", data, val="pics", **options)


def test_a_resumed_run_says_where_it_goes_on(dm):
    options = {**OPTIONS, "manager": dm, "checkpoint": True, "resume": True}
    fit("simple_cnn", "pics", **options)
    more = fit("simple_cnn", "pics", epochs=2, **options)
    assert more.steps_here == 4
    assert "from checkpoint simple_cnn-checkpoints@last" in repr(more)


@pytest.mark.parametrize("by_module", [False, True])
def test_a_resume_says_that_newer_data_waits(dm, by_module):
    def pics():
        return LanceDataModule("pics", manager=dm, batch_size=16) if by_module else "pics"

    cells = [png(pattern(i % 3, i)) for i in range(30)]
    dm.convert(image_table(cells, [i % 3 for i in range(30)]), "pics", mode="overwrite")
    options = {**OPTIONS, "manager": dm, "name": "m", "checkpoint": True, "resume": True}
    first = fit("simple_cnn", pics(), **options)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*which is there now")
        fit("simple_cnn", pics(), epochs=2, **options)
    dm.convert(image_table(cells, [i % 3 for i in range(30)]), "pics", mode="append")
    with pytest.warns(UserWarning, match=r"version \d of 'pics'.*, which is there now, has no"):
        second = fit("simple_cnn", pics(), epochs=3, **options)
    assert second.data == first.data


def test_a_record_is_run_again_with_other_values(dm):
    words = ["model=simple_cnn", "data=lance", "data.train=pics", "trainer=quick", "name=m"]
    first = run(compose([*words, "batch_size=16"]), manager=dm)
    record = dm.load_weights("m").extras["lancenb.run"]["config"]

    def again(**other):
        return run(record | {"name": "again", "save": False, "callbacks": {}} | other, manager=dm)

    assert same_weights(again().model.net, first.model.net)
    smaller = again(batch_size=10)
    assert (smaller.history.num_rows, smaller.run["settings"]["batch_size"]) == (6, 10)
    assert not same_weights(again(seed=7).model.net, first.model.net)
    assert again(data=record["data"] | {"batch_size": 30}).history.num_rows == 2
    own = run(compose([*words, "data.batch_size=20"]), manager=dm).run["config"]
    assert run(own | {"save": False, "callbacks": {}}, manager=dm).history.num_rows == 3
    for key, value, said in (
        ("lr", 0.5, "lr=0.5 and model.lr=0.01 contradict"),
        ("nmae", "z", "there is no key 'nmae'"),
        ("epochs", 3, "there is no key 'epochs'"),
        ("trainer.max_epochs", 3, "'trainer.max_epochs' is no key"),
    ):
        with pytest.raises(InvalidArgument, match=said) as wrong:
            run(record | {key: value}, manager=dm)
        assert wrong.value.hint
    assert again(model=record["model"] | {"lr": 0.5}).run["classifier"]["lr"] == 0.5
    assert len(dm.versions("m")) == 2


def test_the_logs_of_a_record_go_where_its_new_name_says(dm, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["model=simple_cnn", "data=lance", "data.train=pics", "trainer=quick", "logger=csv"]
    record = run(compose([*words, "name=one"]), manager=dm).run["config"]
    run(record | {"name": "two", "save": False, "callbacks": {}}, manager=dm)
    assert sorted(each.name for each in (tmp_path / "lancenb-logs").iterdir()) == ["one", "two"]


@pytest.mark.parametrize("words", ["model=simple_cnn", ["model=simple_cnn"], None])
@pytest.mark.parametrize("what", [run, run_evaluation])
def test_words_are_composed_first(what, words):
    with pytest.raises(InvalidArgument, match="a configuration is what compose gives") as wrong:
        what(words)
    assert "compose([" in wrong.value.hint


def test_a_table_without_pictures_is_no_data_for_a_network(dm):
    import pyarrow as pa

    dm.convert(pa.table({"text": ["a", "b"] * 9, "label": [0, 1] * 9}), "notes", kind="table")
    words = ["model=simple_cnn", "data=lance", "data.train=notes", "trainer=quick"]
    with pytest.raises(InvalidArgument, match="'notes' has no images"):
        run(compose(words), manager=dm)


def test_a_checkpoint_is_read_by_its_name_alone(dm):
    fit("simple_cnn", "pics", manager=dm, name="m", checkpoint=True, **OPTIONS)
    for name in ("m-checkpoints", "m-checkpoints@last", "catalogue:m-checkpoints"):
        assert read_checkpoint(name, manager=dm)["global_step"] == 4


@pytest.mark.parametrize(
    ("prepared", "said"),
    [
        (lambda x, m: x, None),
        (lambda x, m: (x / 255 - m.mean) / m.std, None),
        (lambda x, m: torch.zeros(x.shape), None),
        (lambda x, m: torch.zeros(0, 3, 16, 16), None),
        (lambda x, m: x / 255, "lie between 0 and 1"),
        (lambda x, m: x.float(), "reach up to 2"),
    ],
)
def test_float_pictures_that_nobody_normalised_are_told_of_once(prepared, said):
    model = ImageClassifier("simple_cnn", 3).eval()
    torch.manual_seed(0)
    images = prepared(torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8), model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            model(images)
    told = [str(each.message) for each in caught if "float pictures" in str(each.message)]
    assert len(told) == (said is not None)
    assert said is None or said in told[0]


def test_a_network_that_wants_plain_values_gets_them_in_silence():
    model = ImageClassifier("simple_cnn", 3, mean=(0, 0, 0), std=(1, 1, 1)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(torch.rand(2, 3, 16, 16))


def test_scores_that_are_no_numbers_are_told_of(dm):
    model = ImageClassifier("simple_cnn", 3)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*NaN")
        evaluate(model, "pics", manager=dm)
    with torch.no_grad():
        model.net.get_parameter(next(iter(dict(model.net.named_parameters())))).fill_(torch.nan)
    with pytest.warns(UserWarning, match=r"scores of 60 of 60 rows are no numbers \(NaN\)"):
        evaluate(model, "pics", manager=dm)
