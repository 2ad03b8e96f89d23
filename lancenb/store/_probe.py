"""Does a store keep the promise that concurrent commits rest on?

A Lance commit creates the next manifest only if it is not there yet (``If-None-Match: *`` on S3,
a hard link on disk). Some servers ignore that, some check it one request after another and still
let two winners through when they race; both lose commits silently. So the probe races.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lancenb.errors import StoreError, StoreUnreachable, UnsafeStore

WRITERS = 8
KEYS = 12
PATIENCE = 30.0  # seconds for one round of writes


@dataclass(frozen=True)
class ProbeResult:
    """What the race showed.

    Attributes:
        safe: every key had exactly one winner.
        writers: threads that wrote each key at the same moment.
        keys: keys that were raced for.
        double: keys that more than one writer won (0 when safe).
        lost: keys nobody won (0 when safe).
        where: the place that was probed.
        reason: one sentence.
    """

    safe: bool
    writers: int
    keys: int
    double: int
    lost: int
    where: str
    reason: str

    def require_safe(self) -> ProbeResult:
        """Return the result, or raise ``UnsafeStore`` when concurrent commits could be lost."""
        if not self.safe:
            raise UnsafeStore(self.reason, hint=HINT)
        return self


HINT = (
    "let one process write at a time, or use a server with conditional writes "
    "(AWS, MinIO, Ceph radosgw)"
)


def race(put: Callable[[str, int], bool], where: str) -> ProbeResult:
    """Let :data:`WRITERS` threads race for each of :data:`KEYS` keys.

    Args:
        put: ``put(name, writer)`` creates ``name`` if absent; True when it did, False when it
            was there; anything else is raised.
        where: named in the result.
    """
    names = [f"{uuid.uuid4().hex}-{number}" for number in range(KEYS)]
    start = threading.Barrier(WRITERS)

    def write(writer: int) -> list[bool]:
        won = []
        for name in names:
            start.wait(PATIENCE)
            won.append(put(name, writer))
        return won

    with ThreadPoolExecutor(WRITERS, thread_name_prefix="lancenb-probe") as pool:
        jobs = [pool.submit(_or_abort, write, writer, start) for writer in range(WRITERS)]
        errors = [error for error in (job.exception() for job in jobs) if error is not None]
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    if errors:
        raise StoreUnreachable(
            f"{where} is too slow to be probed: a small write took more than {PATIENCE:g} seconds",
            hint="try again when it is less busy",
        )
    wins = [sum(column) for column in zip(*(job.result() for job in jobs), strict=True)]
    double, lost = sum(n > 1 for n in wins), sum(n == 0 for n in wins)
    if double:
        reason = (
            f"{where} does not enforce put-if-absent: {double} of {KEYS} keys had several winners, "
            "so concurrent commits can be lost"
        )
    elif lost:
        reason = f"{where} refused every writer of {lost} of {KEYS} keys: commits may not work"
    else:
        reason = f"{where} enforces put-if-absent ({WRITERS} writers raced for {KEYS} keys)"
    return ProbeResult(not double and not lost, WRITERS, KEYS, double, lost, where, reason)


def _or_abort(
    write: Callable[[int], list[bool]], writer: int, start: threading.Barrier
) -> list[bool]:
    try:
        return write(writer)
    except BaseException:
        start.abort()  # the others wait for us no longer
        raise


def put_local(folder: str) -> Callable[[str, int], bool]:
    """Return a put-if-absent by hard link, the way Lance commits on a local disk.

    Raises:
        StoreError: (from the returned function) the file system has no hard links.
    """

    def put(name: str, writer: int) -> bool:
        source = os.path.join(folder, f"{name}.{writer}.tmp")
        with open(source, "wb") as out:
            out.write(b"%d" % writer)
        try:
            os.link(source, os.path.join(folder, name))
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreError(
                f"the file system of {folder} has no hard links ({error.strerror}), which commits "
                "need",
                hint="FAT, exFAT and some network shares lack them: use another disk",
            ) from error
        finally:
            os.unlink(source)
        return True

    return put
