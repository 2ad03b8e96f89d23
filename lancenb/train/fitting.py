"""``fit``: train an image classifier and store the result as the next version of its artefact."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..data.dataset import LanceTorchDataset
from ..data.loading import BatchLoader, loader
from ..data.subsets import split
from ..data.transforms import CropFlip, picture_transform
from ..errors import EmptyInput, InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from ._inputs import as_dataset, live_callback, same_classes
from ._quiet import quiet_lightning, seeded
from ._record import brief_history, run_record
from .classifier import ImageClassifier
from .result import FitResult
from .stored import check_target, prepare_classifier


def fit(
    model: Any,
    data: Any,
    *,
    manager: Any = None,
    name: str | None = None,
    val: Any = None,
    epochs: int = 1,
    steps: int | None = None,
    batch_size: int = 32,
    lr: float | None = None,
    seed: int = 42,
    version: int | str | None = None,
    architecture: str | None = None,
    augment: bool = True,
    image_size: int | None = None,
    num_workers: int = 0,
    threads: int = 2,
    accelerator: str = "auto",
    devices: Any = 1,
    precision: Any = None,
    save: bool | None = None,
    message: str = "",
    callbacks: Sequence[Any] = (),
    trainer: dict[str, Any] | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    curves: Any = None,
) -> FitResult:
    """Train a classifier; the trained weights become the next version of the model artefact.

    On a CPU the same arguments give the same losses and weights, bit for bit.

    Args:
        model: name of a stored model (its backbone is the start, only the head may differ), name
            of a torchvision network (fresh weights), or an
            :class:`~lancenb.train.ImageClassifier` (trained in place).
        data: name, artefact, URI or data set of labelled pictures. Names and versions are pinned
            before the training begins.
        manager: catalogue for names and for storing.
        name: artefact to store to; default: the name given as ``model``.
        val: validation data, or a fraction of ``data`` (0 to 1) to split off by ``seed``.
        epochs: passes over the data, ``>= 1``.
        steps: at most this many batches per epoch.
        batch_size: rows per step.
        lr: highest learning rate; default: the classifier's.
        seed: of weights, order and augmentation.
        version: version or tag of the stored model to start from.
        architecture: torchvision name, when the stored model does not say it.
        augment: random crops and mirroring.
        image_size: bring pictures to this side in pixels; default: small ones stay, others 224.
        num_workers: worker processes, 0 for threads.
        threads: reading threads.
        accelerator: as in Lightning: ``"auto"``, ``"cpu"``, ``"gpu"``, ...
        devices: as in Lightning.
        precision: as in Lightning, such as ``"bf16-mixed"``.
        save: store the trained weights; default: when there is a manager and a name.
        message: stored with the version.
        callbacks: further Lightning callbacks.
        trainer: further arguments of ``lightning.Trainer``.
        progress: callback or True for a bar.
        cancel: token to stop; nothing is stored then.
        curves: live curves: True makes them, and shows them in a notebook; or a picture to add
            this run to, such as ``lnb.curves()``. The result holds it as ``curves``.

    Raises:
        ArtifactNotFound: an unknown name.
        WeightsMismatch: stored weights of another architecture, to start from or under ``name``.
        EmptyInput: no training rows.
        InvalidArgument: values that cannot work.
    """
    _check(epochs=epochs, steps=steps, batch_size=batch_size)
    if save and (manager is None or not (name or isinstance(model, str))):
        raise InvalidArgument("storing needs a manager and a name", hint="fit(..., manager=dm)")
    picture = live_callback(curves, name or model)
    begin = time.monotonic()
    train_set = as_dataset(data, manager)
    val_set: Any = None
    if isinstance(val, float):
        if not isinstance(train_set, LanceTorchDataset):
            raise InvalidArgument("a validation fraction needs data from a table")
        train_set, val_set = split(train_set, val, seed=seed)
    elif val is not None:
        val_set = as_dataset(val, manager)
    if not len(train_set):
        raise EmptyInput(f"'{getattr(train_set, 'name', 'the data')}' has no rows to train on")
    with seeded(seed), quiet_lightning():
        start = prepare_classifier(
            model, train_set, manager, version, architecture, image_size=image_size, lr=lr
        )
        module = start.module
        target = "" if save is False or manager is None else name or start.name
        if target:
            check_target(manager, target, module)
        train_set = same_classes(train_set, module.class_names)
        side = image_size or module.hparams["image_size"]
        batches = _loader(
            train_set, batch_size, side, num_workers, threads, shuffle=True, seed=seed, crop=augment
        )
        val_batches = None
        if val_set is not None:
            val_set = same_classes(val_set, module.class_names)
            val_batches = _loader(val_set, batch_size, side, num_workers, threads)
        count = min(len(batches), steps or len(batches))
        tracker = Tracker(
            progress, cancel, total_rows=epochs * min(count * batch_size, len(train_set))
        )
        tracker.enter("train")
        history = _train(
            module,
            batches,
            val_batches,
            epochs,
            count,
            tracker,
            cancel,
            {
                "accelerator": accelerator,
                "devices": devices,
                "precision": precision,
                "callbacks": [*picture, *callbacks],
                **(trainer or {}),
            },
        )
    module.cpu().eval()
    seconds = time.monotonic() - begin
    source = _source(train_set)
    record = run_record(
        module,
        source,
        start.source,
        history,
        seconds,
        rows=len(train_set),
        val=_source(val_set),
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        augment=augment,
        image_size=image_size,
    )
    result = FitResult(
        module, history, data=source, seconds=seconds, run=record, fresh=start.fresh,
        curves=picture[0].curves if picture else None,
    )  # fmt: skip
    if manager is None or not target:
        return result
    tracker.enter("store")
    first, last = result.first_loss, result.last_loss
    result.report = manager.save_weights(
        target,
        module.net.state_dict(),
        extras={"lancenb.run": record, "lancenb.history": brief_history(history)},
        parents=_parents(source, start.source, target),
        message=message
        or f"fit on {source[0] if source else 'data'}: loss {first:.3f} -> {last:.3f}",
    )
    result.name, result.version = target, int(result.report.version)
    tracker.enter("done")
    return result


def _check(*, epochs: int, steps: int | None, batch_size: int) -> None:
    for label, value in (("epochs", epochs), ("steps", steps), ("batch_size", batch_size)):
        if label == "steps" and value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidArgument(f"{label} must be a whole number >= 1, not {value!r}")


def _loader(
    dataset: Any,
    batch_size: int,
    side: int | None,
    num_workers: int,
    threads: int,
    *,
    shuffle: bool = False,
    seed: int = 0,
    crop: bool = False,
) -> BatchLoader:
    """Batches with the usual transform by size, unless the data set brings its own."""
    augment = None
    if isinstance(dataset, LanceTorchDataset) and dataset.transform is None:
        size = dataset.picture_size
        fitting = picture_transform(size, train=crop, to=side)
        if fitting is not None:
            dataset = dataset.with_transform(fitting)
        elif crop and size is not None:
            augment = CropFlip(max(1, size[0] // 8))
    # a last batch of one row would stop batch normalisation
    lone = shuffle and len(dataset) > 1 and len(dataset) % batch_size == 1 and batch_size > 1
    return loader(
        dataset,
        batch_size,
        shuffle=shuffle,
        seed=seed,
        num_workers=num_workers,
        threads=threads,
        augment=augment,
        drop_last=lone,
    )


def _train(
    module: ImageClassifier,
    batches: BatchLoader,
    val_batches: BatchLoader | None,
    epochs: int,
    steps: int,
    tracker: Tracker,
    cancel: CancelToken | None,
    options: dict[str, Any],
) -> Any:
    import lightning as L

    from ._callbacks import Recorder

    recorder = Recorder(tracker, cancel)
    options = {name: value for name, value in options.items() if value is not None}
    options["callbacks"] = [recorder, *options.get("callbacks", [])]
    settings: dict[str, Any] = {
        "max_epochs": epochs,
        "limit_train_batches": steps,
        "limit_val_batches": 1.0 if val_batches is not None else 0,
        "num_sanity_val_steps": 0,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "deterministic": "warn",
        "log_every_n_steps": 1,
    }
    module.train()
    trainer = L.Trainer(**{**settings, **options})
    trainer.fit(module, batches, val_batches)
    return recorder.table()


def _source(dataset: Any) -> tuple[str, int] | None:
    if isinstance(dataset, LanceTorchDataset):
        return dataset.name, dataset.version
    return None


def _parents(
    data: tuple[str, int] | None, start: tuple[str, int] | None, target: str
) -> list[dict[str, Any]]:
    found = []
    if data is not None:
        found.append({"name": data[0], "version": data[1], "relation": "trained-on"})
    if start is not None and start[0] != target:
        found.append({"name": start[0], "version": start[1], "relation": "started-from"})
    return found
