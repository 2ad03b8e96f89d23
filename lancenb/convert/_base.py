"""What every converter shares: the modes, what is there already, writing what was planned."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from lancenb.errors import (
    AlreadyExists,
    ArtifactNotFound,
    Conflict,
    InvalidArgument,
    InvalidName,
    StoreNotWritable,
)

from ._folder import refuse_special
from ._plan import Existing, Plan
from ._report import ConvertReport

if TYPE_CHECKING:
    from lancenb.progress import CancelToken, ProgressCallback
    from lancenb.store import Store

MODES = ("create", "overwrite", "append")
STORAGE_VERSION = "2.2"


class StaleLabels(Conflict):
    """The label map grew while we were reading; the plan has to be made again."""

    code = "stale_labels"


class Converter(ABC):
    """Turns one family of sources into a Lance table.

    A subclass implements :meth:`plan`; :meth:`convert` writes it as one atomic commit.
    """

    kind: ClassVar[str]
    _before_write: Callable[[Plan], None] | None = None  # told of each plan; may set its write

    @abstractmethod
    def plan(self, source: Any, *, existing: Existing | None = None) -> Plan:
        """Look at ``source`` and say what would be written, without writing."""

    def convert(
        self,
        source: Any,
        uri: Any,
        *,
        mode: str = "create",
        store: Store | None = None,
        progress: ProgressCallback | bool | None = None,
        cancel: CancelToken | None = None,
        message: str = "",
        lineage: Mapping[str, Any] | None = None,
        check: Callable[[Plan], None] | None = None,
    ) -> ConvertReport:
        """Convert ``source`` to the Lance table at ``uri``.

        Args:
            source: path, list of paths, pattern, folder, download result, dataset or table.
            uri: a path such as ``"./flowers.lance"`` or ``"s3://bucket/flowers.lance"``;
                relative to ``store`` when one is given.
            mode: ``"create"`` fails if the table exists, ``"overwrite"`` makes a next version
                with only the new rows, ``"append"`` one with the old and the new rows.
            store: where relative URIs live and which credentials to use.
            progress: callable for progress events, or ``True`` for a text bar.
            cancel: token to stop the work; the old version then stays the head.
            message: free text stored with the version.
            lineage: extra facts about the origin, stored with the version.
            check: called with the plan before anything is written; may raise to refuse it.

        Raises:
            AlreadyExists: ``mode="create"`` and the table exists.
            ArtifactNotFound: ``mode="append"`` and there is no table.
            SchemaMismatch: appended rows do not fit the table.
            LancenbError: anything wrong with the source, naming the file.
        """
        from ._write import write_plan

        check_mode(mode)
        check_extras(message, lineage)
        if store is not None:
            from lancenb.store import Store

            store = Store.of(store)
        named = getattr(source, "path", source) if hasattr(source, "lineage") else source
        if isinstance(named, (str, os.PathLike)):
            refuse_special(named)
        for attempt in range(6):
            existing = find_existing(uri, store, mode)
            plan = self.plan(source, existing=existing)
            if self._before_write is not None:
                self._before_write(plan)
            try:
                return write_plan(
                    plan,
                    uri,
                    mode=mode,
                    existing=existing,
                    store=store,
                    progress=progress,
                    cancel=cancel,
                    message=message,
                    lineage={**origin(source), **dict(lineage or {})},
                    converter=type(self).__name__,
                    check=check,
                )
            except StaleLabels:
                if attempt == 5:
                    raise
        raise AssertionError("unreachable")


def check_mode(mode: str) -> None:
    """Raise :class:`~lancenb.errors.InvalidArgument` for an unknown mode."""
    if mode not in MODES:
        raise InvalidArgument(
            f"mode={mode!r} is not one of {', '.join(MODES)}",
            hint="create a new table, overwrite it with a next version, or append to it",
        )


def check_extras(message: Any, lineage: Any) -> None:
    """Raise unless message and lineage can be stored with a version, before any work is done."""
    if not isinstance(message, str):
        raise InvalidArgument(f"message= is text, not {message!r:.60}")
    if lineage is None:
        return
    if not isinstance(lineage, Mapping) or not all(isinstance(key, str) for key in lineage):
        raise InvalidArgument(
            f"lineage= is a dict with text keys, not {lineage!r:.60}",
            hint='for example lineage={"run": "2024-07"}',
        )
    try:
        json.dumps(dict(lineage), default=str)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"lineage= cannot be stored as JSON: {error}") from None


def location_text(uri: Any) -> str:
    """Return a path or URI as text.

    Raises:
        InvalidArgument: it is neither.
        InvalidName: it holds bytes that are not UTF-8.
    """
    text = os.fspath(uri) if isinstance(uri, (str, os.PathLike)) else None
    if not isinstance(text, str):
        raise InvalidArgument(
            f"{uri!r:.60} is no place for a table", hint="give a path or URI such as './x.lance'"
        )
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidName(
            f"{text!r:.200} is not valid Unicode, so no table can have that path",
            hint="choose a location whose name is UTF-8",
        ) from None
    return text


def resolve_uri(uri: Any, store: Store | None) -> str:
    """Return the full URI of a table given relative to a store, or as it is."""
    text = location_text(uri)
    if text.startswith("hf://"):
        raise StoreNotWritable(
            f"{text} is on the Hub, whose tables are only read here",
            hint="write to a folder or s3://; `hf upload` takes the folder to the Hub",
        )
    if text.startswith("memory://"):
        from lancenb.store import Store

        return Store.of(text).uri
    if store is None or "://" in text:
        return text
    from pathlib import Path

    if Path(text).is_absolute():
        return text
    return store.join(text)


def storage_options(uri: str, store: Store | None) -> dict[str, str] | None:
    """Return the options Lance needs to reach ``uri``."""
    from lancenb.store import Store

    if store is None and "://" not in uri:
        return None
    return (store if store is not None else Store(uri)).storage_options


def storage_version(existing: Existing | None) -> str:
    """Return the version of Lance's file format for new rows: all rows of a table have one."""
    if existing is not None and existing.mode == "append":
        return existing.dataset.data_storage_version
    return STORAGE_VERSION


def find_existing(uri: Any, store: Store | None, mode: str) -> Existing | None:
    """Open the table that ``mode`` refers to, or check that there is none."""
    from lancenb.errors import NotFound
    from lancenb.store import open_table

    full = resolve_uri(uri, store)
    try:
        dataset = open_table(full, store)
    except NotFound:
        if mode == "append":
            raise ArtifactNotFound(
                f"there is no table at {full} to append to",
                hint='use mode="create" for the first rows',
            ) from None
        _refuse_foreign(full)
        return None
    if mode == "create":
        raise AlreadyExists(
            f"there is a table at {full} already",
            hint='use mode="overwrite" for a next version or mode="append" to add rows',
        )
    return Existing(full, dataset.version, dataset.schema, dataset, mode)


def _refuse_foreign(uri: str) -> None:
    """Refuse to put a table among files that are none of its own."""
    if "://" in uri or not os.path.isdir(uri):
        return
    strange = sorted(n for n in os.listdir(uri) if n != "data" and n[0] not in "._")
    if strange:
        raise AlreadyExists(
            f"{uri} is a folder with other files, such as {strange[0]!r}",
            hint=f"choose a place of its own for the table, such as {uri.rstrip('/')}.lance",
        )


def origin(source: Any) -> dict[str, Any]:
    """Return what is known about where a source came from (download results know most)."""
    lineage = getattr(source, "lineage", None)
    if isinstance(lineage, Mapping):
        return {"source": dict(lineage)}
    return {}
