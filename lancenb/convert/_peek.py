"""A look inside containers: which room an archive or a Parquet file belongs to."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path
from typing import Any

from ._archive_tar import Header
from ._layouts import layout_of
from ._magic import suffix_of
from .archive import Limits

_IMAGE_SUFFIXES = frozenset(
    ("png", "jpg", "jpeg", "bmp", "webp", "tif", "tiff", "gif", "ppm", "pgm", "avif", "jp2")
)


def zip_format(path: Path) -> str:
    """Return ``"torch"``, ``"images"``, ``"cifar"`` or ``"files"``; the reader explains damage."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return "torch" if suffix_of(path.name) != "zip" else "files"
    if any(n.endswith(("/data.pkl", "/constants.pkl")) or n == "data.pkl" for n in names):
        return "torch"
    return _majority(names)


def tar_format(path: Path) -> str:
    """Return ``"images"``, ``"cifar"`` or ``"files"``."""
    try:
        with tarfile.open(path, tarinfo=Header) as archive:
            return _majority(_first_names(archive, path.stat().st_size))
    except (tarfile.TarError, OSError, EOFError):
        return "files"


def _first_names(archive: tarfile.TarFile, packed: int) -> list[str]:
    """Return names of files; a bomb is not unpacked here but left to the reader to refuse."""
    names, left, limits = [], 5000, Limits()
    budget = max(limits.ratio_floor, limits.max_ratio * packed)
    while left and budget > 0 and (info := archive.next()) is not None:
        left -= 1
        budget -= info.size
        if info.isfile():
            names.append(info.name)
    return names


def _majority(names: list[str]) -> str:
    real = [n for n in names if not n.endswith("/") and "__MACOSX" not in n]
    images = sum(suffix_of(n) in _IMAGE_SUFFIXES for n in real)
    if not images and layout_of(n.rpartition("/")[2] for n in real) == "cifar":
        return "cifar"
    return "images" if images * 2 > len(real) else "files"


def parquet_holds_images(path: Path) -> bool:
    """Tell whether a Parquet file has a column of encoded images.

    Such a column is a struct of ``bytes`` and ``path`` (the layout of the Hub's image datasets),
    or is declared an ``Image`` by the ``huggingface`` schema metadata.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            schema = pq.read_schema(file)
    except (pa.ArrowException, OSError, ValueError):
        return False
    return image_column(schema) is not None


def image_column(schema: Any) -> str | None:
    """Return the name of the image column of an Arrow schema, ``None`` when it has none."""
    import json

    import pyarrow.types as t

    raw = (schema.metadata or {}).get(b"huggingface")
    kinds: dict[str, Any] = {}
    if raw:
        try:
            features = json.loads(raw)["info"]["features"]
            kinds = {k: f.get("_type") for k, f in features.items() if isinstance(f, dict)}
        except (ValueError, KeyError, TypeError, AttributeError):
            kinds = {}
        for name, kind in kinds.items():
            if kind == "Image":
                return name if schema.get_field_index(name) >= 0 else None
    for field in schema:
        if t.is_struct(field.type) and not kinds.get(field.name):  # else it is sound, or video
            parts = {f.name: f.type for f in field.type}
            if set(parts) == {"bytes", "path"} and t.is_binary(parts["bytes"]):
                declared_audio = "audio" in field.name.lower()
                return None if declared_audio else field.name
    return None
