"""Which files of a repository to take: one set of weights, or the data files."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import SourceNotFound, UnsafeInput

#: Suffixes of data files in dataset repositories (what ``mode="repo"`` takes by default).
DATA_SUFFIXES = (
    ".parquet", ".arrow", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt", ".zip", ".tar",
    ".tar.gz", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".png", ".jpg", ".jpeg", ".webp", ".gif",
    ".bmp", ".tif", ".tiff", ".wav", ".mp3", ".flac", ".ogg", ".mp4", ".npy", ".npz", ".h5",
    ".lance", ".bin", ".idx", ".xml", ".yaml", ".yml",
)  # fmt: skip
#: Suffixes of weights, the one that runs no code on loading first.
WEIGHT_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".th")

_SIDE_FILES = re.compile(
    r"(?i)(.*\.(json|txt|model|jinja|tiktoken|md|py|yaml|yml)|.*/?(license|notice)[^/]*)"
)
_SKIP_FOLDERS = re.compile(r"(?i)(^|/)(onnx|openvino|original|coreml|tflite|\.git[^/]*)(/|$)")
_SKIP_FILES = re.compile(
    r"(?i)(tf_model.*|flax_model.*|rust_model.*|consolidated.*|training_args\.bin|optimizer\..*|"
    r"scheduler\.pt|rng_state.*|.*\.(gguf|onnx|msgpack|h5|ot|tflite|mlmodel))"
)
# The order in which transformers looks for weights (a single file, then its sharded form), with
# the variant where transformers puts it: model.fp16.safetensors, model.fp16-00001-of-00002.…
_WEIGHT_SETS = (
    ("model{v}.safetensors", None),
    ("model.safetensors.index{v}.json", r"model{v}-\d+-of-\d+\.safetensors"),
    ("pytorch_model{v}.bin", None),
    ("pytorch_model.bin.index{v}.json", r"pytorch_model{v}-\d+-of-\d+\.bin"),
)
_INDEX = re.compile(r"(?i)(^|.*/)[^/]*\.(safetensors|bin)\.index(\.[^./]+)?\.json")
_VARIANT = re.compile(r"\.(fp16|fp32|bf16|fp8|int8|non_ema|ema|[\w]*only)(?=[.-])")
_MODULE = re.compile(r"\d+_\w+")


@dataclass(frozen=True)
class Choice:
    """Files to take.

    Attributes:
        names: paths in the repository.
        allow: the patterns that a user gave, None for the choice made for them.
        ignore: the patterns to leave out.
    """

    names: tuple[str, ...]
    allow: Sequence[str] | None = None
    ignore: Sequence[str] | None = None

    @property
    def automatic(self) -> bool:
        """Whether nobody named patterns, so that the set must be complete in itself."""
        return not self.allow and not self.ignore


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether ``name`` fits one of the shell patterns (``folder/`` means all below it)."""
    return any(
        fnmatch.fnmatchcase(name, pattern + "*" if pattern.endswith("/") else pattern)
        for pattern in patterns
    )


def is_index(name: str) -> bool:
    """Whether this is the table of contents of sharded weights.

    >>> is_index("model.safetensors.index.json"), is_index("config.json")
    (True, False)
    """
    return _INDEX.fullmatch(name) is not None


def is_weight_file(name: str) -> bool:
    """Whether a file of this name holds weights, or a shard of them, or lists the shards.

    >>> is_weight_file("model-00001-of-00002.safetensors"), is_weight_file("config.json")
    (True, False)
    """
    base = _base(name)
    return is_index(base) or (
        base.lower().endswith(WEIGHT_SUFFIXES) and not _SKIP_FILES.fullmatch(base)
    )


def is_unsafe(name: str) -> bool:
    r"""Whether a name in a repository could land outside its folder, or mislead people.

    >>> [is_unsafe(name) for name in ("a/b.json", "../b", "/etc/x", "a\\b", "a/./b", "a\nb")]
    [False, True, True, True, True, True]
    """
    steps = name.split("/")
    return (
        any(step in ("", ".", "..") or len(step.encode("utf-8", "replace")) > 255 for step in steps)
        or any(ord(char) < 32 or char in "\\\x7f\u202e" for char in name)
        or re.match(r"[A-Za-z]:", name) is not None
    )


def choose_weights(names: Sequence[str], variant: str | None = None) -> list[str]:
    """Return one set of weights, in the order in which transformers would look for it.

    Args:
        names: all files of the repository.
        variant: the form to take, such as ``fp16``; without it the plain form, or the only one.

    >>> choose_weights(["model.safetensors", "pytorch_model.bin", "onnx/model.onnx"])
    ['model.safetensors']
    >>> choose_weights(["pytorch_model.bin.index.json", "pytorch_model-00001-of-00001.bin"])
    ['pytorch_model.bin.index.json', 'pytorch_model-00001-of-00001.bin']
    >>> choose_weights(["model.safetensors", "model.fp16.safetensors"], "fp16")
    ['model.fp16.safetensors']
    """
    found = _standard_set(names, variant)
    if found:
        return found + _modules(names)
    usable = [
        name
        for name in names
        if not _SKIP_FOLDERS.search(name) and not _SKIP_FILES.fullmatch(_base(name))
    ]
    for suffix in WEIGHT_SUFFIXES:
        listed = [name for name in usable if name.lower().endswith(suffix)]
        if listed:
            return _one_form(listed, variant)
    return []


def _standard_set(names: Sequence[str], variant: str | None) -> list[str]:
    present = set(names)
    for marker, pattern in _WEIGHT_SETS:
        infix = f".{variant}" if variant else ""
        first = marker.format(v=infix)
        if first not in present:
            continue
        if pattern is None:
            return [first]
        shards = re.compile(pattern.replace("{v}", re.escape(infix)))
        return [first, *(name for name in names if shards.fullmatch(name))]
    return []


def _modules(names: Sequence[str]) -> list[str]:
    """Weights of the modules of a sentence-transformers model (``2_Dense/model.safetensors``)."""
    if "modules.json" not in names:
        return []
    found = []
    for folder in sorted({n.partition("/")[0] for n in names if _MODULE.fullmatch(_top(n))}):
        inner = [n[len(folder) + 1 :] for n in names if n.startswith(folder + "/")]
        found += [f"{folder}/{name}" for name in _standard_set(inner, None)]
    return found


def _one_form(names: list[str], variant: str | None) -> list[str]:
    """Of files that differ only in their variant keep the asked one, else the plain one."""
    forms: dict[str, list[str]] = {}
    for name in names:
        forms.setdefault(_VARIANT.sub("", name, count=1), []).append(name)
    chosen = set()
    for plain, found in forms.items():
        wanted = [name for name in found if variant and f".{variant}" in _base(name)]
        chosen.add(wanted[0] if wanted else plain if plain in found else found[0])
    return [name for name in names if name in chosen]


def choose_files(
    names: Sequence[str],
    kind: str,
    allow: Sequence[str] | None = None,
    ignore: Sequence[str] | None = None,
    *,
    variant: str | None = None,
    source: str = "the repository",
) -> Choice:
    """Choose what to download.

    Args:
        names: all files of the repository.
        kind: ``"model"`` (one weight set, configuration, tokenizer) or ``"dataset"`` (data files).
        allow: patterns given by the user; they replace the choice by kind.
        ignore: patterns to leave out.
        variant: form of the weights.
        source: for messages.

    Raises:
        SourceNotFound: nothing fits.
        UnsafeInput: a chosen file has a name that could land outside its folder.
    """
    if allow:
        chosen = [name for name in names if matches(name, list(allow))]
    elif kind == "model":
        chosen = _of_model(names, variant, source)
    else:
        chosen = [name for name in names if _is_data(name)]
    if ignore:
        chosen = [name for name in chosen if not matches(name, list(ignore))]
    if not chosen:
        some = ", ".join(list(names)[:5]) + (", …" if len(names) > 5 else "")
        wanted = (
            f"no file of {source} fits {' or '.join(allow)}"
            if allow
            else f"{source} has no such file"
        )
        raise SourceNotFound(wanted, hint=f"it has {len(names)} files: {some}")
    unsafe = next((name for name in chosen if is_unsafe(name)), None)
    if unsafe is not None:
        raise UnsafeInput(
            f"{source} holds a file named {unsafe!r}, which could land outside its folder",
            hint="leave it out with ignore=, or choose files with allow=; tell the owner",
        )
    return Choice(tuple(chosen), allow, ignore)


def _of_model(names: Sequence[str], variant: str | None, source: str) -> list[str]:
    weights = set(choose_weights(names, variant))
    if variant and not any(f".{variant}" in _base(name) for name in weights):
        forms = sorted({match[1] for name in names for match in _VARIANT.finditer(_base(name))})
        raise SourceNotFound(
            f"{source} has no weights in the variant {variant!r}",
            hint=f"it has: {', '.join(forms)}" if forms else "leave variant out",
        )
    return [
        name
        for name in names
        if name in weights
        or (_SIDE_FILES.fullmatch(name) and not _SKIP_FOLDERS.search(name) and not is_index(name))
    ]


def _is_data(name: str) -> bool:
    if name == "README.md" or ".lance/" in name:  # a Lance table is all of its folder
        return True
    return name.lower().endswith(DATA_SUFFIXES) and not name.startswith(".")


def _base(name: str) -> str:
    return name.rpartition("/")[2]


def _top(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""
