"""Where Lance keeps packed blobs on a local disk.

A packed blob column lies in ``data/<stem of the data file>/<blob id>.blob``, the id being 32 binary
digits in reverse; each file is the plain concatenation of its payloads. This layout is not a
documented interface: readers check every size and go through Lance when anything is unexpected.
"""

from __future__ import annotations

import os
from typing import Any

_PACKED = 1


class BlobFiles:
    """Finds the file of a packed blob.

    Args:
        folders: fragment id -> folder of its blob files.
    """

    def __init__(self, folders: dict[int, str]) -> None:
        self._folders = folders
        self._names: dict[tuple[int, int], str | None] = {}

    def path(self, row: Any) -> str | None:
        """Return the file that holds a row's payload, or ``None`` when it is not plainly there."""
        blob = row.blob
        if blob is None or blob["kind"] != _PACKED or blob["size"] != row.nbytes:
            return None
        key = (row.address >> 32, blob["blob_id"])
        if key not in self._names:
            folder = self._folders.get(key[0])
            path = os.path.join(folder, blob_name(key[1])) if folder else ""
            self._names[key] = path if path and os.path.isfile(path) else None
        return self._names[key]


def blob_name(number: int) -> str:
    """Return the file name of a blob id.

    >>> blob_name(3)
    '11000000000000000000000000000000.blob'
    """
    return f"{number:032b}"[::-1] + ".blob"


def local_blob_files(dataset: Any) -> BlobFiles | None:
    """Return the blob files of a dataset, ``None`` when it is not on a local disk."""
    root = local_path(str(dataset.uri))
    if root is None:
        return None
    field = dataset.lance_schema.field("data")
    if field is None:
        return None
    wanted = field.id()
    bases: dict[int, Any] | None = None
    folders: dict[int, str] = {}
    for fragment in dataset.get_fragments():
        for file in fragment.metadata.files:
            if wanted not in file.fields:
                continue
            base: str | None = os.path.join(root, "data")
            if file.base_id is not None:
                bases = bases or dict(dataset.base_paths())
                base = _base_folder(bases.get(file.base_id))
            if base is not None:
                folders[fragment.fragment_id] = os.path.join(base, file.path.removesuffix(".lance"))
    return BlobFiles(folders)


def _base_folder(base: Any) -> str | None:
    if base is None:
        return None
    root = local_path(str(getattr(base, "path", base)))
    if root is None:
        return None
    return os.path.join(root, "data") if getattr(base, "is_dataset_root", True) else root


def local_path(uri: str) -> str | None:
    """Return the path of a local URI, ``None`` for any other."""
    if uri.startswith("file://"):
        from urllib.parse import unquote

        uri = unquote(uri.removeprefix("file://"))
    return None if "://" in uri else uri
