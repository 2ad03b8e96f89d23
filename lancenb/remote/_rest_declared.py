"""Names promised to clients that write the first version of a table themselves.

``DeclareTable`` answers with the place for a table, and the client (LanceDB, say) writes there
with its own access to the storage; nothing tells us when it is done. So the name is reserved, as
for any writer, and the place watched: the first whole version that shows up is published.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lancenb.catalog._stats import table_kind
from lancenb.errors import Busy, Cancelled, LancenbError, NotFound

if TYPE_CHECKING:
    from lancenb import DataManager
    from lancenb.catalog._entry import Entry

#: Called with the name and the version that was found.
Found = Callable[[str, int], None]
_PATIENCE = 3600.0
#: Names promised at once; each keeps a reservation alive.
_MOST = 64


@dataclass
class _Promise:
    manager: DataManager
    entry: Entry
    reservation: Any
    until: float
    found: Found
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False


class Declared:
    """The names that were promised and are not there yet.

    Args:
        manager: the catalogue.
        patience: after so many seconds without a table the name is free again.
    """

    def __init__(self, manager: DataManager, patience: float = _PATIENCE):
        self._patience = patience
        self._promises: dict[str, _Promise] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._watcher: threading.Thread | None = None
        self._pause = 0.1 if manager.store.is_local else 1.0

    def declare(
        self, manager: DataManager, name: str, metadata: dict[str, Any], found: Found
    ) -> Entry:
        """Reserve a name and return its entry, which says where the table goes.

        Args:
            manager: the catalogue under the name of who asks.
            name: the name.
            metadata: facts to be kept with the entry.
            found: called when the table is there.

        Raises:
            AlreadyExists: the name is taken, or promised to somebody else.
            Busy: too many names are promised.
        """
        if len(self._promises) >= _MOST:
            raise Busy(
                f"{_MOST} tables are declared and not written yet",
                hint="write them, or drop some",
                details={"retry_after": 10},
            )
        reservation = manager._creating(name, "table")
        entry = replace(reservation.__enter__(), metadata=metadata)
        until = time.monotonic() + self._patience
        with self._lock:
            self._promises[name] = _Promise(manager, entry, reservation, until, found)
            if self._watcher is None:
                self._watcher = threading.Thread(
                    target=self._watch, name="lancenb-declared", daemon=True
                )
                self._watcher.start()
        return entry

    def get(self, name: str) -> Entry | None:
        """Return the entry of a promised name, ``None`` when it is none (any more)."""
        promise = self._promises.get(name)
        if promise is None or self._settle(name, promise):
            return None
        return promise.entry

    def names(self) -> list[str]:
        """Return the promised names that have no table yet."""
        return sorted(name for name in list(self._promises) if self.get(name) is not None)

    def release(self, name: str) -> Entry | None:
        """Take a promise back; what lies at its place is removed.

        Returns:
            The entry of the promise; ``None`` when it is none (any more), for instance since
            its table is there by now.
        """
        promise = self._promises.get(name)
        if promise is None or self._settle(name, promise):
            return None
        return promise.entry if self._give_up(name, promise) else None

    def close(self) -> None:
        """Take all promises back."""
        for name in list(self._promises):
            # One that the storage does not let go of must not keep the others.
            with contextlib.suppress(LancenbError):
                self.release(name)
        self._wake.set()

    def _settle(self, name: str, promise: _Promise) -> bool:
        """Publish a promised table if it is there by now; tell whether the promise is over."""
        with promise.lock:
            if promise.over:
                return True
            try:
                dataset = promise.manager._open(promise.entry)
            except NotFound:
                return False
            try:
                kind = table_kind(dataset, "table")
                promise.manager._publish(replace(promise.entry, kind=kind))
            except LancenbError as error:
                self._end(name, promise, error)
                return True
            self._end(name, promise, None)
        promise.found(name, int(dataset.version))
        return True

    def _give_up(self, name: str, promise: _Promise) -> bool:
        """End a promise; ``False`` when it ended before."""
        with promise.lock:
            if promise.over:
                return False
            self._end(name, promise, Cancelled(f"{name!r} was declared and never written"))
        return True

    def _end(self, name: str, promise: _Promise, error: LancenbError | None) -> None:
        promise.over = True
        try:
            with contextlib.suppress(LancenbError):
                promise.reservation.__exit__(type(error) if error else None, error, None)
        finally:
            # Only now is the name free: whoever asks before waits for the lock of the promise.
            with self._lock:
                if self._promises.get(name) is promise:  # the name may be promised anew
                    del self._promises[name]

    def _watch(self) -> None:
        while True:
            closed = self._wake.wait(self._pause)
            for name, promise in list(self._promises.items()):
                # The storage may fail us for a moment; the next look is soon.
                with contextlib.suppress(Exception):
                    if not self._settle(name, promise) and time.monotonic() > promise.until:
                        self._give_up(name, promise)
            with self._lock:
                if closed or not self._promises:
                    self._watcher = None
                    self._wake.clear()
                    return
