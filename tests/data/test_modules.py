"""``LanceDataModule``: data kept apart, loaders for Lightning, numbers beforehand."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
import torch
from torchvision.transforms import v2

import lancenb as lnb
from lancenb.data import JiTDataModule, LanceDataModule, LanceTorchDataset, channel_stats
from lancenb.errors import (
    ArtifactNotFound,
    ColumnNotFound,
    EmptyInput,
    InvalidArgument,
    NotFound,
    SourceNotFound,
)
from tests.data.pictures import picture_tree
from tests.data.tables import CLASSES, image_table, pattern, patterns, png, write

lightning = pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("modules")


@pytest.fixture(scope="module")
def train(root):
    return patterns(root / "train.lance", 60)


@pytest.fixture(scope="module")
def test(root):
    return patterns(root / "test.lance", 21, start=500)


class Tiny(lightning.LightningModule):
    """A linear classifier that notes the batches it was given."""

    def __init__(self, features=3 * 16 * 16, one_cycle=False):
        super().__init__()
        self.net = torch.nn.Linear(features, 3)
        torch.nn.init.zeros_(self.net.weight)
        torch.nn.init.zeros_(self.net.bias)
        self.one_cycle = one_cycle
        self.seen: list[bytes] = []
        self.validated = 0

    def training_step(self, batch, batch_idx):
        images, labels = batch
        self.seen += [image.numpy().tobytes() for image in images]
        logits = self.net(images.flatten(1) / 255)
        return torch.nn.functional.cross_entropy(logits, labels)

    def validation_step(self, batch, batch_idx):
        self.validated += len(batch[0])

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        if not self.one_cycle:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Trains(lightning.LightningModule):
    """The same without a validation step."""

    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(3 * 32 * 32, 3)
        self.steps = 0

    def training_step(self, batch, batch_idx):
        self.steps += 1
        return self.net(batch[0].flatten(1) / 255).logsumexp(1).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)


def trainer(**options):
    quiet = {
        "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
        "enable_progress_bar": False, "enable_model_summary": False, "max_epochs": 1,
    }  # fmt: skip
    return lightning.Trainer(**{**quiet, **options})


def test_shapes_split_and_seeds(train, test):
    module = LanceDataModule(train, test=test, val_fraction=0.2, batch_size=8)
    module.prepare_data()
    module.setup("fit")
    assert [len(d) for d in (module.train_dataset, module.val_dataset, module.test_dataset)] == [
        48, 12, 21,
    ]  # fmt: skip
    kept, held = set(module.train_dataset.rows), set(module.val_dataset.rows)
    assert not kept & held
    assert len(kept | held) == 60
    labels = module.val_dataset.labels().tolist()
    assert [labels.count(i) for i in range(3)] == [4, 4, 4]
    images, ids = next(iter(module.train_dataloader()))
    assert images.shape == (8, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert ids.dtype == torch.int64
    again = LanceDataModule(train, val_fraction=0.2, batch_size=8)
    again.setup()
    assert list(again.val_dataset.rows) == list(module.val_dataset.rows)
    other = LanceDataModule(train, val=0.2, seed=1)
    other.setup()
    assert list(other.val_dataset.rows) != list(module.val_dataset.rows)
    first, second = list(module.train_dataloader()), list(again.train_dataloader())
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, second, strict=True))
    assert repr(module) == str(module)
    shown = "train.lance: train 48 rows, val 12 rows, test 21 rows, batches of 8"
    assert repr(module) == f"<LanceDataModule of {shown}>"
    assert repr(LanceDataModule(train)) == "<LanceDataModule of train.lance, not set up>"


def test_evaluation_is_in_order_and_not_augmented(train, test):
    module = LanceDataModule(train, test=test, val_fraction=0.5, batch_size=10)
    plain = LanceTorchDataset(test)
    images = torch.cat([images for images, _ in module.test_dataloader()])
    assert torch.equal(images, torch.stack([plain[i][0] for i in range(21)]))
    assert len(module.val_dataloader()) == 3
    predicted = torch.cat([images for images, _ in module.predict_dataloader()])
    assert torch.equal(predicted, images)


def test_w56_test_rows_are_never_validation_rows(train):
    module = LanceDataModule(train, val_fraction=0.5)
    with pytest.raises(InvalidArgument, match="no test data"):
        module.test_dataloader()
    lone = LanceDataModule(train)
    assert lone.val_dataloader() == []
    with pytest.raises(InvalidArgument, match="no data to predict"):
        lone.predict_dataloader()


def test_w58_numbers_per_channel(train):
    module = LanceDataModule(train)
    assert module.stats == channel_stats(LanceTorchDataset(train))
    red, green, blue = module.stats.mean
    assert len({red, green, blue}) == 3, "each channel has its own"


@pytest.mark.parametrize("validates", [True, False])
@pytest.mark.parametrize("held", [None, 0.2])
def test_w77_fit_with_and_without_validation(train, validates, held):
    model = Tiny() if validates else Trains()
    image_size = None if validates else 32
    module = LanceDataModule(train, val_fraction=held, batch_size=16, image_size=image_size)
    trainer(max_epochs=2).fit(model, datamodule=module)
    if validates:
        expected = 0 if held is None else 2 * 12 + 12  # and the sanity check
        assert model.validated == expected
        assert len(model.seen) == 2 * len(module.train_dataset)


@pytest.mark.parametrize("val", [0, 6])
@pytest.mark.parametrize("kind", [Tiny, Trains])
def test_w77_the_same_for_pictures_in_folders(tmp_path, val, kind):
    tree = picture_tree(tmp_path, val=val)
    module = JiTDataModule(tree, img_size=32, batch_size=4, num_workers=0)
    model = Tiny(3 * 32 * 32) if kind is Tiny else Trains()
    trainer().fit(model, datamodule=module)
    assert (module.val_dataloader() == []) == (val == 0)
    if kind is Tiny:
        assert model.validated == 2 * val


def test_w78_set_epoch_is_kept_and_never_needed(train):
    model = Tiny()
    module = LanceDataModule(train, batch_size=10, augment=False)
    trainer(max_epochs=3).fit(model, datamodule=module)
    epochs = [model.seen[i : i + 60] for i in (0, 60, 120)]
    assert all(sorted(epoch) == sorted(epochs[0]) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3, "reshuffled without a call"
    by_hand = LanceDataModule(train, batch_size=10, augment=False)
    by_hand.set_epoch(2)
    seen = [image.numpy().tobytes() for images, _ in by_hand.train_dataloader() for image in images]
    assert seen == epochs[2]
    batches = by_hand.train_dataloader()
    by_hand.set_epoch(1)
    assert next(iter(batches))[0][0].numpy().tobytes() == epochs[1][0]


def test_names_of_a_catalogue_and_its_root(tmp_path, train, test):
    dm = lnb.DataManager(tmp_path / "store")
    dm.convert(train, "shapes-train")
    dm.convert(test, "shapes-test")
    for manager in (dm, str(tmp_path / "store")):
        module = LanceDataModule("shapes-train", test="shapes-test", manager=manager)
        assert module.get_dataset_info() == {
            "num_samples": 60, "num_classes": 3, "img_size": 16, "batch_size": 32,
            "class_names": CLASSES, "num_test_samples": 21,
        }  # fmt: skip
    assert LanceDataModule(dm["shapes-train"]).get_dataset_info()["num_samples"] == 60
    with pytest.raises(ArtifactNotFound, match="shapes-trian"):
        LanceDataModule("shapes-trian", manager=dm).prepare_data()
    with pytest.raises((NotFound, SourceNotFound)):
        LanceDataModule(str(tmp_path / "none.lance")).prepare_data()


def test_the_version_is_pinned_for_the_whole_life(tmp_path):
    uri = patterns(tmp_path / "t.lance", 12)
    module = LanceDataModule(uri, batch_size=4)
    module.setup("fit")
    patterns(tmp_path / "t.lance", 12, start=99, mode="append")
    assert sum(len(ids) for _, ids in module.train_dataloader()) == 12
    assert module.get_dataset_info()["num_samples"] == 12


def test_classes_are_counted_as_in_training(tmp_path, train):
    cells = [png(pattern(i, i)) for i in range(4)]
    turned = write(image_table(cells, [0, 1, 0, 1], ["dot", "circle"]), tmp_path / "v.lance")
    module = LanceDataModule(train, val=turned)
    assert next(iter(module.val_dataloader()))[1].tolist() == [2, 0, 2, 0]
    strange = write(image_table(cells, [0, 1, 0, 1], ["dot", "star"]), tmp_path / "s.lance")
    with pytest.raises(InvalidArgument, match="star"):
        LanceDataModule(train, val=strange).setup()


def test_other_data_sets_and_tables_without_pictures(tmp_path):
    pairs = [(torch.zeros(3, 16, 16, dtype=torch.uint8), i % 3) for i in range(10)]
    module = LanceDataModule(pairs, val=pairs[:4], batch_size=5)
    assert [len(images) for images, _ in module.train_dataloader()] == [5, 5]
    assert module.get_dataset_info()["num_samples"] == 10
    with pytest.raises(InvalidArgument, match="from a table"):
        LanceDataModule(pairs, val_fraction=0.5).setup()
    uri = write(pa.table({"x": [float(i) for i in range(10)]}), tmp_path / "x.lance")
    batches = list(LanceDataModule(uri, batch_size=4).train_dataloader())
    assert sorted(v for batch in batches for v in batch["x"].tolist()) == list(range(10))
    own = LanceTorchDataset(uri, filter="x < 6", transform=lambda row: row["x"] * 2)
    assert sum(len(batch) for batch in LanceDataModule(own).train_dataloader()) == 6
    empty = LanceTorchDataset(uri, filter="x > 99")
    with pytest.raises(EmptyInput):
        LanceDataModule(empty).setup()


def test_a_transform_of_yours_is_kept(train):
    data = LanceTorchDataset(train, transform=v2.Resize(24))
    module = LanceDataModule(data, batch_size=6)
    assert next(iter(module.train_dataloader()))[0].shape == (6, 3, 24, 24)


def test_numbers_per_channel_of_what_has_no_pictures(tmp_path):
    uri = write(pa.table({"x": [1.0, 2.0], "y": [0, 1]}), tmp_path / "x.lance")
    for ask in (
        lambda: channel_stats(LanceTorchDataset(uri)),
        lambda: LanceDataModule(uri).stats,
    ):
        with pytest.raises(ColumnNotFound, match=r"'x\.lance' has no image column") as caught:
            ask()
        assert caught.value.hint == "its columns are x, y"


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("shapes@1", "LanceTorchDataset(dm['shapes'], version=1)"),
        ("shapes@best", "LanceTorchDataset(dm['shapes'], version='best')"),
        ("store/shapes@1", "LanceTorchDataset(dm['shapes'], version=1)"),
        ("far/t.lance@1", "LanceTorchDataset('far/t.lance', version=1)"),
    ],
)
def test_a_version_behind_a_name_is_given_apart(tmp_path, given, hint):
    for manager in (None, lnb.DataManager(tmp_path)):
        with pytest.raises(InvalidArgument, match="version is given apart") as caught:
            LanceDataModule(given, manager=manager).setup()
        assert caught.value.hint == hint
    with pytest.raises(InvalidArgument, match="version is given apart"):
        LanceDataModule([(torch.zeros(3, 8, 8), 0)], val=given).prepare_data()


def test_a_table_with_such_a_name_is_opened(tmp_path):
    uri = patterns(tmp_path / "a@1.lance", 6)
    assert LanceDataModule(uri).get_dataset_info()["num_samples"] == 6


@pytest.mark.parametrize("epochs", [1, 3])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_steps_are_those_that_the_trainer_takes(train, epochs, accumulate):
    module = LanceDataModule(train, batch_size=8, epochs=epochs)
    assert module.steps_per_epoch == 8
    assert module.total_steps(accumulate=accumulate) == epochs * (8 // accumulate)
    run = trainer(max_epochs=epochs, accumulate_grad_batches=accumulate)
    run.fit(Tiny(), datamodule=module)
    assert module.total_steps() == run.global_step == run.estimated_stepping_batches


def test_steps_with_limits(train):
    module = LanceDataModule(train, batch_size=7)
    assert module.steps_per_epoch == 9
    with pytest.raises(InvalidArgument, match="epochs"):
        module.total_steps()
    run = trainer(max_epochs=2, limit_train_batches=3)
    run.fit(Tiny(), datamodule=module)
    assert (module.steps_per_epoch, module.total_steps()) == (3, 6)
    run = trainer(max_epochs=-1, max_steps=5)
    run.fit(Tiny(), datamodule=module)
    assert module.total_steps() == 5
    lone = LanceDataModule(train, batch_size=59)
    assert lone.steps_per_epoch == len(lone.train_dataloader()) == 1, "no batch of one row"
    assert LanceDataModule(train, batch_size=59, drop_last=False).steps_per_epoch == 2


def test_state_is_plain_and_survives_json(train):
    module = LanceDataModule(train, batch_size=8)
    assert module.state_dict() == {}
    batches = iter(module.train_dataloader())
    wanted = list(module.train_dataloader())
    module.train_dataloader()
    module.load_state_dict({})
    batches = iter(module.train_dataloader())
    for _ in range(3):
        next(batches)
    state = json.loads(json.dumps(module.state_dict()))
    other = LanceDataModule(train, batch_size=8)
    other.load_state_dict(state)
    assert other.state_dict() == state, "before a loader is made as well"
    rest = list(other.train_dataloader())
    assert len(rest) == 5
    assert all(torch.equal(a[0], b[0]) for a, b in zip(rest, wanted[3:], strict=True))
    made = other.train_dataloader()
    other.load_state_dict(state)
    assert len(list(made)) == 5, "a loader that is already made goes there, too"
    with pytest.raises(InvalidArgument, match="another version"):
        other.load_state_dict({"format": 9, "train": {}})


def test_bad_pictures_are_listed_before_training(tmp_path, train):
    cells = [png(pattern(i, i)) for i in range(6)]
    cells[2], cells[5] = b"junk", cells[5][:50]
    uri = write(image_table(cells, [0, 1, 2, 0, 1, 2]), tmp_path / "bad.lance")
    module = LanceDataModule(train, val=uri)
    assert [(b.split, b.row, b.path) for b in module.check()] == [
        ("val", 2, "folder/0002.png"), ("val", 5, "folder/0005.png"),
    ]  # fmt: skip
    skipping = LanceDataModule(uri, on_error="skip")
    assert sum(len(ids) for _, ids in skipping.train_dataloader()) == 4


def test_values_that_cannot_work(train):
    for wrong in (
        {"val": train, "val_fraction": 0.1}, {"val_fraction": 1.5}, {"batch_size": 0},
        {"uneven": "maybe"}, {"batch_size": "x"},
    ):  # fmt: skip
        with pytest.raises(InvalidArgument):
            LanceDataModule(train, **wrong)
    assert LanceDataModule(train, batch_size="auto").get_dataset_info()["batch_size"] == 128
    assert LanceDataModule(train, batch_size="auto", image_size=512).batch_size == 64


class Sized(Trains):
    img_size = 64


def test_a_model_for_another_size_is_refused(tmp_path):
    tree = picture_tree(tmp_path)
    module = JiTDataModule(tree, img_size=32, batch_size=4, num_workers=0)
    with pytest.raises(InvalidArgument, match="64 pixels") as caught:
        trainer().fit(Sized(), datamodule=module)
    assert caught.value.hint == "img_size=64"
