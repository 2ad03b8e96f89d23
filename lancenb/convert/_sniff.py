"""What is in this source? Content decides, the suffix is a hint.

A suffix that promises one family (images, weights, tables, text) while the content plainly is of
another is treated as damage and refused: such files are mostly failed downloads.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

from lancenb.errors import CorruptInput, EmptyInput, SourceNotFound, UnsupportedFormat

from ._datasets import is_datasets
from ._families import FAMILIES, FAMILY_OF, LATER
from ._fetch import hint_of_name
from ._folder import files_below, is_table, may_be_saved, own_files, path_list, saved_dataset_kind
from ._layouts import folder_layout, layout_of
from ._magic import suffix_of
from ._peek import image_column, parquet_holds_images
from ._sniff_file import Sniffed, sniff_file

__all__ = ["Sniffed", "expand", "sniff", "sniff_file"]


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
        own, source = own_files(source), source.path
        if own is not None:
            return _sniff_folder(Path(source), own)
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
    if kind == "weights":
        raise UnsupportedFormat(
            f"{len(items):,} checkpoints cannot become one artefact, which holds one",
            hint=f"name one of them, such as {os.fspath(items[0])}; or the folder of a model",
        )
    return Sniffed(kind, "list", f"a list of {len(items):,} files holding {kind}")


def _sniff_path(text: str) -> Sniffed:
    if "://" in text:
        from lancenb.store import redact

        raise UnsupportedFormat(
            f"{redact(text)} is an address, not a local file",
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
    raise SourceNotFound(
        f"there is no file or folder {text}", hint=hint_of_name(text) or _nearby(path)
    )


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


def _sniff_folder(folder: Path, own: list[Path] | None = None) -> Sniffed:
    """Tell what a folder is; with ``own`` only these files of it count."""
    if is_table(folder):
        from ._lance import kind_of_table

        return Sniffed(kind_of_table(folder), "lance", "a Lance table")
    saved = saved_dataset_kind(folder) if may_be_saved(own) else None
    if saved:
        return Sniffed(saved, "saved-dataset", "a dataset written by save_to_disk")
    layout = folder_layout(folder) if own is None else layout_of([path.name for path in own])
    if layout:
        return Sniffed("images", layout, f"a folder in the {layout} layout of pictures")
    names = files_below(folder) if own is None else own
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
    if all(LATER.get(suffix_of(name.name)) == "audio" for name in names):
        raise UnsupportedFormat(
            f"{names[0].parent} holds sound, and there is no converter for folders of it",
            hint="sound becomes a column of a table: dm.convert(pa.table({'path': names, "
            "'audio': [the bytes of each file]}), name)",
        )
    raise UnsupportedFormat(
        f"no file in {names[0].parent} is of a kind that lancenb knows",
        hint="pass kind='weights', 'images', 'text' or 'table' if you know better",
    )
