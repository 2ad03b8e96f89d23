"""The data sets that :mod:`.registry` knows from the start.

Addresses and md5 sums are those that torchvision publishes (its ``datasets`` sources); sha256 sums
and sizes those of TensorFlow Datasets (``url_checksums``) and Keras (``datasets/cifar10.py``).
"""

from __future__ import annotations

from ._check import check_coco, check_idx
from ._check_imagenet import check_imagenet
from ._classes import CLASSES
from ._entry import DatasetEntry, OfficialFile

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

_CIFAR10_FILES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}
_CIFAR100_FILES = {
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
# split and file name -> size, sha256, md5
_MNIST = {
    ("train", "train-images-idx3-ubyte.gz"): (
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ),
    ("train", "train-labels-idx1-ubyte.gz"): (
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "d53e105ee54ea40749a09fcbcd1e9432",
    ),
    ("test", "t10k-images-idx3-ubyte.gz"): (
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "9fb629c4189551a2d022fa330f9573f3",
    ),
    ("test", "t10k-labels-idx1-ubyte.gz"): (
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ec29112dd5afa0611ce80d1b7f02629c",
    ),
}
_FASHION = {
    ("train", "train-images-idx3-ubyte.gz"): (
        26_421_880,
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    ),
    ("train", "train-labels-idx1-ubyte.gz"): (
        29_515,
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "25c81989df183df01b3e8a0aad5dffbe",
    ),
    ("test", "t10k-images-idx3-ubyte.gz"): (
        4_422_102,
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "bef4ecab320f06d8554ea6380940ec79",
    ),
    ("test", "t10k-labels-idx1-ubyte.gz"): (
        5_148,
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
}
_COCO = "http://images.cocodataset.org"
_COCO_FILES = (
    OfficialFile(
        "train2017.zip", f"{_COCO}/zips/train2017.zip", 19_336_861_798,
        "69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        "cced6f7f71b7629ddf16f17bbcfab6b2", "train",
    ),
    OfficialFile(
        "val2017.zip", f"{_COCO}/zips/val2017.zip", 815_585_330,
        "4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        "442b8da7639aecaf257c1dceb8ba8c80", "validation",
    ),
    OfficialFile(
        "annotations_trainval2017.zip", f"{_COCO}/annotations/annotations_trainval2017.zip",
        252_907_541, "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
        "f4bbac642086de4f52a3fdda2de5fa2c",
    ),
)  # fmt: skip
_COCO_CLASSES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,"
    "backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,"
    "baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,bowl,"
    "banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,"
    "oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
_IMAGENET_FILES = (
    OfficialFile("ILSVRC2012_img_train.tar", "", 147_897_477_120, "",
                 "1d675b47d978889d74fa0da5fadfb00e", "train"),
    OfficialFile("ILSVRC2012_img_val.tar", "", 6_744_924_160, "",
                 "29b22e2961454d5413ddabcf34fc5622", "validation"),
)  # fmt: skip
_IMAGENET_GUIDE = (
    "its terms are accepted in person, so nobody may fetch it for you: register at "
    "https://image-net.org/download-images.php, download ILSVRC2012_img_train.tar, "
    "ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz into one folder, unpack them to one "
    "folder per class below train/ and val/ (torchvision.datasets.ImageNet does that), look with "
    "registry.check('imagenet', folder), then convert(folder). With an account that accepted the "
    "terms on the Hub: hf:dataset:ILSVRC/imagenet-1k"
)


def _idx_files(
    base: str, known: dict[tuple[str, str], tuple[int, str, str]]
) -> tuple[OfficialFile, ...]:
    return tuple(
        OfficialFile(name, base + name, size, sha256, md5, split)
        for (split, name), (size, sha256, md5) in known.items()
    )


def _cifar(name: str, size: int, sha256: str, md5: str, contents: dict[str, str]) -> OfficialFile:
    url = f"https://www.cs.toronto.edu/~kriz/{name}"
    return OfficialFile(name, url, size, sha256, md5, None, contents)


BUILT_IN: tuple[DatasetEntry, ...] = (
    DatasetEntry(
        name="synthetic",
        kind="images",
        source="synthetic",
        target="images",
        classes=CLASSES,
        splits={"train": 5000, "test": 1000, "validation": 1000},
        licence="CC0-1.0 (drawn by lancenb)",
        aliases=("synthetic-images",),
        mean=(0.276, 0.273, 0.272),
        std=(0.197, 0.192, 0.196),
        size=(32, 32),
    ),
    DatasetEntry(
        name="synthetic-text",
        kind="text",
        source="synthetic",
        target="text",
        classes=("food", "music", "sport", "weather"),
        splits={"train": 5000, "test": 1000, "validation": 1000},
        licence="CC0-1.0 (written by lancenb)",
    ),
    DatasetEntry(
        name="synthetic-table",
        kind="table",
        source="synthetic",
        target="table",
        splits={"train": 5000, "test": 1000, "validation": 1000},
        licence="CC0-1.0 (made by lancenb)",
    ),
    DatasetEntry(
        name="cifar10",
        kind="images",
        source="hub",
        target="uoft-cs/cifar10",
        classes=(
            "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship",
            "truck",
        ),
        splits={"train": 50_000, "test": 10_000},
        nbytes=144_000_000,
        licence="none stated by the authors; research use, cite Krizhevsky 2009",
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
        size=(32, 32),
        columns={"img": "image"},
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        files=(_cifar(
            "cifar-10-python.tar.gz", 170_498_071,
            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
            "c58f30108f718f92721af3b95e74349a", _CIFAR10_FILES,
        ),),
    ),
    DatasetEntry(
        name="cifar100",
        kind="images",
        source="hub",
        target="uoft-cs/cifar100",
        classes=tuple(_CIFAR100.split()),
        splits={"train": 50_000, "test": 10_000},
        nbytes=142_000_000,
        licence="none stated by the authors; research use, cite Krizhevsky 2009",
        mean=(0.5071, 0.4865, 0.4409),
        std=(0.2673, 0.2564, 0.2762),
        size=(32, 32),
        columns={"img": "image", "fine_label": "label"},
        homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
        files=(_cifar(
            "cifar-100-python.tar.gz", 169_001_437,
            "85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
            "eb9058c3a382ffc7106e4002c42a8d85", _CIFAR100_FILES,
        ),),
    ),
    DatasetEntry(
        name="mnist",
        kind="images",
        source="hub",
        target="ylecun/mnist",
        classes=tuple("0123456789"),
        splits={"train": 60_000, "test": 10_000},
        nbytes=18_000_000,
        licence="the Hub card says MIT, other copies CC BY-SA 3.0; cite LeCun et al. 1998",
        mean=(0.1307,),
        std=(0.3081,),
        size=(28, 28),
        homepage="https://huggingface.co/datasets/ylecun/mnist",
        files=_idx_files("https://ossci-datasets.s3.amazonaws.com/mnist/", _MNIST),
        check=check_idx,
    ),
    DatasetEntry(
        name="fashion_mnist",
        kind="images",
        source="hub",
        target="zalando-datasets/fashion_mnist",
        classes=(
            "T - shirt / top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt",
            "Sneaker", "Bag", "Ankle boot",
        ),
        splits={"train": 60_000, "test": 10_000},
        nbytes=31_000_000,
        licence="MIT",
        mean=(0.2860,),
        std=(0.3530,),
        size=(28, 28),
        homepage="https://github.com/zalandoresearch/fashion-mnist",
        files=_idx_files(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", _FASHION
        ),
        check=check_idx,
    ),
    DatasetEntry(
        name="imagenet",
        kind="images",
        source="guided",
        target="",
        splits={"train": 1_281_167, "validation": 50_000},
        nbytes=sum(file.size for file in _IMAGENET_FILES),
        class_count=1000,
        licence="ImageNet terms of access: non-commercial research, personal registration",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        homepage="https://image-net.org/download-images.php",
        guide=_IMAGENET_GUIDE,
        aliases=("imagenet1k", "imagenet2012", "ilsvrc2012"),
        files=_IMAGENET_FILES,
        check=check_imagenet,
    ),
    DatasetEntry(
        name="coco",
        kind="images",
        source="official",
        target="",
        classes=tuple(_COCO_CLASSES.split(",")),
        splits={"train": 118_287, "validation": 5_000},
        nbytes=sum(file.size for file in _COCO_FILES),
        licence="annotations CC BY 4.0; each picture keeps its Flickr licence",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
        homepage="https://cocodataset.org/#download",
        aliases=("coco2017", "mscoco"),
        files=_COCO_FILES,
        check=check_coco,
    ),
)  # fmt: skip
