"""Encoded pictures with class ids: of a folder per class, or of a Lance table, in one shape."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ..convert.images._listing import list_folder
from ..errors import ColumnNotFound, EmptyInput, InvalidArgument, SourceNotFound
from ..store import Store
from ..store._open import version_apart
from ._gone import table_reads
from ._splits import split_rows
from .dataset import LanceTorchDataset


class FolderPictures:
    """Pictures of ``folder/<class>/*``, in the order and numbering in which they are converted.

    Classes are numbered by name, as torchvision's ``ImageFolder`` does; folders below a class
    belong to it; files beside the class folders are left out.

    Args:
        folder: holds one folder per class.
        classes: class names in id order; default: the folders' names, sorted.

    Attributes:
        name: the folder.
        version: always None.
        classes: class names in id order.
        labels: int64 ``(rows,)``.
    """

    version = None

    def __init__(self, folder: Path, classes: Sequence[str] | None = None):
        self.name = str(folder)
        items = [item for item in list_folder(str(folder)).items if "/" in item.name]
        if not items:
            raise EmptyInput(
                f"{folder} has no class folders with images", hint=f"{folder}/<class>/*.JPEG"
            )
        owners = [item.name.partition("/")[0] for item in items]
        own = sorted(set(owners))
        self.classes = list(own if classes is None else classes)
        unknown = [name for name in own if name not in set(self.classes)]
        if unknown:
            raise InvalidArgument(
                f"{folder} has the class {unknown[0]!r}, which the training images do not have",
                hint="the folders of both splits have to carry the same names",
            )
        ids = {name: i for i, name in enumerate(self.classes)}
        self.labels = np.array([ids[name] for name in owners], dtype=np.int64)
        # one Arrow array instead of a million strings: it pickles at once into worker processes
        self._paths = pa.array([os.fspath(item.handle) for item in items], pa.large_string())

    def __len__(self) -> int:
        return len(self.labels)

    def row(self, index: int) -> int:
        """Number of a picture for messages."""
        return index

    def path(self, index: int) -> str:
        """The file of a picture."""
        return str(self._paths[index].as_py())

    def cells(self, indices: Sequence[int]) -> list[Any]:
        """Encoded bytes of pictures; an ``OSError`` in place of a file that cannot be read."""
        return [_content(self.path(index)) for index in indices]


def _content(path: str) -> bytes | OSError:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        return error


class TablePictures:
    """Pictures of one version of a Lance table, or of some of its rows.

    Args:
        source: artefact, URI, open Lance dataset or :class:`~lancenb.data.LanceTorchDataset`.
        classes: class names in id order; default: the stored ones.
        version: version or tag.
        store: credentials for a URI.
    """

    def __init__(
        self,
        source: Any,
        classes: Sequence[str] | None = None,
        version: int | str | None = None,
        store: Store | None = None,
    ):
        if isinstance(source, LanceTorchDataset):
            data = source
        else:
            data = LanceTorchDataset(source, version=version, store=store)
        if data.plan.form != "pair" or not data.plan.image_key:
            raise ColumnNotFound(
                f"'{data.name}' has no image column with labels",
                hint="convert a folder with one folder of images per class",
            )
        if classes is not None and data.class_names not in (None, list(classes)):
            data = data.with_classes(classes)
        if not len(data):
            raise EmptyInput(f"'{data.name}' has no rows", hint="look at it with .preview()")
        self.name = data.name
        self.version = data.version
        self.labels = data.labels()
        self.classes = data.class_names or [str(i) for i in range(int(self.labels.max()) + 1)]
        self._table = data.table
        self._column = data.plan.keys[data.plan.image_key]
        self._rows = data.rows

    def __len__(self) -> int:
        return len(self.labels)

    def row(self, index: int) -> int:
        """Row of the table."""
        return int(index if self._rows is None else self._rows[index])

    def path(self, index: int) -> str:
        """The file that a row was made from, or an empty text."""
        if "path" not in self._table.dataset.schema.names:
            return ""
        with table_reads(self._table):
            found = self._table.dataset.take([self.row(index)], columns=["path"])
        return str(found["path"][0].as_py() or "")

    def cells(self, indices: Sequence[int]) -> list[Any]:
        """Encoded bytes of pictures, by one ``take``."""
        rows = [self.row(index) for index in indices]
        with table_reads(self._table):
            return self._table.dataset.take(rows, columns=[self._column])[0].to_pylist()


Pictures = FolderPictures | TablePictures
_VALIDATION = ("val", "validation", "valid")


def open_pictures(
    data_path: Any, version: int | str | None = None, store: Store | None = None
) -> tuple[Pictures, Pictures | None]:
    """Open the training images and, where there are some, the validation images.

    Args:
        data_path: a folder with ``train/<class>/*`` and perhaps ``val/<class>/*``; a Lance table
            (URI, artefact, data set) with or without a column ``split``; or a dict of two tables
            ``{"train": ..., "val": ...}``.
        version: version or tag of a table.
        store: credentials for a URI.

    Raises:
        SourceNotFound: there is no such folder, or no ``train`` in it.
        InvalidArgument: the validation images have a class that the training images do not have.
    """
    if isinstance(data_path, dict):
        unknown = set(data_path) - {"train", "val"}
        if unknown or "train" not in data_path:
            raise InvalidArgument(
                f"data_path has the keys 'train' and 'val', not {data_path!r:.80}"
            )
        train = TablePictures(data_path["train"], None, version, store)
        other = data_path.get("val")
        if other is None:
            return train, None
        return train, TablePictures(other, train.classes, version, store)
    if _is_folder(data_path):
        return _open_folder(Path(data_path).expanduser())
    return _open_table(data_path, version, store)


def _is_folder(data_path: Any) -> bool:
    if not isinstance(data_path, str | os.PathLike) or "://" in os.fspath(data_path):
        return False
    place = Path(data_path).expanduser()
    return place.suffix != ".lance" and not (place / "_versions").is_dir()


def _open_folder(root: Path) -> tuple[Pictures, Pictures | None]:
    if not (root / "train").is_dir():
        missing = f"{root} has no folder train" if root.is_dir() else f"there is no folder {root}"
        raise SourceNotFound(
            f"{missing}: images are expected as {root}/train/<class>/*.JPEG",
            hint=_how_to_fill(root),
        )
    train = FolderPictures(root / "train")
    val = next((root / name for name in _VALIDATION if (root / name).is_dir()), None)
    return train, FolderPictures(val, train.classes) if val is not None else None


def _how_to_fill(root: Path) -> str:
    """What to do about a folder without pictures to train on."""
    if "imagenet" not in root.name.lower() and root.is_dir() and any(root.iterdir()):
        table = f"{root.name}.lance"
        made = f"lnb.convert({str(root)!r}, {table!r})"
        return f"make {root}/train/<class>/, or {made} and give {table!r}"
    if not root.is_dir() and root.parent == Path() and "imagenet" not in root.name.lower():
        name, version = version_apart(root.name)
        apart = "" if version is None else f" with version={version!r}"
        return f"a table of a catalogue is given as dm[{name!r}]{apart}"
    from ..download import registry

    return f"a Lance table does as well; ImageNet: {registry.info('imagenet').guide}"


def _open_table(
    source: Any, version: int | str | None, store: Store | None
) -> tuple[Pictures, Pictures | None]:
    whole = source
    if not isinstance(source, LanceTorchDataset):
        whole = LanceTorchDataset(source, version=version, store=store)
    parts = split_rows(whole)
    if parts is None:
        return TablePictures(whole), None
    train = TablePictures(whole.subset(parts["train"]))
    return train, TablePictures(whole.subset(parts["val"])) if "val" in parts else None
