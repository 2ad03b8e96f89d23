"""``LanceTorchDataset``: a pinned version of a table as a map-style torch dataset."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import get_spawning_popen
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from ..errors import InvalidArgument
from ..store import Store
from ._batch import Fetched, fetched, whole_batch
from ._dataset_checks import check_options
from ._decode import PictureDecoder
from ._described import Described
from ._fields import check_readable, is_picture
from ._labels import LabelReader
from ._memory import SampleMemory
from ._nulls import masked_keys
from ._plan import SamplePlan, sample_plan
from ._pool import BatchPool
from ._reader import BadRow, RowReader
from ._rows import Filter, checked_indices, matching_rows, place_array
from ._sheet import transformed
from ._splits import names_split
from ._table import PinnedTable
from ._tokens import TextEncoder


class LanceTorchDataset(Described, Dataset[Any]):
    """One version of a table for ``torch.utils.data``: exact length, random access, batched reads.

    An image table gives ``(image, label)`` (``image`` alone when it has no labels): ``image`` is
    uint8 ``(3, height, width)``, upright and RGB, ``label`` an int64 scalar with the stored id.
    Other tables, and any call with ``columns`` or ``mapping``, give dictionaries. Numbers and
    fixed-size lists become tensors of the stored dtype.

    Args:
        source: artefact, URI or open Lance dataset.
        columns: columns of the sample dictionary.
        mapping: ``{key in the sample: column}`` instead of ``columns``; the key ``"label"`` turns
            text labels into ids.
        filter: SQL text, or triples ``(column, op, value)``; resolved once, on the pinned version.
        transform: called with the picture where there is one, else with the sample dictionary.
            One with an attribute ``seeded = True`` is called with the seed of the row as second
            argument (:class:`~lancenb.data.transforms.RandomCropResize`); in loaders, torch's
            random functions in any other one draw from a generator with that seed.
        version: version number or tag; ``None`` pins the version that is the head now, so that
            later appends change nothing.
        store: credentials for a URI in an object store.
        on_error: ``"raise"`` (name the row and its file) or ``"skip"`` unreadable rows; skipped
            rows are listed in :attr:`skipped`.
        cache: keep decoded pictures of one size, and columns of numbers, in memory that spawned
            workers share: True, False, or ``"auto"``: what fits into ``cache_limit`` bytes.
        cache_limit: bytes for ``cache="auto"``.
        class_names: names in id order, for text labels; default: the stored ones, else the
            sorted distinct values of the table.
        nulls: ``"raise"`` (name the row) where a number, text for the tokenizer or label is
            missing, or ``"fill"``: NaN, 0 or False, an empty text or list, and -100 for labels
            (which torch's cross entropy leaves out); then each column of the table that misses
            values has a bool ``<key>_mask`` beside it, False where the value is made up. Missing
            values of other types (dates, bytes; text only with ``"raise"``) are None.
        tokenizer: a Hugging Face tokenizer, or a function from a text to a list of ids; the text
            column becomes ``input_ids`` and ``attention_mask`` (int64), padded on the right to
            the longest of a batch.
        max_length: ids kept of one text.
        decoder: ``"auto"``, or the decoder to prefer for JPEGs: ``"torchvision"``,
            ``"nvimgcodec"`` (the extra ``decode``; decodes only what a crop needs) or
            ``"pillow"``. All give the same pixels.
        stream: give a :class:`~lancenb.data.stream.LanceTorchStream` over this data set instead,
            for a torch ``DataLoader`` that wants an iterable one; its order is shuffled by blocks.
        shuffle: with ``stream=True``, its order: ``"block"`` (default), True, or False for the
            stored one. :meth:`stream` takes the other options of a stream, too.

    Raises:
        NotFound: no such table, version or tag.
        ColumnNotFound: an unknown column.
        InvalidFilter: a filter that cannot be understood.
        InvalidArgument: a table of weights, or an argument that cannot work.
        MissingDependency: a decoder that is not installed.

    >>> data = LanceTorchDataset(dm["cifar10-train"], version="best")  # doctest: +SKIP
    >>> image, label = data[0]  # doctest: +SKIP
    """

    def __new__(
        cls, *args: Any, stream: bool = False, shuffle: bool | str | None = None, **options: Any
    ) -> Any:
        """Make a stream where one is asked for."""
        if not stream:
            return super().__new__(cls)
        return cls(*args, **options).stream(**({} if shuffle is None else {"shuffle": shuffle}))

    def __init__(
        self,
        source: Any,
        columns: Sequence[str] | None = None,
        mapping: Mapping[str, str] | None = None,
        filter: Filter | None = None,
        transform: Callable[..., Any] | None = None,
        version: int | str | None = None,
        store: Store | None = None,
        *,
        on_error: str = "raise",
        cache: bool | str = "auto",
        cache_limit: int = 256 << 20,
        class_names: Sequence[str] | None = None,
        nulls: str = "raise",
        tokenizer: Callable[..., Any] | None = None,
        max_length: int | None = None,
        decoder: str = "auto",
        stream: bool = False,
        shuffle: bool | str | None = None,
    ):
        check_options(on_error, nulls, cache, transform, shuffle)
        self.table = PinnedTable(source, version, store)
        self.transform = transform
        self.memory = SampleMemory(cache, cache_limit)
        self.pool = BatchPool()
        schema = self.table.dataset.schema
        self.plan: SamplePlan = sample_plan(self.table.name, schema, columns, mapping)
        for column in self.plan.columns:
            check_readable(schema.field(column))
        self.pictures = {c for c in self.plan.columns if is_picture(schema.field(c), schema)}
        self.labels_reader = LabelReader.of(self.table, schema, self.plan, class_names)
        self.reader = RowReader(
            self.table,
            self.plan,
            self.pictures,
            self.labels_reader,
            on_error,
            PictureDecoder(decoder),
            TextEncoder.of(tokenizer, self.plan, schema, max_length),
            masked_keys(self.table, self.plan) if nulls == "fill" else None,
        )
        self.rows: np.ndarray | None = matching_rows(self.table, filter) if filter else None
        self.by_hand = bool(filter) and names_split(filter, schema)
        self._total = int(self.table.dataset.count_rows())
        self._size: tuple[int, int] | bool | None = False

    def stream(self, **options: Any) -> Any:
        """The samples as a :class:`~lancenb.data.stream.LanceTorchStream` with these options."""
        from .stream import LanceTorchStream

        return LanceTorchStream(self, **options)

    def subset(self, indices: Sequence[int] | np.ndarray) -> LanceTorchDataset:
        """The same data set with only these samples, in this order."""
        chosen = np.asarray(indices, dtype=np.int64)
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= len(self)):
            raise InvalidArgument(f"subset indices must lie in 0..{len(self) - 1}")
        other = self._with_own_accounts()
        other.rows = chosen if self.rows is None else self.rows[chosen]
        other.by_hand = True
        other.memory = self.memory.empty()
        other._size = False
        return other

    def with_transform(self, transform: Callable[..., Any] | None) -> LanceTorchDataset:
        """The same samples with another transform."""
        other = self._with_own_accounts()
        other.transform = transform
        return other

    def with_classes(self, class_names: Sequence[str]) -> LanceTorchDataset:
        """The same samples with label ids counted in another list of class names.

        Raises:
            InvalidArgument: the data set has a class that is not in the list.
        """
        other = self._with_own_accounts()
        other.memory = self.memory.empty()
        if self.labels_reader is not None:
            other.labels_reader = self.labels_reader.renamed(class_names)
            other.reader.labels = other.labels_reader
        return other

    def _with_own_accounts(self) -> LanceTorchDataset:
        other = self.__copy__()
        other.reader = self.reader.fresh()
        return other

    def __copy__(self) -> LanceTorchDataset:
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    def __getstate__(self) -> dict[str, Any]:
        if get_spawning_popen() is not None:  # read once, before the workers that share it
            self.memory.ready(self)
        return self.__dict__.copy()

    # reading ---------------------------------------------------------------------------------
    def __getitem__(self, index: int) -> Any:
        found = self.finish(self.fetch([index]))
        if not found:
            place = checked_indices([index], len(self))
            raise self.reader.corrupt(self.reader.bad[int(self.row_numbers(place)[0])])
        return found[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Samples of one batch, by one ``take``; unreadable rows are left out when skipping."""
        return self.finish(self.fetch(indices))

    def read_batch(
        self, indices: Sequence[int], *, augment: Any = None, pin: bool = False
    ) -> Any | None:
        """A whole batch in the order of the indices: columns are read, decoded and put together.

        It may be called from any thread. The memory of a batch is used again only when nothing
        refers to it any more. Pictures lie in channels-last order after a transform.

        Args:
            indices: places of samples; a list with ``seeds`` (or a ``seed``), as loaders use,
                makes random transforms a function of them.
            augment: called with the pictures of the batch and the seeds of their rows
                (``augment.by_row``), or else a seeded generator.
            pin: page-locked memory, where there is a GPU.

        Returns:
            Tensors in the form of a sample (see the class) with the rows as first dimension; text
            and other objects as lists. None when no row can be read.

        Raises:
            IndexError: there is no such sample.
            CorruptInput: a row cannot be read.
            InvalidArgument: pictures of different shapes.
        """
        return whole_batch(self, indices, augment, pin)

    def fetch(self, indices: Sequence[int]) -> Fetched:
        """Read and decode the samples at ``indices`` without the transform.

        Raises:
            IndexError: there is no such sample.
            CorruptInput: a row cannot be read.
        """
        return fetched(self, indices)

    def finish(self, samples: list[dict[str, Any]], seed: int | None = None) -> list[Any]:
        """Apply the transform and give samples their outer form (see the class).

        Args:
            samples: what :meth:`fetch` returned; the seeds of its rows come before ``seed``.
            seed: seed of the random numbers of the transform; None takes torch's global ones.
        """
        transform = self.transform
        if transform is None:
            return [self.plan.shape(sample) for sample in samples]
        seeds = getattr(samples, "seeds", None)
        if seeds is None:
            count = range(len(samples))
            seeds = [None if seed is None else seed + number for number in count]
        generator = torch.Generator()
        shaped = []
        for number, (sample, each) in enumerate(zip(samples, seeds, strict=True)):
            try:
                shaped.append(self.plan.shape(sample, _bound(transform, each, generator)))
            except Exception as error:
                if rows := getattr(samples, "rows", None):
                    self.reader.note(error, rows[number])
                raise
        return shaped

    def check(self, batch_size: int = 256) -> list[BadRow]:
        """Decode everything once and list the rows that cannot be read."""
        bad: list[BadRow] = []
        for start in range(0, len(self), batch_size):
            places = np.arange(start, min(len(self), start + batch_size))
            self.reader.read(self.row_numbers(places).tolist(), bad)
        return bad

    def row_numbers(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Row number in the table of samples, int64."""
        places = place_array(indices, len(self))
        return places if self.rows is None else self.rows[places]


# what help() and notebooks show is that of __new__ otherwise
LanceTorchDataset.__new__.__signature__ = inspect.signature(  # pyright: ignore
    LanceTorchDataset.__init__
)


def _bound(
    transform: Callable[..., Any], seed: int | None, generator: torch.Generator
) -> Callable[[Any], Any]:
    return lambda part: transformed(part, transform, seed, generator)
