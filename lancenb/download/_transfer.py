"""One file over the wire: attempts, resume, cancel. Verification is the caller's."""

from __future__ import annotations

import hashlib

from ..errors import DownloadFailed
from ..progress import Tracker
from ._answer import Answer, content_range
from ._failures import RangeRejected, Retry, network_failure
from ._files import disk_error, disk_errors, need_space
from ._http import open_url
from ._names import public_url
from ._order import Order
from ._partial import Kept, Note, Partial, hash_span, put
from ._patience import Patience
from ._ranges import FileChanged, ParallelRead, RangesIgnored, chunk_size
from ._watch import Watch

_BLOCK = 256 << 10  # larger ones cost more: the cache of a core holds no more


class Transfer:
    """The state of one file while it arrives in ``part``.

    Attributes:
        note: what the server said of the file.
        digest: sha256 over the first ``hashed`` bytes, in the end all.
        resumed_from: bytes that an earlier transfer had left.
        retries: attempts beyond the first.
        final_url: address that answered.
        not_modified: the copy of ``order.unless`` is still good; nothing was fetched.
    """

    def __init__(self, order: Order, part: Partial, tracker: Tracker, watch: Watch):
        self.order = order
        self.part = part
        self.tracker = tracker
        self.watch = watch
        self.note: Note | None = None
        self.digest = hashlib.sha256()
        self.hashed = 0
        self.resumed_from = 0
        self.retries = 0
        self.final_url = ""
        self.not_modified = False
        self._unless = order.unless
        self._counted = 0
        self._whole = False  # the server does not cope with ranges
        self._serial = order.parts < 2
        self._portion = 0  # up to where whole portions have come

    def run(self) -> None:
        """Transfer until all bytes are in the part file, or raise why that cannot be."""
        patience = Patience(self.order.retries, self.order.backoff, self.watch)
        kept = self._usable()
        self.resumed_from = kept.count if kept else 0
        highest = kept.prefix if kept else 0  # beginning anew is no progress until beyond it
        while True:
            try:
                if self._attempt():
                    return
            except RangeRejected as rejected:
                if self._ended(rejected):
                    return
                self._drop()
                if self._whole:
                    raise DownloadFailed(
                        f"{public_url(self.order.url)}: the server refuses to send the file "
                        "(status 416)",
                        hint="try the address in a browser",
                    ) from rejected
                self._whole = True
            except FileChanged:
                self._drop()
                self._serial = True
            except RangesIgnored:
                self._serial = True
            except Retry as again:
                patience.bear(again, self.hashed - highest, reached=bool(self.final_url))
            highest = max(highest, self.hashed)
            self.retries += 1

    def count(self, position: int) -> None:
        """Tell the tracker that ``position`` bytes are here (it may step back)."""
        self.tracker.advance(0, position - self._counted)
        self._counted = position

    def _usable(self) -> Kept | None:
        """What is on disk and can be trusted when the transfer goes on."""
        kept = self.part.load()
        if kept is None or not kept.count or kept.note.decoded:
            return None
        trusted = self.order.trusted_hash or kept.proven
        total = kept.note.total
        return kept if trusted and (total is None or kept.have[-1][1] <= total) else None

    def _drop(self) -> None:
        self.part.drop()
        self.digest, self.hashed = hashlib.sha256(), 0

    def _hash_again(self, kept: Kept | None) -> int:
        """Make the digest stand for what is kept; return how much that is."""
        offset = kept.prefix if kept else 0
        if self.hashed > offset:
            self.digest, self.hashed = hashlib.sha256(), 0
        if self.hashed < offset:
            with disk_errors(self.part.path), self.part.path.open("rb", buffering=0) as file:
                hash_span(self.digest, file.fileno(), self.hashed, offset, self.watch.check)
            self.hashed = offset
        return offset

    def _attempt(self) -> bool:
        """Ask once; return whether the file is complete."""
        self.watch.check()
        kept = self._usable()
        if kept is not None and self._worthwhile(kept):
            self.note = kept.note
            return self._in_parallel(kept, None)
        offset = self._hash_again(kept)
        if kept is not None and kept.note.total == offset:
            self.note, self.final_url = kept.note, self.final_url or self.order.url
            self.count(offset)
            return True
        self.note = kept.note if kept else None
        conditions = {} if offset else self._conditions()
        headers = {**self._request_headers(offset, self.note), **conditions}
        order = self.order
        flags = {"conditional": bool(conditions), "packed": order.packed}
        with open_url(
            order.url, headers, order.policy, token=order.token, watch=self.watch, **flags
        ) as answer:
            self.final_url = answer.url
            if answer.status == 304:
                self.not_modified = True
                return True
            self._unless = None
            begun = self._agree(answer, offset, kept)
            if answer.status == 206 and self._worthwhile(begun):
                return self._in_parallel(begun, answer)
            return self._body(answer, begun.prefix)

    def _worthwhile(self, kept: Kept) -> bool:
        """Whether the rest can be asked for in parallel, and is large or in pieces already."""
        total = kept.note.total
        if self._serial or self._whole or total is None:
            return False
        if not (kept.note.validator or self.order.trusted_hash):
            return False
        return total - kept.count >= self.order.parallel_from or kept.count > kept.prefix

    def _in_parallel(self, kept: Kept, answer: Answer | None) -> bool:
        self._check_size(kept.note)
        total = kept.note.total or 0
        with disk_errors(self.part.path):
            need_space(self.part.path.parent, total - kept.count)
        if self.tracker.total_bytes is None:
            self.tracker.total_bytes = total
        if self.hashed > kept.prefix:
            self.digest, self.hashed = hashlib.sha256(), 0
        read = ParallelRead(self.order, self.part, kept, self.watch, self.digest, self.hashed)
        try:
            read.run(answer, self.count)
        finally:
            self.hashed = read.hashed
            self.final_url = read.final_url or self.final_url
            self.retries += read.retries
        return True

    def _request_headers(self, offset: int, note: Note | None) -> dict[str, str]:
        headers = dict(self.order.headers)
        if offset:
            headers["Range"] = f"bytes={offset}-"
            if note is not None and note.validator:
                headers["If-Range"] = note.validator
        elif not self._whole:
            headers["Range"] = f"bytes=0-{self._first_stop()}"  # a 206 tells the size, cut or not
        return headers

    def _conditions(self) -> dict[str, str]:
        """Return the headers that ask for the file only if the caller's copy is out of date."""
        old = self._unless or Note("")
        pairs = {"If-None-Match": old.etag, "If-Modified-Since": old.modified}
        return {key: value for key, value in pairs.items() if value}

    def _first_stop(self) -> int | str:
        """Where the first request ends: a large file's goes on in parallel right behind it."""
        order = self.order
        large = order.size is not None and order.size >= order.parallel_from
        if self._serial or not large or not order.trusted_hash:
            return ""
        return chunk_size(order, order.size or 0) - 1

    def _agree(self, answer: Answer, offset: int, kept: Kept | None) -> Kept:
        """Check that the answer goes on where we stopped; return what of that it leaves."""
        note, start, old = answer.note(self.order.url), 0, kept.note if kept else None
        if answer.status == 206:
            said = content_range(answer.headers)
            misplaced = said is None or said[0] != offset or note.decoded
            if misplaced or (old is not None and offset and not old.continues(note)):
                self._drop()
                self._whole = self._whole or said is None or note.decoded
                raise Retry(network_failure(self.order.url, "the server sent the wrong part"), 0.0)
            start = offset
            if note.total is None and old is not None:
                note.total = old.total
        elif old is not None and old.etag and old.etag == note.etag and old.differs(note):
            raise Retry(network_failure(self.order.url, "the server tells two sizes of one file"))
        self._check_size(note)
        with disk_errors(self.part.path):
            need_space(self.part.path.parent, (note.total or self.order.size or 0) - start)
            if not start:
                self.digest, self.hashed = hashlib.sha256(), 0
            begun = self.part.begin(note, start, proven=kept is None or kept.proven)
        self.note = note
        if self.tracker.total_bytes is None:
            self.tracker.total_bytes = note.total
        return begun

    def _check_size(self, note: Note) -> None:
        size = self.order.size
        if size is not None and note.total is not None and note.total != size:
            raise DownloadFailed(
                f"{public_url(self.order.url)} has {note.total:,} bytes, {size:,} were expected",
                hint="the file was replaced or the address leads to another one",
            )
        self.order.policy.check_size(note.total, self.order.url)

    def _body(self, answer: Answer, position: int) -> bool:
        assert self.note is not None
        said = content_range(answer.headers) if answer.status == 206 else None
        stop, began = said[1] + 1 if said else self.note.total, position
        view = memoryview(bytearray(_BLOCK))
        self.count(position)
        with self.part.path.open("r+b", buffering=0) as file:
            while stop is None or position < stop:
                room = view if stop is None else view[: stop - position]
                block = view[: answer.read_into(room)]
                if not block:
                    break
                self._limit(position + len(block))
                try:
                    position = put(file.fileno(), block, position)
                except OSError as error:
                    raise disk_error(error, self.part.path) from error
                self.digest.update(block)
                self.hashed = position
                self.watch.check()
                self.count(position)
        return self._complete(said, began, position)

    def _complete(
        self, said: tuple[int, int, int | None] | None, began: int, position: int
    ) -> bool:
        """Whether the body was the rest of the file (False: ask for more at once)."""
        assert self.note is not None
        total, size = self.note.total, self.order.size
        if total is None and (size == position or (size is None and said is None)):
            self.note.total = total = position
        if position == total:
            return True
        if said is not None and began < position == said[1] + 1:
            self._portion = position  # the server hands the file out in portions
            if self.note.validator or self.order.trusted_hash:
                return False
            if not self._whole:  # nothing shows that two of them belong together
                self._whole = True
                return False
        of = total or size or (said[1] + 1 if said else 0)
        missing = f"only {position:,} of {of:,} bytes came"
        raise Retry(network_failure(self.order.url, missing))

    def _ended(self, rejected: RangeRejected) -> bool:
        """Whether nothing is behind what has come of a file whose size was not told."""
        note, here = self.note, self.hashed
        if note is None or note.total is not None or not here:
            return False
        if rejected.total != here and (rejected.total, self._portion) != (None, here):
            return False
        note.total = here
        self._check_size(note)
        self.final_url = self.final_url or self.order.url
        self.count(here)
        return True

    def _limit(self, position: int) -> None:
        """Stop a body that grows beyond what is allowed or expected."""
        size = self.order.size
        try:
            self.order.policy.check_size(position, self.order.url)
            if size is not None and position > size:
                raise DownloadFailed(
                    f"{public_url(self.order.url)} has more than the {size:,} bytes expected",
                    hint="the file was replaced or the address leads to another one",
                )
        except DownloadFailed:
            self.part.drop()
            raise
