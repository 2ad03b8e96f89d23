"""The URL engine: one address to one verified file, over interruptions of any kind.

* what has arrived survives a killed process (``.part`` with a note) and is resumed only if the
  server proves by ``If-Range`` that the file is still the same;
* the sha256 is checked when it is known (argument, or a torch-style name such as
  ``resnet18-f37072fd.pth``) and always computed;
* the target appears in one step when it is complete; N processes cause one transfer.

Transfers are in :mod:`._transfer` (one request after the other) and :mod:`._ranges` (several at
the same time), what may be asked for in :mod:`.policy`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidArgument
from ..progress import CancelToken, ProgressCallback, Tracker
from ._files import disk_errors, locked
from ._names import hash_in_name, name_from_url, public_url, url_key
from ._order import Order
from ._partial import Note, Partial
from ._patience import Patience
from ._probe import Asker, Probe
from ._verified import Goal, transferred
from ._watch import Watch
from .policy import UrlPolicy


@dataclass(frozen=True)
class Fetched:
    """A finished transfer.

    Attributes:
        path: the file.
        sha256: hex digest of its content.
        size: bytes.
        note: validators of the server, for asking later whether the file has changed.
        final_url: address that answered, without query.
        resumed_from: bytes that an earlier, interrupted transfer had left.
        retries: attempts beyond the first.
        seconds: wall time.
    """

    path: Path
    sha256: str
    size: int
    note: Note
    final_url: str
    resumed_from: int
    retries: int
    seconds: float


class Fetcher:
    """Fetches addresses under one policy.

    Args:
        policy: what may be fetched; default: http and https, any size.
        retries: attempts in a row without real progress before giving up.
        backoff: first wait in seconds, doubled each time.
        parts: ranges of one file asked for at the same time.
        parallel_from: size in bytes from which on that is done.
    """

    def __init__(
        self,
        policy: UrlPolicy | None = None,
        *,
        retries: int = 5,
        backoff: float = 0.5,
        parts: int = 4,
        parallel_from: int = 128 << 20,
    ) -> None:
        self.policy = policy or UrlPolicy()
        self.retries = retries
        self.backoff = backoff
        self.parts = parts
        self.parallel_from = parallel_from

    def fetch(
        self,
        url: str,
        into: Path | str,
        name: str | None = None,
        *,
        sha256: str | bool | None = None,
        size: int | None = None,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        unless: Note | None = None,
        lock: Path | None = None,
        reuse: Callable[[], Fetched | None] | None = None,
        guard: Callable[[Path, str], None] | None = None,
        announce: Callable[[Fetched, Path], None] | None = None,
        keep: Callable[[Fetched], None] | None = None,
        progress: ProgressCallback | bool | None = None,
        tracker: Tracker | None = None,
        cancel: CancelToken | None = None,
    ) -> Fetched | None:
        """Fetch ``url`` into the folder ``into``.

        Args:
            url: http or https address.
            into: folder, made when missing.
            name: file name; default: what the server proposes, made safe.
            sha256: expected digest, full or a prefix of at least 8 hex digits; ``None`` takes
                it from a torch-style name (``resnet18-f37072fd.pth``), ``False`` checks nothing.
            size: expected size in bytes.
            token: bearer token, sent to the origin of ``url`` only.
            headers: further request headers, sent over redirects too (no secrets here).
            unless: note on a copy the caller has; None comes back if it is still good.
            lock: lock file; default: beside the part file.
            reuse: asked once the lock is held; what it returns ends the call.
            guard: told the path and the sha256 before the file takes its name; may raise, and what
                has arrived is kept then.
            announce: told right before that what will be there, and where it is until then.
            keep: told of the finished file while the lock is still held.
            progress: callable, True, or None.
            tracker: use this instead of ``progress``.
            cancel: token that stops the transfer within a second.

        Returns:
            The finished file; None only with ``unless``.

        Raises:
            SourceNotFound: nothing at the address.
            DownloadDenied: a token is missing or not good enough.
            Offline: no answer at all (within 10 s).
            ChecksumMismatch: twice not the promised bytes; nothing is at the target.
            BlockedURL: the policy forbids the address or a redirect.
            DownloadFailed: too many interruptions.
        """
        expected = check_digest(sha256)
        self.policy.apply(url)
        into = Path(into).absolute()
        part = Partial.of(into, url_key(url))
        tracker = tracker or Tracker(progress, cancel)
        began = time.monotonic()
        order = Order(
            url,
            self.policy,
            token,
            dict(headers or {}),
            size,
            unless,
            retries=self.retries,
            backoff=self.backoff,
            parts=self.parts,
            parallel_from=self.parallel_from,
        )
        with locked(lock or part.path.with_suffix(".lock"), cancel), Watch(cancel) as watch:
            part.tidy()
            if reuse is not None and (found := reuse()) is not None:
                return found
            with disk_errors(into):  # only now: who clears a cache takes away what nobody locks
                into.mkdir(parents=True, exist_ok=True)
            with disk_errors(into):  # once more: it may have been cleared while we waited
                into.mkdir(parents=True, exist_ok=True)
            if expected is None and sha256 is not False:
                expected = hash_in_name(name_from_url(url))
            if tracker.phase != "download":  # every entry is an event, and there may be many files
                tracker.enter("download", public_url(url))
            goal = Goal(into, name, expected, check=sha256 is not False)
            transfer = transferred(order, part, tracker, watch, goal)
            if transfer is None:
                return None
            assert transfer.note is not None
            target = goal.target(url, transfer.note)
            fetched = Fetched(
                target,
                transfer.digest.hexdigest(),
                transfer.hashed,
                transfer.note,
                public_url(transfer.final_url),
                transfer.resumed_from,
                transfer.retries,
                time.monotonic() - began,
            )
            if guard is not None:
                guard(target, fetched.sha256)
            with disk_errors(target):
                if announce is not None:
                    announce(fetched, part.path)
                part.finish(target)
            if keep is not None:
                keep(fetched)
            return fetched

    def probe(
        self,
        url: str,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        cancel: CancelToken | None = None,
    ) -> Probe:
        """Ask what is at ``url`` without fetching it (one request for one byte).

        Args:
            url: http or https address.
            token: bearer token, sent to the origin of ``url`` only.
            headers: further request headers.
            cancel: stops it within a second.

        Raises:
            LancenbError: as :meth:`fetch`.
        """
        with Watch(cancel) as watch:
            return self._asker(url, watch, token, headers).probe()

    def read_range(
        self,
        url: str,
        start: int,
        length: int,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
        cancel: CancelToken | None = None,
    ) -> bytes:
        """Return exactly ``length`` bytes of the file at ``url``, from ``start`` on.

        Args:
            url: http or https address.
            start: offset of the first byte.
            length: how many bytes, at most 64 MiB.
            token: bearer token, sent to the origin of ``url`` only.
            headers: further request headers.
            cancel: stops it within a second.

        Raises:
            DownloadFailed: the file is shorter, or the server sends whole files only.
            LancenbError: as :meth:`fetch`.
        """
        with Watch(cancel) as watch:
            return self._asker(url, watch, token, headers).read_range(start, length)

    def _asker(
        self, url: str, watch: Watch, token: str | None, headers: dict[str, str] | None
    ) -> Asker:
        patience = Patience(self.retries, self.backoff, watch)
        return Asker(url, self.policy, patience, token, headers)


def check_digest(sha256: str | bool | None) -> str | None:
    """Return an expected digest in lower case.

    Raises:
        InvalidArgument: not 8 to 64 hex digits.
    """
    if sha256 is None or sha256 is False:
        return None
    text = str(sha256).strip().lower().removeprefix("sha256:")
    if not 8 <= len(text) <= 64 or set(text) - set("0123456789abcdef"):
        raise InvalidArgument(
            f"sha256={sha256!r} is not a sha256", hint="give 64 hex digits, or the first 8 or more"
        )
    return text
