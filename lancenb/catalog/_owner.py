"""Who is doing this, and is that process still alive?

Reservations of names and leases of writers name their owner. On the same host a dead process is
recognised at once (process id and start time), and so is work of this process that has ended;
from another host only the lease counts.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import os
import platform
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ._names import now

# Tokens of what this very process is doing: alone, a living process proves little about itself.
_ACTIVE: set[str] = set()

LEASE = timedelta(hours=1)
MAX_SKEW = timedelta(days=7)
HEARTBEAT = LEASE.total_seconds() / 6
ALIVE, DEAD, EXPIRED = "alive", "dead", "expired"


def default_actor() -> str:
    """Return ``user@host``, the name that history shows for changes made here."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError, ImportError):
        user = "unknown"
    return f"{user}@{platform.node() or 'localhost'}"


@functools.lru_cache(maxsize=1)
def _host() -> str:
    # Containers on one machine share the kernel but not the process numbers.
    parts = [platform.node()]
    with contextlib.suppress(OSError), open("/proc/sys/kernel/random/boot_id") as file:
        parts.append(file.read().strip()[:8])
    with contextlib.suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def _started(pid: int) -> str | None:
    """Return when process ``pid`` started (opaque text), ``None`` when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (FileNotFoundError, ProcessLookupError):
        if os.path.isdir("/proc/self"):
            return None
    except (OSError, IndexError):
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""


def process_mark() -> str:
    """Return a mark of this process for names of temporary files."""
    return f"{os.getpid()}-{zlib.crc32(_host().encode()):08x}"


def mark_is_dead(mark: str) -> bool:
    """Tell whether a mark names a process of this host that has ended."""
    pid, _, host = mark.partition("-")
    mine = process_mark().partition("-")[2]
    return host == mine and pid.isdigit() and _started(int(pid)) is None


def this_owner(actor: str, token: str, since: datetime | None = None) -> dict[str, Any]:
    """Describe this process as an owner, at work ``since`` then, whose lease is renewed now."""
    pid = os.getpid()
    return {
        "actor": actor,
        "host": _host(),
        "pid": pid,
        "started": _started(pid) or "",
        "token": token,
        "since": (since or now()).isoformat(),
        "lease": (now() + LEASE).isoformat(),
    }


@contextlib.contextmanager
def active(token: str) -> Iterator[None]:
    """Count the owner with ``token`` as alive while the body runs in this process."""
    _ACTIVE.add(token)
    try:
        yield
    finally:
        _ACTIVE.discard(token)


def state_of(owner: Mapping[str, Any]) -> str:
    """Return ``"alive"``, ``"dead"`` (same host, process gone) or ``"expired"`` (by its lease)."""
    pid = owner.get("pid")
    if owner.get("host") == _host() and isinstance(pid, int):
        started = _started(pid)
        if started is None or (started and owner.get("started") not in ("", started)):
            return DEAD
        if pid == os.getpid():
            return ALIVE if str(owner.get("token")) in _ACTIVE else DEAD
        return ALIVE
    lease = moment(owner.get("lease"))
    # A lease that ends weeks from now was not made by a clock that could be right.
    return ALIVE if lease and now() < lease < now() + LEASE + MAX_SKEW else EXPIRED


def is_here(owner: Mapping[str, Any]) -> bool:
    """Tell whether an owner is this very process."""
    return owner.get("host") == _host() and owner.get("pid") == os.getpid()


def moment(text: Any) -> datetime | None:
    """Return the time that ``text`` says, in UTC if it names no zone; ``None`` if it says none."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def describe(owner: Mapping[str, Any]) -> str:
    """Return ``actor (process 12 on host)`` for messages."""
    host = str(owner.get("host", "?")).split("/")[0]
    return f"{owner.get('actor', '?')} (process {owner.get('pid', '?')} on {host})"
