"""Lightning's checkpoints as Lance tables: weights, optimizer, loops, callbacks, loader position.

A checkpoint is one weights table: its tensors are rows, everything else is JSON beside them.
Nothing is pickled, so reading one runs no code, and each save is one atomic commit: a process
killed while it saves leaves the checkpoint before.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from ..convert.weights import load_tensors, save_weights
from ..data._module_inputs import as_manager
from ..errors import (
    CorruptInput,
    InvalidArgument,
    NotFound,
    SchemaMismatch,
    UnsupportedFormat,
)
from ..store import Store, open_table
from ._codec import decode, encode
from ._plain_file import read_plain_file

#: Begins the address of a checkpoint in a catalogue: ``catalogue:NAME`` or ``catalogue:NAME@TAG``.
SCHEME = "catalogue:"
KEY = "lancenb.checkpoint"
_FORMAT = 1
_EXTRAS = b"lancenb.extras"
#: Versions of one address that stay: the newest, and the one before for who reads it just now.
_KEPT = 2


class LanceCheckpointIO(CheckpointIO):
    """A plugin for ``lightning.Trainer``: checkpoints are Lance tables, at any path or URI.

    ``ModelCheckpoint`` (best, last, top-k, removal) and ``trainer.fit(ckpt_path=...)`` work as
    ever. Saving to the same path again makes the next version of its table; the one before stays
    until the new one is there.

    Args:
        manager: catalogue for addresses such as ``catalogue:resnet18-checkpoints@last``, or its
            root.
        facts: JSON-able facts kept with each checkpoint.
        parents: what checkpoints in the catalogue were made from.

    >>> import lightning, tempfile
    >>> trainer = lightning.Trainer(
    ...     plugins=[LanceCheckpointIO()], logger=False, default_root_dir=tempfile.mkdtemp()
    ... )
    """

    def __init__(
        self,
        manager: Any = None,
        *,
        facts: Mapping[str, Any] | None = None,
        parents: Sequence[Any] = (),
    ):
        self.manager = as_manager(manager)
        self.parents = list(parents)
        self.facts = dict(facts or {})

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write one checkpoint; atomic.

        Args:
            checkpoint: what Lightning gathered.
            path: path, URI or ``catalogue:NAME``.
            storage_options: not used.

        Raises:
            UnsupportedFormat: the checkpoint holds something that has no form without pickle.
        """
        tensors, extras = _parts(checkpoint, self.facts)
        address = os.fspath(path)
        name = catalogue_name(address)
        if name is not None:
            model = name[0].removesuffix("-checkpoints")
            self._catalogue(address).save_weights(
                name[0],
                tensors,
                extras=extras,
                parents=self.parents,
                description=f"checkpoints of the training of {model}",
                message=f"checkpoint at step {checkpoint.get('global_step', 0)}",
            )
            return
        if "://" not in address:
            Path(address).parent.mkdir(parents=True, exist_ok=True)
        report = save_weights(tensors, address, extras=extras)
        _forget_old(report.uri, int(report.version))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read one checkpoint; see :func:`read_checkpoint`.

        Args:
            path: path, URI or ``catalogue:NAME@VERSION``.
            map_location: a device for the tensors.
            weights_only: has no effect: no code is ever run.
        """
        address = os.fspath(path)
        manager = self._catalogue(address) if catalogue_name(address) else None
        where = map_location if isinstance(map_location, (str, torch.device)) else "cpu"
        return read_checkpoint(address, manager=manager, device=where)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove the table at a path, and nothing that is not one."""
        address = os.fspath(path)
        if os.path.islink(address):
            os.unlink(address)
            return
        with contextlib.suppress(NotFound):
            _checkpoint_table(address)
            whole = address if "://" in address else os.path.abspath(address)
            parent, _, last = whole.rstrip("/").rpartition("/")
            Store(parent or "/").delete_tree(last)

    def _catalogue(self, address: str) -> Any:
        if self.manager is None:
            raise InvalidArgument(
                f"{address} needs a catalogue", hint="LanceCheckpointIO(manager=dm)"
            )
        return self.manager


def read_checkpoint(path: Any, *, manager: Any = None, device: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint that :class:`LanceCheckpointIO` wrote, as Lightning gave it.

    Args:
        path: path or URI of the table, ``catalogue:NAME`` or ``catalogue:NAME@VERSION``; with a
            ``manager`` also the ``NAME`` alone, where no file is called so.
        manager: the catalogue of such an address, or its root.
        device: where the tensors go.

    Returns:
        ``state_dict``, ``optimizer_states``, ``loops``, ``epoch``, ``global_step``, ...; every
        value of its own type, every tensor with its own memory. The place in the data of a
        training by ``fit`` is ``["callbacks"]["LoaderState"]``.

    Raises:
        NotFound: there is none.
        SchemaMismatch: what is there is no checkpoint.
        CorruptInput: it was damaged, cut off or changed.
        UnsafeInput: a file that cannot be read without running code from it.
        UnsupportedFormat: it was written by a newer lancenb.
    """
    address, manager = os.fspath(path), as_manager(manager)
    if os.path.isfile(address):
        return read_plain_file(address, device)
    if manager is not None and not os.path.exists(address) and address.partition("@")[0] in manager:
        address = f"{SCHEME}{address}"
    facts, read = _open(address, manager)
    # copies: tensors that are equal must not share memory once a training goes on with them
    own = {key: tensor.to(device, copy=True) for key, tensor in read().items()}
    found = decode(facts.get("content"), own)
    if not isinstance(found, dict):
        raise CorruptInput(f"the checkpoint {address.removeprefix(SCHEME)} has lost its content")
    return found


def read_facts(path: Any, manager: Any = None) -> dict[str, Any]:
    """Return what a checkpoint says of its run (data, seed, settings), without its tensors.

    Raises:
        NotFound: there is none.
        SchemaMismatch: what is there is no checkpoint.
    """
    address = os.fspath(path)
    if os.path.isfile(address):
        return {}
    found = _open(address, manager)[0].get("facts")
    return found if isinstance(found, dict) else {}


def _open(
    address: str, manager: Any
) -> tuple[dict[str, Any], Callable[[], dict[str, torch.Tensor]]]:
    """What is beside the tensors, and how to read them."""
    name = catalogue_name(address)
    if name is not None and not hasattr(manager, "registry"):  # tables behind a server
        found = manager.load_weights(name[0], version=name[1])
        facts, read = found.extras.get(KEY), lambda: found.state_dict
    else:
        dataset = manager[name[0]].dataset(name[1]) if name else _table(address)
        facts, read = facts_of(dataset), lambda: load_tensors(dataset, mmap=False)
    if not isinstance(facts, dict):
        raise SchemaMismatch(
            f"{address.removeprefix(SCHEME)} is no checkpoint of a training",
            hint="fit(..., checkpoint=...) and LanceCheckpointIO write them",
        )
    if facts.get("format") != _FORMAT:
        raise UnsupportedFormat(
            f"the checkpoint {address.removeprefix(SCHEME)} has format {facts.get('format')!r:.20},"
            f" this lancenb reads format {_FORMAT}",
            hint="update lancenb",
        )
    return facts, read


def facts_of(dataset: Any) -> dict[str, Any] | None:
    """Return what is stored beside the tensors of a checkpoint; ``None`` for another table."""
    try:
        extras = json.loads((dataset.schema.metadata or {}).get(_EXTRAS, b"{}"))
    except (ValueError, RecursionError):  # no JSON: written by nobody who wrote checkpoints
        return None
    found = extras.get(KEY) if isinstance(extras, dict) else None
    return found if isinstance(found, dict) else None


def catalogue_name(address: str) -> tuple[str, int | str | None] | None:
    """Return name and version of an address in a catalogue, ``None`` for a path or URI.

    >>> catalogue_name("catalogue:resnet18-checkpoints@3"), catalogue_name("runs/last.ckpt")
    (('resnet18-checkpoints', 3), None)
    """
    if not address.startswith(SCHEME):
        return None
    name, _, version = address.removeprefix(SCHEME).partition("@")
    return name, int(version) if version.isascii() and version.isdecimal() else version or None


def _parts(
    checkpoint: dict[str, Any], facts: Mapping[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    # the class of omegaconf's hyperparameters, which are kept as plain values
    content = {key: value for key, value in checkpoint.items() if key != "hparams_type"}
    plain, tensors = encode(content)
    if not tensors:  # a table holds at least one
        tensors = {"(none)": torch.zeros(1, dtype=torch.uint8, device="cpu")}
    progress = {key: checkpoint.get(key) for key in ("epoch", "global_step")}
    return tensors, {KEY: {"format": _FORMAT, **progress, "facts": dict(facts), "content": plain}}


def _table(address: str) -> Any:
    try:
        return open_table(address)
    except NotFound:
        raise NotFound(
            f"there is no checkpoint at {address}",
            hint="the path of a table such as last.ckpt, or a name and manager=dm",
        ) from None


def _checkpoint_table(address: str) -> Any:
    dataset = _table(address)
    if facts_of(dataset) is None:
        raise SchemaMismatch(f"{address} is no checkpoint, so it stays")
    return dataset


def _forget_old(uri: str, version: int) -> None:
    """Drop the versions before the last ones; whatever prevents it does no harm."""
    with contextlib.suppress(Exception):
        dataset = open_table(uri)
        old = [int(v["version"]) for v in dataset.versions()]
        old = [number for number in old if number <= version - _KEPT]
        if old:
            dataset.cleanup_old_versions(versions=old, error_if_tagged_old_versions=False)
