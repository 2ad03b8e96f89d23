"""DataModules of known data sets: the makers' files, real rows, offline, nothing by stealth."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import lancenb as lnb
from lancenb.data import LanceTorchDataset
from lancenb.data.presets import (
    CIFAR10DataModule,
    CIFAR100DataModule,
    FashionMNISTDataModule,
    ImageNetDataModule,
    MNISTDataModule,
    SyntheticDataModule,
)
from lancenb.download import registry
from lancenb.errors import InvalidArgument, LancenbError, Offline, SourceNotFound
from tests.convert.images.layouts import (
    CIFAR10,
    cifar10_batch,
    packed,
    write_cifar10,
    write_cifar100,
    write_idx,
)
from tests.data.pictures import picture_tree
from tests.download.conftest import hub  # noqa: F401


@pytest.fixture
def dm(tmp_path, cache):
    return lnb.DataManager(tmp_path / "store")


def test_cifar10_from_its_makers_files(dm, tmp_path):
    source = write_cifar10(tmp_path, rows=20)
    module = CIFAR10DataModule(manager=dm, source=source, batch_size=10)
    module.prepare_data()
    module.setup("fit")
    sizes = [len(d) for d in (module.train_dataset, module.val_dataset, module.test_dataset)]
    assert sizes == [90, 10, 20]
    assert module.class_names == CIFAR10
    assert module.num_classes == 10
    theirs = cifar10_batch(20, 5)
    images = torch.cat([images for images, _ in module.test_dataloader()])
    labels = torch.cat([labels for _, labels in module.test_dataloader()])
    assert np.array_equal(images.numpy(), theirs["data"].reshape(-1, 3, 32, 32))
    assert labels.tolist() == theirs["labels"]
    batch = next(iter(module.train_dataloader()))
    assert batch[0].shape == (10, 3, 32, 32)
    assert batch[0].dtype == torch.uint8
    assert sorted(a.name for a in dm) == ["cifar10-test", "cifar10-train"]


def test_the_validation_rows_are_training_rows_and_no_test_rows(dm, tmp_path):
    module = CIFAR10DataModule(manager=dm, source=write_cifar10(tmp_path, rows=20), batch_size=10)
    module.prepare_data()
    module.setup()

    def pictures(data):
        return {data[i][0].numpy().tobytes() for i in range(len(data))}

    train, val = pictures(module.train_dataset), pictures(module.val_dataset)
    test = pictures(module.test_dataset)
    assert len(train) == 90
    assert len(val) == 10
    assert len(test) == 20
    assert not train & val
    assert not val & test
    assert not train & test


def test_cifar100_from_its_makers_files(dm, tmp_path):
    module = CIFAR100DataModule(manager=dm, source=write_cifar100(tmp_path), val_fraction=None)
    module.prepare_data()
    assert module.val_dataloader() == []
    assert (module.num_classes, len(module.test_dataloader().dataset)) == (100, 12)
    assert module.class_names[:2] == ["fine0", "fine1"]


@pytest.mark.parametrize("kind", [MNISTDataModule, FashionMNISTDataModule])
def test_one_channel_becomes_rgb(dm, tmp_path, kind):
    write_idx(tmp_path / "raw", "train", 30)
    pixels, labels = write_idx(tmp_path / "raw", "t10k", 8, packed=True, seed=1)
    module = kind(manager=dm, source=tmp_path / "raw", batch_size=8)
    module.prepare_data()
    ((images, ids),) = module.test_dataloader()
    assert images.shape == (8, 3, 28, 28)
    for channel in range(3):
        assert np.array_equal(images[:, channel].numpy(), pixels)
    assert ids.tolist() == labels.tolist()
    assert module.get_dataset_info()["num_val_samples"] == 3


def test_w58_the_published_numbers_are_per_channel(dm):
    known = CIFAR10DataModule(manager=dm).stats
    assert known.mean == (0.4914, 0.4822, 0.4465)
    assert known.std == (0.2470, 0.2435, 0.2616)
    grey = MNISTDataModule(manager=dm).stats
    assert grey.mean == (0.1307,) * 3
    assert grey.std == (0.3081,) * 3


def test_the_makers_files_are_downloaded_once_and_converted(dm, files, monkeypatch, tmp_path):
    folder = write_cifar10(tmp_path, rows=4)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"]
    data = packed(folder, names).read_bytes()
    files.add("/c.tar.gz", data)
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    file = registry.OfficialFile(
        "c.tar.gz", f"{files.url}/c.tar.gz", len(data), hashlib.sha256(data).hexdigest()
    )
    entry = dataclasses.replace(registry.info("cifar10"), files=(file,))
    registry.add(entry, replace=True)
    module = CIFAR10DataModule(manager=dm, source="official", batch_size=4)
    module.prepare_data()
    assert len([seen for seen in files.log if seen.path == "/c.tar.gz"]) >= 1
    assert [len(a.dataset().to_table()) for a in (dm["cifar10-train"], dm["cifar10-test"])] == [
        20, 4,
    ]  # fmt: skip
    asked = len(files.log)
    CIFAR10DataModule(manager=dm, source="official").prepare_data()
    assert len(files.log) == asked, "what is there is used as it is"
    assert module.stats.mean == (0.4914, 0.4822, 0.4465)


def hub_rows(count: int, seed: int) -> bytes:
    """A Parquet file as uoft-cs/cifar10 has them."""
    dice = np.random.default_rng(seed)
    cells = []
    for number in range(count):
        pixels = Image.fromarray(dice.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        sink = io.BytesIO()
        pixels.save(sink, "PNG")
        cells.append({"bytes": sink.getvalue(), "path": f"{number}.png"})
    features = {"img": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": CIFAR10}}
    table = pa.table({"img": cells, "label": [n % 10 for n in range(count)]})
    info = json.dumps({"info": {"features": features}})
    sink = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"huggingface": info}), sink)
    return sink.getvalue()


def test_rows_of_the_hub_are_downloaded_once_and_converted(hub, dm):  # noqa: F811
    repo = hub.repos.create("dataset", "uoft-cs/cifar10")
    repo.commit({
        "plain_text/train-00000-of-00001.parquet": hub_rows(40, 0),
        "plain_text/test-00000-of-00001.parquet": hub_rows(10, 1),
    })  # fmt: skip
    module = CIFAR10DataModule(manager=dm, batch_size=8)
    module.prepare_data()
    assert module.get_dataset_info() == {
        "num_samples": 36, "num_val_samples": 4, "num_test_samples": 10, "num_classes": 10,
        "img_size": 32, "batch_size": 8, "class_names": CIFAR10,
    }  # fmt: skip
    assert sum(len(labels) for _, labels in module.train_dataloader()) == 36


def test_real_cifar10_rows(dm, shared_data):
    module = CIFAR10DataModule(manager=dm, source=shared_data / "cifar10", batch_size=64)
    module.prepare_data()
    module.setup("fit")
    info = module.get_dataset_info()
    rows = info["num_samples"] + info["num_val_samples"]
    assert info["num_val_samples"] == round(rows / 10)
    assert (info["num_classes"], info["img_size"]) == (10, 32)
    assert info["class_names"] == CIFAR10
    (path,) = (shared_data / "cifar10" / "data").glob("test*.parquet")
    theirs = pq.read_table(path)
    assert info["num_test_samples"] == len(theirs)
    images, labels = next(iter(module.test_dataloader()))
    for number in range(64):
        cell = theirs["img"][number].as_py()["bytes"]
        pixels = np.array(Image.open(io.BytesIO(cell)).convert("RGB"))
        assert np.array_equal(images[number].permute(1, 2, 0).numpy(), pixels)
    assert labels.tolist() == theirs["label"].to_pylist()[:64]
    found = module.stats
    assert all(abs(a - b) < 0.02 for a, b in zip(found.mean, (0.4914, 0.4822, 0.4465), strict=True))


def test_real_mnist_digits(dm, shared_data):
    digits = shared_data / "mnist" / "raw"
    module = MNISTDataModule(manager=dm, source={"train": digits, "test": digits}, batch_size=100)
    module.prepare_data()
    info = module.get_dataset_info()
    raw = np.frombuffer((digits / "t10k-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    rows = len(raw) // 784
    assert info["num_samples"] + info["num_val_samples"] == info["num_test_samples"] == rows
    images, _ = next(iter(module.test_dataloader()))
    assert np.array_equal(images[:, 0].numpy().reshape(-1), raw[: 100 * 784])


def test_synthetic_works_offline(dm):
    module = SyntheticDataModule(manager=dm, limit=40, batch_size=8, offline=True)
    module.prepare_data()
    info = module.get_dataset_info()
    assert (info["num_samples"], info["num_val_samples"], info["num_test_samples"]) == (40, 40, 40)
    assert len(module.train_dataloader()) == 5
    assert "synthetic-first40-train" in dm
    stand_in = CIFAR10DataModule(manager=dm, source="synthetic", limit=20, offline=True, name="s")
    stand_in.prepare_data()
    assert len(stand_in.train_dataloader()) == 1
    assert stand_in.stats.mean != registry.info("cifar10").mean, "computed, not CIFAR's"


def test_rows_of_another_data_set_are_stored_under_its_name(dm, tmp_path):
    """Shapes under the name of CIFAR-10 would be trained on as CIFAR-10 by the next one."""
    shapes = CIFAR10DataModule(manager=dm, source="synthetic", limit=20, offline=True)
    shapes.prepare_data()
    assert sorted(a.name for a in dm) == [
        f"synthetic-first20-{split}" for split in ("test", "train", "validation")
    ]
    assert dm["synthetic-first20-train"].description == "synthetic, train"
    assert "synthetic-first20-train" in repr(shapes)
    with pytest.raises(SourceNotFound, match="cifar10-first20-train"):
        CIFAR10DataModule(manager=dm, limit=20).setup()
    named = CIFAR10DataModule(manager=dm, source="synthetic", limit=20, offline=True, name="mine")
    named.prepare_data()
    assert dm["mine-train"].description == "synthetic, train"
    for own in (None, "official", "cifar10", tmp_path, str(tmp_path), {"train": "synthetic"}):
        assert CIFAR10DataModule(manager=dm, source=own).artefacts["train"] == "cifar10-train"


def test_shapes_stand_in_for_imagenet(dm):
    module = ImageNetDataModule(manager=dm, source="synthetic", limit=6, offline=True)
    module.prepare_data()
    assert len(module.val_dataloader().dataset) == 6


def test_files_are_not_taken_whole_under_the_name_of_their_first_rows(dm, tmp_path):
    for source in ("official", str(tmp_path), tmp_path, {"train": tmp_path}):
        module = CIFAR10DataModule(manager=dm, source=source, limit=20, offline=True)
        with pytest.raises(InvalidArgument, match="limit=20 is for rows that are downloaded"):
            module.prepare_data()
    assert not list(dm.list())


@pytest.mark.parametrize("limit", [0, -1, 1.5, "many", True])
def test_a_limit_is_a_whole_number(dm, limit):
    with pytest.raises(InvalidArgument, match="limit must be a whole number >= 1, not"):
        CIFAR10DataModule(manager=dm, limit=limit)


def test_batches_without_a_call_of_setup(dm, tmp_path):
    """As the seed's quick test: make it, prepare it, count its batches."""
    module = CIFAR10DataModule(batch_size=2, manager=dm, source=write_cifar10(tmp_path))
    module.prepare_data()
    assert len(module.train_dataloader()) > 0


def test_what_is_missing_says_so(dm, tmp_path):
    module = CIFAR10DataModule(manager=dm, offline=True)
    with pytest.raises(SourceNotFound, match=r"no artefact 'cifar10-train'.*yet"):
        module.train_dataloader()
    with pytest.raises(Offline):
        module.prepare_data()
    assert list(dm) == []
    with pytest.raises(LancenbError):
        CIFAR10DataModule(manager=dm, source=tmp_path / "none").prepare_data()
    lone = MNISTDataModule(manager=dm, source={"test": tmp_path})
    with pytest.raises(SourceNotFound, match="no split 'train'"):
        lone.prepare_data()
    with pytest.raises(InvalidArgument, match="limit"):
        CIFAR10DataModule(limit=0)
    with pytest.raises(TypeError, match="batchsize"):
        CIFAR10DataModule(batchsize=3)


def test_w82_numbers_before_anything_is_there(dm):
    assert CIFAR10DataModule(manager=dm, batch_size=16).get_dataset_info() == {
        "num_samples": 45_000, "num_val_samples": 5_000, "num_test_samples": 10_000,
        "num_classes": 10, "img_size": 32, "batch_size": 16, "class_names": CIFAR10,
    }  # fmt: skip
    assert FashionMNISTDataModule(manager=dm).get_dataset_info()["num_samples"] == 54_000
    assert ImageNetDataModule(manager=dm).get_dataset_info() == {
        "num_samples": 1_281_167, "num_val_samples": 50_000, "num_classes": 1000,
        "img_size": 224, "batch_size": 128, "class_names": None,
    }  # fmt: skip


def test_w55_imagenet_is_never_downloaded(dm, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("lancenb.data._module_fetch.download", lambda *a, **k: asked.append(a))
    with pytest.raises(SourceNotFound, match="cannot be downloaded automatically") as caught:
        ImageNetDataModule(manager=dm).prepare_data()
    assert "image-net.org" in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceNotFound, match="neither a folder train/") as caught:
        ImageNetDataModule(tmp_path / "empty", manager=dm).prepare_data()
    assert "image-net.org" in caught.value.hint
    tree = picture_tree(tmp_path / "tree")
    with pytest.raises(SourceNotFound, match="3 class folders, 1,000 are expected"):
        ImageNetDataModule(tree, manager=dm).prepare_data()
    assert asked == []
    assert list(dm) == []


def test_w55_a_folder_of_yours_is_checked_and_converted(dm, tmp_path):
    tree = picture_tree(tmp_path / "tree")
    counts = {"train": 14, "validation": 6}
    module = ImageNetDataModule(
        tree, manager=dm, classes=3, counts=counts, image_size=48, batch_size=7
    )
    module.prepare_data()
    images = next(iter(module.train_dataloader()))[0]
    assert images.shape == (7, 3, 48, 48)
    assert images.dtype == torch.uint8
    info = module.get_dataset_info()
    assert (info["num_samples"], info["num_val_samples"], info["num_classes"]) == (14, 6, 3)
    assert len(module.val_dataloader().dataset) == 6
    with pytest.raises(InvalidArgument, match="no test data"):
        module.test_dataloader()
    stored = LanceTorchDataset(dm["imagenet-train"])
    assert stored.class_names == ["ant", "bee", "cat"]
    wrong = ImageNetDataModule(
        tree, manager=dm, name="other", classes=3, counts={"train": 15, "validation": 6}
    )
    with pytest.raises(SourceNotFound, match="14"):
        wrong.prepare_data()
    assert module.stats.mean == (0.485, 0.456, 0.406)
