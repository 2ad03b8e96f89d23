"""One table for TensorFlow, JAX, Paddle and ``datasets``, over :func:`lancenb.data.batches`.

None of the frameworks is needed to install lancenb; each is imported when its function is called.
All of them get the rows in the order that ``batches`` gives, so a seed means the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CorruptInput, InvalidArgument, UnsupportedFormat
from ._batches import Batches, Spec
from ._jax import JaxBatches
from ._optional import optional
from ._shown import rows_with
from .batching import batches

if TYPE_CHECKING:
    from ..store import Store
    from ._rows import Filter

__all__ = ["JaxBatches", "as_hf", "to_jax", "to_paddle", "to_tf"]


def to_tf(
    source: Any, batch_size: int = 32, *, as_tuple: Sequence[str] | None = None, **options: Any
) -> Any:
    """Read a table as a ``tf.data.Dataset`` of batches.

    Numbers and pictures become tensors of the stored dtype, text and bytes ``tf.string``; the
    ``element_spec`` says it all, with None for the number of rows. Each iteration of the data set
    is the next epoch; one that was broken off (``dataset.take(1)``) begins its epoch again.

    Args:
        source: artefact, path, URI, open Lance dataset, or a :class:`Batches` made before, whose
            ``state_dict()`` then tells how far TensorFlow has read.
        batch_size: rows per batch.
        as_tuple: columns of a tuple instead of a dictionary, such as ``("image", "label")``,
            which is what ``model.fit`` takes.
        **options: as for :func:`lancenb.data.batches`.

    Raises:
        MissingDependency: TensorFlow is not installed.
        UnsupportedFormat: a column TensorFlow has no type for (lists of varying length, times).
        InvalidArgument: options beside a :class:`Batches`, which has its own.
        EmptyInput: the table has no rows.

    >>> dataset = to_tf(dm["cifar10-train"], 64, shuffle=True, seed=1)  # doctest: +SKIP
    """
    tf = optional("tensorflow", "TensorFlow", "lancenb[tensorflow]")
    data = _batches_of(source, batch_size, options)
    form = _Form(as_tuple, data)
    spec = data.spec()
    signature = {
        name: tf.TensorSpec(spec[name].shape, _tf_type(tf, name, spec[name]), name=name)
        for name in form.columns
    }
    made = tf.data.Dataset.from_generator(
        _Turns(data, form), output_signature=form.shaped(signature)
    )
    if data.endless:
        return made.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    if data.begins and data.skips_nothing:
        return made.apply(tf.data.experimental.assert_cardinality(len(data)))
    return made


def to_jax(
    source: Any,
    batch_size: int = 32,
    *,
    sharding: Any = None,
    device: Any = None,
    as_tuple: Sequence[str] | None = None,
    **options: Any,
) -> JaxBatches:
    """Read a table as an iterator of batches of ``jax.Array``.

    Numbers and pictures go to the device, text and other objects stay numpy arrays. JAX holds
    64-bit numbers in 32 bits unless ``jax_enable_x64`` is set; integers that would change by that
    are an error.

    Args:
        source: as for :func:`to_tf`.
        batch_size: rows per batch and process.
        sharding: a ``jax.sharding.Sharding`` for the arrays; with several processes each one
            reads its own rows of the global array.
        device: a device, instead of a sharding.
        as_tuple: columns of a tuple instead of a dictionary.
        **options: as for :func:`lancenb.data.batches`; ``rank`` and ``world_size`` are JAX's
            ``process_index()`` and ``process_count()`` unless given.

    Raises:
        MissingDependency: JAX is not installed.
        InvalidArgument: both a sharding and a device.

    >>> for batch in to_jax(dm["points"], 256, shuffle=True, drop_last=True):  # doctest: +SKIP
    ...     state, loss = step(state, batch)
    """
    jax = optional("jax", "JAX", "lancenb[jax]")
    if not isinstance(source, Batches) and jax.process_count() > 1:
        options.setdefault("rank", jax.process_index())
        options.setdefault("world_size", jax.process_count())
    data = _batches_of(source, batch_size, options)
    return JaxBatches(jax, data, _Form(as_tuple, data).shaped, sharding, device)


def to_paddle(
    source: Any,
    batch_size: int | None = None,
    *,
    as_tuple: Sequence[str] | bool = True,
    layout: str | None = None,
    **options: Any,
) -> Any:
    """Read a table as a ``paddle.io.Dataset`` of rows, or an ``IterableDataset`` of batches.

    ``paddle.Model`` wraps a network, it is no base class of one: subclass ``paddle.nn.Layer``,
    and give ``paddle.Model(network).fit`` what this function returns.

    Args:
        source: as for :func:`to_tf`.
        batch_size: None: one row after the other by number, for Paddle's own samplers; a number:
            batches in the order of ``batches``, for ``DataLoader(dataset, batch_size=None)``,
            which is much faster.
        as_tuple: True: tuples of all columns; columns of the tuple; False: dictionaries.
        layout: layout of pictures, ``"NCHW"`` by default.
        **options: as for :func:`lancenb.data.batches`.

    Raises:
        MissingDependency: Paddle is not installed.

    >>> data = to_paddle(dm["cifar10-train"], 64, shuffle=True)  # doctest: +SKIP
    >>> loader = paddle.io.DataLoader(data, batch_size=None)  # doctest: +SKIP
    """
    paddle = optional("paddle", "Paddle", "lancenb[paddle]")
    if layout is not None or not isinstance(source, Batches):
        options["layout"] = layout or "NCHW"
    data = _batches_of(source, batch_size or 1, options)
    form = _Form(data.columns if as_tuple is True else as_tuple or None, data)
    turns = _Turns(data, form)

    class Rows(paddle.io.Dataset):
        """Rows by number."""

        def __getitem__(self, index: int) -> Any:
            return form.shaped(data.sample(index))

        def __len__(self) -> int:
            return data.rows

    class Stream(paddle.io.IterableDataset):
        """Batches in order; each ``for`` is the next epoch."""

        def __iter__(self) -> Iterator[Any]:
            return turns()

        def __len__(self) -> int:
            return len(data)

    return Rows() if batch_size is None else Stream()


def as_hf(
    source: Any,
    *,
    columns: Sequence[str] | None = None,
    filter: Filter | None = None,
    version: int | str | None = None,
    streaming: bool = False,
    store: Store | None = None,
    **options: Any,
) -> Any:
    """See a table as a data set of the ``datasets`` library, equal row by row.

    Args:
        source: artefact, path, URI or open Lance dataset.
        columns: these columns, in this order; all by default.
        filter: SQL text, or triples ``(column, op, value)``.
        version: version number or tag; None for the newest.
        streaming: an ``IterableDataset`` that reads while it is iterated over.
        store: credentials for a URI.
        **options: as for :func:`lancenb.convert.to_datasets`, which does the work.

    Raises:
        NotFound: there is no table.
        ColumnNotFound: a column that the table does not have.
        InvalidFilter: a filter that cannot be understood.

    >>> import tempfile, pyarrow as pa
    >>> from lancenb.store import lance_module
    >>> folder = tempfile.mkdtemp()
    >>> _ = lance_module().write_dataset(pa.table({"x": [1, 2]}), folder + "/d.lance")
    >>> as_hf(folder + "/d.lance", filter=[("x", ">", 1)], cache=folder)[:]
    {'x': [2]}
    """
    from ..catalog.filters import check_sql, to_sql
    from ..convert import to_datasets
    from ._table import PinnedTable

    table = PinnedTable(source, version, store).dataset
    sql = check_sql(table, to_sql(filter, table.schema)) if filter else None
    return to_datasets(table, columns=columns, filter=sql, streaming=streaming, **options)


def _batches_of(source: Any, batch_size: int, options: dict[str, Any]) -> Batches:
    if not isinstance(source, Batches):
        return batches(source, batch_size, **options)
    if options:
        raise InvalidArgument(
            f"{next(iter(options))} belongs to the batches that are given",
            hint="batches(..., option=...) takes it",
        )
    return source


class _Form:
    """The outer form of a batch: a dictionary, or a tuple of some of its columns."""

    def __init__(self, names: Sequence[str] | None, data: Batches):
        self.names = None if names is None else tuple(names)
        self.columns: tuple[str, ...] = self.names or data.columns

    def shaped(self, batch: dict[str, Any]) -> Any:
        return batch if self.names is None else tuple(batch[name] for name in self.names)


class _Turns:
    """Called for each iteration of a data set: the next epoch, or one broken off from its start."""

    def __init__(self, data: Batches, form: _Form):
        self.data, self.form, self.under_way = data, form, False

    def __call__(self) -> Iterator[Any]:
        if self.under_way:
            self.data.restart()
        self.under_way = True
        for batch in self.data:
            yield self.form.shaped({name: _whole(name, batch[name]) for name in self.form.columns})
        self.under_way = False


def _whole(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype == object and any(value is None for value in array):
        raise CorruptInput(
            f"a row has no value in column '{name}'",
            hint=rows_with(name),
        )
    return array


def _tf_type(tf: Any, name: str, spec: Spec) -> Any:
    if spec.text:
        return tf.string
    if spec.dtype == object or np.issubdtype(spec.dtype, np.datetime64):
        raise UnsupportedFormat(
            f"TensorFlow has no type for the column '{name}' ({spec.dtype})",
            hint="choose other columns with columns=[...]",
        )
    return tf.as_dtype(spec.dtype)
