"""Looking at a table before it gets a name, and hashing again what an artefact holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lancenb.errors import InvalidArgument

from .. import _html
from ._entry import READY, Entry
from ._names import a_kind, ulid
from ._register import Registering
from ._stats import blob_columns, content_hash, table_kind
from .results import Facts

if TYPE_CHECKING:
    from lancenb.progress import CancelToken, ProgressCallback

    from .artifact import Artifact

_PAYLOADS = ("image", "data", "audio")
_SHOWN = 20
_ROWS = 256


@dataclass(frozen=True, repr=False)
class Examined(Facts):
    """What a table is, before it is registered.

    Attributes:
        uri: the table.
        kind: as noted in the table.
        version: its head.
        rows: rows of the head.
        columns: column names.
        content_hash: SHA-256 over the hashes of its rows, ``None`` when rows have none.
        registered: the artefact that has this very table already; empty when none has.
        same: artefacts with the same content, as ``(name, version)``.
    """

    uri: str
    kind: str
    version: int
    rows: int
    columns: tuple[str, ...]
    content_hash: str | None
    registered: str
    same: tuple[tuple[str, int], ...]

    def _title(self) -> str:
        return f"{a_kind(self.kind)}, {_html.count(self.rows, 'row')}, version {self.version}"

    def _pairs(self) -> list[tuple[str, Any]]:
        same = ", ".join(f"{name} (version {version})" for name, version in self.same)
        return [
            ("table", self.uri),
            ("registered as", self.registered),
            ("same content as", same),
            ("content hash", self.content_hash),
        ]


@dataclass(frozen=True, repr=False)
class Verified(Facts):
    """What hashing an artefact again found.

    Attributes:
        name: the artefact.
        version: the version that was read.
        rows: rows whose payload was hashed.
        bytes: bytes hashed.
        damaged: the first rows whose payload does not have its hash (by name, path or number).
        registered: content hash in the catalogue, when it is of this version.
        computed: content hash of the rows now.
    """

    name: str
    version: int
    rows: int
    bytes: int
    damaged: tuple[str, ...]
    registered: str | None
    computed: str

    @property
    def ok(self) -> bool:
        """Whether every payload has its hash and the whole has the one in the catalogue."""
        return not self.damaged and self.registered in (None, self.computed)

    def _title(self) -> str:
        what = f"{self.name} version {self.version}"
        if self.damaged:
            return f"{what}: {_html.count(len(self.damaged), 'row')} or more do not have their hash"
        if not self.ok:
            return f"{what}: the content is not what was registered"
        return f"{what}: {_html.count(self.rows, 'row')}, {_html.size(self.bytes)}, all as recorded"

    def _pairs(self) -> list[tuple[str, Any]]:
        return [
            ("damaged", ", ".join(self.damaged)),
            ("registered hash", self.registered),
            ("hash now", self.computed),
        ]


class Verifying(Registering):
    """Content, not names."""

    def examine(self, uri: Any) -> Examined:
        """Say what a table is and which artefacts have the same content; registers nothing.

        Args:
            uri: as for :meth:`register`.

        Raises:
            NotFound: there is no table.

        >>> import tempfile, lancenb, pyarrow as pa
        >>> dm = lancenb.DataManager(tempfile.mkdtemp())
        >>> dm.examine(dm.convert(pa.table({"x": [1, 2]}), "mine")).registered
        'mine'
        """
        from lancenb.store import open_table

        location = self._location(uri)
        dataset = open_table(self._uri(Entry(id=ulid(), name="x", uri=location)), self.store)
        digest = content_hash(dataset)
        known = self._entries()
        mine = next((e.name for e in known if e.uri == location and e.state == READY), "")
        same = [
            (entry.name, int(entry.hash_version or 0))
            for entry in known
            if digest is not None and entry.content_hash == digest and entry.name != mine
        ]
        return Examined(
            location,
            table_kind(dataset),
            int(dataset.version),
            int(dataset.count_rows()),
            tuple(dataset.schema.names),
            digest,
            mine,
            tuple(same),
        )

    def verify(
        self,
        name: str | Artifact,
        version: int | str | None = None,
        *,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
    ) -> Verified:
        """Read every payload of an artefact and compare it with the hash kept beside it.

        Args:
            name: the artefact.
            version: a number or a tag; the head when ``None``.
            progress: called with :class:`~lancenb.progress.Progress` events.
            cancel: asks to stop.

        Raises:
            InvalidArgument: its rows have no hashes.

        >>> import tempfile, lancenb, torch
        >>> dm = lancenb.DataManager(tempfile.mkdtemp())
        >>> _ = dm.save_weights("net", {"w": torch.ones(6)})
        >>> dm.verify("net").ok
        True
        """
        from lancenb.progress import Tracker
        from lancenb.store import lance_errors

        entry = self._entry(name)
        dataset = self._open(entry, version)
        payload = next((c for c in _PAYLOADS if c in dataset.schema.names), "")
        computed = content_hash(dataset)
        if computed is None or not payload:
            raise InvalidArgument(
                f"the rows of {entry.name!r} have no hashes to compare with",
                hint="weights, images and audio have them; plain tables do not",
            )
        track = Tracker(progress, cancel, total_rows=int(dataset.count_rows()))
        track.enter("verify")
        rows, size, damaged = 0, 0, []
        with lance_errors(self._uri(entry), self.store):
            for label, expected, data in _payloads(dataset, payload):
                rows, size = rows + 1, size + len(data)
                if hashlib.sha256(data).hexdigest() != expected and len(damaged) < _SHOWN:
                    damaged.append(label)
                track.advance(1, len(data))
        track.enter("done")
        number = int(dataset.version)
        registered = entry.content_hash if entry.hash_version == number else None
        return Verified(entry.name, number, rows, size, tuple(damaged), registered, computed)


def _payloads(dataset: Any, payload: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield name, recorded hash and bytes of every row that holds bytes of its own."""
    names = dataset.schema.names
    facts = [c for c in ("sha256", "name", "path", "alias_of") if c in names]
    blob = payload in blob_columns(dataset.schema)
    start = 0
    for batch in dataset.to_batches(
        columns=facts if blob else [*facts, payload], batch_size=_ROWS, with_row_id=blob
    ):
        found = batch.to_pylist()
        files = dataset.take_blobs(payload, ids=[r["_rowid"] for r in found]) if blob else ()
        for at, row in enumerate(found):
            if row.get("alias_of"):
                continue  # its bytes are another tensor's
            data = files[at].readall() if blob else row[payload]
            yield str(row.get("name") or row.get("path") or start + at), row["sha256"], data or b""
        start += len(found)
