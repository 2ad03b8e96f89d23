"""Words of a configuration that nobody would read, that would be cut off, or that come too late."""

from __future__ import annotations

import pytest

from lancenb import DataManager
from lancenb.errors import InvalidArgument, LancenbError
from lancenb.train import compose, run_evaluation


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("+max_epochs=3", "did you mean trainer.max_epochs?"),
        ("++workers=3", "+model.workers=..."),
    ],
)
def test_an_addition_that_nobody_reads_is_refused(word, hint):
    with pytest.raises(InvalidArgument, match="adds nothing") as refused:
        compose([word])
    assert refused.value.hint == hint


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("epochs=3", "trainer.max_epochs"),
        ("+epochs=3", "trainer.max_epochs"),
        ("val=0.2", "data.val_fraction"),
        ("image_size=64", "data.image_size"),
        ("threads=4", "data.threads"),
        ("num_workers=2", "data.num_workers"),
        ("augment=false", "data.augment"),
        ("accelerator=gpu", "trainer.accelerator"),
        ("devices=2", "trainer.devices"),
        ("precision=bf16-mixed", "trainer.precision"),
        ("strategy=ddp", "trainer.strategy"),
        ("accumulate=2", "trainer.accumulate_grad_batches"),
        ("loggers=csv", "logger"),
    ],
)
def test_arguments_of_fit_are_told_as_keys(word, meant):
    with pytest.raises(InvalidArgument) as refused:
        compose([word])
    assert refused.value.hint == f"did you mean {meant}?"
    compose([f"{meant}={word.partition('=')[2]}"])


def test_an_argument_of_fit_has_the_keys_of_the_data_that_was_chosen():
    with pytest.raises(InvalidArgument) as refused:
        compose(["data=lance", "data.train=pics", "val=others"])
    assert refused.value.hint == "did you mean data.val_fraction or data.val?"
    with pytest.raises(InvalidArgument) as refused:
        compose(["checkpoint=net", "devices=2"], of="eval")
    assert "did you mean" not in refused.value.hint, "an evaluation has no trainer"


@pytest.mark.parametrize(
    ("words", "of", "hint"),
    [
        (["data=shapes-test"], "config", "data=lance data.train=shapes-test"),
        (["data=shapes-test"], "eval", "data=lance data.test=shapes-test"),
        (["data=cifar10-train"], "config", "did you mean cifar10 or cifar100? a table of that"
                                           " name is data=lance data.train=cifar10-train"),
        (["~logger"], "config", "logger=none"),
        (["~callbacks"], "config", "callbacks=none"),
        (["~model"], "config", "model is one of "),
        (["net"], "eval", "key=value, such as checkpoint=net"),
        (["./net@best"], "eval", "key=value, such as checkpoint=./net@best"),
        (["synthetic"], "eval", "key=value, such as data=synthetic"),
        (["resnet18"], "config", "key=value, such as model=resnet18"),
        (["net"], "config", "key=value, such as trainer.max_epochs=5"),
    ],
)  # fmt: skip
def test_what_was_probably_meant_is_the_hint(words, of, hint):
    with pytest.raises(InvalidArgument) as refused:
        compose(words, of=of)
    assert refused.value.hint.startswith(hint)
    assert "''" not in refused.value.message


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--trainer.max_epochs=2", "trainer.max_epochs=2"),
        ("--lr=0.1", "lr=0.1"),
        ("--trainer.max_epochs", "trainer.max_epochs=..."),
    ],
)
def test_keys_that_are_written_as_options(run, word, meant):
    status, out, err = run("train", "model=resnet18", word, "2")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].endswith(f"{word} is written without the dashes: {meant}")


@pytest.mark.parametrize("words", [("data=lance", "--help"), ("--help", "data=lance")])
def test_the_help_has_the_keys_of_what_was_chosen(run, words):
    status, out, _ = run("train", *words, "model=simple_cnn")
    assert status == 0
    assert "data.train=???" in out
    assert "of model=simple_cnn:" in out
    assert "of data=cifar10" not in out
    assert "data.train=" not in run("train", "--help", "data=nowhere")[1].partition("of data=")[2]


@pytest.mark.parametrize("word", ["+data.shuffle=block", "++trainer.max_epochs=2", "++seed=3"])
def test_additions_to_what_is_made_and_forced_values_are_taken(word):
    compose([word])


@pytest.mark.parametrize(
    "word", ["trainer.max_epochs=1.5", "batch_size=2.5", "data.num_workers=0.5", "seed=1.5"]
)
def test_a_part_of_a_whole_number_is_refused(word):
    with pytest.raises(InvalidArgument, match="is a whole number"):
        compose([word])


def test_shares_and_rates_stay_what_they_are():
    config = compose(["trainer=quick", "trainer.limit_train_batches=0.5", "lr=1", "model.lr=1"])
    assert config.trainer.limit_train_batches == 0.5
    assert config.model.lr == 1


def test_one_word_that_is_much_nearer_stands_alone():
    with pytest.raises(InvalidArgument) as refused:
        compose(["trainer.max_epoch=5"])
    assert refused.value.hint == "did you mean trainer.max_epochs?"


@pytest.mark.parametrize(
    ("words", "said"),
    [(["checkpoint=nobody"], "nobody"), (["checkpoint=nobody", "split=tset"], "tset")],
)
def test_what_cannot_be_scored_is_said_before_any_data_is_made(words, said, tmp_path):
    manager = DataManager(tmp_path / "store")
    config = compose([*words, "data=synthetic", "data.limit=20"], of="eval")
    with pytest.raises(LancenbError, match=said):
        run_evaluation(config, manager=manager)
    assert len(manager.list()) == 0


def test_all_words_that_are_wrong_are_told_at_once():
    with pytest.raises(InvalidArgument) as refused:
        compose(["trainer.max_epoch=5", "lr=0.1", "sed=3", "+epochs=2", "data=cifr10", "nothing"])
    said = refused.value.message
    for part in ("'trainer.max_epoch'", "'sed'", "+epochs adds nothing", "no data 'cifr10'"):
        assert part in said
    assert "lr" not in said
    assert refused.value.hint.startswith("trainer.max_epoch=5: did you mean trainer.max_epochs?; ")
    for part in ("sed=3: did you mean seed", "data=cifr10: did you mean cifar10", "nothing: key="):
        assert part in refused.value.hint


def test_keys_of_a_choice_that_does_not_exist_are_not_held_against_another_one():
    with pytest.raises(InvalidArgument, match=r"^there is no data 'lanec'\n") as refused:
        compose(["data=lanec", "data.train=pics"])
    assert refused.value.hint.startswith("did you mean lance")


def test_the_command_tells_all_of_them(run):
    status, out, err = run("train", "trainer.max_epoch=5", "sed=3")
    assert (status, out) == (2, "")
    assert "trainer.max_epochs" in err
    assert "seed" in err
