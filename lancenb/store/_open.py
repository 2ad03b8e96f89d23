"""Opening a table by its address, at its head, a version or a tag."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, Any

from lancenb import _hooks
from lancenb.errors import InvalidArgument, NotFound, TagNotFound, VersionNotFound

from ._lance import lance_module
from ._raw import lance_errors
from ._redact import redact

if TYPE_CHECKING:
    import lance

    from ._store import Store

HUB = "hf://"
_OF_A_WRITE = {"data", "_transactions", "_indices", "_deletions"}


def open_table(
    uri: str | os.PathLike[str],
    store: Store | None = None,
    version: int | str | None = None,
) -> lance.LanceDataset:
    """Open a Lance table.

    Nothing is created by looking: a missing table leaves no folder behind.

    Args:
        uri: address of the table: a local path, ``s3://bucket/x.lance``, with ``store`` a path
            below that store, or ``hf://datasets/owner/name/x.lance``: a table on the Hub, pinned
            to the commit its branch has now, that can only be read.
        store: the store that holds it (credentials); made from ``uri`` when it is not given.
        version: a version number (1 is the first), a tag, or ``None`` for the newest.

    Returns:
        The dataset. It stays at the version it was opened with.

    Raises:
        NotFound: there is no table.
        VersionNotFound: no such version; the hint names those that exist.
        TagNotFound: no such tag; the hint names those that exist.
        StoreError: the storage cannot be reached or refuses (see :meth:`Store.check`).

    >>> import tempfile, pyarrow as pa
    >>> from lancenb.store import lance_module
    >>> folder = tempfile.mkdtemp()
    >>> _ = lance_module().write_dataset(pa.table({"a": [1, 2]}), f"{folder}/t.lance")
    >>> open_table(f"{folder}/t.lance").count_rows()
    2
    """
    address = os.fspath(uri)
    if address.startswith(HUB):
        return _hooks.call("hub_table", address, version=version)
    address, store = _owner(address, store)
    check_version(address, version)
    options = None
    if store.is_local:
        _check_local(address)
    else:
        store.check()
        options = store.storage_options
    lance = lance_module()
    with lance_errors(address, store):
        try:
            return lance.dataset(address, version=version, storage_options=options)
        except ValueError as error:
            raise explain(lance, address, options, version, error) from error


def _owner(address: str, store: Store | None) -> tuple[str, Store]:
    """Return the full address and the store whose credentials open it."""
    from ._store import Store

    if not address.strip():
        raise InvalidArgument("the address of a table is empty", hint="give its path or URI")
    if store is None:
        store = Store.of(address)
        return store.uri, store
    store = Store.of(store)
    address = store.resolve(address)
    if address.startswith(store.uri.rstrip("/") + "/"):
        return address, store
    return address, store.at(address)


def check_version(address: str, version: int | str | None) -> None:
    """Raise unless ``version`` can be one: a positive number, a tag or ``None``."""
    if isinstance(version, bool) or not (version is None or isinstance(version, (int, str))):
        raise InvalidArgument(
            f"version {version!r} is neither a number nor a tag", hint="version=3 or version='best'"
        )
    if isinstance(version, int) and not 1 <= version < 1 << 63:
        number = version if abs(version) < 1 << 63 else "of more than 63 bits"
        raise VersionNotFound(
            f"{redact(address)} has no version {number}", hint="versions count from 1"
        )


def _check_local(address: str) -> None:
    where = redact(address)
    if not os.path.lexists(address):
        raise NotFound(f"there is no table at {where}", hint=_neighbours(address))
    if not os.path.isdir(address):
        raise NotFound(
            f"{where} is a file, not a table",
            hint="a Lance table is a folder; lancenb.convert(file, target) makes one",
        )
    if not os.path.isdir(os.path.join(address, "_versions")):
        if os.path.isdir(os.path.join(address, "registry.lance")):
            raise NotFound(
                f"{where} is a store, not a table",
                hint="name one of its artefacts: DataManager(root)['name']",
            )
        raise NotFound(
            f"{where} is a folder but holds no Lance table (it has no versions)",
            hint=_how_to_make(address),
        )


def _how_to_make(folder: str) -> str:
    """What to do about a folder that is no table: a write that broke off, or files to convert."""
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError:
        return f"the folder {redact(folder)} cannot be read"
    tables = sorted(name for name in names if name.endswith(".lance"))
    if tables:
        return f"name one of its tables: {redact(os.path.join(folder, tables[0]))!r}"
    if set(names) <= _OF_A_WRITE:
        return "an interrupted first write looks like this; writing it again works"
    made = f"{os.path.basename(folder.rstrip(os.sep))}.lance"
    return f"convert it first: lancenb.convert({redact(folder)!r}, {made!r}), then give {made!r}"


def version_apart(text: str) -> tuple[str, int | str | None]:
    """The name of a table, and the version that was written behind it.

    >>> version_apart("flowers@3"), version_apart("flowers@best"), version_apart("flowers")
    (('flowers', 3), ('flowers', 'best'), ('flowers', None))
    """
    name, _, version = text.partition("@")
    return name, int(version) if version.isdecimal() else version or None


def _neighbours(address: str) -> str:
    folder, name = os.path.split(address)
    name, version = version_apart(name)
    apart = "" if version is None else f" with version={version!r}"
    try:
        names = [n for n in os.listdir(folder) if n.endswith(".lance")]
    except OSError:
        return f"the folder {redact(folder)} cannot be read or does not exist"
    close = difflib.get_close_matches(name, names, 1, 0.6)
    if close:
        return f"did you mean {close[0]!r}{apart}?"
    if not name.endswith(".lance"):
        return f"for an artefact use its catalogue: DataManager(root)[{name!r}]{apart}"
    number = f"{len(names)} other table{'' if len(names) == 1 else 's'}" if names else "no table"
    return f"{redact(folder)} holds {number}"


def explain(
    lance: Any, address: str, options: dict[str, str] | None, version: Any, error: ValueError
) -> Exception:
    """Name the versions or tags that exist, when the table itself can be opened."""
    if version is None:
        return error
    try:
        head = lance.dataset(address, storage_options=options)
    except Exception:
        return error
    where = redact(address)
    if isinstance(version, str):
        try:
            tags = sorted(head.tags.list())
        except Exception:  # one badly named tag makes the list unreadable
            tags = []
        close = difflib.get_close_matches(version, tags, 1, 0.6)
        hint = f"did you mean {close[0]!r}?" if close else f"tags: {', '.join(tags) or 'none'}"
        return TagNotFound(f"{where} has no tag {version!r}", hint=hint)
    numbers = [int(v["version"]) for v in head.versions()]
    if version in numbers:  # listed, yet it does not open: let the raw error be mapped
        return error
    return VersionNotFound(
        f"{where} has no version {version}", hint=f"versions: {_ranges(numbers)}"
    )


def _ranges(numbers: list[int]) -> str:
    """Write ``[1, 2, 3, 7]`` as ``1-3, 7``; long lists keep their newest parts."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    shown = [f"{a}-{b}" if a != b else str(a) for a, b in parts]
    return ", ".join(["..."] * (len(shown) > 8) + shown[-8:])
