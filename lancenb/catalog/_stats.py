"""Figures that come from Lance itself: sizes of versions, content hashes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ._debris import store_of

if TYPE_CHECKING:
    from lancenb.store import Store


def blob_columns(schema: pa.Schema) -> list[str]:
    """Return the blob columns (their payload lies in files beside the data files)."""
    out = []
    for field in schema:
        metadata = field.metadata or {}
        extension = getattr(field.type, "extension_name", "")
        if extension.startswith("lance.blob") or metadata.get(b"lance-encoding:blob") == b"true":
            out.append(field.name)
    return out


def plain_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that are no blobs."""
    blobs = set(blob_columns(schema))
    return [name for name in schema.names if name not in blobs]


def file_sizes(store: Store, uri: str) -> dict[str, int]:
    """Return the sizes of all files of a table by path below it, sidecars added to their file.

    None are known of a table on the Hub, which takes no room here.
    """
    if uri.startswith("hf://"):
        return {}
    holder = store_of(store, uri)
    top = uri.rstrip("/").removeprefix(holder.uri.rstrip("/")).strip("/")
    sizes: dict[str, int] = defaultdict(int)
    for info in holder.walk(top):
        path = info.path[len(top) + 1 :]
        pieces = path.split("/")
        if pieces[0] == "data" and len(pieces) > 2:
            path = f"data/{pieces[1]}.lance"
        sizes[path] += info.size
    return sizes


def head_bytes(store: Store, dataset: Any, uri: str) -> int:
    """Return the bytes of the files that the version of ``dataset`` refers to."""
    files = [file for fragment in dataset.get_fragments() for file in fragment.data_files()]
    if not blob_columns(dataset.schema) and all(file.file_size_bytes for file in files):
        return sum(file.file_size_bytes for file in files)
    sizes = file_sizes(store, uri)
    return sum(sizes.get(f"data/{file.path}", 0) for file in files)


def version_bytes(store: Store, dataset: Any, uri: str) -> dict[int, int]:
    """Return for every version the bytes of the files it refers to, sidecars included."""
    sizes = file_sizes(store, uri)
    totals: dict[int, int] = defaultdict(int)
    tracked = dataset.tracked_files().read_all()
    for version, path in zip(
        tracked["version"].to_pylist(), tracked["path"].to_pylist(), strict=True
    ):
        totals[version] += sizes.get(path, 0)
    return totals


def content_hash(dataset: Any) -> str | None:
    """Return SHA-256 over the sorted content hashes of the rows.

    Tables of weights and images keep a ``sha256`` per row; names of tensors count too, the order
    of rows does not. ``None`` for tables without such a column.
    """
    names = dataset.schema.names
    if "sha256" not in names:
        return None
    columns = [c for c in ("name", "dtype", "shape", "sha256", "label") if c in names]
    lines: list[str] = []
    for batch in dataset.to_batches(columns=columns):
        for row in batch.to_pylist():
            if row["sha256"] is None:
                return None
            lines.append("\x1f".join(str(row[column]) for column in columns))
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(line.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def table_kind(dataset: Any, otherwise: str = "table") -> str:
    """Return the kind that lancenb noted in the table's schema, else ``otherwise``."""
    noted = (dataset.schema.metadata or {}).get(b"lancenb.kind")
    return otherwise if noted is None else noted.decode("utf-8", "replace")
