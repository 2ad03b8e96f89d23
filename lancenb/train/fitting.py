"""``fit``: train an image classifier and store the result as the next version of its artefact."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ..data._module_inputs import as_manager
from ..data.dataset import LanceTorchDataset
from ..data.resume import LoaderState
from ..errors import InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from . import _artefacts as artefacts
from ._callbacks import Recorder
from ._checks import check_kinds, check_numbers, check_record
from ._claim import claimed
from ._data import TrainData, loaders, training_data
from ._inputs import live_callback
from ._keeping import Checkpoints, check_place, resume_address
from ._loggers import as_loggers
from ._quiet import quiet_lightning, seeded
from ._record import first_lost, run_facts, run_outcome
from ._restoring import check_training, restoring
from ._resuming import Resumed, check_resume
from ._training import Run, facts_of_run, make_trainer, telling
from .result import FitResult
from .stored import name_and_version, prepare_classifier


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
    strategy: Any = None,
    accumulate: int = 1,
    loggers: Any = None,
    checkpoint: Any = None,
    resume: Any = None,
    config: Mapping[str, Any] | None = None,
    save: bool | None = None,
    message: str = "",
    callbacks: Sequence[Any] = (),
    trainer: Any = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
    curves: Any = None,
) -> FitResult:
    """Train a classifier; the trained weights become the next version of the model artefact.

    On a CPU the same arguments give the same losses and weights, bit for bit (with as many threads
    of torch); a training that was killed and resumed, too. With a ``manager`` the catalogue gets,
    beside the weights, the artefact ``<name>-history`` (one row per step) and, with
    ``checkpoint``, ``<name>-checkpoints``. Under DDP the first process alone stores, and the
    history has its share of the rows.

    Settings, configuration, data version and package versions of a run are in ``run`` of the
    result, and stored with the weights: ``lancenb show NAME`` prints them, and
    ``dm.load_weights(name).extras["lancenb.run"]`` has them.

    Args:
        model: name of a torchvision network or ``"simple_cnn"`` (fresh weights, whatever is stored
            under that name); a stored model, as artefact (``dm["resnet18"]``), by name or as
            ``"name@version"``, ``"name@tag"``, ``"name@latest"`` (its backbone is the start, only
            the head may differ); or an :class:`~lancenb.train.ImageClassifier` (trained in place).
        data: name, artefact, URI or data set of labelled pictures; or a Lightning DataModule, such
            as :class:`~lancenb.LanceDataModule`, which then says itself what is said by ``val``,
            ``batch_size``, ``augment``, ``image_size``, ``num_workers`` and ``threads``. Names and
            versions are pinned before the training begins. Of a table with a column ``split`` the
            training rows alone are trained on, unless a filter names that column.
        manager: catalogue for names and for storing, or its root.
        name: artefact to store to; default: the one named by ``model``.
        val: validation data, or a fraction of the training rows (0 to 1) to split off by ``seed``;
            default: the validation rows that a column ``split`` tells.
        epochs: passes over the data, ``>= 1``.
        steps: at most this many steps of the optimizer per epoch.
        batch_size: rows per batch and process.
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
        strategy: as in Lightning, such as ``"ddp"``.
        accumulate: batches per step of the optimizer.
        loggers: ``"csv"``, ``"tensorboard"``, ``"wandb"`` (below ``./lancenb-logs``), loggers of
            Lightning, or several of them.
        checkpoint: True for each epoch, a number of steps, a folder, or
            :class:`~lancenb.train.Checkpoints`. The last and the best one are kept.
        resume: True goes on from the last checkpoint of this run, if there is one; or a path,
            or a name in the catalogue such as ``"resnet18-checkpoints@best"``. The seed is that of
            the checkpoint. A complete run is not trained again: a warning says so, and no version
            is stored unless the weights are not there yet.
        config: the configuration this comes from, JSON-able; stored with the run.
        save: store the trained weights; default: when there is a manager and a name.
        message: stored with the version.
        callbacks: further Lightning callbacks.
        trainer: further arguments of ``lightning.Trainer``, or a ``functools.partial`` of a class
            like it.
        progress: callback or True for a bar.
        cancel: token to stop; nothing is stored then.
        curves: live curves: True makes them, and shows them in a notebook; or a picture to add
            this run to, such as ``lnb.curves()``. The result holds it as ``curves``.

    Raises:
        ArtifactNotFound: an unknown name.
        WeightsMismatch: stored weights of another architecture, to start from or under ``name``.
        StoreNotWritable: the result could not be stored; said before the training.
        EmptyInput: no training rows.
        Conflict: another training saves checkpoints under this name.
        CorruptInput: the checkpoint to go on from is damaged.
        InvalidArgument: values that cannot work.

    >>> result = lnb.fit("resnet18", "cifar10-train", manager=dm, val=0.1)  # doctest: +SKIP
    >>> lnb.fit("resnet18", "cifar10-train", manager=dm, epochs=30, val=0.1,
    ...         checkpoint=100, resume=True)  # doctest: +SKIP
    """
    check_numbers(
        lr, seed, image_size,
        epochs=epochs, steps=steps, batch_size=batch_size, accumulate=accumulate,
    )  # fmt: skip
    if save and (manager is None or not (name or isinstance(model, str))):
        raise InvalidArgument("storing needs a manager and a name", hint="fit(..., manager=dm)")
    begin, manager = time.monotonic(), as_manager(manager)
    named = _name_of(model, manager)
    picture = live_callback(curves, name or named or model)
    keep = Checkpoints.of(checkpoint)
    target = "" if save is False or manager is None else name or named
    check_place(keep, target)
    logs = as_loggers(loggers, target or named)
    callbacks = check_kinds(callbacks, logs)
    if target:
        artefacts.check_manager(manager)
    before = Resumed.at(resume_address(resume, keep, target, manager), manager)
    given, seed = seed, before.seed(seed) if before else seed
    found = training_data(data, val, manager, seed=seed, resumed=before)
    with ExitStack() as claim:  # until the weights are stored
        with seeded(seed), quiet_lightning():
            start = prepare_classifier(
                model, found.train, manager, version, architecture,
                image_size=image_size or found.image_size, lr=lr,
            )  # fmt: skip
            module = start.module
            if start.made and not before:
                artefacts.tell_fresh(manager, named)
            if before:
                check_resume(before, module, epochs=epochs)
            if target:
                kept = keep is not None and keep.folder is None
                artefacts.check_targets(manager, target, module, kept=kept)
            found = found.counted_as(module.class_names)
            facts = run_facts(
                module, _source(found.train), start.source, rows=found.rows, val=_source(found.val),
                val_rows=found.val_rows, fraction=found.fraction, parts=found.parts,
                config=config, epochs=epochs, steps=steps, batch_size=found.batch_size(batch_size),
                seed=seed,
                augment=augment, image_size=image_size, accumulate=accumulate,
                precision=None if precision is None else str(precision),
            )  # fmt: skip
            if target or keep:
                check_record(facts)
            if before:
                before.tell(facts["settings"], given)
            parents = (
                artefacts.parents_of(found.train, start.source, target, manager) if target else []
            )
            recorder = Recorder(Tracker(progress, cancel), cancel)
            run = Run(
                max(epochs, before.done) if before else epochs, steps, accumulate,
                {"accelerator": accelerator, "devices": devices, "precision": precision,
                 "strategy": strategy, "logger": logs},
                trainer, [*picture, *callbacks], keep, target, manager,
                facts_of_run(facts, parents),
            )  # fmt: skip
            made = make_trainer(
                run, recorder, validated=found.val is not None, foreign=found.module is not None
            )
            if before:
                check_training(before, module, made)
                before.content.clear()  # Lightning reads it again
            own_room = keep is not None and keep.folder is None and made.is_global_zero
            if own_room:
                claim.enter_context(claimed(manager, target))
            _train(
                made, module, found, recorder.tracker, before.address if before else None,
                batch_size, most=steps * accumulate if steps else None,
                side=image_size or module.hparams["image_size"], seed=seed, augment=augment,
                num_workers=num_workers, threads=threads,
            )  # fmt: skip
        if not recorder.rows:
            raise InvalidArgument(
                "the training made no step", hint="limit_train_batches= or max_steps= leave it none"
            )
        lost = first_lost(recorder.table())
        if lost is not None:
            warnings.warn(
                f"the loss is no finite number from step {lost} on; a lower lr or another precision"
                " may help",
                stacklevel=2,
            )
        device, first = str(made.strategy.root_device), made.is_global_zero
        module.cpu().eval()
        seconds, history = time.monotonic() - begin, recorder.table()
        result = FitResult(
            module, history, data=_source(found.train), seconds=seconds, fresh=start.fresh,
            start=f"checkpoint {before.name}" if before else start.told,
            run={**facts, **run_outcome(history, device, seconds, recorder.here)},
            curves=picture[0].curves if picture else None, steps_here=recorder.here,
        )  # fmt: skip
        if before and not recorder.here:
            result.run |= before.record()
        if target and first:
            recorder.tracker.enter("store")
            artefacts.store_result(result, manager, target, parents, message)
            recorder.tracker.enter("done")
        if before and not recorder.here and first:
            kept = f", and {target} version {result.version} has its weights" if target else ""
            warnings.warn(
                f"nothing was trained: the run was complete at step {history.num_rows}{kept}; more"
                " epochs= would go on from there",
                stacklevel=2,
            )
    return result


def _train(
    trainer: Any,
    module: Any,
    data: TrainData,
    tracker: Tracker,
    going_on: str | None,
    batch_size: int,
    *,
    most: int | None,
    **reading: Any,
) -> None:
    """Let Lightning train on a DataModule, or on loaders with the usual transforms."""
    module.train()
    if data.module is not None:
        tracker.enter("train")
        trainer.callbacks.insert(0, LoaderState())
        with telling(trainer), restoring(going_on):
            trainer.fit(module, datamodule=data.module, ckpt_path=going_on)
        return
    batches, checks = loaders(data, batch_size, world=trainer.world_size, **reading)
    count = min(len(batches), most or len(batches))
    tracker.total_rows = max(1, trainer.max_epochs or 1) * min(count * batch_size, data.rows)
    tracker.enter("train")
    trainer.callbacks.insert(0, LoaderState(batches))
    with telling(trainer), restoring(going_on):
        trainer.fit(module, batches, checks, ckpt_path=going_on)


def _name_of(model: Any, manager: Any) -> str:
    """The artefact that a stored model comes from; "" for a module."""
    if isinstance(model, str):
        return name_and_version(model, manager)[0]
    return str(getattr(model, "name", ""))


def _source(dataset: Any) -> tuple[str, int] | None:
    if isinstance(dataset, LanceTorchDataset):
        return dataset.name, dataset.version
    return None
