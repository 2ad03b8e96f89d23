"""What a training leaves in a catalogue, and whether it could, asked before the training."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import torch

from ..catalog._names import a_kind, check_name
from ..data.dataset import LanceTorchDataset
from ..errors import Forbidden, InvalidArgument, LancenbError, StoreNotWritable, WeightsMismatch
from ._keeping import SUFFIX
from ._record import brief_history
from ._resuming import warn_once
from .checkpoints import facts_of
from .classifier import ImageClassifier
from .result import FitResult

HISTORY = "-history"
#: Descriptions that a training has written, and the next one may replace.
_OURS = re.compile(r"\w+ trained on (.+, version \d+|rows of no table)")


def check_manager(manager: Any) -> None:
    """Refuse what is no catalogue, or one that cannot be written to; before the training.

    Raises:
        InvalidArgument: it is no catalogue.
        StoreNotWritable: a read-only store, folder or disk.
        Forbidden: the token of a server may only read.
    """
    if not all(hasattr(manager, verb) for verb in ("save_weights", "convert", "tag")):
        raise InvalidArgument(
            f"manager={type(manager).__name__} is no catalogue to store into",
            hint="manager=lnb.DataManager(root), or lnb.connect(address)",
        )
    store = getattr(manager, "store", None)
    if store is None:
        about = manager.about()
        if about.scope == "read":
            raise Forbidden(
                f"the token '{about.who}' may only read, so a trained model cannot be stored",
                hint="ask for a token with the scope 'write', or train with save=False",
            )
        return
    store.create()
    if store.is_local:
        try:
            with tempfile.TemporaryFile(dir=store.uri):
                pass
        except OSError as error:
            raise StoreNotWritable(
                f"the store {store.uri} cannot be written to: {error.strerror}",
                hint="choose another root, or train with save=False",
            ) from error


def check_targets(manager: Any, target: str, module: ImageClassifier, *, kept: bool) -> None:
    """Refuse to store over something else; before the training.

    Args:
        manager: catalogue.
        target: name of the model artefact.
        module: the network to store.
        kept: whether checkpoints go into the catalogue.

    Raises:
        InvalidName: a name that cannot be one.
        WeightsMismatch: what is there under one of the names is something else.
    """
    check_name(target)
    _check_weights(manager, target, module)
    hint = f"name the model otherwise: fit(..., name='{target}-2'), for instance"
    history, checkpoints = check_name(target + HISTORY), check_name(target + SUFFIX)
    if history in manager and manager[history].kind != "table":
        kind = a_kind(manager[history].kind)
        raise WeightsMismatch(f"{history!r} holds {kind}, not a history of trainings", hint=hint)
    if kept and checkpoints in manager:
        there = manager[checkpoints]
        if there.kind != "weights" or not _holds_checkpoints(there):
            raise WeightsMismatch(f"{checkpoints!r} holds no checkpoints of trainings", hint=hint)


def _holds_checkpoints(artifact: Any) -> bool:
    try:
        return facts_of(artifact.dataset()) is not None
    except LancenbError:  # behind a server: what the save itself says has to do
        return True


def _check_weights(manager: Any, target: str, module: ImageClassifier) -> None:
    if target not in manager:
        return
    there, hint = manager[target], f"name another: fit(..., name='{target}-2'), for instance"
    if there.kind != "weights":
        raise WeightsMismatch(f"{target!r} holds {a_kind(there.kind)}, not weights", hint=hint)
    stored = set(there.search_rows(columns=["name"], limit=None)["name"].to_pylist())
    own = set(module.net.state_dict())
    if stored != own:
        raise WeightsMismatch(
            f"{target!r} holds another model than {module.architecture}: its {len(stored):,} "
            f"tensors and the {len(own):,} of the network share {len(stored & own):,} names",
            hint=hint,
        )


def tell_fresh(manager: Any, name: str) -> None:
    """Warn that the weights that came under the name of a network are not the start.

    Those of a training before are no reason: the same call gives the same weights again.

    Args:
        manager: catalogue, or None.
        name: of a network that was made with fresh weights.
    """
    if manager is None or name not in manager:
        return
    there = manager[name]
    if there.kind == "weights" and not _OURS.fullmatch(there.description):
        warn_once(
            f"{name!r} begins with fresh weights; fit('{name}@latest', ...) begins with those"
            " stored under this name"
        )


def parents_of(data: Any, start: tuple[str, int] | None, target: str, manager: Any) -> list[Any]:
    """Lineage edges of a run: what it was trained on, and the weights it started from.

    Args:
        data: the training data; only tables leave an edge.
        start: name and version of the first weights.
        target: name of the model artefact.
        manager: catalogue.
    """
    found: list[dict[str, Any]] = []
    if isinstance(data, LanceTorchDataset):
        known = data.name in manager and data.uri in ("", manager[data.name].uri)
        place = {"name": data.name} if known else {"uri": data.uri}
        found.append({**place, "version": data.version, "relation": "trained-on"})
    if start is not None and start[0] != target:
        found.append({"name": start[0], "version": start[1], "relation": "started-from"})
    return found


def store_history(
    manager: Any,
    target: str,
    version: int,
    history: pa.Table,
    record: Mapping[str, Any],
    parents: list[dict[str, Any]],
) -> int | None:
    """Store the figures of all steps as the next version of ``<target>-history``.

    The trained weights are stored already: what goes wrong here is a warning.

    Returns:
        The version, ``None`` when it could not be stored.
    """
    facts = {"model": target, "model_version": version, "config": record.get("config")}
    try:
        report = manager.convert(
            history,
            target + HISTORY,
            kind="table",
            mode="overwrite",
            parents=parents,
            lineage={**facts, "source": {}},  # made here: its origin are its parents
            metadata={"model": target, "model_version": version},
            description=f"one row per step of the training of {target}",
            message=f"history of {target} version {version}",
        )
    except LancenbError as error:
        warnings.warn(f"the history could not be stored: {error.message}", stacklevel=3)
        return None
    return int(report.version)


def store_result(
    result: FitResult, manager: Any, target: str, parents: list[Any], message: str
) -> None:
    """Store weights and history of a training, and note where; weights that are there stay so.

    Args:
        result: of the training; gets name, version and artefacts.
        manager: catalogue.
        target: name of the model artefact.
        parents: lineage edges.
        message: stored with the version.
    """
    result.name = target
    if not result.steps_here and (there := _same_weights(manager, target, result.model)):
        result.version = there
    else:
        data = result.data[0] if result.data else "data"
        losses = f"loss {result.first_loss:.3f} -> {result.last_loss:.3f}"
        result.report = manager.save_weights(
            target,
            result.model.net.state_dict(),
            extras={"lancenb.run": result.run, "lancenb.history": brief_history(result.history)},
            parents=parents,
            description=_description(manager, target, result),
            message=message or f"fit on {data}: {losses}",
        )
        result.version = int(result.report.version)
    stored = _history_of(manager, target, result.version) or store_history(
        manager, target, result.version, result.history, result.run, parents
    )
    if stored is not None:
        result.artefacts["history"] = (target + HISTORY, stored)
    if target + SUFFIX in manager:
        result.artefacts["checkpoints"] = (target + SUFFIX, manager[target + SUFFIX].version)


def _history_of(manager: Any, target: str, version: int) -> int | None:
    """The history of these weights, unless the run was killed before it was stored."""
    name = target + HISTORY
    if name not in manager or manager[name].metadata.get("model_version") != version:
        return None
    return int(manager[name].version)


def _same_weights(manager: Any, target: str, module: ImageClassifier) -> int | None:
    """The head of an artefact when it holds these very weights.

    A complete run is not stored again, and one that was killed just before it was stored is.
    """
    if target not in manager:
        return None
    version, own = int(manager[target].version), module.net.state_dict()
    there = manager.load_weights(target, version=version).state_dict
    same = there.keys() == own.keys() and all(torch.equal(there[key], own[key]) for key in own)
    return version if same else None


def _description(manager: Any, target: str, result: FitResult) -> str:
    """What the artefact is; "" for one that began as something else, or was told otherwise."""
    if target in manager and not _OURS.fullmatch(manager[target].description):
        return ""
    if result.data is None:
        return f"{result.model.architecture} trained on rows of no table"
    name, version = result.data
    return f"{result.model.architecture} trained on {name}, version {version}"
