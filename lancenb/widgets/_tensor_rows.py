"""The tensors of a weights table, or of two side by side, and how to read one of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument
from ._target import is_far, resolve

_COLUMNS = ("seq", "name", "dtype", "shape", "nbytes", "alias_of", "sha256")
#: Types whose elements are one number each (packed and quantised ones are not drawn).
_DRAWN = {"bool", "bfloat16", *(f"{u}int{n}" for u in ("", "u") for n in (8, 16, 32, 64))}
_DRAWN |= {*(f"float{n}" for n in (16, 32, 64)), *(f"complex{n}" for n in (32, 64, 128))}


class StoredWeights:
    """Weights in a Lance table opened here; single tensors are read by ranges of bytes."""

    def __init__(self, target: Any, version: int | str | None, store: Any):
        from ..convert.weights.table import open_weights, stored_rows

        opened = resolve(target, version=version, store=store)
        _insist_weights(opened.title, opened.kind)
        self.title, self.version, self.kind = opened.title, opened.version, "weights"
        self.dataset = open_weights(opened.dataset)
        self._rows = stored_rows(self.dataset, hashes="sha256" in self.dataset.schema.names)

    def records(self) -> list[dict[str, Any]]:
        """Return one record per tensor, in the order of the state dict."""
        return [{c: getattr(row, c) for c in _COLUMNS} for row in self._rows.values()]

    def open(self, name: str) -> Any:
        """Open one tensor for reading parts of it."""
        from ..convert.weights.ranges import open_tensor

        return open_tensor(self.dataset, name, rows=self._rows)

    def load(self, name: str) -> Any:
        """Return one tensor."""
        from ..convert.weights import load_tensors

        return load_tensors(self.dataset, only=[name])[name]


class FarWeights:
    """Weights of which only an artefact's public verbs can be used: a tensor comes whole."""

    def __init__(self, artifact: Any, version: int | str | None):
        from ._far_source import FarSource

        source = FarSource(artifact, version)
        _insist_weights(source.title, source.kind)
        self.title, self.version, self.kind = source.title, source.version, "weights"
        self._artifact = artifact
        names = [c for c in _COLUMNS if c in source.schema.names]
        self._rows = source.rows(columns=names).sort_by("seq").to_pylist()

    def records(self) -> list[dict[str, Any]]:
        """Return one record per tensor, in the order of the state dict."""
        return [dict(row) for row in self._rows]

    def open(self, name: str) -> Any:
        """Fetch one tensor and read from it."""
        return HeldTensor(name, self.load(name))

    def load(self, name: str) -> Any:
        """Return one tensor."""
        found = self._artifact.load_weights(only=[name], version=self.version)
        return found.state_dict[name]


class HeldTensor:
    """A tensor in memory, read like a stored one."""

    def __init__(self, name: str, tensor: Any):
        self.name, self.dtype = name, str(tensor.dtype).removeprefix("torch.")
        self.shape, self.count = tuple(tensor.shape), tensor.numel()
        self.itemsize, self.local = tensor.element_size(), True
        self.bytes_read = self.count * self.itemsize
        self._flat = tensor.reshape(-1)

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[Any]:
        """Return the elements of each ``(first, count)`` range."""
        return [self._flat[first : first + count] for first, count in ranges]

    def close(self) -> None:
        """Nothing to let go of."""


def open_weights_source(target: Any, version: int | str | None = None, store: Any = None) -> Any:
    """Return the weights behind anything :func:`lancenb.preview` takes.

    Raises:
        InvalidArgument: it holds no weights.
        NotFound: there is no such table, version or tag.
    """
    if is_far(target):
        return FarWeights(target, version)
    return StoredWeights(target, version, store)


def _insist_weights(title: str, kind: str) -> None:
    if kind != "weights":
        raise InvalidArgument(
            f"{title} holds {'a table' if kind == 'table' else kind}, not weights",
            hint="dm['name'].preview() shows it; dm.diff(name, 1, 2) compares its versions",
        )


@dataclass(frozen=True)
class Row:
    """One tensor of the list.

    Attributes:
        name, dtype, shape, nbytes, alias_of: as stored, of the side shown last.
        what: ``""`` without comparison, else ``same``, ``changed``, ``reshaped``, ``added``,
            ``removed``, or ``unknown`` when a hash is missing.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    alias_of: str | None
    what: str = ""

    @property
    def count(self) -> int:
        """How many values it has."""
        return math.prod(self.shape)

    @property
    def drawable(self) -> bool:
        """Whether its values can be shown."""
        return self.dtype in _DRAWN or self.dtype.startswith("float8_")


def list_rows(before: Any, after: Any | None) -> list[Row]:
    """Return the tensors of one side, or of two: those of ``after``, then those removed."""
    first = {r["name"]: r for r in before.records()}
    if after is None:
        return [_row(r) for r in first.values()]
    second = {r["name"]: r for r in after.records()}
    rows = [_row(r, _what(first.get(name), r)) for name, r in second.items()]
    return rows + [_row(r, "removed") for name, r in first.items() if name not in second]


def _row(record: dict[str, Any], what: str = "") -> Row:
    return Row(
        record["name"],
        record["dtype"],
        tuple(record["shape"] or ()),
        int(record["nbytes"] or 0),
        record.get("alias_of"),
        what,
    )


def _what(old: dict[str, Any] | None, new: dict[str, Any]) -> str:
    if old is None:
        return "added"
    if old["dtype"] != new["dtype"] or tuple(old["shape"]) != tuple(new["shape"]):
        return "reshaped"
    hashes = old.get("sha256"), new.get("sha256")
    if None in hashes:
        return "unknown" if new["nbytes"] else "same"
    return "same" if hashes[0] == hashes[1] else "changed"


class Bench:
    """Keeps the tensor looked at last open: moving through its slices asks no directory again.

    One thread at a time.
    """

    def __init__(self, sides: Sequence[Any]):
        self._sides = sides
        self._name: str | None = None
        self._open: list[Any] = []

    def get(self, row: Row) -> list[Any]:
        """Return the open tensor of every side that has it."""
        if row.name != self._name:
            self.close()
            self._open = open_sides(self._sides, row)
            self._name = row.name
        return self._open

    def close(self) -> None:
        """Close what is open."""
        for tensor in self._open:
            with suppress(OSError):
                tensor.close()
        self._open, self._name = [], None


def open_sides(sides: Sequence[Any], row: Row) -> list[Any]:
    """Open a tensor on every side that has it."""
    skip: Callable[[int], bool] = {"added": lambda i: i == 0, "removed": lambda i: i == 1}.get(
        row.what, lambda _: False
    )
    return [side.open(row.name) for i, side in enumerate(sides) if not skip(i)]
