"""``LanceDataModule``: stored tables for ``lightning.Trainer``, resumable at the very batch."""

from __future__ import annotations

from typing import Any

from .._html import count
from ..errors import InvalidArgument
from ..progress import CancelToken, ProgressCallback
from ._module_arguments import check_settings, check_sources, validation_of
from ._module_base import ResumableDataModule, checked_batch_size, lone_tail
from ._module_check import BadImage, bad_images
from ._module_inputs import aligned, as_manager, open_data, side_of, usual_loader
from ._module_parts import check_transforms, opened_parts
from ._module_versions import shared_versions, stored_versions
from ._words import in_lines, told
from .loading import BatchLoader
from .transforms import ChannelStats, channel_stats

__all__ = ["BadImage", "LanceDataModule"]


class LanceDataModule(ResumableDataModule):
    """Lightning DataModule over Lance tables; training, validation and test data stay apart.

    Of a table with a column ``split``, as :func:`lancenb.convert` makes it of a folder with
    ``train``, ``val`` and ``test``, only the training rows are trained on; the others validate and
    test where nothing else is given for it. A filter that names the column says otherwise, so
    for all rows: ``LanceTorchDataset(..., filter="split IS NOT NULL")``.

    Pictures come as uint8 ``(n, 3, h, w)`` with int64 labels ``(n,)``; scaling and normalising are
    the model's affair (:attr:`stats` has the numbers per channel). Under DDP each rank gets its
    share, the same number of batches of the same size. The place in the data is part of Lightning's
    checkpoints, so that a killed run goes on at the very batch, also after
    ``trainer.estimated_stepping_batches``. A Trainer of yours talks a lot, :func:`lancenb.fit`
    does not: ``logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)`` and
    ``warnings.filterwarnings("ignore", module="lightning")`` quieten it.

    Args:
        train: name in the catalogue, artefact, URI, or map-style data set (for a version, a filter
            or a transform of yours: a :class:`~lancenb.data.LanceTorchDataset`).
        val: the same, for validation; or a fraction, as ``val_fraction``.
        test: the same, for testing.
        manager: catalogue for names, or its root.
        batch_size: rows per batch and rank; ``"auto"``: 128 up to 256 pixels, 64 at 512.
        num_workers: worker processes; 0 reads with threads in this process.
        threads: reading threads when there are no worker processes.
        val_fraction: split this share (0 to 1) off the training rows, by ``seed`` and evenly over
            the classes. It keeps their transform: one that draws at random is warned of.
        augment: random crops and mirroring of training pictures; a transform of yours stands alone.
        image_size: bring pictures to this side in pixels (a transform of yours has to do so);
            default: small ones stay, others 224.
        seed: seed of split, order and augmentation.
        uneven: what becomes of training rows that do not divide by the ranks: ``"pad"`` repeats
            some, ``"drop"`` leaves some out, ``"error"``. Validation and test rows are padded.
        pin_memory: put batches into pinned memory where there is a CUDA device.
        drop_last: leave out a last, smaller training batch; default: only one of a single row,
            which would stop batch normalisation.
        epochs: epochs of the whole run, for :meth:`total_steps`.
        shuffle: ``True``, ``"block"`` (reads near rows together) or False.
        on_error: ``"raise"`` or ``"skip"`` unreadable pictures.

    Raises:
        InvalidArgument: values that cannot work.

    >>> module = LanceDataModule("cifar10-train", test="cifar10-test", val_fraction=0.1,
    ...                          manager="./lancenb-store", batch_size=128)
    >>> trainer.fit(model, datamodule=module)  # doctest: +SKIP
    """

    def __init__(
        self,
        train: Any,
        val: Any = None,
        test: Any = None,
        *,
        manager: Any = None,
        batch_size: int | str = 32,
        num_workers: int = 0,
        threads: int = 2,
        val_fraction: float | None = None,
        augment: bool = True,
        image_size: int | None = None,
        seed: int = 0,
        uneven: str = "pad",
        pin_memory: bool = False,
        drop_last: bool | None = None,
        epochs: int | None = None,
        shuffle: bool | str = True,
        on_error: str = "raise",
    ):
        super().__init__(seed=seed, epochs=epochs)
        check_sources(train, val, test)
        val, val_fraction = validation_of(val, val_fraction)
        check_settings(
            seed=seed, image_size=image_size, num_workers=num_workers, threads=threads,
            uneven=uneven, augment=augment, pin_memory=pin_memory, drop_last=drop_last,
        )  # fmt: skip
        self.sources = {"train": train, "val": val, "test": test}
        self.manager = as_manager(manager)
        self.batch_size = checked_batch_size(batch_size, image_size)
        self.num_workers = num_workers
        self.threads = threads
        self.val_fraction = val_fraction
        self.augment = augment
        self.image_size = image_size
        self.uneven = uneven
        self.pin_memory = pin_memory
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.on_error = on_error
        self.train_dataset: Any = None
        self.val_dataset: Any = None
        self.test_dataset: Any = None
        #: Whether the column ``split`` told the rows of the training table apart, after setup.
        self.by_split = False
        self._pinned: dict[str, int] = {}

    # Lightning's hooks -----------------------------------------------------------------------
    def prepare_data(self) -> None:
        """See that the data is there (Lightning calls it in one process).

        Raises:
            NotFound: it is not.
        """
        for source in self.sources.values():
            if source is not None:
                open_data(source, self.manager)

    def setup(self, stage: str | None = None) -> None:
        """Open the tables, at the versions that are their heads now; once for all stages.

        Raises:
            NotFound: a name, table or version that does not exist.
            EmptyInput: no rows to train on.
            InvalidArgument: validation or test data with other classes, or a transform of yours
                that does not give ``image_size``.
        """
        super().setup(stage)
        if self.train_dataset is not None:
            return
        versions = self._pinned or shared_versions(self.trainer, self.sources, self.manager)
        opened, self.by_split = opened_parts(
            self.sources, self.manager, versions, self.on_error, self.val_fraction, self.seed
        )
        train, val, test = opened["train"], opened.get("val"), opened.get("test")
        check_transforms(opened, self.image_size)
        self.val_dataset = aligned(val, train) if val is not None else None
        self.test_dataset = aligned(test, train) if test is not None else None
        self.train_dataset = train
        side = side_of(train, self.image_size)
        self.batch_size = checked_batch_size(self.batch_size, side or 224)

    def state_dict(self) -> dict[str, Any]:
        """The place in the training data and the versions of the tables, JSON-able."""
        place = super().state_dict()
        seen = {part: getattr(data, "version", None) for part, data in self._parts().items()}
        return {**place, "versions": seen or self._pinned} if place else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at a stored place, with the tables as they were then: later appends wait.

        Raises:
            VersionNotFound: such a version has been cleaned up.
            InvalidArgument: a place in other data.
        """
        self._pinned = versions = stored_versions(state_dict)
        if any(getattr(self._parts().get(part), "version", n) != n for part, n in versions.items()):
            self.train_dataset = None
            self.setup()
        super().load_state_dict(state_dict)

    def train_dataloader(self) -> BatchLoader:
        """Batches to train on, in a new order each epoch."""
        self.setup("fit")
        settings = self._train_plan()[1]
        batches = self._batches(
            self.train_dataset, self.augment, shuffle=self.shuffle,
            drop_last=settings["drop_last"], uneven=self.uneven,
        )  # fmt: skip
        return self._remember(batches)

    def val_dataloader(self) -> Any:
        """Batches of the validation data in their order; an empty list without any."""
        self.setup("validate")
        return [] if self.val_dataset is None else self._batches(self.val_dataset)

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test data in their order.

        Raises:
            InvalidArgument: there is none.
        """
        self.setup("test")
        if self.test_dataset is None:
            raise InvalidArgument(
                "there is no test data; validation data is no substitute", hint="give test="
            )
        return self._batches(self.test_dataset)

    def predict_dataloader(self) -> BatchLoader:
        """Batches of the test data, else of the validation data, in their order.

        Raises:
            InvalidArgument: there is neither.
        """
        self.setup("predict")
        dataset = self.test_dataset if self.test_dataset is not None else self.val_dataset
        if dataset is None:
            raise InvalidArgument("there is no data to predict on", hint="give test= or val=")
        return self._batches(dataset)

    def _batches(self, dataset: Any, augment: bool = False, **settings: Any) -> BatchLoader:
        return usual_loader(
            dataset, int(self.batch_size), image_size=self.image_size, augment=augment,
            seed=self.seed, num_workers=self.num_workers, threads=self.threads,
            pin_memory=self.pin_memory, **settings,
        )  # fmt: skip

    def _train_plan(self) -> tuple[int, dict[str, Any]]:
        self.setup("fit")
        rows, size = len(self.train_dataset), int(self.batch_size)
        lone = self.drop_last
        if lone is None:
            lone = lone_tail(rows, size, self._world_size())
        return rows, {"batch_size": size, "drop_last": lone, "uneven": self.uneven}

    # what it is ------------------------------------------------------------------------------
    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes in id order, when they are known."""
        self.setup()
        names = getattr(self.train_dataset, "class_names", None)
        return list(names) if names is not None else None

    @property
    def num_classes(self) -> int | None:
        """Number of classes, when the data has labels."""
        self.setup()
        names = self.class_names
        return len(names) if names is not None else getattr(self.train_dataset, "num_classes", None)

    @property
    def stats(self) -> ChannelStats:
        """Mean and standard deviation per colour channel of the training pictures (0..1)."""
        self.setup()
        return channel_stats(self.train_dataset)

    def get_dataset_info(self) -> dict[str, Any]:
        """Numbers of the data, before ``setup`` as well.

        Returns:
            ``num_samples``, ``num_classes``, ``img_size``, ``batch_size``, ``class_names`` and,
            where there are such rows, ``num_val_samples`` and ``num_test_samples``.
        """
        self.setup()
        found: dict[str, Any] = {
            "num_samples": len(self.train_dataset),
            "num_classes": self.num_classes,
            "img_size": side_of(self.train_dataset, self.image_size),
            "batch_size": self.batch_size,
            "class_names": self.class_names,
        }
        held_out = [(part, len(data)) for part, data in self._parts().items() if part != "train"]
        return {**found, **{f"num_{part}_samples": rows for part, rows in held_out}}

    def check(
        self, *, progress: ProgressCallback | bool | None = None, cancel: CancelToken | None = None
    ) -> list[BadImage]:
        """Decode every picture once, before training, and list those that cannot be read.

        Args:
            progress: callable for progress events, or True for a text bar.
            cancel: stops it.
        """
        self.setup()
        return bad_images(self._parts(), progress, cancel)

    def _parts(self) -> dict[str, Any]:
        """The data sets that there are."""
        parts = {"train": self.train_dataset, "val": self.val_dataset, "test": self.test_dataset}
        return {part: data for part, data in parts.items() if data is not None}

    def __repr__(self) -> str:
        name, source = type(self).__name__, self.sources["train"]
        if self.train_dataset is None:
            return in_lines(f"<{name} of {told(source)}, not set up>")
        parts = [f"{part} {count(len(data), 'row')}" for part, data in self._parts().items()]
        whose = f"{told(source)} by its column split" if self.by_split else told(source)
        return in_lines(f"<{name} of {whose}: {', '.join(parts)}, batches of {self.batch_size}>")

    __str__ = __repr__
