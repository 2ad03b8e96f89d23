"""Which kind of source is this? Paths, archives, tables and datasets, told apart by content."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lancenb.convert._datasets import is_datasets, saved_dataset
from lancenb.convert._folder import may_be_saved, own_files, path_list, walk
from lancenb.convert._layouts import file_layout, folder_layout, layout_of
from lancenb.convert._peek import tar_format, zip_format
from lancenb.errors import EmptyInput, InvalidArgument, SourceNotFound, UnsupportedFormat

from ._cifar import cifar_source
from ._files import LabelOption, archive_source, file_source
from ._hub import (
    PARQUET,
    dataset_source,
    parquet_files,
    parquet_source,
)
from ._listing import has_image_suffix, natural_key
from ._mnist import idx_source
from ._schema import features_of
from ._source import Source
from ._tables import Part, table_source

if TYPE_CHECKING:
    from lancenb.convert.archive import Limits

_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")


def open_source(
    source: Any,
    *,
    label: LabelOption,
    image: str | None,
    split: str | None,
    limits: Limits | None,
    annotations: str | os.PathLike[str] | bool | None = None,
) -> Source:
    """Open anything that holds pictures.

    Raises:
        InvalidArgument: annotations for what is neither a folder nor an archive of pictures.
        SourceNotFound: there is nothing at that path.
        UnsupportedFormat: an object or a table without pictures.
    """
    known = None
    if hasattr(source, "path") and hasattr(source, "lineage"):
        known, own, source = source.lineage.get("dataset"), own_files(source), source.path
        if own is not None and annotations is None and not _one_layout(source, own):
            source = _readable(own, str(source))
    named = None if isinstance(annotations, bool) else annotations
    if named is not None and not isinstance(source, (str, os.PathLike)):
        raise InvalidArgument(
            "annotations= belong to a folder or zip file of pictures",
            hint="convert(FOLDER_OF_PICTURES, target, annotations=FILE)",
        )
    if is_datasets(source):
        return dataset_source(source, "the dataset", image=image, label=label, split=split)
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        layout = "coco" if named is not None else _layout(path)
        if layout == "json" or (layout == "coco" and annotations is not False):
            from lancenb.convert.coco._source import coco_source

            pictures = path if layout == "coco" else None
            notes = path if layout == "json" else named
            return coco_source(pictures, notes, label=label, split=split, limits=limits)
        if layout == "idx":
            return idx_source(path, known, label=label, split=split, limits=limits)
        if layout == "cifar":
            return cifar_source(path, label=label, split=split, limits=limits)
        return _open_path(path, label, image, split, limits)
    if isinstance(source, Sequence) and not isinstance(source, (bytes, bytearray)):
        paths = path_list(source)
        if paths and all(p.lower().endswith(PARQUET) for p in paths):
            return _open_parquet(paths, f"the list of {len(paths):,} files", label, image, split)
        return file_source(paths, label=label, split=split)
    return _open_arrow(source, label, image)


def _layout(path: str) -> str | None:
    """Name the layout of a data set's makers that a path is in, if any."""
    place = Path(path)
    if place.is_dir():
        return folder_layout(place)
    if not place.is_file():
        return None
    head = _head(path)
    if place.suffix.lower() == ".json":
        return "json"
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        found = zip_format(place) if head.startswith(b"PK") else tar_format(place)
        if found == "cifar":
            return found
    return file_layout(place)


def _one_layout(folder: Path, own: list[Path]) -> bool:
    """Whether files that share a folder with others are of a layout that names what it reads."""
    from lancenb.convert.coco._find import annotation_files

    if layout_of([path.name for path in own]):
        return True
    if may_be_saved(own):
        return True
    notes = {os.path.abspath(path) for path in annotation_files(folder)}
    return bool(notes) and notes <= set(map(str, own))


def _readable(own: list[Path], folder: str) -> list[str]:
    """Return those files of a download that hold pictures: Parquet where there is any."""
    tables = [str(path) for path in own if path.name.lower().endswith(PARQUET)]
    found = [str(path) for path in own if has_image_suffix(path.name)]
    found = tables if tables and len(tables) >= len(found) else found
    if not found:
        raise EmptyInput(f"the files downloaded to {folder} hold no pictures")
    return found


def _open_path(
    path: str, label: LabelOption, image: str | None, split: str | None, limits: Limits | None
) -> Source:
    if os.path.isdir(path):
        saved = saved_dataset(path)
        if saved is not None:
            return dataset_source(saved, path, image=image, label=label, split=split, root=path)
        tables = parquet_files(path)
        if tables and not _has_images(path):
            return parquet_source(tables, path, path, image=image, label=label, split=split)
        return file_source(path, label=label, split=split)
    if not os.path.lexists(path) and glob.has_magic(path):
        found = sorted(glob.glob(path, recursive=True), key=natural_key)
        if found and all(p.lower().endswith(PARQUET) for p in found):
            return _open_parquet(found, path, label, image, split)
        return file_source(path, label=label, split=split)
    head = _head(path)
    if head[:4] == b"PAR1":
        return _open_parquet([path], path, label, image, split)
    if head.startswith(_ARCHIVES) or head[257:262] == b"ustar":
        return archive_source(path, label=label, split=split, limits=limits)
    return file_source(path, label=label, split=split)


def _open_parquet(
    paths: Sequence[str], where: str, label: LabelOption, image: str | None, split: str | None
) -> Source:
    for path in paths:
        if not os.path.isfile(path):
            raise SourceNotFound(f"there is no file {path}", hint="check the list of paths")
    base = os.path.commonpath([os.path.dirname(os.path.abspath(p)) for p in paths])
    return parquet_source(paths, where, base, image=image, label=label, split=split)


def _has_images(folder: str) -> bool:
    """Whether a folder with Parquet files holds at least as many loose images as those."""
    images = tables = 0
    for name, _ in walk(folder):
        images += has_image_suffix(name)
        tables += name.lower().endswith(PARQUET)
    return images > tables


def _head(path: str) -> bytes:
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as file:
            return file.read(512)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None


def _open_arrow(source: Any, label: LabelOption, image: str | None) -> Source:
    import pyarrow as pa

    if isinstance(source, pa.RecordBatch):
        source = pa.Table.from_batches([source])
    if isinstance(source, pa.Table):
        if not source.num_rows:
            raise EmptyInput("the Arrow table has no rows")
        table = source

        def batches(columns: Sequence[str], rows: int) -> Any:
            return iter(table.select(list(columns)).to_batches(max_chunksize=rows))

        part = Part("the table", None, table.schema, table.num_rows, batches, table.nbytes or 1)
    elif isinstance(source, pa.RecordBatchReader):
        reader = source
        part = Part(
            "the stream", None, reader.schema, None, lambda _columns, _rows: iter(reader), once=True
        )
    else:
        raise UnsupportedFormat(
            f"a {type(source).__module__}.{type(source).__name__} holds no images",
            hint="give a path, a list of paths, an archive, Parquet, a dataset or an Arrow table",
        )
    features = features_of(part.schema)
    return table_source("table", part.where, [part], features, image=image, label=label)
