"""``JiTDataModule``: the crop of ADM, two kinds of sources with the same bytes, its surface."""

from __future__ import annotations

import argparse
import hashlib
import inspect
import pickle
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

import lancenb as lnb
from lancenb.data import JiTDataModule, center_crop_arr, create_jit_datamodule
from lancenb.data.jit import CenterCrop
from lancenb.errors import CorruptInput, EmptyInput, InvalidArgument, SourceNotFound, UnknownOption
from tests.data.pictures import CLASSES, picture, picture_tree

SIZES = [
    (1, 1), (1, 7), (31, 64), (32, 32), (33, 31), (63, 64), (64, 63), (64, 64), (65, 129),
    (127, 128), (128, 127), (129, 300), (255, 257), (333, 500), (500, 333), (641, 479),
]  # fmt: skip


def written_out(image: Image.Image, size: int) -> np.ndarray:
    """The crop, straight from its description: array in, array out."""
    work = image.convert("RGB")
    while True:
        short = work.width if work.width < work.height else work.height
        if short < 2 * size:
            break
        work = work.resize((work.width // 2, work.height // 2), resample=Image.BOX)
    factor = size / short
    work = work.resize(
        (round(work.width * factor), round(work.height * factor)), resample=Image.BICUBIC
    )
    pixels = np.asarray(work)
    top = (pixels.shape[0] - size) // 2
    left = (pixels.shape[1] - size) // 2
    return pixels[top : top + size, left : left + size]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return picture_tree(tmp_path_factory.mktemp("jit") / "tree")


@pytest.fixture(scope="module")
def table(tree, tmp_path_factory):
    uri = tmp_path_factory.mktemp("jit-table") / "t.lance"
    lnb.convert(tree, uri)
    return str(uri)


def small(source, **options):
    return JiTDataModule(source, **{"img_size": 32, "batch_size": 4, "num_workers": 0, **options})


@pytest.mark.parametrize("size", [1, 16, 32, 33])
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_the_crop_is_that_of_adm(shape, size):
    image = picture(sum(shape), *shape)
    found = center_crop_arr(image, size)
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), written_out(image, size))


def test_the_crop_has_not_changed():
    """Golden hashes, made with :func:`written_out`."""
    golden = {
        (500, 333): "0cf598aecc7c1c3d",
        (333, 500): "ffd35b4972916b1c",
        (1023, 515): "ab8d55916cac8236",
        (256, 256): "304fde4a97260a42",
    }
    for (width, height), wanted in golden.items():
        cropped = center_crop_arr(picture(7, width, height), 128)
        assert hashlib.sha256(cropped.tobytes()).hexdigest()[:16] == wanted, (width, height)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "256", None])
def test_a_side_is_a_whole_number(wrong):
    with pytest.raises(InvalidArgument, match="img_size"):
        center_crop_arr(picture(1, 8, 8), wrong)
    with pytest.raises(InvalidArgument, match="img_size"):
        JiTDataModule(img_size=wrong)


def test_a_thread_of_pixels_does_not_fill_the_memory():
    with pytest.raises(CorruptInput, match="cannot be cropped"):
        center_crop_arr(Image.new("RGB", (60000, 1)), 256)


def test_signature_and_defaults():
    listed = list(inspect.signature(JiTDataModule).parameters.values())
    positional = [p for p in listed if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert {p.name: p.default for p in positional} == {
        "data_path": "./data/imagenet",
        "img_size": 256,
        "batch_size": 128,
        "num_workers": 12,
        "pin_memory": True,
        "num_replicas": None,
        "rank": None,
    }
    assert all(p.default is not p.empty for p in listed)
    assert lnb.JiTDataModule is JiTDataModule


def test_batches_of_both_sources_are_equal_byte_for_byte(tree, table):
    kinds = {}
    for source in (tree, table):
        module = small(source)
        module.prepare_data()
        module.setup("fit")
        train = [list(module.train_dataloader()) for _ in range(2)]
        again = module.train_dataloader()
        kinds[str(source)] = (train, [list(again), list(again)], list(module.val_dataloader()))
        assert module.train_dataset.classes == CLASSES
    (folder, folder_epochs, folder_val), (lance, lance_epochs, lance_val) = kinds.values()
    assert len(folder_val) == 2
    for one, other in (
        *zip(folder[0] + folder_val, lance[0] + lance_val, strict=True),
        *zip(chain(*folder_epochs), chain(*lance_epochs), strict=True),
    ):
        assert one[0].dtype == torch.uint8
        assert one[0].shape[1:] == (3, 32, 32)
        assert one[1].dtype == torch.int64
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    first, second = folder_epochs
    assert not torch.equal(first[0][0], second[0][0]), "another order each epoch"


def test_numbering_is_that_of_image_folder(tree):
    from torchvision.datasets import ImageFolder

    module = small(tree)
    module.setup("fit")
    theirs = ImageFolder(tree / "train", module._get_val_transforms())
    assert module.train_dataset.class_to_idx == theirs.class_to_idx
    by_path = {path: image for (path, _), (image, _) in zip(theirs.samples, theirs, strict=True)}
    plain = small(tree)
    plain._get_train_transforms = plain._get_val_transforms
    plain.setup("fit")
    for index in range(len(plain.train_dataset)):
        image, label = plain.train_dataset[index]
        path = plain.train_dataset.source.path(index)
        assert torch.equal(image, by_path[path])
        assert theirs.class_to_idx[path.split("/")[-2]] == int(label)


def test_mirroring_is_half_of_the_rows_and_one_function_of_seed_epoch_row(tree):
    module = small(tree, batch_size=64)
    flipped = 0
    plain = small(tree, batch_size=64)
    plain._get_train_transforms = plain._get_val_transforms
    for epoch in range(20):
        module.set_epoch(epoch)
        plain.set_epoch(epoch)
        ((images, labels),) = module.train_dataloader()
        ((upright, wanted),) = plain.train_dataloader()
        module._train_batches = plain._train_batches = None
        assert torch.equal(labels, wanted)
        for image, straight in zip(images, upright, strict=True):
            same = torch.equal(image, straight)
            assert same or torch.equal(image, straight.flip(2))
            flipped += not same
    assert 0.35 < flipped / (20 * len(labels)) < 0.65


def test_any_number_of_threads_gives_the_same(tree):
    wanted = list(small(tree, threads=0).train_dataloader())
    for threads in (1, 3):
        found = list(small(tree, threads=threads).train_dataloader())
        assert all(torch.equal(a[0], b[0]) for a, b in zip(wanted, found, strict=True))


class Jittered(JiTDataModule):
    def _get_train_transforms(self):
        return transforms.Compose([
            CenterCrop(self.img_size), transforms.RandomHorizontalFlip(),
            transforms.ColorJitter(0.1, 0.1, 0.1), transforms.PILToTensor(),
        ])  # fmt: skip


def test_a_subclass_with_colour_jitter_works_and_leaves_the_random_numbers_alone(tree):
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    module = Jittered(tree, img_size=32, batch_size=4, num_workers=0)
    jittered = list(module.train_dataloader())
    assert torch.rand(1) == wanted
    again = list(Jittered(tree, img_size=32, batch_size=4, num_workers=0).train_dataloader())
    assert all(torch.equal(a[0], b[0]) for a, b in zip(jittered, again, strict=True))
    plain = list(small(tree).train_dataloader())
    assert jittered[0][0].dtype == torch.uint8
    assert not torch.equal(jittered[0][0], plain[0][0])


class WithVal(JiTDataModule):
    """As the seed shows it: an own validation set with torch's own loader."""

    def setup(self, stage=None):
        super().setup(stage)
        self.val_dataset = [(torch.zeros(3, 32, 32, dtype=torch.uint8), 1)] * 3

    def val_dataloader(self):
        return torch.utils.data.DataLoader(self.val_dataset, batch_size=2)


def test_a_subclass_may_bring_its_own_validation_set(tree):
    module = WithVal(tree, img_size=32, batch_size=4, num_workers=0)
    module.setup("fit")
    assert [len(images) for images, _ in module.val_dataloader()] == [2, 1]


def test_w79_spawned_workers_import_the_crop(tree):
    module = Jittered(tree, img_size=32, batch_size=4, num_workers=1)
    wanted = list(Jittered(tree, img_size=32, batch_size=4, num_workers=0).train_dataloader())
    found = list(module.train_dataloader())
    for (images, labels), (images2, labels2) in zip(found, wanted, strict=True):
        assert torch.equal(labels, labels2)
        assert torch.equal(images, images2)
    assert pickle.loads(pickle.dumps(CenterCrop(8))).size == 8
    lambdas = transforms.Compose([
        transforms.Lambda(lambda image: center_crop_arr(image, 32)), transforms.PILToTensor(),
    ])  # fmt: skip
    module._get_train_transforms = lambda: lambdas
    module.train_dataset = None
    with pytest.raises(InvalidArgument, match="cannot import"):
        module.train_dataloader()
    module.num_workers = 0
    assert len(list(module.train_dataloader())) == len(wanted)


def test_w80_every_mode_becomes_rgb(tmp_path):
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    modes = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"]
    for number, mode in enumerate(modes):
        grey = Image.new("I;16", (40, 36), 30000) if mode == "I;16" else None
        image = grey or picture(number, 40, 36).convert(mode)
        image.save(folder / f"{number}.{'tif' if mode == 'CMYK' else 'png'}")
    lnb.convert(tmp_path, tmp_path / "t.lance", label="folder")
    ((images, _),) = small(tmp_path, batch_size=8, img_size=16).train_dataloader()
    ((stored, _),) = small(tmp_path / "t.lance", batch_size=8, img_size=16).train_dataloader()
    assert images.shape == stored.shape == (8, 3, 16, 16)
    assert torch.equal(images, stored)
    for mode in ("L", "P", "RGBA", "LA"):
        assert center_crop_arr(picture(1, 40, 30).convert(mode), 16).mode == "RGB"


def test_w81_pin_mem_and_pin_memory_mean_the_same(tree):
    spaces = (
        argparse.Namespace(data_path=str(tree), img_size=64, pin_mem=False, lr=1e-4, world_size=4),
        {"data_path": str(tree), "img_size": 64, "pin_memory": False},
        SimpleNamespace(data_path=str(tree), img_size=64, pin_mem=False, pin_memory=False),
    )
    for args in spaces:
        module = create_jit_datamodule(args)
        assert (module.pin_memory, module.img_size, module.data_path) == (False, 64, str(tree))
        assert (module.batch_size, module.num_workers, module.num_replicas) == (128, 12, None)
    assert create_jit_datamodule(argparse.Namespace()).pin_memory is True
    ranked = create_jit_datamodule({"rank": 1, "world_size": 4})
    assert (ranked.rank, ranked.num_replicas) == (1, 4)
    with pytest.raises(InvalidArgument, match="contradict"):
        create_jit_datamodule({"pin_mem": True, "pin_memory": False})
    for wrong in (None, 3, "x", []):
        with pytest.raises(InvalidArgument, match="namespace or a dict"):
            create_jit_datamodule(wrong)


OTHERS = (
    "model attn_dropout proj_dropout epochs warmup_epochs lr blr min_lr lr_schedule"
    " weight_decay ema_decay1 ema_decay2 P_mean P_std noise_scale t_eps label_drop_prob"
    " start_epoch sampling_method num_sampling_steps cfg interval_min interval_max num_images"
    " eval_freq online_eval evaluate_gen gen_bsz class_num output_dir resume save_last_freq"
    " log_freq device local_rank dist_on_itp dist_url speed test_batch_size data image size"
)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"image_size": 512}, "img_size"),
        ({"batchsize": 4}, "batch_size"),
        ({"Batch-Size": 4}, "batch_size"),
        ({"num_worker": 2}, "num_workers"),
        ({"datapath": "x"}, "data_path"),
        ({"SEED": 3}, "seed"),
        ({"pin_memry": False}, "pin_memory"),
        ({"num_replica": 2}, "num_replicas"),
        ({"image_size": 512, "lr": 0.1, "batch_sice": 4}, "img_size and batch_size"),
    ],
)
def test_misspelt_keys_of_a_dict_are_told(given, meant):
    with pytest.raises(UnknownOption) as caught:
        create_jit_datamodule(given)
    assert caught.value.hint == f"did you mean {meant}?"
    assert create_jit_datamodule(argparse.Namespace(**given)).batch_size == 128


def test_keys_of_other_things_are_passed_over():
    module = create_jit_datamodule(dict.fromkeys(OTHERS.split(), 1))
    assert (module.img_size, module.batch_size, module.seed) == (256, 128, 0)
    both = {"img_size": 64, "image_size": 32, "batch_size": 4, "batch_sizes": [1, 2], "pin_mem": 0}
    assert create_jit_datamodule({**both, "pin_memori": 1}).img_size == 64


def test_w82_the_numbers_are_there_before_setup(tree, table):
    for source in (tree, table):
        module = small(source)
        assert module.get_dataset_info() == {
            "num_samples": 14, "num_classes": 3, "img_size": 32, "batch_size": 4,
            "num_val_samples": 6,
        }  # fmt: skip
    module.setup("fit")
    assert module.get_dataset_info()["num_samples"] == len(module.train_dataset)
    lone = small({"train": table})
    assert set(lone.get_dataset_info()) == {"num_samples", "num_classes", "img_size", "batch_size"}


@pytest.fixture
def damaged(tmp_path):
    root = picture_tree(tmp_path / "tree")
    (root / "train" / "bee" / "3.JPEG").write_bytes(b"junk")
    whole = (root / "train" / "cat" / "3.JPEG").read_bytes()
    (root / "train" / "cat" / "3.JPEG").write_bytes(whole[: len(whole) // 2])
    (root / "val" / "ant" / "0.JPEG").write_bytes(b"")
    lnb.convert(root, tmp_path / "t.lance", verify="header", on_error="skip")
    return root


def test_w83_a_junk_file_is_named_or_skipped_and_counted(damaged):
    with pytest.raises(CorruptInput, match=r"row \d+ \('.*train/(bee/3|cat/3)\.JPEG'\)") as caught:
        list(small(damaged).train_dataloader())
    assert "on_error='skip'" in caught.value.hint
    module = small(damaged, on_error="skip")
    assert sum(len(labels) for _, labels in module.train_dataloader()) == 12
    assert [bad.path.split("/")[-1] for bad in module.train_dataset.skipped] == [
        "3.JPEG", "3.JPEG",
    ]  # fmt: skip
    assert module.train_dataset.skipped_count == 2
    with pytest.raises(CorruptInput, match=r"bee/3\.JPEG"):
        module.train_dataset[module.train_dataset.skipped[0].row]
    workers = small(damaged, on_error="skip", num_workers=1)
    assert sum(len(labels) for _, labels in workers.train_dataloader()) == 12
    assert workers.train_dataset.skipped_count == 2


def test_w83_check_lists_them_before_training(damaged, tmp_path):
    bad = small(damaged).check()
    found = [(b.split, b.path.split("/", 2)[-1].rpartition("tree/")[2]) for b in bad]
    assert found == [
        ("train", "train/bee/3.JPEG"), ("train", "train/cat/3.JPEG"), ("val", "val/ant/0.JPEG"),
    ]  # fmt: skip
    assert all(b.reason for b in bad)
    stored = small(str(tmp_path / "t.lance")).check()
    assert [(b.split, b.path) for b in stored] == [("train", "train/cat/3.JPEG")]
    seen = []
    small(damaged).check(progress=seen.append)
    assert seen[-1].rows == 20


def test_what_it_is_fits_one_line(tmp_path, tree, table):
    dm = lnb.DataManager(tmp_path / "store")
    dm.convert(table, "pics")
    shown = "<JiTDataModule pics version 1: 32 px, batches of 4, 2 threads>"
    assert repr(small(dm["pics"])) == str(small(dm["pics"])) == shown
    assert repr(small(table, num_workers=1)).startswith("<JiTDataModule t.lance: ")
    assert repr(small(table, num_workers=1)).endswith(" 1 worker>")
    pair = repr(small({"train": dm["pics"], "val": table}))
    assert pair.startswith("<JiTDataModule train pics version 1, val t.lance: ")
    deep = repr(small("/deep" * 40))
    assert "/deep/deep" in deep
    assert len(deep) < 100


def test_what_cannot_be_found_says_what_to_do(tmp_path):
    with pytest.raises(SourceNotFound, match="there is no folder") as caught:
        JiTDataModule(tmp_path / "nothing").prepare_data()
    assert "image-net.org" in caught.value.hint
    (tmp_path / "flat").mkdir()
    with pytest.raises(SourceNotFound, match="no folder train"):
        JiTDataModule(tmp_path / "flat").setup("fit")
    (tmp_path / "flat" / "mine.txt").touch()
    with pytest.raises(SourceNotFound, match="no folder train") as caught:
        JiTDataModule(tmp_path / "flat").prepare_data()
    assert "lnb.convert(" in caught.value.hint
    assert "image-net.org" not in caught.value.hint
    with pytest.raises(SourceNotFound) as caught:
        JiTDataModule("photographs").prepare_data()
    assert caught.value.hint == "a table of a catalogue is given as dm['photographs']"
    (tmp_path / "ImageNet").mkdir()
    (tmp_path / "ImageNet" / "ILSVRC2012_img_train.tar").touch()
    with pytest.raises(SourceNotFound, match="no folder train") as caught:
        JiTDataModule(tmp_path / "ImageNet").prepare_data()
    assert "image-net.org" in caught.value.hint
    (tmp_path / "flat" / "train").mkdir()
    with pytest.raises(EmptyInput):
        JiTDataModule(tmp_path / "flat").setup("fit")
    picture(1, 8, 8).save(tmp_path / "flat" / "train" / "loose.png")
    with pytest.raises(EmptyInput, match="no class folders"):
        JiTDataModule(tmp_path / "flat").setup("fit")
    with pytest.raises(InvalidArgument, match="'train' and 'val'"):
        JiTDataModule({"training": "x"}).prepare_data()


def test_a_class_only_in_validation_is_refused(tmp_path):
    root = picture_tree(tmp_path)
    (root / "val" / "zebra").mkdir()
    picture(1, 30, 30).save(root / "val" / "zebra" / "1.png")
    with pytest.raises(InvalidArgument, match="zebra"):
        small(root).setup("fit")


def test_batch_size_auto_and_values_that_cannot_work(tree):
    sizes = {
        side: JiTDataModule(img_size=side, batch_size="auto").batch_size for side in (256, 512)
    }
    assert sizes == {256: 128, 512: 64}
    for wrong in (
        {"batch_size": 0}, {"batch_size": "many"}, {"on_error": "ignore"}, {"num_replicas": 2},
        {"rank": 0}, {"num_replicas": 2, "rank": 2}, {"num_replicas": 0, "rank": 0},
    ):  # fmt: skip
        with pytest.raises(InvalidArgument):
            JiTDataModule(tree, **wrong)
    with pytest.raises(InvalidArgument, match="epoch"):
        small(tree).set_epoch(-1)


def test_two_ranks_share_no_row_and_reshuffle(tree):
    per_epoch = []
    for epoch in range(2):
        seen = []
        for rank in range(2):
            module = small(tree, batch_size=3, num_replicas=2, rank=rank)
            module._get_train_transforms = module._get_val_transforms
            module.set_epoch(epoch)
            batches = list(module.train_dataloader())
            assert module.steps_per_epoch == len(batches) == 3
            seen.append([image.numpy().tobytes() for images, _ in batches for image in images])
        assert not set(seen[0]) & set(seen[1])
        assert len(set(seen[0]) | set(seen[1])) == 14
        per_epoch.append(seen)
    assert per_epoch[0] != per_epoch[1]
