"""One training at a time saves checkpoints under a name; a second one is told so."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from typing import Any

from ..catalog._leases import leases, remove, writing
from ..catalog._owner import ALIVE, describe
from ..errors import Conflict


@contextlib.contextmanager
def claimed(manager: Any, name: str) -> Iterator[None]:
    """Hold a name for one training while the body runs.

    The claim is a lease of the catalogue: it is over with its process, also when that was killed,
    and after an hour without a sign of life when the process is on another machine. Two trainings
    that begin in the same moment may both be refused.

    Args:
        manager: catalogue; one behind a server cannot be claimed in.
        name: of the model artefact.

    Raises:
        Conflict: another training of that name is running.
    """
    store = getattr(manager, "store", None)
    if store is None:
        yield
        return
    key = _key(name)
    with writing(store, key, manager.actor) as token:
        for lease in leases(store, key):
            if lease.owner.get("token") == token:
                continue
            if lease.state == ALIVE:
                raise Conflict(
                    f"another training of {name!r} is running: {describe(lease.owner)}, since"
                    f" {lease.owner.get('since', '?'):.19}",
                    hint=f"wait for it, or name this one otherwise: fit(..., name='{name}-2')",
                )
            remove(store, lease.rel)
        yield


def _key(name: str) -> str:
    """What the lease is filed under: readable, of any name, and without the mark of leases, --.

    >>> _key("resnet18")
    'training-of-resnet18-4832e414'
    """
    plain = name.replace("-", "_")[:100]
    return f"training-of-{plain}-{zlib.crc32(name.encode()):08x}"
