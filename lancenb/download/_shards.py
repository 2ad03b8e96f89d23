"""Sharded weights: every shard that the index names is there and holds what the index says."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from pathlib import Path

from ..errors import CorruptInput
from ._headers import read_local_tensors
from .choose import is_index


def weight_map(content: bytes | str, name: str, source: str) -> dict[str, str]:
    """Read an index: tensor name -> path of its shard in the repository.

    Raises:
        CorruptInput: it is no index.
    """
    try:
        listed = json.loads(content)["weight_map"]
        if not all(isinstance(k, str) and isinstance(v, str) for k, v in listed.items()):
            raise TypeError("names are text")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptInput(
            f"{source}: {name} is not an index of shards",
            hint="choose another revision, or the files you want with allow=",
        ) from error
    folder = name.rpartition("/")[0]
    return {key: f"{folder}/{shard}" if folder else shard for key, shard in listed.items()}


def missing_shard(listed: dict[str, str], names: Container[str]) -> str | None:
    """Return the first shard that an index names and ``names`` lacks."""
    return next((shard for shard in sorted(set(listed.values())) if shard not in names), None)


def no_such_shard(source: str, index: str, shard: str) -> CorruptInput:
    """Build the error for a shard that is not in its repository."""
    return CorruptInput(
        f"{source} is incomplete: {index} names {shard}, which the repository does not have",
        hint="choose another revision, or tell the owner; allow= takes single files as they are",
    )


def check_names(folder: Path, names: Sequence[str], tree: Container[str], source: str) -> None:
    """Check that the repository has all shards that the indexes here name.

    Raises:
        CorruptInput: it lacks one.
    """
    for name in names:
        if not is_index(name) or not (folder / name).is_file():
            continue
        listed = weight_map((folder / name).read_bytes(), name, source)
        shard = missing_shard(listed, tree)
        if shard is not None:
            raise no_such_shard(source, name, shard)


def check(folder: Path, names: Sequence[str], source: str) -> None:
    """Check that every tensor an index names is in the shard where it should be.

    Raises:
        CorruptInput: a shard or a tensor is missing.
    """
    check_names(folder, names, set(names), source)
    for name in names:
        if not is_index(name):
            continue
        listed = weight_map((folder / name).read_bytes(), name, source)
        held: dict[str, set[str]] = {}
        for tensor, shard in listed.items():
            if not shard.endswith(".safetensors"):
                continue  # pickles have no header; torch checks them when it loads
            if shard not in held:
                held[shard] = {item.name for item in read_local_tensors(folder / shard, shard)}
            if tensor not in held[shard]:
                raise CorruptInput(
                    f"{source} is inconsistent: {name} says that {tensor} is in {shard}, and it "
                    "is not",
                    hint="choose another revision, or tell the owner",
                )
