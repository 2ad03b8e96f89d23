"""What is in this source? Content decides, the suffix is a hint.

A suffix that promises one family (images, weights, tables, text) while the content plainly is of
another is treated as damage and refused: such files are mostly failed downloads.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)

from ._datasets import is_datasets
from ._families import FAMILIES, FAMILY_OF, LATER
from ._folder import files_below, path_list, refuse_special, saved_dataset_kind
from ._idx import named_idx
from ._layouts import file_layout, folder_layout
from ._magic import magic, suffix_of
from ._peek import image_column, parquet_holds_images, tar_format, zip_format


@dataclass(frozen=True)
class Sniffed:
    """What a source is and why we think so.

    Attributes:
        kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"``: the converter to use.
        format: the concrete format, such as ``"png"``, ``"csv"``, ``"safetensors"``, ``"folder"``.
        reason: one sentence for people.
    """

    kind: str
    format: str
    reason: str


def sniff(source: Any) -> Sniffed:
    """Tell what ``source`` is.

    Args:
        source: path, pattern, folder, list of paths, download result, ``datasets`` dataset,
            Arrow table, data frame, state dict or module.

    Raises:
        SourceNotFound: there is nothing at that path.
        EmptyInput: the file or folder is empty.
        CorruptInput: an HTML page, a git-LFS pointer, or content that contradicts the suffix.
        UnsupportedFormat: no converter reads this content.

    >>> import pyarrow as pa
    >>> sniff(pa.table({"x": [1]})).kind
    'table'
    """
    if hasattr(source, "path") and hasattr(source, "lineage"):
        source = source.path
    if isinstance(source, (str, os.PathLike)):
        return _sniff_path(os.fspath(source))
    if isinstance(source, (list, tuple)):
        return _sniff_many(list(source))
    return _sniff_object(source)


def _sniff_object(source: Any) -> Sniffed:
    module = type(source).__module__.split(".")[0]
    name = type(source).__name__
    if is_datasets(source):
        part = next(iter(source.values()), None) if isinstance(source, dict) else source
        features = getattr(part, "features", None) or {}
        images = [k for k, v in features.items() if type(v).__name__ == "Image"]
        if images:
            return Sniffed("images", "dataset", f"a dataset with the image column {images[0]!r}")
        return Sniffed("table", "dataset", "a dataset without images")
    if module in ("pyarrow", "pandas", "polars"):
        schema = getattr(source, "schema", None)
        images = image_column(schema) if module == "pyarrow" and schema is not None else None
        return Sniffed("images" if images else "table", module, f"a {module} {name}")
    if isinstance(source, dict) or hasattr(source, "state_dict"):
        return Sniffed("weights", "state_dict", "tensors by name")
    raise UnsupportedFormat(
        f"a {module}.{name} is nothing lancenb can convert",
        hint="give a path, a list of paths, a download, a dataset, an Arrow table or a state dict",
    )


def _sniff_many(items: list[Any]) -> Sniffed:
    if not items:
        raise EmptyInput("the list of sources is empty", hint="give at least one path")
    kinds = {_sniff_path(item).kind for item in path_list(items)[:20]}
    if len(kinds) > 1:
        raise UnsupportedFormat(
            f"the list mixes {' and '.join(sorted(kinds))}",
            hint="convert each kind into a table of its own, or pass kind=",
        )
    kind = kinds.pop()
    return Sniffed(kind, "list", f"a list of {len(items):,} files holding {kind}")


def _sniff_path(text: str) -> Sniffed:
    if "://" in text:
        raise UnsupportedFormat(
            f"{text} is an address, not a local file",
            hint="download it first: lancenb.convert(lancenb.download(address), target)",
        )
    path = Path(text)
    if path.is_dir():
        return _sniff_folder(path)
    if path.exists():
        return sniff_file(path)
    if any(c in text for c in "*?["):
        found = expand(text)
        if found:
            return _sniff_many(list(found))
        raise SourceNotFound(f"no file matches {text}", hint="check the folder and the pattern")
    raise SourceNotFound(f"there is no file or folder {text}", hint=_nearby(path))


def expand(pattern: str) -> list[str]:
    """Return the files that match a glob pattern (``**`` allowed), sorted."""
    import glob

    return sorted(p for p in glob.glob(pattern, recursive=True) if os.path.isfile(p))


def _nearby(path: Path) -> str:
    import difflib

    parent = path.parent
    if not parent.is_dir():
        return f"the folder {parent} does not exist either; relative paths start at {Path.cwd()}"
    close = difflib.get_close_matches(path.name, os.listdir(parent), n=3)
    if close:
        return f"did you mean {', '.join(close)}?"
    return f"relative paths start at {Path.cwd()}"


def sniff_file(path: Path) -> Sniffed:
    """Tell what one file is; see :func:`sniff`."""
    refuse_special(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
    if size == 0:
        raise EmptyInput(f"{path} is empty (0 bytes)", hint="fetch or export the file again")
    suffix = suffix_of(path.name)
    promised = FAMILY_OF.get(suffix)
    found = magic(head, path, size)
    _refuse_strangers(path, head, promised)
    layout = _official(path, found)
    if layout is not None:
        return layout
    if found == "tar" and promised == "weights":
        return Sniffed("weights", "tar", "a PyTorch checkpoint of the oldest kind")
    if found in ("zip", "tar", "gzip-tar"):
        return _sniff_archive(path, found, promised)
    if found == "pickle" and promised != "weights":
        raise UnsafeInput(
            f"{path} is a Python pickle, which runs code when it is opened",
            hint="if it holds weights, give it the suffix .pth or pass kind='weights'",
        )
    family = {"parquet": "table", "arrow": "table", "arrow-stream": "table"}.get(found, "")
    family = family or {"safetensors": "weights", "pickle": "weights"}.get(found, "")
    if found.startswith("image/"):
        family = "images"
    if not family:
        return _by_suffix(path, suffix, promised, head, found)
    if promised not in (None, family):
        raise CorruptInput(
            f"{path} is named .{suffix} but holds {found.removeprefix('image/')} data",
            hint=f"rename it, or pass kind={family!r} to take it for what it is",
        )
    if found == "parquet" and parquet_holds_images(path):
        return Sniffed("images", "parquet", "Parquet with an image column")
    return Sniffed(family, found.removeprefix("image/"), f"its first bytes are {found}")


def _official(path: Path, found: str) -> Sniffed | None:
    """Tell what a file in the layout of a data set's makers is."""
    layout = file_layout(path)
    named = named_idx(path.name)
    if found in ("idx1", "gzip-idx1") or named == "labels":
        return Sniffed("table", "idx", "a column of numbers in idx form")
    if found in ("idx3", "gzip-idx3") or named == "images":
        return Sniffed("images", "idx", "pictures in idx form")
    if layout == "cifar" and found in ("pickle", "binary", "text"):
        return Sniffed("images", "cifar", "a batch of CIFAR")
    return None


def _refuse_strangers(path: Path, head: bytes, promised: str | None) -> None:
    start = head.lstrip()[:64].lower()
    if head.startswith(b"version https://git-lfs"):
        raise CorruptInput(
            f"{path} is a git-LFS pointer, not the file itself",
            hint="run `git lfs pull` in that repository, or download the file from its page",
        )
    if promised not in (None, "text") and start.startswith((b"<!doctype html", b"<html")):
        raise CorruptInput(
            f"{path} is an HTML page, not {promised}",
            hint="a download gave an error or login page; fetch the file again",
        )


def _sniff_archive(path: Path, found: str, promised: str | None) -> Sniffed:
    format_ = zip_format(path) if found == "zip" else tar_format(path)
    if format_ == "torch":
        if promised not in (None, "weights"):
            raise CorruptInput(
                f"{path} holds a PyTorch checkpoint in spite of its suffix",
                hint="rename it to .pth, or pass kind='weights'",
            )
        return Sniffed("weights", "pth", "a PyTorch zip checkpoint")
    if promised not in (None, "weights") and not path.name.endswith(".gz"):
        raise CorruptInput(
            f"{path} is an archive in spite of its suffix", hint="rename it to .zip or .tar"
        )
    if format_ in ("images", "cifar"):
        return Sniffed("images", found, f"a {found} archive of images")
    return Sniffed("table", found, f"a {found} archive")


def _by_suffix(path: Path, suffix: str, promised: str | None, head: bytes, found: str) -> Sniffed:
    if suffix in LATER:
        raise UnsupportedFormat(
            f"{path} looks like {LATER[suffix]}, which this version does not convert",
            hint="weights, images, text, CSV, JSON, Parquet, Arrow and zip are supported",
        )
    if promised == "text":
        if found == "binary":
            raise CorruptInput(
                f"{path} is named .{suffix} but does not hold text",
                hint="check how the file was made; pass kind= if the suffix is wrong",
            )
        return Sniffed("text", suffix, f"its suffix is .{suffix}")
    if promised in ("images", "weights", "table"):
        # The converter itself gives the exact reason why the content is not readable.
        return Sniffed(promised, suffix, f"its suffix is .{suffix}")
    if found in ("json", "text"):
        return Sniffed("text", "json" if found == "json" else "txt", "it holds readable text")
    raise UnsupportedFormat(
        f"{path} is of no kind that lancenb knows",
        hint="pass kind='weights', 'images', 'text' or 'table' if you know better",
    )


def _sniff_folder(folder: Path) -> Sniffed:
    if (folder / "_versions").is_dir():
        raise UnsupportedFormat(
            f"{folder} is a Lance table already",
            hint="nothing to convert: DataManager.register(name, uri) puts it in the catalogue",
        )
    saved = saved_dataset_kind(folder)
    if saved:
        return Sniffed(saved, "saved-dataset", "a dataset written by save_to_disk")
    layout = folder_layout(folder)
    if layout:
        return Sniffed("images", layout, f"a folder in the {layout} layout of pictures")
    names = files_below(folder)
    if not names:
        raise EmptyInput(f"the folder {folder} holds no files", hint="check the path")
    kinds: Counter[str] = Counter()
    for name in names:
        kinds[FAMILY_OF.get(suffix_of(name.name), "?")] += 1
    weights = any(n.name.endswith((".safetensors", ".index.json")) for n in names)
    if weights or (folder / "pytorch_model.bin").exists():
        return Sniffed("weights", "folder", "a model folder")
    tables = [n for n in names if FAMILY_OF.get(suffix_of(n.name)) == "table"]
    if tables and kinds["table"] >= kinds["images"]:
        holds_images = parquet_holds_images(tables[0])
        return Sniffed("images" if holds_images else "table", "folder", "a folder of Parquet")
    for kind in ("images", "text", "weights"):
        if kinds[kind] and kinds[kind] == max(kinds[k] for k in FAMILIES):
            return Sniffed(kind, "folder", f"a folder of {kind}: {kinds[kind]:,} files")
    first = _first_known(names)
    return Sniffed(first.kind, "folder", f"a folder whose files {first.reason}")


def _first_known(names: list[Path]) -> Sniffed:
    for name in names[:50]:
        try:
            return sniff_file(name)
        except (UnsupportedFormat, CorruptInput):
            continue
    raise UnsupportedFormat(
        f"no file in {names[0].parent} is of a kind that lancenb knows",
        hint="pass kind='weights', 'images', 'text' or 'table' if you know better",
    )
