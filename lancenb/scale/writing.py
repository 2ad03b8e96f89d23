"""A Ray data set as an artefact: its blocks become fragments, one commit makes them a version."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..convert import Converter, Existing, Plan
from ..errors import EmptyInput, InvalidArgument, UnsupportedFormat
from ._catalogue import Facts, convert_into, local_manager
from ._ray import lance_ray_module, own_errors, start

if TYPE_CHECKING:
    import pyarrow as pa

    from ..convert import ConvertReport
    from ..progress import CancelToken, ProgressCallback, Tracker
    from ..store import Store

_NOTED = {"source": "ray.data.Dataset", "format": "ray"}


def from_ray(
    dataset: Any,
    manager: Any,
    name: str,
    *,
    mode: str = "create",
    schema: pa.Schema | None = None,
    description: str = "",
    tags: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
    parents: Sequence[Any] = (),
    message: str = "",
    lineage: Mapping[str, Any] | None = None,
    progress: ProgressCallback | bool | None = None,
    cancel: CancelToken | None = None,
) -> ConvertReport:
    """Write a ``ray.data.Dataset`` as an artefact of the catalogue, by lance-ray's writers.

    Workers write the blocks, in their order; one commit makes them a version. When anything
    fails, the artefact is as it was.

    Args:
        dataset: the Ray data set.
        manager: a :class:`~lancenb.DataManager`; its store's credentials reach the workers.
        name: the artefact.
        mode: ``"create"``, ``"overwrite"`` or ``"append"``, see :meth:`DataManager.convert`.
        schema: Arrow schema; default: that of the data set, which Ray reads a block for.
        description: free text.
        tags: labels.
        metadata: JSON-able facts.
        parents: what it was made from, see :meth:`DataManager.convert`.
        message: free text stored with the version.
        lineage: further facts stored with the version.
        progress: callable for progress events, or ``True`` for a text bar.
        cancel: token to stop before the commit.

    Returns:
        A :class:`~lancenb.ConvertReport`.

    Raises:
        MissingDependency: Ray or lance-ray is not installed.
        AlreadyExists: the name is taken.
        EmptyInput: the data set has neither rows nor columns.
        UnsupportedFormat: columns of Python objects without ``schema``.
        SchemaMismatch: rows do not fit the table that is appended to.

    >>> squares = to_ray(dm["points"]).map_batches(square)  # doctest: +SKIP
    >>> from_ray(squares, dm, "squares", parents=["points"])  # doctest: +SKIP
    """
    lance_ray_module()
    start()
    if not hasattr(dataset, "map_batches") or not hasattr(dataset, "schema"):
        raise InvalidArgument(
            f"a {type(dataset).__name__} is no Ray data set", hint="dm.convert(...) takes others"
        )
    return convert_into(
        local_manager(manager),
        name,
        RayConverter(schema),
        dataset,
        mode=mode,
        facts=Facts(description, tags, metadata, parents, message, lineage),
        progress=progress,
        cancel=cancel,
    )


class RayConverter(Converter):
    """Converts a Ray data set to a Lance table.

    Args:
        schema: Arrow schema, that of the data set by default.
    """

    kind: ClassVar[str] = "table"

    def __init__(self, schema: pa.Schema | None = None):
        self._schema = schema

    def plan(self, source: Any, *, existing: Existing | None = None) -> Plan:
        """Say what would be written; see :meth:`Converter.plan`."""
        from ..convert._arrow import storable
        from ..convert.tables._union import to_table_types

        found = self._schema if self._schema is not None else _schema_of(source)
        plain, _ = storable(_with_tensors(found), "the Ray data set")
        if existing is not None and existing.mode == "append":
            plain = to_table_types(plain, existing.schema)

        def batches(_tracker: Tracker) -> Iterator[Any]:
            return iter(())  # the workers have the rows

        plan = Plan(self.kind, plain, batches, properties=dict(_NOTED))
        plan.write = functools.partial(_write, source, found.names, plan)
        return plan


def _write(
    dataset: Any,
    names: list[str],
    plan: Plan,
    uri: str,
    existing: Existing | None,
    store: Store | None,
    tracker: Tracker,
    fragments: list[Any],
) -> None:
    """Have the blocks of a data set written; see :attr:`~lancenb.convert.Plan.write`."""
    from ..convert._base import storage_options, storage_version
    from ..store import lance_errors
    from ._writer import Arranged, writer_class

    writer = writer_class(existing is not None and existing.mode == "overwrite")(
        uri,
        transform=Arranged(names, plan.schema),
        schema=plan.schema,
        data_storage_version=storage_version(existing),
        storage_options=storage_options(uri, store),
    )
    with lance_errors(uri, store), own_errors():
        made = dataset.map_batches(writer, batch_format="pyarrow", batch_size=None)
        made.context.execution_options.preserve_order = True
        for row in made.iter_rows():
            fragments.append(pickle.loads(row["fragment"]))  # noqa: S301 - our workers'
            tracker.advance(fragments[-1].physical_rows, _bytes(fragments[-1]))


def _bytes(fragment: Any) -> int:
    return sum(file.file_size_bytes or 0 for file in fragment.files)


def _schema_of(dataset: Any) -> pa.Schema:
    """Return the Arrow schema of a Ray data set.

    Raises:
        EmptyInput: it has none.
        UnsupportedFormat: a column of Python objects.
    """
    import pyarrow as pa

    with own_errors():
        schema = dataset.schema()
    if schema is None or not schema.names:
        raise EmptyInput("the Ray data set has neither rows nor columns", hint="give schema=")
    for name, kind in zip(schema.names, schema.types, strict=True):
        if not isinstance(kind, pa.DataType):
            raise UnsupportedFormat(
                f"column {name!r} of the Ray data set holds Python objects",
                hint="schema= says what they are, such as pa.schema([('text', pa.string())])",
            )
    return pa.schema(list(zip(schema.names, schema.types, strict=True)))


def _with_tensors(schema: pa.Schema) -> pa.Schema:
    """Put Arrow's tensors in the place of Ray's."""
    import pyarrow as pa

    for index, field in enumerate(schema):
        kind: Any = field.type
        if isinstance(kind, pa.BaseExtensionType) and not isinstance(kind, pa.FixedShapeTensorType):
            values = getattr(kind.storage_type, "value_type", None)
            if getattr(kind, "shape", None) is None or values is None:
                raise UnsupportedFormat(
                    f"column {field.name!r} of the Ray data set is {kind}, which cannot be stored",
                    hint="bring its arrays to one shape, or make lists of them",
                )
            tensor = pa.fixed_shape_tensor(values, kind.shape)
            schema = schema.set(index, field.with_type(tensor))
    return schema
