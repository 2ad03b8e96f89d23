"""What several stores of one place share in a process: clients and recent checks."""

from __future__ import annotations

import functools
import os
import threading
import time
from typing import Any

from ._location import Location
from ._options import S3Options
from ._s3 import S3Place
from ._s3files import S3Files

_GOOD_FOR = 30.0  # seconds a successful check stays good
_lock = threading.Lock()
_clients: dict[tuple[int, S3Place], tuple[Any, Any]] = {}
_checked: dict[tuple[int, S3Place, str, int], float] = {}


class CheckedS3Files(S3Files):
    """S3 files that ask the endpoint a question at most twice a minute."""

    def check(self) -> None:
        """Ask the endpoint one small question, unless it answered well just now."""
        key = (os.getpid(), self.place, self.uri, hash(self.place.keys(self.uri)))
        if time.monotonic() - _checked.get(key, -_GOOD_FOR) < _GOOD_FOR:
            return
        super().check()
        _checked[key] = time.monotonic()


def s3_backend(location: Location, options: S3Options) -> tuple[S3Place, S3Files]:
    """Return the place and the file operations of an S3 root."""
    place = S3Place.of(options, location.bucket)
    client = functools.partial(shared_client, place, location.uri)
    return place, CheckedS3Files(place, location.bucket, location.prefix, location.uri, client)


def shared_client(place: S3Place, uri: str) -> Any:
    """Return the client of a place; a new one after a fork or when its keys were renewed."""
    keys = place.keys(uri)
    with _lock:
        known = _clients.get((os.getpid(), place))
        if known is not None and known[0] == keys:
            return known[1]
    made = place.client(uri)
    with _lock:
        if len(_clients) > 64:
            _clients.clear()
        _clients[os.getpid(), place] = (keys, made)
    return made
