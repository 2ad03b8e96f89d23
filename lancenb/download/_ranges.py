"""Several ranges of one file at the same time; the hash follows closely behind."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable

from ..errors import Cancelled, LancenbError, SourceNotFound
from ._answer import Answer, content_range
from ._chunks import Chunk, Chunks
from ._failures import RangeRejected, Retry, network_failure
from ._files import disk_errors
from ._http import open_url
from ._order import Order
from ._partial import Kept, Partial, hash_span, put
from ._patience import Patience
from ._watch import Watch
from .errors import DownloadDenied, RateLimited
from .policy import same_origin

_BLOCK = 256 << 10  # larger ones cost more: the cache of a core holds no more
_LARGEST = 32 << 20
_HASH_STEP = 8 << 20
_LOOK = 0.05
_SAVE_BYTES = 4 << 20
_SAVE_SECONDS = 0.25


class FileChanged(Exception):
    """What the server has now is not what has arrived so far."""


class RangesIgnored(Exception):
    """The server sends the whole file although a range was asked for."""


class _GivenUp(Exception):
    """One connection brings nothing any more; ``error`` says why."""

    def __init__(self, error: LancenbError):
        super().__init__(error.message)
        self.error = error


def chunk_size(order: Order, total: int) -> int:
    """Return how many bytes to ask for at a time."""
    smallest = max(1, order.parallel_from // 16)
    return max(smallest, min(_LARGEST, total // (4 * order.parts)))


class ParallelRead:
    """Fetches what is missing of one file by ``order.parts`` threads.

    The calling thread hashes the beginning as it grows (out of the system's page cache), reports
    progress and keeps the note on disk up to date, so that a killed process loses little.

    Args:
        order: what to fetch.
        part: where it goes.
        kept: what is here already, and what the server said of the file.
        watch: ends the work.
        digest: sha256 of the first ``hashed`` bytes; fed further.
        hashed: see ``digest``.
    """

    def __init__(
        self,
        order: Order,
        part: Partial,
        kept: Kept,
        watch: Watch,
        digest: hashlib._Hash,
        hashed: int,
    ):
        self.order = order
        self.part = part
        self.note = kept.note
        self._sure = kept.sure
        self.total = kept.note.total or 0
        self.digest = digest
        self.hashed = hashed
        self.final_url = ""
        self.retries = 0
        self._chunks = Chunks(self.total, chunk_size(order, self.total), kept.have)
        self._outer = watch
        self._watch = Watch(watch.cancel)
        self._direct: str | None = None
        self._failure: BaseException | None = None
        self._working = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()  # the system lets one at a time write, but spins to wait
        self._news = threading.Event()
        self._saved = (0.0, -1)

    def run(self, first: Answer | None, count: Callable[[int], None]) -> None:
        """Return when all bytes are in the part file and hashed.

        Args:
            first: open answer that begins where the first gap does.
            count: told how many bytes are here.

        Raises:
            FileChanged: begin anew.
            RangesIgnored: go on without ranges.
            LancenbError: it cannot be completed.
        """
        jobs: list[tuple[Chunk, Answer | None]] = []
        while len(jobs) < self.order.parts and (chunk := self._chunks.take()) is not None:
            jobs.append((chunk, first if not jobs else None))
        self._working = len(jobs)
        self._save()  # before the first gap: the note of one answer counts the file's length
        threads = [
            threading.Thread(target=self._work, args=job, name="lancenb-range", daemon=True)
            for job in jobs
        ]
        with self._watch:
            if first is not None:
                self._learn(first)
                first.watched_by(self._watch)
            try:
                for thread in threads:
                    thread.start()
                self._follow(count)
            finally:
                self._watch.stop()
                for thread in threads:
                    if thread.ident is not None:  # the system may have refused to start it
                        thread.join()
                self._save()

    # --- the calling thread

    def _follow(self, count: Callable[[int], None]) -> None:
        with self.part.path.open("rb", buffering=0) as file:
            while self.hashed < self.total:
                self._outer.check()
                if self._failure is not None:
                    raise self._failure
                ready = self._chunks.ready()
                if ready > self.hashed:
                    step = min(ready, self.hashed + _HASH_STEP)
                    with disk_errors(self.part.path):
                        self.hashed = hash_span(self.digest, file.fileno(), self.hashed, step)
                elif self._news.wait(_LOOK):
                    self._news.clear()
                count(self._chunks.count())
                self._save_sometimes()

    def _save_sometimes(self) -> None:
        now, here = time.monotonic(), self._chunks.count()
        if now - self._saved[0] > _SAVE_SECONDS or here - self._saved[1] > _SAVE_BYTES:
            self._saved = now, here
            self._save()

    def _save(self) -> None:
        with disk_errors(self.part.path):
            self.part.save(self.note, self._chunks.have(), sure=self._sure)

    # --- the threads

    def _work(self, chunk: Chunk | None, answer: Answer | None) -> None:
        patience = Patience(self.order.retries, self.order.backoff, self._watch)
        view = memoryview(bytearray(_BLOCK))
        try:
            with disk_errors(self.part.path), self.part.path.open("r+b", buffering=0) as file:
                while chunk is not None:
                    self._finish(chunk, answer, patience, file.fileno(), view)
                    self._news.set()
                    chunk, answer = self._next(), None
        except _GivenUp as tired:
            assert chunk is not None
            self._give_up(chunk, tired.error)
        except BaseException as error:
            self._fail(error)

    def _next(self) -> Chunk | None:
        """Take one more piece, or end one thread: in one step, so that none is given back between.

        It would be left to nobody, and waited for without end.
        """
        with self._lock:
            chunk = self._chunks.take()
            if chunk is None:
                self._working -= 1
            return chunk

    def _give_up(self, chunk: Chunk, error: LancenbError) -> None:
        """End one thread; a server may allow fewer connections than were tried."""
        with self._lock:
            self._chunks.give_back(chunk)
            self._working -= 1
            last = not self._working
        if last:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            if self._failure is None:
                self._failure = error
        self._news.set()

    def _finish(
        self, chunk: Chunk, answer: Answer | None, patience: Patience, file: int, view: memoryview
    ) -> None:
        while not chunk.done:
            before = chunk.at
            try:
                with answer or self._ask(chunk) as source:
                    self._copy(source, chunk, file, view)
            except Retry as again:
                self.retries += 1
                try:
                    patience.bear(again, chunk.at - before)
                except Cancelled:
                    raise
                except LancenbError as error:
                    raise _GivenUp(error) from error
            except RateLimited as error:
                raise _GivenUp(error) from error
            answer = None

    def _ask(self, chunk: Chunk) -> Answer:
        order = self.order
        headers = {**order.headers, "Range": f"bytes={chunk.at}-{chunk.stop - 1}"}
        if self.note.validator:
            headers["If-Range"] = self.note.validator
        try:
            answer = self._open(headers)
        except RangeRejected as error:
            raise FileChanged from error
        try:
            self._check(answer, chunk)
        except BaseException:
            answer.close()
            raise
        return answer

    def _open(self, headers: dict[str, str]) -> Answer:
        order, direct = self.order, self._direct
        if direct is not None:  # where the last redirect led; it got no token and gets none now
            plain = {key: value for key, value in headers.items() if key not in order.headers}
            try:
                return open_url(direct, plain, order.policy, watch=self._watch)
            except (DownloadDenied, SourceNotFound):
                pass  # a signed address ends; the first one gives a new one
        answer = open_url(order.url, headers, order.policy, token=order.token, watch=self._watch)
        self._learn(answer)
        return answer

    def _learn(self, answer: Answer) -> None:
        self.final_url = answer.url
        if not same_origin(answer.url, self.order.policy.apply(self.order.url)):
            self._direct = answer.url

    def _check(self, answer: Answer, chunk: Chunk) -> None:
        note = answer.note(self.order.url)
        if answer.status != 206:
            raise FileChanged if self.note.differs(note) else RangesIgnored
        if not self.note.continues(note):
            raise FileChanged
        said = content_range(answer.headers)
        if said is None or said[0] != chunk.at:
            raise Retry(network_failure(self.order.url, "the server sent the wrong part"))

    def _copy(self, answer: Answer, chunk: Chunk, file: int, view: memoryview) -> None:
        said = content_range(answer.headers)
        # a smaller one than asked for: the server hands the file out in portions
        stop = chunk.stop if said is None else min(chunk.stop, said[1] + 1)
        while chunk.at < stop:
            count = answer.read_into(view[: stop - chunk.at])
            if not count:
                raise Retry(network_failure(self.order.url, "the answer was cut short"))
            with self._writing:
                at = put(file, view[:count], chunk.at)
            chunk.at = at  # only now: the note speaks of it from here on
            self._watch.check()
