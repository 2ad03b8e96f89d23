"""Small questions to an address: what is there, and single ranges of it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import DownloadFailed, InvalidArgument
from ._answer import Answer, content_range
from ._failures import RangeRejected, Retry, network_failure
from ._http import open_url
from ._names import name_from_disposition, name_from_url, public_url, safe_name
from ._patience import Patience
from .policy import UrlPolicy

MAX_RANGE = 64 << 20


@dataclass(frozen=True)
class Probe:
    """What an address says of its file.

    Attributes:
        url: address as asked, without query.
        final_url: address that answered, without query.
        name: safe file name, as the server proposes it or from the address.
        size: bytes, None when the server does not say.
        etag: as sent, weak ones too.
        modified: ``Last-Modified`` as sent.
        ranges: whether single ranges can be asked for.
        content_type: as sent.
    """

    url: str
    final_url: str
    name: str
    size: int | None
    etag: str | None
    modified: str | None
    ranges: bool
    content_type: str | None


class Asker:
    """Asks one address, with the patience of a fetcher."""

    def __init__(
        self,
        url: str,
        policy: UrlPolicy,
        patience: Patience,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ):
        self.url = url
        self.policy = policy
        self.patience = patience
        self.token = token
        self.headers = dict(headers or {})

    def _open(self, **more: str) -> Answer:
        headers = {**self.headers, **{key.replace("_", "-"): value for key, value in more.items()}}
        watch = self.patience.watch
        return open_url(self.url, headers, self.policy, token=self.token, watch=watch)

    def probe(self) -> Probe:
        """Ask for the first byte (signed addresses often refuse HEAD)."""
        try:
            answer = self.patience.call(lambda: self._open(Range="bytes=0-0"))
        except RangeRejected:  # an empty file has no first byte
            answer = self.patience.call(self._open)
        with answer:
            headers, said = answer.headers, content_range(answer.headers)
            part = answer.status == 206 and said is not None
            proposed = name_from_disposition(headers.get("Content-Disposition"))
            return Probe(
                public_url(self.url),
                public_url(answer.url),
                safe_name(proposed) if proposed else name_from_url(self.url),
                said[2] if part and said else answer.length,
                headers.get("ETag"),
                headers.get("Last-Modified"),
                part,
                headers.get("Content-Type"),
            )

    def read_range(self, start: int, length: int) -> bytes:
        """Return exactly these bytes, over interruptions."""
        if start < 0 or not 0 <= length <= MAX_RANGE:
            raise InvalidArgument(
                f"bytes {start} to {start + length} are no range that can be read",
                hint=f"ask for at most {MAX_RANGE >> 20} MiB at a time",
            )
        reading = _Reading(bytearray(length))
        while reading.got < length:
            before = reading.got
            try:
                self._read(reading, start)
            except RangeRejected as rejected:
                raise self._short(start + length, rejected.total) from rejected
            except Retry as again:
                self.patience.bear(again, reading.got - before, reached=reading.reached)
        return bytes(reading.buffer)

    def _read(self, reading: _Reading, start: int) -> None:
        stop = start + len(reading.buffer)
        more = {"Range": f"bytes={start + reading.got}-{stop - 1}"}
        if reading.got and reading.etag:
            more["If_Range"] = reading.etag
        with self._open(**more) as answer:
            reading.reached = True
            same = answer.etag is not None and answer.etag == reading.etag
            if not (same and answer.status == 206):
                wanted, reading.got = reading.got, 0
                if wanted and answer.status == 206:  # the middle of another file
                    raise Retry(network_failure(self.url, "the file changed meanwhile"), 0.0)
            reading.etag = answer.etag
            self._place(answer, start + reading.got, stop)
            view = memoryview(reading.buffer)
            while reading.got < len(view):
                count = answer.read_into(view[reading.got :])
                if not count:
                    raise Retry(network_failure(self.url, "the answer was cut short"))
                reading.got += count

    def _place(self, answer: Answer, position: int, stop: int) -> None:
        """Make sure that the next byte of ``answer`` is the one at ``position``."""
        said = content_range(answer.headers)
        if answer.status == 206:
            if said is None or said[0] != position:
                raise Retry(network_failure(self.url, "the server sent the wrong part"))
            if said[2] is not None and said[2] < stop:
                raise self._short(stop, said[2])
            return
        if answer.length is not None and answer.length < stop:
            raise self._short(stop, answer.length)
        if stop > MAX_RANGE:
            raise DownloadFailed(
                f"{public_url(self.url)}: the server sends whole files only",
                hint="download the file instead of reading parts of it",
            )
        scrap = memoryview(bytearray(min(position, 1 << 16)))
        while position:
            count = answer.read_into(scrap[: min(position, len(scrap))])
            if not count:
                raise Retry(network_failure(self.url, "the answer was cut short"))
            position -= count

    def _short(self, stop: int, total: int | None) -> DownloadFailed:
        size = f"has {total:,} bytes" if total is not None else "is shorter"
        return DownloadFailed(
            f"{public_url(self.url)} {size}, bytes up to {stop:,} were asked for",
            hint="the file is damaged or not what it was taken for; look at its page",
        )


@dataclass
class _Reading:
    buffer: bytearray
    got: int = 0
    etag: str | None = None
    reached: bool = False
