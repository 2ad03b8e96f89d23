"""Writes with a key are done once: their answers are kept, on disk, for a day."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lancenb.errors import Conflict, InvalidArgument

from ._turns import Turns

_KEPT_SECONDS = 24 * 3600.0
_SWEEP_EVERY = 200


class Journal:
    """Answers by owner and key.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self._turns = Turns()
        self._writes = 0

    def once(
        self,
        owner: str,
        key: str | None,
        request: Any,
        work: Callable[[], Any],
        recover: Callable[[str], Any | None] = lambda _: None,
    ) -> Any:
        """Return ``work()``, or the answer it gave when it was done before under this key.

        Args:
            owner: id of the principal; keys of different owners have nothing to do with each other.
            key: the key; without one the work is simply done.
            request: JSON data of the request, which has to be the same under the same key.
            work: does it and returns JSON data.
            recover: called with the mark stored with the commit when no answer is known: finds out
                whether an earlier server committed the work before it died.

        Raises:
            Conflict: the key was used for another request.
        """
        if key is None:
            return work()
        mark = mark_of(owner, key)
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        with self._turns.take(mark):
            known = self._read(mark)
            if known is not None:
                if known["request"] != digest:
                    raise Conflict(
                        "this idempotency key was used for another request",
                        hint="a new request needs a new key",
                    )
                return known["answer"]
            answer = recover(mark)
            if answer is None:
                answer = work()
            self._write(mark, {"request": digest, "answer": answer})
            return answer

    def _path(self, mark: str) -> Path:
        return self.folder / mark[:2] / mark

    def _read(self, mark: str) -> dict[str, Any] | None:
        try:
            return json.loads(self._path(mark).read_text())
        except (OSError, ValueError):
            return None

    def _write(self, mark: str, data: dict[str, Any]) -> None:
        path = self._path(mark)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        fresh.write_text(json.dumps(data))
        os.replace(fresh, path)
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 1:
            self._sweep()

    def _sweep(self) -> None:
        limit = time.time() - _KEPT_SECONDS
        for path in self.folder.glob("*/*"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    path.unlink()


def mark_of(owner: str, key: str) -> str:
    """Return what is stored for a key: nothing of the key can be read from it.

    Raises:
        InvalidArgument: the key is not 1 to 200 printable ASCII characters.
    """
    if not (isinstance(key, str) and 1 <= len(key) <= 200 and key.isascii() and key.isprintable()):
        raise InvalidArgument(
            "an idempotency key is 1 to 200 printable ASCII characters", hint="such as a UUID"
        )
    return hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest()[:40]
