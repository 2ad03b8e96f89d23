"""``JiTDataModule``: pictures in class folders, or in a Lance table, for image generation.

Uint8 pictures ``(batch, 3, size, size)`` cropped as ADM does, and class ids. The same pictures
give the same bytes whether they come from folders or from a table that was converted from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torchvision import transforms

from .._html import count
from ..errors import InvalidArgument
from ..progress import CancelToken, ProgressCallback
from ..store import Store
from ._jit_args import arguments_of
from ._jit_crop import CenterCrop, center_crop_arr, check_side
from ._jit_pictures import PictureSet
from ._jit_sources import Pictures, open_pictures
from ._module_base import ResumableDataModule, checked_batch_size
from ._module_check import BadImage, bad_images
from ._words import in_lines, told
from .loading import BatchLoader, loader
from .transforms import ChannelStats, channel_stats

__all__ = ["CenterCrop", "JiTDataModule", "center_crop_arr", "create_jit_datamodule"]


class JiTDataModule(ResumableDataModule):
    """Lightning DataModule of labelled pictures: crop of ADM, mirroring, uint8 tensors.

    Batches are ``(images uint8 (n, 3, img_size, img_size), labels int64 (n,))``. Every picture
    becomes RGB first (grey, palette and transparent ones, too) and is turned upright. Order and
    mirroring are functions of (seed, epoch, row), the same for any number of workers; a resumed
    run goes on at the very batch. Nothing is ever downloaded.

    Args:
        data_path: folder with ``train/<class>/*.JPEG`` and perhaps ``val/<class>/*.JPEG``; or a
            Lance table: URI, artefact, or ``{"train": ..., "val": ...}``. A column ``split``, as
            :func:`lancenb.convert` makes it of such a folder, tells training and validation apart.
        img_size: side of the pictures in pixels: 256 or 512 for the models of JiT; any other side
            above 0 works as well.
        batch_size: rows per batch and rank; ``"auto"``: 128 up to 256 pixels, 64 at 512.
        num_workers: worker processes; 0 reads with threads in this process.
        pin_memory: put batches into pinned memory where there is a CUDA device.
        num_replicas: number of ranks; default: those of ``torch.distributed``, else 1.
        rank: this rank; default: that of ``torch.distributed``, else 0.
        seed: seed of order and mirroring.
        on_error: ``"raise"`` an error that names row and file, or ``"skip"`` unreadable pictures
            and count them (``train_dataset.skipped_count``).
        threads: reading threads when there are no worker processes.
        version: version or tag of a table; default: the head at the first look.
        store: credentials for a table in an object store.

    Raises:
        InvalidArgument: a value that cannot work.

    Other steps go into a subclass; what they draw at random follows from (seed, epoch, row), too:

    >>> from torchvision.transforms import v2
    >>> class Jittered(JiTDataModule):
    ...     def _get_train_transforms(self):  # _get_val_transforms likewise
    ...         return v2.Compose([super()._get_train_transforms(), v2.ColorJitter(0.4, 0.4)])

    >>> data = JiTDataModule("./data/imagenet", img_size=64, num_workers=0)
    >>> data.img_size, data.batch_size
    (64, 128)
    """

    def __init__(
        self,
        data_path: Any = "./data/imagenet",
        img_size: int = 256,
        batch_size: int | str = 128,
        num_workers: int = 12,
        pin_memory: bool = True,
        num_replicas: int | None = None,
        rank: int | None = None,
        *,
        seed: int = 0,
        on_error: str = "raise",
        threads: int = 2,
        version: int | str | None = None,
        store: Store | None = None,
    ):
        super().__init__(seed=seed)
        if on_error not in ("raise", "skip"):
            raise InvalidArgument(f"on_error is 'raise' or 'skip', not {on_error!r}")
        _check_ranks(num_replicas, rank)
        self.data_path = data_path
        self.img_size = check_side(img_size)
        self.batch_size = checked_batch_size(batch_size, img_size)
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.num_replicas = num_replicas
        self.rank = 0 if rank is None and num_replicas == 1 else rank
        self.on_error = on_error
        self.threads = threads
        self.version = version
        self.store = store
        self.train_dataset: Any = None
        self.val_dataset: Any = None
        self._opened: tuple[Pictures, Pictures | None] | None = None

    def _pictures(self) -> tuple[Pictures, Pictures | None]:
        if self._opened is None:
            self._opened = open_pictures(self.data_path, self.version, self.store)
        return self._opened

    # transforms ------------------------------------------------------------------------------
    def _get_train_transforms(self) -> Callable[[Any], Any]:
        """From an RGB picture of Pillow to a tensor, for training; made to be overridden.

        Crop and mirroring run in threads; steps that draw other random numbers (``ColorJitter``)
        run one row after the other, faster with worker processes.
        """
        return transforms.Compose(
            [
                CenterCrop(self.img_size),
                transforms.RandomHorizontalFlip(),
                transforms.PILToTensor(),
            ]
        )

    def _get_val_transforms(self) -> Callable[[Any], Any]:
        """From an RGB picture of Pillow to a tensor, for validation."""
        return transforms.Compose([CenterCrop(self.img_size), transforms.PILToTensor()])

    # Lightning's hooks -----------------------------------------------------------------------
    def prepare_data(self) -> None:
        """See that the data is there.

        Raises:
            SourceNotFound: it is not; nothing is downloaded.
        """
        self._pictures()

    def setup(self, stage: str | None = None) -> None:
        """Make ``train_dataset`` and, where there are validation images, ``val_dataset``.

        Raises:
            SourceNotFound: there is no such folder or table.
            InvalidArgument: the model in the trainer wants another ``img_size``.
        """
        super().setup(stage)
        self._check_model()
        train, val = self._pictures()
        if self.train_dataset is None and stage in (None, "fit"):
            self.train_dataset = PictureSet(train, self._get_train_transforms(), self.on_error)
        if self.val_dataset is None and val is not None:
            self.val_dataset = PictureSet(val, self._get_val_transforms(), self.on_error)

    def _check_model(self) -> None:
        model = getattr(self.trainer, "lightning_module", None)
        wanted = getattr(model, "img_size", None)
        if isinstance(wanted, int) and wanted != self.img_size:
            raise InvalidArgument(
                f"the model takes images of {wanted} pixels, this data has {self.img_size}",
                hint=f"img_size={wanted}",
            )

    def _batches(self, dataset: Any, shuffle: bool) -> BatchLoader:
        return loader(
            dataset,
            int(self.batch_size),
            shuffle=shuffle,
            seed=self.seed,
            num_workers=self.num_workers,
            threads=self.threads,
            rank=self.rank,
            world_size=self.num_replicas,
            uneven="drop" if shuffle else "pad",
            pin_memory=self.pin_memory,
        )

    def train_dataloader(self) -> BatchLoader:
        """Batches in a new order each epoch; ranks never share a row.

        Where the rows of the last batches do not divide by the ranks, fewer rows than there are
        ranks are left out, others each epoch.
        """
        if self.train_dataset is None:
            self.setup("fit")
        return self._remember(self._batches(self.train_dataset, True))

    def val_dataloader(self) -> Any:
        """Batches of the validation images in their order, or an empty list without any."""
        if self.val_dataset is None:
            self.setup("validate")
        return [] if self.val_dataset is None else self._batches(self.val_dataset, False)

    def _world_size(self) -> int:
        return self.num_replicas or super()._world_size()

    def _train_plan(self) -> tuple[int, dict[str, Any]]:
        dataset = self.train_dataset if self.train_dataset is not None else self._pictures()[0]
        return len(dataset), {"batch_size": int(self.batch_size), "uneven": "drop"}

    # what it is ------------------------------------------------------------------------------
    def get_dataset_info(self) -> dict[str, Any]:
        """Numbers of the data, before ``setup`` as well.

        Returns:
            ``num_samples``, ``num_classes``, ``img_size``, ``batch_size`` and, where there are
            validation images, ``num_val_samples``.

        Raises:
            SourceNotFound: there is no such data.
        """
        train, val = self._pictures()
        found: dict[str, Any] = {
            "num_samples": len(train),
            "num_classes": len(train.classes),
            "img_size": self.img_size,
            "batch_size": self.batch_size,
        }
        return found if val is None else {**found, "num_val_samples": len(val)}

    @property
    def stats(self) -> ChannelStats:
        """Mean and deviation per colour channel of up to 2,000 cropped training pictures (0..1)."""
        train, _ = self._pictures()
        return channel_stats(PictureSet(train, self._get_val_transforms(), self.on_error))

    def check(
        self,
        *,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
    ) -> list[BadImage]:
        """Decode every picture once, before training, and list those that cannot be read.

        Args:
            progress: callable for progress events, or True for a text bar.
            cancel: stops it.
        """
        train, val = self._pictures()
        sources = {"train": train, "val": val}
        plain = self._get_val_transforms()
        parts = {split: PictureSet(found, plain) for split, found in sources.items() if found}
        return bad_images(parts, progress, cancel)

    def __repr__(self) -> str:
        workers = self.num_workers
        how = count(workers, "worker") if workers else count(self.threads, "thread")
        return in_lines(
            f"<{type(self).__name__} {told(self.data_path, self.version)}: {self.img_size} px,"
            f" batches of {self.batch_size}, {how}>"
        )

    __str__ = __repr__


def create_jit_datamodule(args: Any) -> JiTDataModule:
    """Make a :class:`JiTDataModule` of parsed arguments.

    Args:
        args: a namespace, a dict or any object with some of the arguments' names; what is missing
            has its default, other names are passed over. ``pin_mem`` and ``pin_memory`` mean
            the same.

    Raises:
        InvalidArgument: None, text, a number or a list; or ``pin_mem`` and ``pin_memory`` that
            contradict.
        UnknownOption: a dict has a misspelt key, such as ``image_size``, in place of the right one.

    >>> create_jit_datamodule({"data_path": "./flowers", "img_size": 512, "pin_mem": False})
    <JiTDataModule ./flowers: 512 px, batches of 128, 12 workers>
    """
    return JiTDataModule(**arguments_of(args))


def _check_ranks(num_replicas: int | None, rank: int | None) -> None:
    for name, value, least in (("num_replicas", num_replicas, 1), ("rank", rank, 0)):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidArgument(f"{name} must be a whole number >= {least}, not {value!r}")
    if (num_replicas is None) != (rank is None) and num_replicas != 1:
        raise InvalidArgument(
            "num_replicas and rank belong together", hint="give both, or none to let torch say"
        )
    if num_replicas is not None and rank is not None and rank >= num_replicas:
        raise InvalidArgument(f"rank {rank} does not exist among {num_replicas} ranks")
