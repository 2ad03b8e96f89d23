"""The registry: one small Lance table, changed only by compare-and-swap of the whole.

A change reads all rows, edits them in Python and commits an overwrite that Lance accepts only on
exactly the version read. Whoever comes second reads again and decides again, so "this name is
free" and every other rule over several rows holds at the moment of the commit.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from lancenb.errors import AlreadyExists, Conflict, NotFound

from ._debris import remove_data_files
from ._entry import Entry, extra_columns, from_table, to_table
from ._leases import writing

if TYPE_CHECKING:
    from lancenb.store import Store

T = TypeVar("T")
TABLE = "registry.lance"
LEASE_KEY = "registry"
KEEP_VERSIONS = 100
_CLEAN_EVERY = 50
_PATIENCE = 180.0


@dataclass(frozen=True)
class Snapshot:
    """All entries by id, as of one version of the registry (0: there is none yet).

    ``extra`` is the schema of columns that this release does not know.
    """

    version: int
    entries: dict[str, Entry]
    extra: Any = None


class Registry:
    """The registry of one store.

    Args:
        store: the root.
        actor: recorded with every commit.
    """

    def __init__(self, store: Store, actor: str):
        self.store, self.actor = store, actor
        self._lock = threading.RLock()
        self._dataset: Any = None
        self._cached = Snapshot(0, {})
        self._seen: int | None = None
        self._ready = False

    def __getstate__(self) -> dict[str, Any]:
        return {"store": self.store, "actor": self.actor}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["store"], state["actor"])

    @cached_property
    def uri(self) -> str:
        """Where the registry table lies."""
        return self.store.join(TABLE)

    def read(self) -> Snapshot:
        """Return the newest state; a root without a registry is empty and stays untouched."""
        from lancenb.store import lance_errors, open_table

        with self._lock:
            if self._dataset is not None:
                with contextlib.suppress(Exception):
                    same = self._folder() == self._seen
                    if same and self._dataset.latest_version == self._cached.version:
                        return self._cached
            if not self.store.is_local or os.path.isfile(self.store.uri):
                self.store.check()
            try:
                dataset = open_table(self.uri, self.store)
                with lance_errors(self.uri, self.store):
                    table = dataset.to_table()
                entries = from_table(table)
            except NotFound:
                self._dataset, self._cached = None, Snapshot(0, {})
                return self._cached
            self._remember(dataset, entries)
            return self._cached

    def _remember(self, dataset: Any, entries: dict[str, Entry]) -> None:
        extra = extra_columns(dataset.schema)
        self._dataset, self._cached = dataset, Snapshot(int(dataset.version), entries, extra)
        self._seen = self._folder()

    def _folder(self) -> int | None:
        """Tell one registry from another that was made anew at the same place."""
        if not self.store.is_local:
            return None
        with contextlib.suppress(OSError):
            return os.stat(self.uri).st_ino
        return None

    def change(
        self,
        edit: Callable[[dict[str, Entry]], T],
        message: str,
        marks: Mapping[str, str] | None = None,
    ) -> T:
        """Apply ``edit`` to the entries and commit the result; retried until nobody interferes.

        Args:
            edit: gets a copy of ``{id: entry}`` to change in place; may run several times; raising
                aborts without a trace. Leaving everything as it was commits nothing.
            message: kept with the registry's version.
            marks: further facts kept with it.

        Raises:
            Conflict: other writers kept winning for three minutes.
        """
        self._prepare()
        deadline = time.monotonic() + _PATIENCE
        attempt = 0
        while True:
            with self._lock:
                before = self.read()
                entries = dict(before.entries)
                result = edit(entries)
                if entries == before.entries or self._commit(before, entries, message, marks):
                    return result
            attempt += 1
            if time.monotonic() > deadline:
                raise Conflict(
                    f"the registry of {self.store.uri} was changed by others {attempt} times in "
                    f"a row, for {_PATIENCE:.0f} s",
                    hint="nothing was changed; try again when fewer writers are busy",
                )
            time.sleep(random.uniform(0, min(0.4, 0.01 * 2 ** min(attempt, 6))))

    def _prepare(self) -> None:
        if self._ready:
            return
        with self._lock:
            if self.store.is_local:
                self.store.create(exist_ok=True)
            else:
                self.store.require_writable()
                self.store.check()
                if self.store.scheme == "s3" and self.read().version == 0:
                    self.store.probe()  # warns once when commits are not safe on this server
            self._ready = True

    def _commit(
        self,
        before: Snapshot,
        entries: dict[str, Entry],
        message: str,
        marks: Mapping[str, str] | None,
    ) -> bool:
        from lancenb.store import lance_errors, lance_module

        lance = lance_module()
        options = self.store.storage_options
        table = to_table(entries.values(), before.extra)
        fragments: list[Any] = []
        try:
            with writing(self.store, LEASE_KEY, self.actor), lance_errors(self.uri, self.store):
                fragments = lance.fragment.write_fragments(
                    table,
                    self.uri,
                    mode="overwrite",
                    data_storage_version="2.2",
                    storage_options=options,
                )
                transaction = lance.Transaction(
                    before.version,
                    lance.LanceOperation.Overwrite(table.schema, fragments),
                    transaction_properties={
                        "__lance_commit_message": message,
                        "lancenb.actor": self.actor,
                        **(marks or {}),
                    },
                )
                dataset = lance.LanceDataset.commit(
                    self.uri, transaction, max_retries=0, storage_options=options
                )
        except (Conflict, AlreadyExists):
            remove_data_files(self.store, self.uri, fragments)
            return False
        except NotFound:
            # How Lance says that somebody else made the first version.
            remove_data_files(self.store, self.uri, fragments)
            if before.version:
                raise
            return False
        self._remember(dataset, entries)
        if dataset.version % _CLEAN_EVERY == 0:
            with contextlib.suppress(Exception):
                dataset.cleanup_old_versions(
                    retain_versions=KEEP_VERSIONS, error_if_tagged_old_versions=False
                )
        return True
