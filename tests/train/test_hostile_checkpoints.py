"""Checkpoints that were tampered with, damaged, or are of something else: refused, never run."""

from __future__ import annotations

import os
import warnings
from collections import deque
from typing import Any

import lance
import numpy as np
import pytest
import torch

from lancenb.convert.weights import save_weights
from lancenb.errors import (
    CorruptInput,
    InvalidArgument,
    SchemaMismatch,
    UnsafeInput,
    UnsupportedFormat,
    WeightsMismatch,
)
from lancenb.train import (
    Checkpoints,
    ImageClassifier,
    LanceCheckpointIO,
    fit,
    load_classifier,
    read_checkpoint,
)
from lancenb.train._codec import decode, encode
from lancenb.train.checkpoints import KEY
from tests.train.runs import store

OPTIONS: dict[str, Any] = {"save": False, "accelerator": "cpu", "batch_size": 8, "steps": 1}


def written(path, entry):
    save_weights({"w": torch.ones(2)}, str(path), extras={KEY: entry})
    return str(path)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A catalogue, and the last checkpoint of a training in it."""
    folder = tmp_path_factory.mktemp("kept")
    dm = store(folder)
    keep = Checkpoints(every_steps=1, folder=str(folder / "k"))
    fit("simple_cnn", "pics", manager=dm, checkpoint=keep, **OPTIONS)
    return dm, str(folder / "k" / "last.ckpt")


@pytest.mark.parametrize(
    "value",
    [
        {"$bytes": 5},
        {"$numpy": ["O", "00"]},
        {"$numpy": []},
        {"$device": "nope"},
        {"$dtype": 5},
        {"$tuple": 5},
        {"$dict": [[[], 1]]},
        {"$dict": [1]},
        {"$size": ["x"]},
        {"$timedelta": ["a"]},
        {"$tensor": []},
        {"$ordered": [], "notes": 5},
        {"$deque": [1], "most": "x"},
        {"$float": "x"},
        {"$path": 5},
        {"$datetime": "x"},
        {"$reduce": ["os.system", "true"]},
    ],
)
def test_a_changed_value_is_one_typed_error(tmp_path, value):
    path = written(tmp_path / "c", {"format": 1, "content": {"state_dict": value}})
    with pytest.raises(CorruptInput, match="checkpoint"):
        read_checkpoint(path)


def test_a_changed_frame_is_one_typed_error(tmp_path):
    for entry in ({"format": 1}, {"format": 1, "content": [1]}):
        with pytest.raises(CorruptInput, match="lost its content"):
            read_checkpoint(written(tmp_path / "c", entry))
    with pytest.raises(UnsupportedFormat, match="format 99"):
        read_checkpoint(written(tmp_path / "new", {"format": 99, "content": {}}))
    path = written(tmp_path / "meta", {"format": 1, "content": {}})
    for text in ("{", "[1]", "null", "[" * 100_000):
        lance.dataset(path).update_schema_metadata({"lancenb.extras": text})
        with pytest.raises(SchemaMismatch, match="no checkpoint"):
            read_checkpoint(path)


class _Runs:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_nothing_in_a_pickled_checkpoint_runs(kept, tmp_path):
    dm, _ = kept
    for content in (_Runs(tmp_path / "ran"), {"state_dict": {}, "x": _Runs(tmp_path / "ran")}):
        torch.save(content, tmp_path / "p.ckpt")
        with pytest.raises(UnsafeInput):
            read_checkpoint(tmp_path / "p.ckpt")
        with pytest.raises(UnsafeInput):
            load_classifier(str(tmp_path / "p.ckpt"))
        with pytest.raises(UnsafeInput):
            fit("simple_cnn", "pics", manager=dm, resume=tmp_path / "p.ckpt", **OPTIONS)
    assert not (tmp_path / "ran").exists()


def test_a_resume_of_another_training_is_refused_before_it_begins(kept, monkeypatch):
    dm, last = kept
    monkeypatch.setattr("lightning.Trainer.fit", lambda *a, **k: pytest.fail("it was trained"))
    options = {"manager": dm, "resume": last, **OPTIONS}
    with pytest.raises(WeightsMismatch, match="another model: it lacks"):
        fit("mobilenet_v3_small", "pics", **options)
    with pytest.raises(WeightsMismatch, match=r"'net.fc.weight' is of shape \(3, 128\), here \(7"):
        fit(ImageClassifier("simple_cnn", 7), "pics", **options)
    with pytest.raises(InvalidArgument, match="with optimizer 'sgd', and this one has 'adamw'"):
        fit(ImageClassifier("simple_cnn", 3, optimizer="adamw"), "pics", **options)
    with pytest.raises(InvalidArgument, match="with schedule 'cosine'"):
        fit(ImageClassifier("simple_cnn", 3, schedule="constant"), "pics", **options)


def test_a_resume_says_which_settings_have_no_effect(kept):
    dm, last = kept
    further = {**OPTIONS, "epochs": 2}
    with pytest.warns(UserWarning, match=r"goes on with lr 0\.01 of the checkpoint"):
        fit("simple_cnn", "pics", manager=dm, resume=last, lr=0.5, **further)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit("simple_cnn", "pics", manager=dm, resume=last, **further)


def test_weights_alone_are_no_training_to_go_on_from(kept, tmp_path):
    dm, _ = kept
    module = ImageClassifier("simple_cnn", 3)
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    LanceCheckpointIO().save_checkpoint(content, tmp_path / "w.ckpt")
    assert isinstance(load_classifier(str(tmp_path / "w.ckpt")), ImageClassifier)
    with pytest.raises(InvalidArgument, match="no state of a training"):
        fit("simple_cnn", "pics", manager=dm, resume=tmp_path / "w.ckpt", **OPTIONS)


def test_a_classifier_of_a_damaged_checkpoint(tmp_path):
    module = ImageClassifier("simple_cnn", 3)
    plain = dict(module.hparams)
    cases: list[tuple[dict[str, Any], type[Exception]]] = [
        ({"state_dict": {}, "hyper_parameters": [1]}, InvalidArgument),
        ({"state_dict": {}, "hyper_parameters": plain}, WeightsMismatch),
        ({"state_dict": [1], "hyper_parameters": plain}, WeightsMismatch),
        ({"hyper_parameters": plain}, WeightsMismatch),
        ({"state_dict": dict.fromkeys(module.state_dict(), 1), "hyper_parameters": plain},
         WeightsMismatch),
    ]  # fmt: skip
    for content, error in cases:
        LanceCheckpointIO().save_checkpoint(content, tmp_path / "c.ckpt")
        with pytest.raises(error):
            load_classifier(str(tmp_path / "c.ckpt"))


def test_what_has_no_form_is_a_typed_error_with_its_place():
    endless: list[Any] = []
    endless.append(endless)
    for value, said in (
        (endless, "holds itself"),
        ("\ud800", "the text"),
        ({"\ud800": 1}, "the text"),
        (np.arange(3, dtype=">i4"), "array of >i4"),
    ):
        with pytest.raises(UnsupportedFormat, match=said):
            encode({"here": value})


def test_a_window_keeps_its_length():
    """A running mean over the last values must not become one over all of them."""
    found = decode(*encode(deque([1.0, 2.0], maxlen=2)))
    assert found == deque([1.0, 2.0])
    assert found.maxlen == 2
    assert decode(*encode(deque([1]))).maxlen is None
