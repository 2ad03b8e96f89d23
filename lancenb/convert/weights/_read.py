"""One door for every form that weights come in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lancenb.errors import CorruptInput, EmptyInput, SourceNotFound, UnsupportedFormat

from .._folder import own_files
from ._checkpoint import open_checkpoint
from ._container import container_of
from ._flatten import Flat, flatten
from ._folder import choose_weights, is_index, model_config, read_index
from ._items import TensorSource, tensor_items
from ._safetensors import read_safetensors


def read_tensors(
    source: Any, *, check_crc: bool = True, salvage: bool | str = "auto"
) -> TensorSource:
    """Find the tensors of a checkpoint, a model folder, a state dict or a module.

    Nothing is copied into memory and no code from a file runs: safetensors are mapped, pickled
    checkpoints go through ``torch.load(weights_only=True, mmap=True)`` and, where that refuses,
    through a reader of our own that resolves every class to an inert stand-in.

    Args:
        source: ``.safetensors .pth .pt .th .ckpt .bin .pth.tar`` file, shard index, list of
            shards, folder holding them, download result, ``dict[str, Tensor]`` (nested levels
            are joined by dots) or ``nn.Module``.
        check_crc: verify the checksums of zip checkpoints (torch itself does not).
        salvage: ``"auto"``, ``True`` (also from whole pickled modules) or ``False``.

    Returns:
        Names, element types, shapes and lazily read payloads, and what else the file held.

    Raises:
        SourceNotFound, EmptyInput, CorruptInput, UnsafeInput, UnsupportedFormat: naming the file.

    >>> import torch
    >>> found = read_tensors({"w": torch.ones(2, 3), "epoch": 7})
    >>> found.names, found.items[0].shape, found.extras
    (['w'], (2, 3), {'epoch': 7})
    """
    if hasattr(source, "path") and hasattr(source, "lineage"):
        own, source = own_files(source), source.path
        if own is not None:
            return _read_folder(Path(source), check_crc, salvage, own)
    if isinstance(source, (str, os.PathLike)):
        return _read_path(Path(source), check_crc, salvage)
    if isinstance(source, (list, tuple)):
        return _read_list([Path(item) for item in source], check_crc, salvage)
    if isinstance(source, Mapping):
        return _from_object(dict(source), "the state dict")
    if hasattr(source, "state_dict"):
        state = source.state_dict()
        return _from_object(dict(state), f"the {type(source).__name__}")
    raise UnsupportedFormat(
        f"a {type(source).__name__} holds no tensors by name",
        hint="give a path, a state dict or a module",
    )


def _from_object(state: dict[Any, Any], where: str) -> TensorSource:
    flat = flatten(state, where)
    if not flat.tensors:
        raise EmptyInput(f"{where} holds no tensors", hint="pass model.state_dict()")
    return _source(flat, where)


def _source(flat: Flat, where: str) -> TensorSource:
    source = TensorSource(tensor_items(flat.tensors, where))
    source.extras, source.left_out, source.notes = flat.extras, flat.left_out, flat.notes
    return source


def _read_path(path: Path, check_crc: bool, salvage: bool | str) -> TensorSource:
    if path.is_dir():
        return _read_folder(path, check_crc, salvage)
    if not path.exists():
        if any(c in path.name for c in "*?["):
            raise SourceNotFound(
                f"{path} is a pattern, and weights are read from one file or folder",
                hint="name the file, or the folder of a model",
            )
        raise SourceNotFound(
            f"there is no file or folder {path}", hint=f"relative paths start at {Path.cwd()}"
        )
    if is_index(path):
        return _read_index(path, check_crc, salvage)
    return _read_file(path, check_crc, salvage)


def _read_folder(
    folder: Path, check_crc: bool, salvage: bool | str, own: list[Path] | None = None
) -> TensorSource:
    """Read the one set of weights of a folder; with ``own`` only these files of it count."""
    names = None if own is None else {path.name for path in own if path.parent == folder.absolute()}
    source = _read_path(choose_weights(folder, names), check_crc, salvage)
    config = model_config(folder) if names is None or "config.json" in names else None
    if config:
        source.extras.setdefault("config", config)
    return source


def _read_file(path: Path, check_crc: bool, salvage: bool | str) -> TensorSource:
    container = container_of(path)
    if container == "safetensors":
        return read_safetensors(path)
    opened = open_checkpoint(path, container, check_crc=check_crc, salvage_mode=salvage)
    source = _source(flatten(opened.root, str(path)), str(path))
    source.notes = {**opened.notes, **source.notes}
    source.files, source.regions, source.keep = [path], opened.regions, opened.keep
    return source


def _read_index(path: Path, check_crc: bool, salvage: bool | str) -> TensorSource:
    mapping, metadata = read_index(path)
    shards = {
        name: _read_file(path.parent / name, check_crc, salvage)
        for name in dict.fromkeys(mapping.values())
    }
    found = {(shard, item.name): item for shard, part in shards.items() for item in part.items}
    whole = TensorSource([], notes={"format": "sharded", "shards": len(shards)}, files=[path])
    for name, shard in mapping.items():
        item = found.pop((shard, name), None)
        if item is None:
            raise CorruptInput(
                f"{path.name} says that {name!r} is in {shard}, which does not hold it",
                hint="index and shards are of different versions; fetch all of them again",
            )
        whole.items.append(item)
    whole.left_out += [(f"{shard}: {name}", "not in the index") for shard, name in found]
    if metadata:
        whole.extras["index_metadata"] = metadata
    _join(whole, list(shards.values()))
    _mend_aliases(whole)
    return whole


def _mend_aliases(source: TensorSource) -> None:
    """The order of an index may put an alias before the tensor it repeats."""
    seen: set[str] = set()
    for item in source.items:
        if item.alias_of is not None and item.alias_of not in seen:
            item.alias_of = None
        seen.add(item.name)


def _read_list(paths: list[Path], check_crc: bool, salvage: bool | str) -> TensorSource:
    if not paths:
        raise EmptyInput("the list of weight files is empty", hint="give at least one path")
    if len(paths) == 1:
        return _read_path(paths[0], check_crc, salvage)
    parts = [_read_path(path, check_crc, salvage) for path in paths]
    whole = TensorSource([], notes={"format": "sharded", "shards": len(parts)})
    owner: dict[str, Path] = {}
    for path, part in zip(paths, parts, strict=True):
        for item in part.items:
            if item.name in owner:
                raise UnsupportedFormat(
                    f"{path} and {owner[item.name]} both hold a tensor {item.name!r}",
                    hint="two checkpoints never share a table; convert them one by one",
                )
            owner[item.name] = path
            whole.items.append(item)
    _join(whole, parts)
    return whole


def _join(whole: TensorSource, parts: list[TensorSource]) -> None:
    for part in parts:
        whole.files += part.files
        whole.regions += part.regions
        whole.keep += part.keep
        whole.left_out += part.left_out
        for key, value in part.extras.items():
            whole.extras.setdefault(key, value)
        for key in ("checksums", "unknown_classes", "wrapper", "prefix"):
            if key in part.notes:
                whole.notes.setdefault(key, part.notes[key])
