"""Writing one fragment of a weights table: payloads first, the rows that describe them last.

Lance's file session takes payloads without an intermediate copy, and because a row is only written
after its payload, hashes are computed beside the writing and not before it.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .._base import storage_options
from ._hasher import Hasher
from ._packs import Packs
from ._rows import Row, groups, row_columns, stored_size

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.progress import Tracker
    from lancenb.store import Store

_FORMAT = (2, 2)


class FragmentWriter:
    """Writes rows as one fragment that no version refers to yet.

    Args:
        uri: the table.
        store: its credentials.
        number: id of the fragment.
        schema: the columns of the table, numbered as a fresh table would.

    Attributes:
        path: the data file, relative to ``data``; blobs lie in the folder of the same stem.
    """

    def __init__(self, uri: str, store: Store | None, number: int, schema: pa.Schema) -> None:
        self._uri = uri
        self._store = store
        self._number = number
        self._schema = schema
        self.path = f"{uuid.uuid4().hex}.lance"

    def write(self, rows: Sequence[Row], tracker: Tracker, *, hashed: bool) -> Any:
        """Write ``rows``; returns the fragment's metadata for a commit."""
        from lancenb.store import lance_errors, lance_module

        lance = lance_module()
        from lance.file import LanceFileSession

        with lance_errors(self._uri, self._store):
            options = storage_options(self._uri, self._store)
            session = LanceFileSession(f"{self._uri}/data", storage_options=options)
            builder = lance.BlobDescriptorArrayBuilder("data")
            order, hashes = self._payloads(session, builder, rows, tracker, hashed)
            self._rows(session, builder, order, hashes)
            return self._fragment(lance, len(order))

    def _payloads(
        self, session: Any, builder: Any, rows: Sequence[Row], tracker: Tracker, hashed: bool
    ) -> tuple[list[Row], dict[str, str]]:
        order: list[Row] = []
        packs = Packs(session, self._uri, self.path, builder)
        try:
            with Hasher(hashed) as hasher:
                for group in groups(rows):
                    payloads = [row.item.read() for row in group if stored_size(row.item)]
                    hasher.add(group, payloads)
                    packs.write(group, payloads)
                    order += group
                    tracker.advance(len(group), sum(p.nbytes for p in payloads))
                packs.finish()
                return order, hasher.result()
        finally:
            packs.abort()

    def _rows(self, session: Any, builder: Any, order: list[Row], hashes: dict[str, str]) -> None:
        import pyarrow as pa

        columns = row_columns(order, hashes)
        fields = [f if f.name != "data" else builder.field for f in self._schema]
        columns["data"] = builder.finish()
        schema = pa.schema(fields)
        batch = pa.record_batch([columns[f.name] for f in fields], schema=schema)
        version = ".".join(map(str, _FORMAT))
        with session.open_writer(self.path, schema=schema, version=version) as writer:
            writer.write_batch(batch)

    def _fragment(self, lance: Any, count: int) -> Any:
        from lance.schema import LanceSchema

        fields = []
        for field in LanceSchema.from_pyarrow(self._schema).fields():
            children = field.children()
            is_list = len(children) == 1
            fields.append(children[0].id() if is_list else field.id())
        file = lance.fragment.DataFile(self.path, fields, list(range(len(fields))), *_FORMAT)
        return lance.fragment.FragmentMetadata(self._number, [file], count)
