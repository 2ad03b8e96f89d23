"""From a configuration to a training or an evaluation: what ``lancenb train`` and ``eval`` do."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..data._module_inputs import as_manager
from ..data.dataset import LanceTorchDataset
from ..errors import EmptyInput, InvalidArgument, LancenbError, MissingDependency
from ..progress import CancelToken, ProgressCallback
from ._given import TIES, as_config
from ._inputs import as_dataset
from ._keeping import Checkpoints
from ._targets import check_targets, stored_form
from .checkpoints import SCHEME
from .classifier import ImageClassifier
from .evaluation import Evaluation, evaluate
from .fitting import fit
from .result import FitResult
from .stored import load_classifier, start_weights

if TYPE_CHECKING:
    from omegaconf import DictConfig

#: Arguments of the classifier that the data decides when the configuration leaves them open.
_OPEN = ("num_classes", "class_names", "image_size", "mean", "std")


def run(
    config: DictConfig | Mapping[str, Any],
    *,
    manager: Any = None,
    curves: Any = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> FitResult:
    """Train as a configuration says; it is stored with the run as it is.

    ``result.run["config"]`` has it, and later
    ``dm.load_weights(name).extras["lancenb.run"]["config"]``, which may be run again, also with
    other values: ``run(config | {"name": "again", "seed": 7})``. ``lancenb show NAME`` prints it.

    Args:
        config: what :func:`~lancenb.train.compose` gave, or such a record.
        manager: catalogue, or its root; default: that of ``config.root``, else ``./lancenb-store``.
        curves: live curves, see :func:`~lancenb.train.fit`.
        progress: callback or True for a bar.
        cancel: token to stop.

    Raises:
        InvalidArgument: arguments that what is to be made does not take, and keys that nobody
            reads.
        MissingDependency: a logger that is not installed.

    >>> config = compose(["model=simple_cnn", "data=synthetic"])  # doctest: +SKIP
    >>> result = run(config, manager=dm)  # doctest: +SKIP
    """
    config = as_config(config)
    facts = stored_form(config, TIES)
    manager = _manager(manager, config)
    numbers = {key: _whole(config, key) for key in ("trainer.max_epochs", "seed")}
    _batch_size(config)
    # before anything is downloaded: what is not installed is said at once
    loggers = [
        _make(f"logger.{key}", node, name=node.get("name") or config.name or "lancenb")
        for key, node in config.logger.items()
    ]
    extra = [_make(f"callbacks.{key}", node) for key, node in config.callbacks.items()]
    keep = [each for each in extra if isinstance(each, Checkpoints)]
    trainer = _make("trainer", config.trainer)
    data = make_data(config, manager)
    module = make_model(config, data, manager)
    saved = bool(config.save)
    return fit(
        module,
        data,
        manager=manager,
        name=config.name or module.architecture,
        save=saved,
        steps=config.steps,
        epochs=numbers["trainer.max_epochs"],
        batch_size=_batch_size(config, data),
        seed=numbers["seed"],
        accumulate=_accumulated(config),
        checkpoint=keep[0] if keep and (saved or keep[0].folder) else None,
        resume=config.resume,
        loggers=loggers or None,
        callbacks=[each for each in extra if not isinstance(each, Checkpoints)],
        trainer=trainer,
        config=facts,
        message=config.message,
        curves=curves,
        progress=progress,
        cancel=cancel,
    )


def run_evaluation(
    config: DictConfig | Mapping[str, Any],
    *,
    manager: Any = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> Evaluation:
    """Score a stored model or a checkpoint as a configuration says.

    All rows of the split are scored: nothing is held out of them unless ``data.val_fraction``
    says so, or ``split=val`` asks for the rows that a training with this seed holds out. Where a
    column ``split`` tells the rows of a table apart, as that of a folder with ``train`` and
    ``test``, it says which rows these are.

    Args:
        config: what ``compose([...], of="eval")`` gave.
        manager: catalogue, or its root; default: that of ``config.root``, else ``./lancenb-store``.
        progress: callback or True for a bar.
        cancel: token to stop.

    Raises:
        EmptyInput: the data has no such split.
        InvalidArgument: no table is given for the split.
        NotFound: there is no such model or checkpoint.
    """
    config = as_config(config, "eval")
    manager = _manager(manager, config)
    if config.get("checkpoint") is None:
        raise InvalidArgument(
            "checkpoint has to be given", hint="checkpoint=resnet18-checkpoints@best, or a path"
        )
    _batch_size(config)
    split = str(config.split)
    if split not in ("train", "val", "test"):
        raise InvalidArgument(f"split is train, val or test, not {split!r}")
    # a name that does not exist is said before data is downloaded
    load_classifier(str(config.checkpoint).removeprefix(SCHEME), manager=manager)
    config, part = _scored(config, split)
    data = make_data(config, manager)
    rows = getattr(data, f"{part}_dataset", None)
    if part != split and getattr(data, "by_split", False):  # of one table alone
        rows = getattr(data, f"{split}_dataset", None)
    if rows is None:
        raise EmptyInput(f"the data has no {split} rows", hint="split=val or split=train")
    found = evaluate(
        str(config.checkpoint), rows, manager=manager, batch_size=_batch_size(config, data),
        progress=progress, cancel=cancel,
    )  # fmt: skip
    if getattr(data, "by_split", False) and getattr(rows, "by_hand", False):
        found.split = split
    if config.name:
        found.save(manager, str(config.name))
    return found


def _scored(config: DictConfig, split: str) -> tuple[DictConfig, str]:
    """The configuration of the data that is scored, and which part of it that is then."""
    from omegaconf import open_dict

    config = copy.deepcopy(config)
    data = config.data
    if split == "val" and data.get("val_fraction", "") is None:
        with open_dict(data):  # the share of a training, whatever makes the data knows it
            del data["val_fraction"]
    if data.get("train", "") is not None:
        return config, split
    if data.get(split) is None or data.get("val_fraction") is not None:
        missing = "train" if data.get(split) is not None else split
        raise InvalidArgument(f"data.{missing} has to be given", hint=f"data.{missing}=flowers")
    # one table alone: it is opened as it is, by the classes that the model knows
    data.train, data.val, data.test = data[split], None, None
    return config, "train"


def make_data(config: DictConfig, manager: Any) -> Any:
    """Make the DataModule of a configuration and see that its data is there.

    Raises:
        InvalidArgument: no table is given, or one without pictures or labels.
    """
    if config.data.get("train", "") is None:
        raise InvalidArgument("data.train has to be given", hint="data.train=flowers")
    data = _make("data", config.data, manager=manager)
    data.prepare_data()
    data.setup("fit")
    rows = getattr(data, "train_dataset", None)
    if isinstance(rows, LanceTorchDataset):
        as_dataset(rows)
    return data


def make_model(config: DictConfig, data: Any, manager: Any) -> Any:
    """Make the classifier of a configuration; what it leaves open, the data decides.

    Args:
        config: the configuration.
        data: its DataModule, set up.
        manager: catalogue of the weights to start from.
    """
    given = {name: value for name, value in _plain(config.model).items() if value is not None}
    open_ = [name for name in _OPEN if name in config.model and config.model[name] is None]
    known = {name: getattr(data, name, None) for name in ("num_classes", "class_names")}
    if "image_size" in open_ and hasattr(data, "get_dataset_info"):
        known["image_size"] = data.get_dataset_info().get("img_size")
    if "mean" in open_ and "std" in open_ and hasattr(data, "stats"):
        known |= {"mean": data.stats.mean, "std": data.stats.std}
    found = {name: known[name] for name in open_ if known.get(name) is not None}
    if config.get("seed") is not None:
        from ._quiet import seeded

        with seeded(int(config.seed)):
            module = _make("model", given, **found)
    else:
        module = _make("model", given, **found)
    if config.get("start") and isinstance(module, ImageClassifier):
        start_weights(module, str(config.start), manager)
    return module


def _make(key: str, node: Any, **further: Any) -> Any:
    """Make what a node of the configuration names."""
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    check_targets(key, _plain(node))
    try:
        part = instantiate(node, _partial_=True)
        # given here, not to Hydra: names of classes and the like are data, in which ${...} is text
        return part if key == "trainer" else part(**further)
    except InstantiationException as error:
        raise _told(key, error.__cause__ or error) from error
    except LancenbError:
        raise
    except Exception as error:  # of whatever is made
        raise _told(key, error) from error


def _told(key: str, cause: BaseException) -> LancenbError:
    if isinstance(cause, LancenbError):
        return cause
    if isinstance(cause, ModuleNotFoundError):
        return MissingDependency(
            f"{key} needs {cause.name}, which is not installed", hint=f"pip install {cause.name}"
        )
    return InvalidArgument(
        f"{key} cannot be made: {(str(cause).strip() or repr(cause)).splitlines()[0]}"
    )


def _accumulated(config: Any) -> int:
    key = "accumulate_grad_batches"
    return 1 if config.trainer.get(key) is None else _whole(config, f"trainer.{key}")


def _batch_size(config: Any, data: Any = None) -> int:
    """Rows per batch; ``auto`` is what the data made of it."""
    if config.get("batch_size") != "auto":
        return _whole(config, "batch_size")
    made = getattr(data, "batch_size", None)
    return made if isinstance(made, int) else 128


def _whole(config: Any, key: str) -> int:
    from omegaconf import OmegaConf

    value = OmegaConf.select(config, key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f"{key} must be a whole number, not {value!r}", hint=f"{key}=10")
    return value


def _plain(config: Any) -> Any:
    from omegaconf import OmegaConf

    if not OmegaConf.is_config(config):
        return config
    return OmegaConf.to_container(config, resolve=True)


def _manager(manager: Any, config: Any) -> Any:
    if manager is not None:
        return as_manager(manager)
    from ..catalog import DataManager

    return DataManager(config.root) if config.get("root") else DataManager()
