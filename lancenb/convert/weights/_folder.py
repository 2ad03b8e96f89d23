"""Choosing one set of weights from a folder, and joining the shards of an index."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lancenb.errors import CorruptInput, EmptyInput, SourceNotFound, UnsafeInput, UnsupportedFormat

WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".ckpt", ".bin", ".pth.tar")
# The order in which transformers and diffusers look; the first that exists is the one.
_ORDER = (
    "model.safetensors",
    "model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.safetensors.index.json",
    "adapter_model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.bin",
    "adapter_model.bin",
)
_NEVER = (
    "training_args.bin",
    "optimizer.*",
    "scheduler.*",
    "rng_state*",
    "tf_model*",
    "flax_model*",
    "consolidated*",
)


def choose_weights(folder: Path, own: Collection[str] | None = None) -> Path:
    """Return the one weight file or shard index of a model folder.

    Args:
        folder: where to look.
        own: only files of these names count; all when ``None``.

    Raises:
        EmptyInput: the folder holds no weights.
        UnsupportedFormat: several files of equal rank; the hint lists them.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("pytorch_model.bin", "model.safetensors"): (folder / name).touch()
    >>> choose_weights(folder).name
    'model.safetensors'
    """
    names = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_file() and (own is None or entry.name in own)
    )
    for name in _ORDER:
        if name in names:
            return folder / name
    indexes = [n for n in names if n.endswith((".safetensors.index.json", ".bin.index.json"))]
    shards = {s for n in indexes for s in _shard_names(folder / n)}
    files = [n for n in names if n.lower().endswith(WEIGHT_SUFFIXES) and n not in shards]
    files = [n for n in files if not any(fnmatch.fnmatch(n, p) for p in _NEVER)]
    safe = [n for n in files if n.endswith(".safetensors")]
    for group in (
        [n for n in indexes if ".safetensors" in n] + safe,
        [n for n in indexes if ".bin" in n] + files,
    ):
        if len(group) == 1:
            return folder / group[0]
        if group:
            raise UnsupportedFormat(
                f"{folder} holds {len(group)} sets of weights",
                hint=f"give one of them by its path: {', '.join(group[:8])}",
            )
    raise EmptyInput(
        f"the folder {folder} holds no weights",
        hint=f"expected one of: {', '.join(_ORDER[:6])}, or a file ending in "
        f"{', '.join(WEIGHT_SUFFIXES)}",
    )


def is_index(path: Path) -> bool:
    """Tell whether a path names a shard index."""
    return path.name.endswith(".index.json")


def read_index(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Return ``{tensor: shard file name}`` and the metadata of an index.

    Raises:
        CorruptInput: not an index, or a shard is missing.
        UnsafeInput: a shard name that leaves the folder.
    """
    content = _load(path)
    mapping = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(mapping, dict) or not all(isinstance(v, str) for v in mapping.values()):
        raise CorruptInput(
            f"{path} is not an index of weights (no weight_map)", hint="fetch the file again"
        )
    if not mapping:
        raise EmptyInput(f"{path} lists no tensors", hint="fetch the file again")
    for shard in sorted(set(mapping.values())):
        if shard != Path(shard).name or shard in ("", ".", "..") or "\\" in shard:
            raise UnsafeInput(
                f"{path} refers to {shard[:80]!r}, outside its own folder",
                hint="shards lie beside their index",
            )
        if not (path.parent / shard).is_file():
            raise SourceNotFound(
                f"{path.name} refers to {shard}, which is not in {path.parent}",
                hint="the download is incomplete; fetch the missing shard",
            )
    metadata = content.get("metadata")
    return mapping, metadata if isinstance(metadata, dict) else {}


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise CorruptInput(f"{path} is not JSON", hint="fetch the file again") from None


def _shard_names(path: Path) -> set[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return set(map(str, content["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()


def model_config(folder: Path) -> dict[str, Any] | None:
    """Return the ``config.json`` beside weights, if it is a small JSON object."""
    path = folder / "config.json"
    try:
        if path.stat().st_size > 1 << 18:
            return None
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None
