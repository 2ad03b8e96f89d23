"""What every source of pictures offers to the converter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lancenb.errors import SchemaMismatch

from ._info import Refusal
from ._read import Chunk

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.convert._share import Share
    from lancenb.progress import CancelToken, Tracker


@dataclass
class Source:
    """Pictures from somewhere, not read yet.

    Attributes:
        form: ``"folder"``, ``"files"``, ``"archive"``, ``"parquet"``, ``"dataset"``, ``"idx"``,
            ``"cifar"`` or ``"coco"``.
        where: what to call it in messages.
        labelled: whether its rows have labels.
        names: class names, in the order of the source's own ids; ``None`` for bare integers.
        ordered: whether that order means something (``ClassLabel``) or names are to be sorted.
        guessed: the class names are a likely guess; the user's or the table's count instead.
        extras: further columns.
        features: ``datasets`` features of ``extras``, JSON form.
        chunks: called once; yields functions that read one chunk each.
        rows: number of candidates, when known.
        nbytes: their bytes, when known.
        skipped: what was left out on sight.
        faults: what is wrong with the source and so was left out; an error when damage is one.
        metadata: facts to keep with the schema.
        prepare: work before the first row that takes its time; yields more faults.
        origin: facts to keep with the schema of a table that this source makes (and that others
            may append to).
        watch: told the token of a cancel before the first chunk, by sources that may block.
        single: the user named exactly one picture, so that its refusal is an error.
        apart: whether chunks can be read without those before them, in any process.
        close: releases files.
        title: makes a row's name fit for an error message, which needs the whole path.
    """

    form: str
    where: str
    labelled: bool
    names: list[str] | None
    chunks: Callable[[], Iterator[Callable[[], Chunk]]]
    ordered: bool = False
    guessed: bool = False
    extras: list[pa.Field] = field(default_factory=list)
    features: dict[str, Any] = field(default_factory=dict)
    rows: int | None = None
    nbytes: int | None = None
    skipped: list[tuple[str, str]] = field(default_factory=list)
    faults: list[tuple[str, Refusal]] = field(default_factory=list)
    metadata: dict[str, str] = field(default_factory=dict)
    prepare: Callable[[Tracker], Iterator[tuple[str, Refusal]]] | None = None
    origin: dict[str, str] = field(default_factory=dict)
    watch: Callable[[CancelToken | None], None] | None = None
    single: bool = False
    apart: bool = False
    close: Callable[[], None] | None = None
    title: Callable[[str], str] = str

    def limit(self, share: Share) -> int:
        """Keep the chunks of a share; return how many there were."""
        chunks = list(self.chunks())
        mine = chunks[share.span([1] * len(chunks))]
        self.chunks = lambda: iter(mine)
        return len(chunks)


def check_metadata(source: Source, table: pa.Schema | None) -> None:
    """Raise unless the facts of a source are those of the table that is appended to."""
    if table is None:
        return
    for key, value in source.metadata.items():
        if (table.metadata or {}).get(key.encode(), b"").decode() != value:
            raise SchemaMismatch(
                f"{source.where} has other {key.rpartition('.')[2]} than the table",
                hint="make another table, or convert all of it together",
            )
