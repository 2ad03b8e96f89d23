"""What every source of pictures offers to the converter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ._read import Chunk

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Source:
    """Pictures from somewhere, not read yet.

    Attributes:
        form: ``"folder"``, ``"files"``, ``"archive"``, ``"parquet"`` or ``"dataset"``.
        where: what to call it in messages.
        labelled: whether its rows have labels.
        names: class names, in the order of the source's own ids; ``None`` for bare integers.
        ordered: whether that order means something (``ClassLabel``) or names are to be sorted.
        extras: further columns.
        features: ``datasets`` features of ``extras``, JSON form.
        chunks: called once; yields functions that read one chunk each.
        rows: number of candidates, when known.
        nbytes: their bytes, when known.
        skipped: what was left out on sight.
        single: the user named exactly one picture, so that its refusal is an error.
        close: releases files.
        title: makes a row's name fit for an error message, which needs the whole path.
    """

    form: str
    where: str
    labelled: bool
    names: list[str] | None
    chunks: Callable[[], Iterator[Callable[[], Chunk]]]
    ordered: bool = False
    extras: list[pa.Field] = field(default_factory=list)
    features: dict[str, Any] = field(default_factory=dict)
    rows: int | None = None
    nbytes: int | None = None
    skipped: list[tuple[str, str]] = field(default_factory=list)
    single: bool = False
    close: Callable[[], None] | None = None
    title: Callable[[str], str] = str
