"""One file over the wire: attempts, resume, cancel. Verification is the caller's."""

from __future__ import annotations

import hashlib
import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import urllib3
from urllib3.response import BaseHTTPResponse

from ..errors import DownloadFailed
from ..progress import CancelToken, Tracker
from . import _http
from ._files import disk_error, disk_errors, need_space
from ._names import public_url
from ._partial import Note, Partial, hash_file
from .policy import UrlPolicy

_CHUNK = 1 << 20
_REAL_PROGRESS = 256 << 10
_UNREACHED_LIMIT = 4.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass
class Transfer:
    """The state of one file while it arrives in ``part``.

    Attributes:
        url: address as given (mirrors and redirects are applied per attempt).
        digest: sha256 over the first ``hashed`` bytes.
        unless: note on a finished copy; the server may answer that it is still good.
        disposition: ``Content-Disposition`` of the answer, for naming.
    """

    url: str
    part: Partial
    policy: UrlPolicy
    tracker: Tracker
    cancel: CancelToken | None = None
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    trusted_hash: bool = False
    size: int | None = None
    unless: Note | None = None
    retries: int = 5
    backoff: float = 0.5
    # results
    note: Note | None = None
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    hashed: int = 0
    resumed_from: int = 0
    attempts: int = 0
    final_url: str = ""
    disposition: str | None = None
    not_modified: bool = False
    _counted: int = 0
    _plain: bool = False

    def run(self) -> None:
        """Transfer until all bytes are in the part file, or raise why that cannot be."""
        self.resumed_from = self._usable()[0]
        failures, began = 0, time.monotonic()
        while True:
            before = self.hashed
            try:
                self._attempt()
                return
            except _http.RangeRejected as rejected:
                self._restart()
                if self._plain:
                    raise DownloadFailed(
                        f"{public_url(self.url)}: the server refuses to send the file (status 416)"
                    ) from rejected
                self._plain = True
            except _http.Retry as again:
                gained = self.hashed - before
                failures = 0 if gained >= _REAL_PROGRESS else failures + 1
                nobody = again.unreached and not self.final_url
                late = time.monotonic() - began > _UNREACHED_LIMIT or failures > 3
                if failures > self.retries or (nobody and late):
                    raise again.error from again
                delay = min(10.0, self.backoff * 2 ** max(0, failures - 1))
                if nobody:
                    delay = min(delay, 1.0)
                self._sleep(again.wait if again.wait is not None else delay)

    def _sleep(self, seconds: float) -> None:
        if self.cancel is None:
            time.sleep(seconds)
        elif self.cancel.wait(seconds):
            self.cancel.check()

    def _usable(self) -> tuple[int, Note | None]:
        """How far a resumed transfer can trust what is on disk; drops what it cannot."""
        offset, note = self.part.load()
        good = (
            note is not None
            and offset > 0
            and (note.validator or self.trusted_hash)
            and (note.total is None or offset <= note.total)
        )
        if not good:
            return 0, None
        if self.hashed != offset:
            self.digest, self.hashed = hash_file(self.part.path, offset), offset
        return offset, note

    def _restart(self) -> None:
        self.part.drop()
        self.digest, self.hashed = hashlib.sha256(), 0

    def _count(self, position: int) -> None:
        """Tell the tracker that ``position`` bytes are here (it may step back)."""
        self.tracker.advance(0, position - self._counted)
        self._counted = position

    def _attempt(self) -> None:
        if self.cancel is not None:
            self.cancel.check()
        self.attempts += 1
        offset, note = self._usable()
        if note is not None and note.total == offset:
            self.note, self.final_url = note, self.final_url or self.url
            self._count(offset)
            return
        if not offset:
            self.digest, self.hashed = hashlib.sha256(), 0
        response, self.final_url = _http.open_url(
            self.url, self._request_headers(offset, note), self.policy, token=self.token
        )
        try:
            if response.status == 304:
                self.not_modified = True
                return
            self.unless = None
            self.disposition = response.headers.get("Content-Disposition")
            offset = self._agree(response, offset, note)
            with _watched(response, self.cancel):
                self._body(response, offset)
        finally:
            response.close()

    def _request_headers(self, offset: int, note: Note | None) -> dict[str, str]:
        headers = dict(self.headers)
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if note is not None and note.validator:
                headers["If-Range"] = note.validator
        elif not self._plain:
            headers["Range"] = "bytes=0-"  # a 206 tells the true size even if the body is cut
        if self.unless is not None and not offset:
            if self.unless.etag:
                headers["If-None-Match"] = self.unless.etag
            if self.unless.modified:
                headers["If-Modified-Since"] = self.unless.modified
        return headers

    def _agree(self, response: BaseHTTPResponse, offset: int, old: Note | None) -> int:
        """Check that the answer goes on where we stopped; return where it starts."""
        headers = response.headers
        etag = headers.get("ETag")
        note = Note(
            public_url(self.url),
            etag if etag and not etag.startswith("W/") else None,
            headers.get("Last-Modified"),
        )
        start = 0
        encoded = headers.get("Content-Encoding", "identity") != "identity"
        if response.status == 206:
            match = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
            changed = old is not None and (
                (old.etag and note.etag and old.etag != note.etag)
                or (match and old.total and match[3] not in ("*", str(old.total)))
            )
            if not match or int(match[1]) != offset or changed:
                self._restart()
                self._plain = self._plain or not match
                error = _http.network_failure(self.url, "the server sent the wrong part")
                raise _http.Retry(error, 0.0)
            start = offset
            note.total = int(match[3]) if match[3] != "*" else (old.total if old else None)
        elif not encoded and headers.get("Content-Length", "").isdigit():
            note.total = int(headers["Content-Length"])
        if self.size is not None and note.total is not None and note.total != self.size:
            raise DownloadFailed(
                f"{public_url(self.url)} has {note.total:,} bytes, {self.size:,} were expected",
                hint="the file was replaced or the address leads to another one",
            )
        self.policy.check_size(note.total, self.url)
        with disk_errors(self.part.path):
            need_space(self.part.path.parent, (note.total or 0) - start)
            if not start:
                self.digest, self.hashed = hashlib.sha256(), 0
                self.part.path.write_bytes(b"")
            self.part.save(note)
        self.note = note
        if self.tracker.total_bytes is None:
            self.tracker.total_bytes = note.total
        return start

    def _body(self, response: BaseHTTPResponse, offset: int) -> None:
        assert self.note is not None
        total, position = self.note.total, offset
        decode = response.headers.get("Content-Encoding", "identity") != "identity"
        self._count(position)
        with self.part.path.open("r+b", buffering=0) as file:
            file.seek(position)
            while total is None or position < total:
                try:
                    block = response.read1(_CHUNK, decode_content=decode)
                except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
                    if self.cancel is not None:
                        self.cancel.check()
                    why = f"the connection broke ({error.__class__.__name__})"
                    raise _http.Retry(_http.network_failure(self.url, why)) from error
                if not block:
                    break
                try:
                    file.write(block)
                except OSError as error:
                    raise disk_error(error, self.part.path) from error
                self.digest.update(block)
                position += len(block)
                self.hashed = position
                self.policy.check_size(position, self.url)
                self._count(position)
        if self.cancel is not None:
            self.cancel.check()
        if total is not None and position != total:
            why = f"only {position:,} of {total:,} bytes came"
            raise _http.Retry(_http.network_failure(self.url, why))


@contextmanager
def _watched(response: BaseHTTPResponse, cancel: CancelToken | None) -> Iterator[None]:
    """Wake a read that waits for a silent server as soon as ``cancel`` is set."""
    if cancel is None:
        yield
        return
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            if cancel.wait(0.2):
                if not done.is_set():
                    with suppress(ValueError, RuntimeError, OSError):
                        response.shutdown()
                return

    thread = threading.Thread(target=watch, name="lancenb-cancel", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
