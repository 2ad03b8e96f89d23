"""``evaluate``: accuracy, top-5, F1, confusion and mistakes of a classifier on held-out rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..data._module_inputs import as_manager
from ..data.dataset import LanceTorchDataset
from ..data.loading import loader
from ..data.transforms import picture_transform
from ..errors import EmptyInput, InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from ._evaluation import Evaluation
from ._inputs import as_dataset, part_of, same_classes
from ._modes import device_of, evaluating
from ._score import Tally, check_batch, class_table, mistake_table
from .checkpoints import SCHEME

#: Wrong answers that an evaluation keeps unless asked for more.
MISTAKES = 100

__all__ = ["MISTAKES", "Evaluation", "evaluate", "score"]


def score(
    logits: torch.Tensor,
    labels: torch.Tensor,
    class_names: Sequence[str] | None = None,
    *,
    mistakes: int = MISTAKES,
) -> Evaluation:
    """Figures of merit of scores against true classes.

    Args:
        logits: float ``(rows, classes)``, any scores that grow with confidence.
        labels: int64 ``(rows,)``.
        class_names: names in id order.
        mistakes: wrong answers to list, 0 for none.

    Raises:
        EmptyInput: no rows.
        InvalidArgument: shapes that do not fit, or a label outside the classes.

    >>> found = score(torch.tensor([[2.0, 1.0], [0.0, 3.0], [5.0, 1.0]]), torch.tensor([0, 1, 1]))
    >>> round(found.accuracy, 3), found.confusion.tolist()
    (0.667, [[1, 0], [1, 1]])
    >>> found.mistakes.select(["row", "true", "predicted"]).to_pylist()
    [{'row': 2, 'true': '1', 'predicted': '0'}]
    """
    check_batch(logits, labels)
    classes = logits.shape[1]
    if class_names is not None and len(class_names) != classes:
        raise InvalidArgument(f"{len(class_names)} class names for {classes} classes")
    tally = Tally(classes, _count(mistakes))
    tally.add(logits, labels)
    return _evaluation(tally, class_names)


def evaluate(
    model: Any,
    data: Any,
    *,
    manager: Any = None,
    version: int | str | None = None,
    split: str | None = None,
    batch_size: int = 128,
    num_workers: int = 0,
    device: str | torch.device | None = None,
    mistakes: int = MISTAKES,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Score a classifier on every row of a data set, or of a split of it, once, in stored order.

    Counts are kept batch after batch, so the memory does not grow with the rows. The model gets
    the mode of each of its parts back.

    Args:
        model: an :class:`~lancenb.train.ImageClassifier`, another module that gives logits, or
            the name of a stored classifier (with ``manager``; also ``"name@version"``,
            ``"name@tag"``).
        data: name, artefact, URI or data set of pictures with labels. A picture transform by size
            is added when the data set has none.
        manager: catalogue for names, or its root.
        version: version or tag of a stored model.
        split: ``"train"``, ``"val"`` or ``"test"``: only these rows of a table whose column
            ``split`` tells them apart, as that of a folder with ``train`` and ``test``.
        batch_size: rows per batch.
        num_workers: worker processes, 0 for threads.
        device: default: where the model is.
        mistakes: wrong answers to list, the surest ones; 0 for none.
        progress: callback or True for a bar.
        cancel: token to stop.

    Raises:
        EmptyInput: no rows.
        InvalidArgument: labels outside the model's classes, or a split of rows not told apart.

    >>> found = lnb.evaluate("resnet18", "cifar10-test", manager=dm)  # doctest: +SKIP
    >>> found.accuracy, found.to_pandas()  # doctest: +SKIP
    """
    begin, manager = time.monotonic(), as_manager(manager)
    keep = _count(mistakes)
    model, stored = _model(model, manager, version)
    rows = part_of(as_dataset(data, manager), split)
    dataset = same_classes(rows, getattr(model, "class_names", None))
    fitted = _fitted(dataset, model)
    tracker = Tracker(progress, cancel, total_rows=len(dataset))
    tracker.enter("evaluate")
    where = torch.device(device) if device is not None else device_of(model)
    tally: Tally | None = None
    model.to(where)
    with evaluating(model), torch.inference_mode():
        # each process scores all rows, also where several train together
        batches = loader(fitted, batch_size, num_workers=num_workers, rank=0, world_size=1)
        for batch in batches:
            images, truth = (batch["image"], batch["label"]) if isinstance(batch, dict) else batch
            out = model(images.to(where))
            logits = (out if isinstance(out, torch.Tensor) else out[0]).float()
            tally = tally or Tally(logits.shape[-1], keep)
            tally.add(logits, truth)
            tracker.advance(len(truth))
    if tally is None:
        raise EmptyInput(f"'{getattr(dataset, 'name', 'the dataset')}' has no rows to evaluate")
    names = getattr(model, "class_names", None) or getattr(dataset, "class_names", None)
    if names is not None and len(names) != tally.classes:
        names = None
    found = _evaluation(tally, names, _row_numbers(fitted, tally) if keep else None)
    found.skipped = int(getattr(fitted, "skipped_count", 0))
    if hasattr(dataset, "version"):
        found.data = (str(dataset.name), int(dataset.version))
        found.data_uri = str(getattr(dataset, "uri", ""))
    found.model, found.source, found.split = stored, dataset, split or ""
    found.seconds = time.monotonic() - begin
    tracker.enter("done")
    return found


def _count(mistakes: int) -> int:
    if isinstance(mistakes, bool) or not isinstance(mistakes, int) or mistakes < 0:
        raise InvalidArgument(f"mistakes must be a whole number >= 0, not {mistakes!r}")
    return mistakes


def _model(
    model: Any, manager: Any, version: int | str | None
) -> tuple[torch.nn.Module, tuple[str, int] | None]:
    """The module, and name and version of what it was loaded from."""
    if isinstance(model, torch.nn.Module):
        return model, None
    from .stored import load_classifier, name_and_version

    if isinstance(model, str) and manager is not None:
        model = model.removeprefix(SCHEME)
        if version is None:
            model, version = name_and_version(model, manager)
        if model in manager:
            model = manager[model]
    if isinstance(model, str):
        return load_classifier(model, manager=manager, version=version), None
    number = int(model.dataset(version).version)  # a tag may move while the weights are read
    found = load_classifier(model, manager=manager, version=number)
    return found, (str(model.name), number)


def _fitted(dataset: Any, model: torch.nn.Module) -> Any:
    """The data set with a transform that gives all pictures the size of the model."""
    if getattr(dataset, "transform", True) is not None or not hasattr(dataset, "picture_size"):
        return dataset
    wanted: Any = getattr(model, "hparams", {})
    fitting = picture_transform(dataset.picture_size, to=wanted.get("image_size"))
    return dataset if fitting is None else dataset.with_transform(fitting)


def _row_numbers(dataset: Any, tally: Tally) -> np.ndarray | None:
    """Row number of each scored place; unreadable rows, which were left out, have no place.

    None when place and row are the same; -1 everywhere when a data set of another kind left out
    rows that it cannot name.
    """
    missing = len(dataset) - tally.rows
    if not isinstance(dataset, LanceTorchDataset):
        return np.full(tally.rows, -1) if missing else None
    if dataset.rows is None and not missing:
        return None
    numbers = np.arange(len(dataset)) if dataset.rows is None else np.asarray(dataset.rows)
    if not missing:
        return numbers
    # worker processes count the rows that they skip, but cannot name them
    bad = dataset.skipped if len(dataset.skipped) == missing else dataset.check()
    return numbers[~np.isin(numbers, [row.row for row in bad])]


def _evaluation(
    tally: Tally, class_names: Sequence[str] | None, rows: np.ndarray | None = None
) -> Evaluation:
    tally.check()
    if tally.lost:
        warnings.warn(
            f"the scores of {tally.lost:,} of {tally.rows:,} rows are no numbers (NaN), so the"
            " figures say nothing about them; the network may have been lost in its training",
            stacklevel=3,
        )
    names = [str(n) for n in class_names or range(tally.classes)]
    confusion = tally.confusion()
    per_class, f1 = class_table(confusion, names)
    return Evaluation(
        accuracy=float(np.trace(confusion) / tally.rows),
        top5=tally.top5(),
        f1=f1,
        loss=tally.loss(),
        confusion=confusion,
        per_class=per_class,
        rows=tally.rows,
        class_names=names,
        mistakes=mistake_table(tally.wrong(), rows, names),
    )
