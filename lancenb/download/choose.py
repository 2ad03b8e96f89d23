"""Which files of a repository to take: one set of weights, or the data files."""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SourceNotFound

#: Suffixes of data files in dataset repositories (what ``mode="repo"`` takes by default).
DATA_SUFFIXES = (
    ".parquet", ".arrow", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".zip", ".tar",
    ".tar.gz", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".png", ".jpg", ".jpeg", ".webp", ".gif",
    ".bmp", ".tif", ".tiff", ".wav", ".mp3", ".flac", ".ogg", ".mp4", ".npy", ".npz", ".h5",
    ".lance", ".bin", ".idx", ".xml", ".yaml", ".yml",
)  # fmt: skip

_SIDE_FILES = re.compile(
    r"(?i)(.*\.(json|txt|model|jinja|tiktoken|md|py|yaml|yml)|.*/?(license|notice)[^/]*)"
)
_SKIP_FOLDERS = re.compile(r"(?i)(^|/)(onnx|openvino|original|coreml|tflite|\.git[^/]*)(/|$)")
_SKIP_FILES = re.compile(
    r"(?i)(tf_model.*|flax_model.*|rust_model.*|consolidated.*|training_args\.bin|optimizer\..*|"
    r"scheduler\.pt|rng_state.*|.*\.(gguf|onnx|msgpack|h5|ot|tflite|mlmodel))"
)
# The order in which transformers looks for weights: a single file, then its sharded form.
_WEIGHT_SETS = (
    ("model.safetensors", r"model\.safetensors"),
    ("model.safetensors.index.json", r"model-\d+-of-\d+\.safetensors"),
    ("pytorch_model.bin", r"pytorch_model\.bin"),
    ("pytorch_model.bin.index.json", r"pytorch_model-\d+-of-\d+\.bin"),
)
_OTHER_WEIGHTS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".th")


@dataclass(frozen=True)
class Choice:
    """Files to take.

    Attributes:
        names: paths in the repository.
        allow: patterns that select just these for ``snapshot_download``; None means all.
        ignore: patterns to leave out.
    """

    names: tuple[str, ...]
    allow: list[str] | None
    ignore: list[str] | None = None


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether ``name`` fits one of the shell patterns (``folder/`` means all below it)."""
    return any(
        fnmatch.fnmatch(name, pattern + "*" if pattern.endswith("/") else pattern)
        for pattern in patterns
    )


def choose_weights(names: Sequence[str]) -> list[str]:
    """Return one set of weights, in the order in which transformers would look for it.

    >>> choose_weights(["model.safetensors", "pytorch_model.bin", "onnx/model.onnx"])
    ['model.safetensors']
    >>> choose_weights(["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"])
    ['pytorch_model.bin.index.json', 'pytorch_model-00001-of-00001.bin']
    """
    present = set(names)
    for marker, pattern in _WEIGHT_SETS:
        if marker in present:
            parts = [name for name in names if re.fullmatch(pattern, name)]
            return parts if marker in parts else [marker, *parts]
    usable = [
        name
        for name in names
        if not _SKIP_FOLDERS.search(name) and not _SKIP_FILES.fullmatch(name.rpartition("/")[2])
    ]
    for suffix in _OTHER_WEIGHTS:
        found = [name for name in usable if name.lower().endswith(suffix)]
        if found:
            return found
    return []


def choose_files(
    names: Sequence[str],
    kind: str,
    allow: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    *,
    source: str = "the repository",
) -> Choice:
    """Choose what to download.

    Args:
        names: all files of the repository.
        kind: ``"model"`` (one weight set, configuration, tokenizer) or ``"dataset"`` (data files).
        allow: patterns given by the user; they replace the choice by kind.
        ignore: patterns to leave out.
        source: for messages.

    Raises:
        SourceNotFound: nothing fits.
    """
    ignore = list(ignore or []) or None
    if allow:
        chosen = [name for name in names if matches(name, list(allow))]
    elif kind == "model":
        weights = set(choose_weights(names))
        rivals = {marker for marker, _ in _WEIGHT_SETS if marker.endswith(".index.json")}
        chosen = [
            name
            for name in names
            if name in weights
            or (
                _SIDE_FILES.fullmatch(name)
                and not _SKIP_FOLDERS.search(name)
                and name not in rivals
            )
        ]
    else:
        chosen = [
            name
            for name in names
            if name == "README.md"
            or (name.lower().endswith(DATA_SUFFIXES) and not name.startswith("."))
        ]
    if ignore:
        chosen = [name for name in chosen if not matches(name, ignore)]
    if not chosen:
        some = ", ".join(list(names)[:5]) + (", …" if len(names) > 5 else "")
        wanted = (
            f"no file of {source} fits {list(allow)}" if allow else f"{source} has no such file"
        )
        raise SourceNotFound(wanted, hint=f"it has {len(names)} files: {some}")
    if len(chosen) == len(names):
        patterns = None
    elif allow:
        patterns = list(allow)
    elif kind == "dataset" and len(chosen) > 500:
        patterns = ["README.md", *(f"*{suffix}" for suffix in DATA_SUFFIXES)]
    else:
        patterns = [glob.escape(name) for name in chosen]
    return Choice(tuple(chosen), patterns, ignore)
