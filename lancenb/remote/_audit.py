"""The audit log: who changed what and when, as a Lance table at the top of the root."""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lancenb.errors import (
    AlreadyExists,
    Conflict,
    InvalidArgument,
    NotFound,
    StoreNotWritable,
)

from ._auditrow import FIELDS, row, schema
from ._tokenfile import Principal
from ._wire import Call

if TYPE_CHECKING:
    import pyarrow as pa

    from lancenb.store import Store

TABLE = "audit.lance"
_GATHER = 0.2
_BATCH = 2000
_TIDY_EVERY = 50
_KEEP_VERSIONS = 20
_log = logging.getLogger("lancenb.server")


class Audit:
    """Notes every write, done or refused.

    Notes are gathered for a fifth of a second and appended by a thread of its own. When the table
    cannot be written they wait; what has no room to wait goes to the server's log as it is, so
    nothing is ever lost without a word. A process that ends writes what still waits.

    Args:
        store: the root.
        on_error: told about every failure.
        max_queue: how many notes may wait.
    """

    def __init__(
        self,
        store: Store,
        *,
        on_error: Callable[[Exception], None] | None = None,
        max_queue: int = 10_000,
    ):
        self.store, self.max_queue = store, max_queue
        self.failures = self.lost = 0
        self._on_error = on_error
        self._changed = threading.Condition()
        self._queue: deque[dict[str, Any]] = deque()
        self._last = 0.0
        self._appends = 0
        self._hurry = self._stopped = False
        self._thread: threading.Thread | None = None
        self._process = 0

    @property
    def uri(self) -> str:
        """Where the table lies."""
        return self.store.join(TABLE)

    @property
    def queued(self) -> int:
        """How many notes wait to be written."""
        return len(self._queue)

    def note(
        self,
        call: Call,
        principal: Principal | None,
        *,
        artefact: str = "",
        version_before: int | None = None,
        version_after: int | None = None,
        outcome: str = "done",
    ) -> None:
        """Note a write.

        Args:
            call: the request.
            principal: who asked; ``None`` for one who was not let in.
            artefact: what it was about.
            version_before: its version before.
            version_after: its version after.
            outcome: ``"done"``, ``"refused"``, or the code of the error.
        """
        made = row(call, principal, artefact, outcome)
        made |= {"version_before": version_before, "version_after": version_after}
        with self._changed:
            # Strictly rising, so that the order of the notes is that of the table.
            self._last = max(time.time(), self._last + 1e-5)
            made["time"] = datetime.fromtimestamp(self._last, UTC)
            if len(self._queue) >= self.max_queue or self._stopped:
                self._lose(made)
                return
            self._queue.append(made)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="lancenb-audit", daemon=True)
                self._thread.start()
                self._process = os.getpid()
                atexit.register(self._end)
            self._changed.notify_all()

    def flush(self, timeout: float = 10.0) -> bool:
        """Write what waits, now; tell whether all of it is in the table."""
        deadline = time.monotonic() + timeout
        with self._changed:
            failures = self.failures
            while self._queue and self._thread is not None:
                self._hurry = True
                self._changed.notify_all()
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
                if self.failures > failures + 1:
                    break  # the second attempt surely began after the call
            return not self._queue

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits and end; what cannot be written goes to the server's log."""
        self.flush(timeout)
        atexit.unregister(self._end)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        with self._changed:
            while self._queue:
                self._lose(self._queue.popleft())

    def _end(self) -> None:
        if os.getpid() == self._process:  # a fork has neither the thread nor anything to write
            self.stop()

    def read(
        self, limit: int = 100, since: datetime | None = None, name: str | None = None
    ) -> pa.Table:
        """Return the newest notes, newest first.

        Args:
            limit: at most so many.
            since: only those from then on.
            name: only those about this artefact.
        """
        from lancenb.catalog.filters import to_sql
        from lancenb.store import lance_errors, lance_module, open_table

        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise InvalidArgument(f"limit={limit!r} is not a count")
        self.flush()
        try:
            dataset = open_table(self.uri, self.store)
        except NotFound:
            return schema().empty_table()
        if limit == 0:
            return schema().empty_table()
        lance_module()
        from lance.dataset import ColumnOrdering

        where: list[tuple[str, str, Any]] = [("time", ">=", since)] if since else []
        where += [("artefact", "=", name)] if name is not None else []
        with lance_errors(self.uri, self.store):
            return dataset.scanner(
                columns=list(FIELDS), filter=to_sql(where, dataset.schema), limit=limit,
                order_by=[ColumnOrdering("time", ascending=False)],
            ).to_table()  # fmt: skip

    def _run(self) -> None:
        wait = 0.0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopped)
                if self._stopped:
                    return
                self._changed.wait_for(lambda: self._hurry or self._stopped, wait or _GATHER)
                self._hurry = False
                batch = [self._queue[n] for n in range(min(len(self._queue), _BATCH))]
            try:
                if batch:
                    self._append(batch)
                wait = 0.0
            except Exception as error:
                wait = min(30.0, 2 * wait or 1.0)
                self._failed(error, len(batch))
                batch = []
            with self._changed:
                for made in batch:
                    if self._queue and self._queue[0] is made:  # stop() may have taken it
                        self._queue.popleft()
                self._changed.notify_all()

    def _append(self, batch: list[dict[str, Any]]) -> None:
        import pyarrow as pa

        from lancenb.store import lance_errors, lance_module

        if self.store.is_local and os.path.isfile(self.uri):  # Lance would try for long
            raise StoreNotWritable(f"{self.uri} is a file, not a table", hint="move it away")
        lance, table = lance_module(), pa.Table.from_pylist(batch, schema())
        options = self.store.storage_options
        with lance_errors(self.uri, self.store):
            try:
                dataset = lance.dataset(self.uri, storage_options=options)
            except (ValueError, OSError):
                dataset = None
        if dataset is None:
            with contextlib.suppress(AlreadyExists, Conflict), lance_errors(self.uri, self.store):
                lance.write_dataset(
                    schema().empty_table(), self.uri, mode="create", storage_options=options,
                    data_storage_version="2.2",
                )  # fmt: skip
        with lance_errors(self.uri, self.store):
            dataset = lance.write_dataset(table, self.uri, mode="append", storage_options=options)
        self._appends += 1
        if self._appends % _TIDY_EVERY == 0:
            # Another server may tidy at the same moment; one of the two is enough.
            with contextlib.suppress(Exception):
                dataset.optimize.compact_files()
                dataset.cleanup_old_versions(retain_versions=_KEEP_VERSIONS)

    def _failed(self, error: Exception, waiting: int) -> None:
        from lancenb.store import redact

        self.failures += 1
        _log.error("the audit log cannot be written, %d notes wait: %s", waiting, redact(error))
        if self._on_error is not None:
            with contextlib.suppress(Exception):
                self._on_error(error)

    def _lose(self, made: dict[str, Any]) -> None:
        self.lost += 1
        _log.error("audit note outside the table: %s", json.dumps(made, default=str))
