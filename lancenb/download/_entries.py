"""The data sets that :mod:`.registry` knows from the start."""

from __future__ import annotations

from typing import Any

from ._shapes import CLASSES

_CIFAR100 = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus "
    "butterfly camel can castle caterpillar cattle chair chimpanzee clock cloud cockroach couch "
    "crab crocodile cup dinosaur dolphin elephant flatfish forest fox girl hamster house kangaroo "
    "keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle mountain mouse "
    "mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy "
    "porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper "
    "snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television "
    "tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)

BUILT_IN: tuple[dict[str, Any], ...] = (
    {
        "name": "synthetic",
        "kind": "images",
        "source": "synthetic",
        "target": "images",
        "classes": CLASSES,
        "splits": {"train": 5000, "test": 1000, "validation": 1000},
        "licence": "CC0-1.0 (drawn by lancenb)",
        "mean": (0.276, 0.273, 0.272),
        "std": (0.197, 0.192, 0.196),
        "size": (32, 32),
    },
    {
        "name": "synthetic-text",
        "kind": "text",
        "source": "synthetic",
        "target": "text",
        "classes": ("food", "music", "sport", "weather"),
        "splits": {"train": 5000, "test": 1000, "validation": 1000},
        "licence": "CC0-1.0 (written by lancenb)",
    },
    {
        "name": "synthetic-table",
        "kind": "table",
        "source": "synthetic",
        "target": "table",
        "splits": {"train": 5000, "test": 1000, "validation": 1000},
        "licence": "CC0-1.0 (made by lancenb)",
    },
    {
        "name": "cifar10",
        "kind": "images",
        "source": "hub",
        "target": "uoft-cs/cifar10",
        "classes": (
            "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
            "truck",
        ),
        "splits": {"train": 50_000, "test": 10_000},
        "nbytes": 144_000_000,
        "licence": "none stated by the authors; research use, cite Krizhevsky 2009",
        "mean": (0.4914, 0.4822, 0.4465),
        "std": (0.2470, 0.2435, 0.2616),
        "size": (32, 32),
        "columns": {"img": "image"},
        "homepage": "https://www.cs.toronto.edu/~kriz/cifar.html",
    },
    {
        "name": "cifar100",
        "kind": "images",
        "source": "hub",
        "target": "uoft-cs/cifar100",
        "classes": tuple(_CIFAR100.split()),
        "splits": {"train": 50_000, "test": 10_000},
        "nbytes": 142_000_000,
        "licence": "none stated by the authors; research use, cite Krizhevsky 2009",
        "mean": (0.5071, 0.4865, 0.4409),
        "std": (0.2673, 0.2564, 0.2762),
        "size": (32, 32),
        "columns": {"img": "image", "fine_label": "label"},
        "homepage": "https://www.cs.toronto.edu/~kriz/cifar.html",
    },
    {
        "name": "mnist",
        "kind": "images",
        "source": "hub",
        "target": "ylecun/mnist",
        "classes": tuple("0123456789"),
        "splits": {"train": 60_000, "test": 10_000},
        "nbytes": 18_000_000,
        "licence": "the Hub card says MIT, other copies CC BY-SA 3.0; cite LeCun et al. 1998",
        "mean": (0.1307,),
        "std": (0.3081,),
        "size": (28, 28),
        "homepage": "https://huggingface.co/datasets/ylecun/mnist",
    },
    {
        "name": "fashion_mnist",
        "kind": "images",
        "source": "hub",
        "target": "zalando-datasets/fashion_mnist",
        "classes": (
            "T - shirt / top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
            "Sneaker", "Bag", "Ankle boot",
        ),
        "splits": {"train": 60_000, "test": 10_000},
        "nbytes": 31_000_000,
        "licence": "MIT",
        "mean": (0.2860,),
        "std": (0.3530,),
        "size": (28, 28),
        "homepage": "https://github.com/zalandoresearch/fashion-mnist",
    },
    {
        "name": "imagenet",
        "kind": "images",
        "source": "guided",
        "target": "",
        "splits": {"train": 1_281_167, "validation": 50_000},
        "nbytes": 156_000_000_000,
        "licence": "ImageNet terms of access: non-commercial research, personal registration",
        "mean": (0.485, 0.456, 0.406),
        "std": (0.229, 0.224, 0.225),
        "homepage": "https://image-net.org/download-images.php",
        "guide": "register at image-net.org, download ILSVRC2012_img_train.tar and "
        "ILSVRC2012_img_val.tar yourself (the licence is personal), unpack them to one folder "
        "per class and convert that folder",
    },
)  # fmt: skip
