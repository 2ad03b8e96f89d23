"""Insert-or-update by key, safe against other writers.

Lance's own merge lets two writers insert the same new key unless the column was declared a key
and non-null beforehand. Here a merge is prepared on the newest version and committed in a form
that Lance refuses if another upsert was committed since; then it is prepared again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from lancenb.errors import (
    AlreadyExists,
    ArtifactNotFound,
    Conflict,
    InvalidArgument,
    SchemaMismatch,
)

from .._html import count
from ._base import MESSAGE_KEY, CatalogBase
from ._debris import remove_data_files, remove_deletion_files
from ._edges import check_text
from ._entry import Entry
from ._names import a_kind, check_name, did_you_mean
from ._once import once_properties
from ._stats import blob_columns
from .filters import column, to_sql
from .results import Upsert

if TYPE_CHECKING:
    from .artifact import Artifact
    from .manager import DataManager

_TRIES = 60


class Upserting(CatalogBase):
    """Keyed writes."""

    def upsert(
        self,
        name: str | Artifact,
        data: Any,
        *,
        key: str | Sequence[str],
        create: bool = False,
        message: str = "",
    ) -> Upsert:
        """Insert rows whose key is new and replace rows whose key is there, in one version.

        Args:
            name: the artefact.
            data: Arrow table, data frame, list of dicts, one dict, or dict of columns. Columns
                that are left out keep their values in existing rows and are null in new ones.
            key: the key column or columns.
            create: make the artefact when it is missing; never done unasked.
            message: kept with the version.

        Raises:
            ArtifactNotFound: missing, and ``create`` is False.
            InvalidArgument: the data has a key twice, or a null in it.
            SchemaMismatch: a column that the table does not have, or values that do not fit.
        """
        name = check_name(getattr(name, "name", name))
        keys = [key] if isinstance(key, str) else list(key)
        check_text(message, "message")
        table = as_table(data)
        if not keys:
            raise InvalidArgument("an upsert needs a key column")
        for column_name in keys:
            column(table.schema, column_name)
        _check_keys(table, keys)
        if create and name not in cast("DataManager", self):
            try:
                report = cast("DataManager", self).convert(
                    table, name, kind="table", message=message or "upsert"
                )
                return Upsert(name, inserted=report.rows, updated=0, version=report.version)
            except AlreadyExists:
                pass  # somebody made it meanwhile: add to theirs
        try:
            with self._writing(name) as entry:
                return self._upsert(entry, table, keys, message)
        except ArtifactNotFound as error:
            hint = "create=True makes it" if not create else error.hint
            raise ArtifactNotFound(error.message, hint=hint) from None

    def _upsert(self, entry: Entry, table: pa.Table, keys: list[str], message: str) -> Upsert:
        from lancenb.store import lance_errors, lance_module

        lance = lance_module()
        uri = self._uri(entry)
        properties = {
            MESSAGE_KEY: message
            or f"upsert of {count(table.num_rows, 'row')} by {', '.join(keys)}",
            "lancenb.action": "upsert",
            "lancenb.actor": self.actor,
            **once_properties(),
        }
        for attempt in range(_TRIES):
            head = self._open(entry)
            if blob_columns(head.schema):
                raise InvalidArgument(
                    f"{entry.name!r} holds {a_kind(entry.kind)} with blobs, which are not changed "
                    "row by row",
                    hint="dm.save_weights stores the tensors that changed",
                )
            rows = self._complete(entry, head, table, keys)
            update: Any = None
            try:
                with lance_errors(uri, self.store):
                    merge = head.merge_insert(keys).use_index(False)
                    merge = merge.when_matched_update_all().when_not_matched_insert_all()
                    prepared, stats = merge.execute_uncommitted(rows)
                    update = prepared.operation
                    operation = _exclusive(lance, head, update)
                    prepared = lance.Transaction(
                        head.version, operation, transaction_properties=properties
                    )
                    done = lance.LanceDataset.commit(
                        uri, prepared, max_retries=0, storage_options=self.store.storage_options
                    )
            except Conflict:
                if update is not None:
                    present = [fragment.metadata for fragment in head.get_fragments()]
                    remove_data_files(self.store, uri, update.new_fragments)
                    remove_deletion_files(self.store, uri, update.updated_fragments, present)
                time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 30)))
                continue
            return Upsert(
                entry.name,
                inserted=int(stats["num_inserted_rows"]),
                updated=int(stats["num_updated_rows"]),
                version=int(done.version),
            )
        raise Conflict(
            f"{entry.name!r} was changed by other writers {_TRIES} times in a row",
            hint="nothing was lost; run it again when fewer writers are busy",
        )

    def _complete(self, entry: Entry, head: Any, table: pa.Table, keys: list[str]) -> pa.Table:
        """Bring rows to the table's schema; left-out columns take their present values."""
        schema = head.schema
        for name in table.schema.names:
            if name not in schema.names:
                raise SchemaMismatch(
                    f"{entry.name!r} has no column {name!r}", hint=did_you_mean(name, schema.names)
                )
        missing = [name for name in schema.names if name not in table.schema.names]
        typed: dict[str, Any] = {}
        for name in table.schema.names:
            try:
                typed[name] = table[name].cast(schema.field(name).type)
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
                raise SchemaMismatch(
                    f"column {name!r} of the new rows does not fit {entry.name!r}, where it is "
                    f"{schema.field(name).type}: {error}",
                    hint=f"give values of type {schema.field(name).type}",
                ) from None
        if missing:
            typed |= self._present(head, typed, keys, missing)
        out = pa.table({name: typed[name] for name in schema.names})
        for name in schema.names:
            if not schema.field(name).nullable and out[name].null_count:
                raise SchemaMismatch(f"column {name!r} of {entry.name!r} allows no nulls")
        return out.cast(pa.schema(schema, metadata=None))

    def _present(
        self, head: Any, typed: dict[str, Any], keys: list[str], missing: list[str]
    ) -> dict[str, Any]:
        wanted = [tuple(row) for row in zip(*(typed[k].to_pylist() for k in keys), strict=True)]
        where = [(key, "in", typed[key].to_pylist()) for key in keys]
        found = head.to_table(columns=[*keys, *missing], filter=to_sql(where, head.schema))
        old = {tuple(row[k] for k in keys): row for row in found.to_pylist()}
        return {
            name: pa.array(
                [old[k][name] if k in old else None for k in wanted], head.schema.field(name).type
            )
            for name in missing
        }


def _exclusive(lance: Any, head: Any, update: Any) -> Any:
    """Make sure that of two upserts prepared on the same rows only one is accepted.

    Lance compares the fragments that two updates touch. Two upserts that insert the same new key
    may touch none in common, so each also claims the first fragment, unchanged. A table without
    fragments is replaced as a whole, which tolerates no other commit.
    """
    present = {fragment.fragment_id: fragment.metadata for fragment in head.get_fragments()}
    if not present:
        for number, fragment in enumerate(update.new_fragments):
            fragment.id = number
        return lance.LanceOperation.Merge(list(update.new_fragments), head.lance_schema)
    first = min(present)
    touched = {*update.removed_fragment_ids, *(f.id for f in update.updated_fragments)}
    if first not in touched:
        update.updated_fragments = [*update.updated_fragments, present[first]]
    return update


def _check_keys(table: pa.Table, keys: list[str]) -> None:
    for key in keys:
        if table[key].null_count:
            raise InvalidArgument(f"the key column {key!r} has nulls", hint="give every row a key")
    counts = table.select(keys).group_by(keys).aggregate([([], "count_all")])
    twice = counts.filter(pc.greater(counts["count_all"], 1))
    if twice.num_rows:
        first = {key: twice[key][0].as_py() for key in keys}
        raise InvalidArgument(
            f"the key {first} occurs {twice['count_all'][0].as_py()} times in the new rows",
            hint="keep one row per key",
        )


def as_table(data: Any) -> pa.Table:
    """Return rows in any of the usual forms as an Arrow table.

    >>> as_table([{"a": 1}, {"a": 2}]).num_rows
    2
    """
    try:
        if isinstance(data, pa.Table):
            return data
        if isinstance(data, pa.RecordBatch):
            return pa.Table.from_batches([data])
        if isinstance(data, pa.RecordBatchReader):
            return data.read_all()
        if isinstance(data, Mapping):
            listed = data and all(isinstance(v, (list, tuple, pa.Array)) for v in data.values())
            return pa.table(dict(data)) if listed else pa.Table.from_pylist([dict(data)])
        if isinstance(data, (list, tuple)):
            return pa.Table.from_pylist([dict(row) for row in data])
        if type(data).__module__.split(".")[0] == "pandas":
            return pa.Table.from_pandas(data, preserve_index=False)
        if hasattr(data, "__arrow_c_stream__"):
            return pa.table(data)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise SchemaMismatch(
            f"the rows do not make a table: {error}",
            hint="an Arrow table says the type of every column",
        ) from None
    raise InvalidArgument(
        f"rows cannot be taken from {type(data).__name__}",
        hint="give an Arrow table, a data frame, or a list of dicts",
    )
