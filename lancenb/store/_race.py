"""The probe of a :class:`~lancenb.store.Store`: where the race is run and what is said about it."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
import warnings
from typing import TYPE_CHECKING

from lancenb.errors import LancenbError

from ._local import os_error
from ._probe import HINT, KEYS, WRITERS, ProbeResult, put_local, race
from ._redact import redact

if TYPE_CHECKING:
    from ._store import Store

_warned: set[tuple[str | None, str]] = set()


def probe_store(store: Store) -> ProbeResult:
    """Race in ``store``; warn once per endpoint and bucket when the race has several winners."""
    if store.scheme == "memory":
        return ProbeResult(
            True, WRITERS, KEYS, 0, 0, repr(store), "memory belongs to this process alone"
        )
    result = _probe_local(store) if store.is_local else _probe_s3(store)
    place = (store.endpoint, store.bucket or store.uri)
    if not result.safe and place not in _warned:
        _warned.add(place)
        warnings.warn(f"{result.reason}; {HINT}", UserWarning, stacklevel=3)
    return result


def _probe_local(store: Store) -> ProbeResult:
    store.check()
    try:
        folder = tempfile.mkdtemp(prefix=".lancenb-probe-", dir=store.uri)
    except OSError as error:
        raise os_error(error, store.uri) from error
    try:
        return race(put_local(folder), store.uri)
    except OSError as error:
        raise os_error(error, store.uri) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _probe_s3(store: Store) -> ProbeResult:
    from botocore.exceptions import ClientError

    from ._preflight import explain

    store.check()
    client, place = store.boto3(), store._place
    folder = f".lancenb-probe-{uuid.uuid4().hex}"
    base = "/".join(part for part in (store.prefix, folder) if part)
    extra = place.put_arguments()

    def put(name: str, writer: int) -> bool:
        try:
            client.put_object(
                Bucket=store.bucket,
                Key=f"{base}/{name}",
                Body=b"%d of %d" % (writer, os.getpid()),
                IfNoneMatch="*",
                **extra,
            )
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if status in (409, 412):
                return False
            raise
        return True

    where = f"{redact(place.endpoint or 'AWS S3')} (bucket {store.bucket!r})"
    try:
        result = race(put, where)
        # A writer whose answer got lost repeats and finds its own key: look again once.
        return race(put, where) if result.lost and not result.double else result
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ("NotImplemented", "501"):
            reason = f"{where} does not know put-if-absent, so Lance cannot commit there"
            return ProbeResult(False, WRITERS, KEYS, 0, KEYS, where, reason)
        raise (explain(error, place, store.bucket) or error) from None
    except LancenbError:
        raise
    except Exception as error:
        mapped = explain(error, place, store.bucket)
        if mapped is None:
            raise
        raise mapped from None
    finally:
        with contextlib.suppress(LancenbError):
            store.delete_tree(folder)
