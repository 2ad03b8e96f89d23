from __future__ import annotations

import pytest
import torch
import torchvision

from lancenb import DataManager
from lancenb.errors import ArtifactNotFound, InvalidArgument, VersionNotFound, WeightsMismatch
from lancenb.train import ImageClassifier, evaluate, fit, load_classifier
from tests.data.tables import CLASSES, image_table, pattern, png


@pytest.fixture(scope="module")
def dm(tmp_path_factory):
    manager = DataManager(tmp_path_factory.mktemp("stored") / "store")
    for name, start in (("patterns", 0), ("held-out", 1000)):
        labels = [i % 3 for i in range(48)]
        cells = [png(pattern(label, start + i)) for i, label in enumerate(labels)]
        manager.convert(image_table(cells, labels), name, kind="images")
    torch.manual_seed(5)
    manager.save_weights("resnet18-pre", torchvision.models.resnet18(num_classes=7).state_dict())
    return manager


def test_fit_by_name_stores_the_next_version_with_lineage(dm):
    result = fit("resnet18-pre", "patterns", manager=dm, steps=2, batch_size=16, accelerator="cpu")
    assert (result.name, result.version) == ("resnet18-pre", 2)
    assert result.fresh == ["fc.weight", "fc.bias"]
    assert result.data == ("patterns", 1)
    assert result.run["start"] == {"name": "resnet18-pre", "version": 1}
    parents = dm["resnet18-pre"].parents
    assert [(p["name"], p["version"], p["relation"]) for p in parents] == [
        ("patterns", 1, "trained-on")
    ]
    stored = dm.load_weights("resnet18-pre", version=2).state_dict
    trained = result.model.net.state_dict()
    assert list(stored) == list(trained)
    assert all(torch.equal(stored[name], trained[name]) for name in trained)
    first = dm.load_weights("resnet18-pre", version=1).state_dict
    torch.manual_seed(5)
    original = torchvision.models.resnet18(num_classes=7).state_dict()
    assert all(torch.equal(first[n], original[n]) for n in original), (
        "training wrote into version 1"
    )


def test_a_stored_classifier_comes_back_whole(dm):
    result = fit(
        "resnet18",
        "patterns",
        manager=dm,
        name="from-scratch",
        val="held-out",
        steps=3,
        batch_size=16,
        accelerator="cpu",
    )
    assert (result.version, "from-scratch" in dm) == (1, True)
    again = load_classifier("from-scratch", manager=dm)
    assert again.class_names == CLASSES
    assert again.hparams["stem"] == "small"
    assert again.hparams["mean"] == result.model.hparams["mean"] != [0.485, 0.456, 0.406]
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(again(images), result.model(images))
    by_name = evaluate("from-scratch", "held-out", manager=dm)
    assert by_name.accuracy == evaluate(result.model, "held-out", manager=dm).accuracy
    assert by_name.data == ("held-out", 1)
    assert by_name.accuracy == pytest.approx(result.run["val_acc"])

    further = fit("from-scratch", "patterns", manager=dm, steps=1, accelerator="cpu")
    assert (further.version, further.fresh) == (2, []), "the head goes on learning"
    assert further.run["start"] == {"name": "from-scratch", "version": 1}


def test_other_classes_get_a_fresh_head(dm):
    fit("resnet18", "patterns", manager=dm, name="three", steps=1, accelerator="cpu")
    labels = [i % 3 for i in range(12)]
    cells = [png(pattern(label, i)) for i, label in enumerate(labels)]
    dm.convert(image_table(cells, labels, ["x", "y", "z"]), "other-classes", kind="images")
    result = fit(
        "three",
        "other-classes",
        manager=dm,
        steps=1,
        save=False,
        architecture="resnet18",
        accelerator="cpu",
    )
    assert result.fresh == ["fc.weight", "fc.bias"]
    assert result.version is None
    assert len(dm.versions("three")) == 1


def test_evaluation_can_be_stored(dm):
    fit("resnet18", "patterns", manager=dm, name="scored", steps=1, accelerator="cpu")
    found = evaluate("scored", "held-out", manager=dm)
    report = found.save(dm, "scored-eval", parents=["scored", "held-out"])
    table = dm.dataset("scored-eval", report.version).to_table()
    assert table["class"].to_pylist() == CLASSES
    assert table["recall"].to_pylist() == found.per_class["recall"].to_pylist()
    assert {parent["name"] for parent in dm["scored-eval"].parents} == {"scored", "held-out"}


def test_w10_foreign_weights_are_refused_before_training(dm):
    dm.save_weights("resnet18-bent", {"conv1.weight": torch.zeros(64, 3, 3, 3)})
    with pytest.raises(WeightsMismatch, match="resnet18-bent"):
        fit("resnet18-bent", "patterns", manager=dm, steps=1)
    assert len(dm.versions("resnet18-bent")) == 1


def test_wrong_names(dm):
    with pytest.raises(ArtifactNotFound):
        fit("resnet18", "no-such-data", manager=dm)
    with pytest.raises(ArtifactNotFound):
        fit("no-such-model", "patterns", manager=dm)
    with pytest.raises(VersionNotFound):
        fit("resnet18-pre", "patterns", manager=dm, version=99)
    with pytest.raises(InvalidArgument, match="weights"):
        fit("resnet18", "resnet18-pre", manager=dm)
    dm.save_weights("mystery", {"w": torch.zeros(1)})
    with pytest.raises(InvalidArgument, match="architecture"):
        fit("mystery", "patterns", manager=dm)
    with pytest.raises(InvalidArgument, match="does not say"):
        load_classifier("mystery", manager=dm)
    with pytest.raises(InvalidArgument, match="manager"):
        evaluate("mystery", "patterns")


def test_an_own_classifier_can_be_stored_under_a_name(dm):
    model = ImageClassifier("resnet18", 3, image_size=16, class_names=CLASSES)
    result = fit(model, "patterns", manager=dm, name="own", steps=1, accelerator="cpu")
    assert result.version == 1
    assert load_classifier("own", manager=dm).architecture == "resnet18"
    assert fit(model, "patterns", manager=dm, steps=1, accelerator="cpu").version is None
