"""Real CIFAR-10 rows, where the folder of real files has them."""

from __future__ import annotations

import pytest

import lancenb as lnb
from lancenb.train import fit


@pytest.fixture(scope="module")
def dm(tmp_path_factory, shared_data):
    folder = shared_data / "cifar10"
    if not folder.is_dir():
        pytest.skip("the folder of real files has no cifar10")
    manager = lnb.DataManager(tmp_path_factory.mktemp("cifar10"))
    for split, limit in (("train", 1500), ("test", 500)):
        rows = lnb.download(str(folder), split=split, limit=limit, offline=True)
        manager.convert(rows, f"cifar10-{split}", kind="images")
    return manager


def test_a_short_training_beats_chance_clearly(dm):
    result = fit("simple_cnn", "cifar10-train", manager=dm, save=False, epochs=3, lr=0.05,
                 accelerator="cpu")  # fmt: skip
    assert result.last_loss < 0.9 * result.first_loss
    found = lnb.evaluate(result.model, "cifar10-test", manager=dm)
    assert found.rows == 500
    assert found.accuracy > 0.2, "chance is 0.1, and its standard error here 0.013"


def test_the_same_seed_gives_the_same_losses_on_real_pictures(dm):
    one, two = (
        fit("resnet18", "cifar10-train", manager=dm, save=False, steps=2, accelerator="cpu")
        for _ in range(2)
    )
    assert one.history.equals(two.history)
