"""Words of a configuration that runs take: automatic batches, processes; what is stored of them."""

from __future__ import annotations

import pytest

from lancenb.errors import InvalidArgument
from lancenb.train import compose, fit, run, run_evaluation
from tests.train.runs import store

QUICK = ["model=simple_cnn", "data=lance", "data.train=pics", "trainer=quick", "name=m"]


@pytest.fixture
def dm(tmp_path):
    return store(tmp_path)


def test_automatic_batches_are_by_the_pictures_and_recorded_as_a_number(dm):
    assert compose(["batch_size=auto"]).data.batch_size == "auto"
    result = run(compose([*QUICK, "batch_size=auto"]), manager=dm.store.uri)
    assert result.history.num_rows == 1, "60 pictures in batches of 128"
    assert result.run["settings"]["batch_size"] == 128
    assert result.run["config"]["batch_size"] == "auto"
    words = ["checkpoint=m", "data=lance", "data.train=pics", "split=train", "batch_size=auto"]
    assert run_evaluation(compose(words, of="eval"), manager=dm).rows == 60
    with pytest.raises(InvalidArgument, match="batch_size is a number, not 'automatic'"):
        compose(["batch_size=automatic"])
    with pytest.raises(InvalidArgument, match="seed is a number"):
        compose(["seed=auto"])


def test_far_more_processes_than_cores_are_refused_before_any_is_started(dm):
    with pytest.raises(InvalidArgument, match="9999 processes were asked for on the CPU") as many:
        run(compose([*QUICK, "trainer.devices=9999", "batch_size=8"]), manager=dm)
    assert "devices=" in many.value.hint
    assert "m" not in dm


def test_no_checkpoint_is_said_at_once(dm):
    with pytest.raises(InvalidArgument, match="checkpoint has to be given"):
        compose(["checkpoint=null"], of="eval")
    with pytest.raises(InvalidArgument, match="checkpoint has to be given"):
        run_evaluation({"checkpoint": None, "batch_size": 8}, manager=dm)


def test_weights_are_described_and_words_of_others_stay(dm):
    options = {"manager": dm, "name": "m", "steps": 1, "accelerator": "cpu"}
    fit("simple_cnn", "pics", **options)
    assert dm["m"].description == "simple_cnn trained on pics, version 1"
    fit("simple_cnn", "pics", seed=1, **options)
    assert dm["m"].description == "simple_cnn trained on pics, version 1"
    dm.update("m", description="my best one")
    fit("simple_cnn", "pics", seed=2, **options)
    assert (dm["m"].version, dm["m"].description) == (3, "my best one")
