"""Addresses: the cache over the URL engine (``url/<key>/`` in the cache root)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import AlreadyExists, LancenbError, Offline
from ..progress import CancelToken, Tracker
from ._files import disk_errors, locked
from ._names import hash_in_name, name_from_url, public_url, url_key
from ._partial import Note, Partial, hash_file
from ._url_records import Meta, Place, describe
from .cache import Cache
from .fetch import Fetched, Fetcher, check_digest
from .policy import UrlPolicy
from .result import Download, DownloadedFile


def download_url(
    url: str,
    *,
    cache: Cache,
    to: Path | None = None,
    sha256: str | bool | None = None,
    token: str | None = None,
    offline: bool = False,
    force: bool = False,
    tracker: Tracker,
    cancel: CancelToken | None = None,
    policy: UrlPolicy | None = None,
    kind: str = "file",
    facts: dict[str, Any] | None = None,
) -> Download:
    """Fetch one address through the cache, or straight to ``to``.

    A cached file whose hash was promised is used without asking anybody; one whose hash was not
    is used when the server says that it has not changed (or does not answer at all: the lineage
    then has ``"revalidated": false``). A cached file that changed on disk is fetched again. The
    same holds for a file that an earlier call has put at ``to``.

    Args:
        url: http or https address.
        cache: where to keep it.
        to: target file, or a folder (existing, or written with a slash at the end).
        sha256: see :meth:`Fetcher.fetch`.
        token: bearer token for the origin of ``url``.
        offline: use the cache only.
        force: fetch even if it is cached.
        tracker: progress.
        cancel: stops it.
        policy: see :class:`UrlPolicy`.
        kind: kind of the result.
        facts: more lineage.
    """
    policy = policy or UrlPolicy()
    policy.apply(url)
    expected = check_digest(sha256)
    if expected is None and sha256 is not False:
        expected = hash_in_name(name_from_url(url))
    place = Place.in_cache(cache, url) if to is None else Place.of_target(cache, url, to)
    lock = cache.lock_path("url", url_key(url))
    _settle(url, place, lock)
    meta = None if force else place.read(expected) or _present(url, place, expected)
    lineage = {"source": public_url(url), **(facts or {})}
    if meta is not None and (offline or expected is not None):
        return _result(place.folder, meta, lineage, kind, from_cache=True)
    if offline:
        raise Offline(
            f"{public_url(url)} is not in the cache and offline=True",
            hint="run it once with a network, or copy the cache folder from another machine",
        )

    notes: list[Meta] = []  # taken under the lock: the next moment somebody may clear the file

    def reuse() -> Fetched | None:
        """What another process has fetched while this one waited for the lock."""
        place.settle()
        other = None if force else place.read(expected)
        if other is None or other == meta:
            return None
        notes.append(other)
        return place.fetched(other)

    def guard(path: Path, digest: str) -> None:
        """Leave a file alone that the user never named: only what came from here is replaced."""
        if to is None or place.name is not None or force or place.names(path):
            return
        if os.path.lexists(path) and not _holds(path, digest):
            raise AlreadyExists(
                f"{path} exists already, with other content",
                hint=f"name the file with to={str(place.folder / 'NAME')!r}, or pass force=True",
            )

    def announce(coming: Fetched, part: Path) -> None:
        notes.append(describe(url, coming, part))
        place.announce(notes[-1], part)

    def keep(fetched: Fetched) -> None:
        place.write(notes[-1])
        place.sweep()  # only now: until then the old note, or the one announced, was true

    def fetch(unless: Note | None) -> Fetched | None:
        return Fetcher(policy).fetch(
            url,
            place.folder,
            place.name,
            sha256=sha256 if sha256 is False else expected,
            token=token,
            unless=unless,
            lock=lock,
            reuse=reuse,
            guard=guard,
            announce=announce,
            keep=keep,
            tracker=tracker,
            cancel=cancel,
        )

    try:
        fetched = fetch(Note(**meta["note"]) if meta else None)
        if fetched is None and place.read(expected) is None:
            fetched = fetch(None)  # the copy was cleared while we waited for its lock
    except Offline:
        if meta is None:
            raise
        lineage["revalidated"] = False
        return _result(place.folder, meta, lineage, kind, from_cache=True)
    if fetched is None:
        assert meta is not None
        return _result(place.folder, meta, lineage, kind, from_cache=True)
    return _result(place.folder, notes[-1], lineage, kind, from_cache=not fetched.final_url)


def _settle(url: str, place: Place, lock: Path) -> None:
    """Put in order what a killed process has left, unless another one is at work."""
    part = Partial.of(place.folder, url_key(url))
    if place.unsettled() or (part.note_path.exists() and not part.path.exists()):
        with suppress(LancenbError, OSError), locked(lock, wait=False):
            place.settle()
            part.tidy()


def _present(url: str, place: Place, expected: str | None) -> Meta | None:
    """Take a file at the target that nobody noted but that has the expected hash."""
    if expected is None or place.name is None:
        return None
    path = place.folder / place.name
    with disk_errors(path):
        digest = hash_file(path).hexdigest() if path.is_file() else ""
    if not digest.startswith(expected):
        return None
    return describe(url, Fetched(path, digest, path.stat().st_size, Note(""), "", 0, 0, 0.0))


def _holds(path: Path, digest: str) -> bool:
    with disk_errors(path):
        return path.is_file() and hash_file(path).hexdigest() == digest


def _result(
    folder: Path, meta: dict[str, Any], lineage: dict[str, Any], kind: str, *, from_cache: bool
) -> Download:
    path = folder / meta["name"]
    file = DownloadedFile(path, meta["name"], meta["size"], meta["sha256"])
    entry = {"name": file.name, "size": file.size, "sha256": file.sha256}
    etag = (meta.get("note") or {}).get("etag")
    more = {"files": [entry], "etag": etag, "downloaded": meta.get("time")}
    return Download(path, (file,), {**lineage, **more}, from_cache, kind)
