"""Leases: a small file per running write, so that cleaning never touches work in progress.

A writer puts its lease before its first byte and removes it after its commit. Whoever wants to
remove unreferenced files lists the files first, the leases second and the referenced files third:
a listed file without a living lease belongs to no write that could still commit.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ._names import now, ulid
from ._owner import HEARTBEAT, active, process_mark, state_of, this_owner

if TYPE_CHECKING:
    from lancenb.store import Store

FOLDER = "_leases"
_MEMORY: dict[str, bytes] = {}


def put(store: Store, rel: str, data: bytes) -> None:
    """Write one small file below the root, replacing it in one step."""
    if store.scheme == "memory":
        _MEMORY[store.join(rel)] = data
    elif store.is_local:
        path = store.join(rel)
        partial = f"{path}.{process_mark()}.part"
        from lancenb.store import lance_errors

        with lance_errors(path, store):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(partial, "wb") as file:
                file.write(data)
            os.replace(partial, path)
    else:
        from lancenb.store import lance_errors

        with lance_errors(store.join(rel), store):
            store.boto3().put_object(Bucket=store.bucket, Key=_key(store, rel), Body=data)


def read(store: Store, rel: str) -> bytes | None:
    """Return the content of a small file, ``None`` when it is not there."""
    if store.scheme == "memory":
        return _MEMORY.get(store.join(rel))
    if store.is_local:
        missing = (FileNotFoundError, IsADirectoryError)
        with contextlib.suppress(*missing), open(store.join(rel), "rb") as file:
            return file.read()
        return None
    client = store.boto3()
    try:
        return client.get_object(Bucket=store.bucket, Key=_key(store, rel))["Body"].read()
    except client.exceptions.NoSuchKey:
        return None


def remove(store: Store, rel: str) -> None:
    """Remove a small file; a missing one is fine."""
    if store.scheme == "memory":
        _MEMORY.pop(store.join(rel), None)
    elif store.is_local:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(store.join(rel))
    else:
        store.boto3().delete_object(Bucket=store.bucket, Key=_key(store, rel))


def _key(store: Store, rel: str) -> str:
    return f"{store.prefix}/{rel}" if store.prefix else rel


def _names(store: Store) -> list[str]:
    if store.scheme == "memory":
        top = store.join(FOLDER) + "/"
        return sorted(key[len(top) :] for key in list(_MEMORY) if key.startswith(top))
    return store.list(FOLDER)


class Lease:
    """A lease as found in the store: ``rel``, ``key``, ``owner`` and its ``state``.

    ``removing`` are the files of the table that its owner was about to remove.
    """

    def __init__(self, rel: str, key: str, owner: dict[str, Any]):
        self.rel, self.key, self.owner = rel, key, owner
        self.state = state_of(owner)
        going = owner.get("removing")
        self.removing = {str(path) for path in going} if isinstance(going, list) else set()


def leases(store: Store, key: str | None = None) -> list[Lease]:
    """Return the leases of one table (by entry id), or all of them."""
    found = []
    for name in _names(store):
        of, sep, _ = name.partition("--")
        if not sep or not name.endswith(".json") or (key is not None and of != key):
            continue
        data = read(store, f"{FOLDER}/{name}")
        if data is None:
            continue
        try:
            owner = json.loads(data)
        except (ValueError, RecursionError):
            owner = None
        if not isinstance(owner, dict):
            owner = {}  # half a file, or none of ours: it holds nothing up
        found.append(Lease(f"{FOLDER}/{name}", of, owner))
    return found


@contextlib.contextmanager
def writing(
    store: Store, key: str, actor: str, *, removing: list[str] | None = None
) -> Iterator[str]:
    """Hold a lease on the table ``key`` while the body writes to it; yields its token.

    Args:
        store: the root.
        key: what it is filed under.
        actor: whose it is.
        removing: files of the table that the body removes and no version refers to; should it be
            killed before, they are debris.
    """
    token, since = ulid(), now()
    rel = f"{FOLDER}/{key}--{token}.json"

    def beat() -> None:
        more = {} if removing is None else {"removing": removing}
        put(store, rel, json.dumps({**this_owner(actor, token, since), **more}).encode())

    with active(token):
        beat()
        try:
            with heartbeat(beat):
                yield token
        finally:
            with contextlib.suppress(Exception):
                remove(store, rel)


@contextlib.contextmanager
def heartbeat(beat: Any) -> Iterator[None]:
    """Call ``beat`` now and then while the body runs; a failing beat is tried again later."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(HEARTBEAT):
            with contextlib.suppress(Exception):
                beat()

    thread = threading.Thread(target=run, name="lancenb-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=5)
