"""CIFAR-10 and CIFAR-100 as their makers publish them: Python batches and the binary version.

Layouts (https://www.cs.toronto.edu/~kriz/cifar.html): a Python batch is a pickled dictionary with
``data`` (rows of 3,072 bytes: red, green, blue, 32 x 32 each), ``labels`` or ``fine_labels`` with
``coarse_labels``, and ``filenames``; the names of the classes are in ``batches.meta`` or ``meta``.
A row of the binary version is one label byte (two for CIFAR-100: coarse, fine) and 3,072 pixels.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from lancenb.convert._layouts import is_cifar_meta
from lancenb.convert.archive import Limits
from lancenb.errors import CorruptInput, EmptyInput

from ._cifar_files import BatchFile, cifar_files
from ._pickle_data import read_pickle
from ._raw import Labels, RawPart, RawRows, raw_source
from ._source import Source

if TYPE_CHECKING:
    import numpy as np

    from lancenb.progress import CancelToken

_PIXELS = 3 * 32 * 32
_LABELS = {"labels": "label", "fine_labels": "label", "coarse_labels": "coarse_label"}
_META = {
    "label_names": "label",
    "fine_label_names": "label",
    "coarse_label_names": "coarse_label",
    "batches.meta.txt": "label",
    "fine_label_names.txt": "label",
    "coarse_label_names.txt": "coarse_label",
}


class _Told:
    """The token of a cancel, told after the source is made."""

    cancel: CancelToken | None = None

    def tell(self, cancel: CancelToken | None) -> None:
        self.cancel = cancel


def cifar_source(path: str, *, label: Any, split: str | None, limits: Limits | None) -> Source:
    """Make a source of a folder, an archive or one batch of CIFAR.

    Args:
        path: the folder, archive or file.
        label: ``"folder"`` (the fine label), ``"coarse_label"`` or ``None``.
        split: ``"train"`` or ``"test"``; both by default.
        limits: what an archive may unpack to.

    Raises:
        UnsafeInput: a batch names something that would run code; nothing was run.
        CorruptInput: a batch is damaged, or has a label without a class.
    """
    with ExitStack() as stack:
        files = cifar_files(path, limits or Limits(), stack)
        batches = [file for file in files if not is_cifar_meta(file.name)]
        told = _Told()
        fine = any(file.name in ("train", "test", "train.bin", "test.bin") for file in batches)
        names = _class_names([file for file in files if is_cifar_meta(file.name)], fine)
        parts = [_part(file, fine, names, told) for file in batches]
        made = raw_source("cifar", path, parts, Labels(names), label=label, split=split)
        made.watch = told.tell
        made.close = stack.pop_all().close
    return made


def _class_names(metas: Sequence[BatchFile], fine: bool) -> dict[str, list[str]]:
    """Return class names per label column: the source's own, else the known ones."""
    from lancenb.download import registry

    found: dict[str, list[str]] = {
        "label": list(registry.info("cifar100" if fine else "cifar10").classes)
    }
    if fine:
        found["coarse_label"] = [str(number) for number in range(20)]
    for file in metas:
        for key, names in _read_names(file).items():
            found[_META[key]] = names
    return found


def _read_names(file: BatchFile) -> dict[str, list[str]]:
    if file.name.endswith(".txt"):
        with open(file.path, encoding="utf-8", errors="replace") as stream:
            lines = stream.read(1 << 16).splitlines()
        return {file.name: [line.strip() for line in lines if line.strip()]}
    content = read_pickle(_mapped(file), file.shown)
    lists = {k: v for k, v in content.items() if k in _META} if isinstance(content, dict) else {}
    for key, names in lists.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise CorruptInput(f"{file.shown}: {key} is not a list of class names")
        if not all(map(_storable, names)):
            raise CorruptInput(f"{file.shown}: {key} holds a name that cannot be stored")
    return lists


def _part(file: BatchFile, fine: bool, names: Mapping[str, list[str]], told: _Told) -> RawPart:
    split = "test" if file.name.startswith("test") else "train"
    if file.name.endswith(".bin"):
        columns = ("coarse_label", "label") if fine else ("label",)
        rows = _binary_rows(file, _PIXELS + len(columns))

        def read(count: int) -> Iterator[RawRows]:
            return _read_binary(file, columns, names, count)

    else:
        rows = len(_read_batch(file, names)[0])

        def read(count: int) -> Iterator[RawRows]:
            # read again, so that only one batch is in memory where its pixels have to be decoded
            data, labels, pictures = _read_batch(file, names, told.cancel)
            for start in range(0, rows, count):
                end = start + count
                some = {name: ids[start:end] for name, ids in labels.items()}
                titles = pictures[start:end] if pictures is not None else None
                yield RawRows(_upright(data[start:end]), start, some, titles)

    return RawPart(file.shown, file.name, split, rows, _PIXELS, read)


def _upright(planes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Turn rows of three colour planes into pixels."""
    import numpy as np

    return np.ascontiguousarray(planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _mapped(file: BatchFile) -> memoryview:
    with open(file.path, "rb") as stream:
        if not os.fstat(stream.fileno()).st_size:
            raise EmptyInput(f"{file.shown} is empty (0 bytes)", hint="fetch the file again")
        return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))


def _read_batch(
    file: BatchFile, names: Mapping[str, list[str]], cancel: CancelToken | None = None
) -> tuple[np.ndarray[Any, Any], dict[str, np.ndarray[Any, Any]], list[str] | None]:
    """Return pixels (a view of the file), ids per label column, and the pictures' names."""
    import numpy as np

    content = read_pickle(_mapped(file), file.shown, cancel)
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_PIXELS,):
        raise CorruptInput(
            f"{file.shown} is no batch of CIFAR: 'data' is not an array of rows of {_PIXELS:,} "
            "bytes",
            hint="fetch the file again, or check which data set it belongs to",
        )
    labels = {}
    for key, column in _LABELS.items():
        if key in content:
            labels[column] = _ids(content[key], key, len(data), file)
            check_labels(labels[column], names[column], file.shown, 0)
    if not labels:
        raise CorruptInput(f"{file.shown} has no labels")
    for column in names.keys() - labels.keys():
        raise CorruptInput(f"{file.shown} has no {column.replace('_', ' ')}s")
    titles = content.get("filenames")
    if not isinstance(titles, list) or len(titles) != len(data):
        return data, labels, None
    if not all(isinstance(name, str) for name in titles):
        return data, labels, None
    for row, name in enumerate(titles):
        if not _storable(name):
            raise CorruptInput(
                f"{file.shown} row {row:,}: the name {ascii(name)[:80]} in 'filenames' cannot be "
                "stored",
                hint="the file is damaged; fetch it again",
            )
    return data, labels, titles


def _storable(text: str) -> bool:
    """Whether text can be stored as UTF-8: a pickle can hold halves of a character alone."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _ids(values: Any, key: str, rows: int, file: BatchFile) -> np.ndarray[Any, Any]:
    import numpy as np

    whole = isinstance(values, np.ndarray) or (
        isinstance(values, (list, tuple)) and all(type(v) is int for v in values)
    )
    try:
        ids = np.asarray(values).astype(np.int64) if whole else None
    except OverflowError:
        ids = None
    if ids is None or ids.ndim != 1:
        raise CorruptInput(f"{file.shown}: {key!r} is not a list of whole numbers")
    if len(ids) != rows:
        raise CorruptInput(
            f"{file.shown} has {rows:,} pictures and {len(ids):,} {key.replace('_', ' ')}",
            hint="the file is damaged; fetch it again",
        )
    return ids


def check_labels(ids: np.ndarray[Any, Any], names: Sequence[str], where: str, start: int) -> None:
    """Raise :class:`~lancenb.errors.CorruptInput` for the first label without a class."""
    import numpy as np

    wrong = np.flatnonzero((ids < 0) | (ids >= len(names)))
    if len(wrong):
        row = int(wrong[0])
        raise CorruptInput(
            f"{where} row {start + row:,}: label {int(ids[row])} is outside 0 to "
            f"{len(names) - 1} (there are {len(names)} classes)",
            hint="the file is damaged, or its class names belong to another data set",
        )


def _binary_rows(file: BatchFile, width: int) -> int:
    size = os.stat(file.path).st_size
    if not size:
        raise EmptyInput(f"{file.shown} is empty (0 bytes)", hint="fetch the file again")
    if size % width:
        raise CorruptInput(
            f"{file.shown} has {size:,} bytes, not a multiple of the {width:,} of one row",
            hint="the file is cut off; fetch it again",
        )
    return size // width


def _read_binary(
    file: BatchFile, columns: Sequence[str], names: Mapping[str, list[str]], count: int
) -> Iterator[RawRows]:
    import numpy as np

    width = _PIXELS + len(columns)
    start = 0
    with open(file.path, "rb") as stream:
        while data := stream.read(count * width):
            if len(data) % width:
                raise CorruptInput(f"{file.shown} ends in row {start + len(data) // width:,}")
            rows = np.frombuffer(data, np.uint8).reshape(-1, width)
            labels = {name: rows[:, place] for place, name in enumerate(columns)}
            for name, ids in labels.items():
                check_labels(ids, names[name], file.shown, start)
            yield RawRows(_upright(rows[:, len(columns) :]), start, labels)
            start += len(rows)
