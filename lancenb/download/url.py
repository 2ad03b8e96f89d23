"""Addresses: the cache over the URL engine (``url/<key>/`` in the cache root)."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import Offline
from ..progress import CancelToken, Tracker
from ._files import disk_errors
from ._names import hash_in_name, name_from_url, public_url, url_key
from ._partial import Note, hash_file
from .cache import Cache
from .fetch import Fetched, Fetcher, check_digest
from .policy import UrlPolicy
from .result import Download, DownloadedFile

_META = ".meta.json"  # safe names never begin with a dot


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
    then has ``"revalidated": false``). A cached file that changed on disk is fetched again.

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
    key = url_key(url)
    home = cache.folder("url") / key
    expected = check_digest(sha256)
    if expected is None and sha256 is not False:
        expected = hash_in_name(name_from_url(url))
    meta = None if force or to is not None else _cached(home, expected)
    lineage = {"source": public_url(url), **(facts or {})}
    if meta is not None and (offline or expected is not None):
        return _result(home, meta, lineage, kind, from_cache=True)
    if offline:
        raise Offline(
            f"{public_url(url)} is not in the cache and offline=True",
            hint="run it once with a network, or copy the cache folder from another machine",
        )
    into, name, lock = home, None, cache.lock_path("url", key)
    if to is not None:
        into, name = _target(to)

    def reuse() -> Fetched | None:
        if force or meta is not None:
            return None
        if to is None:
            other = _cached(home, expected)
            return _fetched(home, other) if other is not None else None
        there = _present(into / name, expected) if name and expected else None
        return _fetched(into, _describe(there)) if there is not None else None

    def keep(fetched: Fetched) -> None:
        if meta is not None and meta["name"] != fetched.path.name:
            (home / meta["name"]).unlink(missing_ok=True)
        _write_meta(home, _meta(url, fetched))

    try:
        fetched = Fetcher(policy).fetch(
            url,
            into,
            name,
            sha256=sha256 if sha256 is False else expected,
            token=token,
            unless=Note(**meta["note"]) if meta else None,
            lock=lock,
            reuse=reuse,
            keep=keep if to is None else None,
            tracker=tracker,
            cancel=cancel,
        )
    except Offline:
        if meta is None:
            raise
        return _result(home, meta, {**lineage, "revalidated": False}, kind, from_cache=True)
    if fetched is None:
        assert meta is not None
        return _result(home, meta, lineage, kind, from_cache=True)
    fresh = _meta(url, fetched)
    return _result(into, fresh, lineage, kind, from_cache=not fetched.final_url)


def _meta(url: str, fetched: Fetched) -> dict[str, Any]:
    return {
        "url": public_url(url),
        "name": fetched.path.name,
        "sha256": fetched.sha256,
        "size": fetched.size,
        "mtime_ns": fetched.path.stat().st_mtime_ns,
        "final_url": fetched.final_url,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": asdict(fetched.note),
    }


def _target(to: Path) -> tuple[Path, str | None]:
    if to.is_dir():
        return to.absolute(), None
    return to.absolute().parent, to.name


def _present(path: Path, expected: str) -> Path | None:
    if path.is_file() and hash_file(path).hexdigest().startswith(expected):
        return path
    return None


def _describe(path: Path) -> dict[str, Any]:
    note = asdict(Note(""))
    digest = hash_file(path).hexdigest()
    return {"name": path.name, "size": path.stat().st_size, "sha256": digest, "note": note}


def _read_meta(home: Path) -> dict[str, Any] | None:
    try:
        meta = json.loads((home / _META).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(meta, dict) or not {"name", "sha256", "size", "note"} <= set(meta):
        return None
    try:
        Note(**meta["note"])
    except TypeError:  # damaged, or written by another version
        return None
    return meta


def _cached(home: Path, expected: str | None) -> dict[str, Any] | None:
    """Return the note on a finished, undamaged copy, if there is one of the expected hash."""
    meta = _read_meta(home)
    if meta is None or (expected and not meta["sha256"].startswith(expected)):
        return None
    path = home / meta["name"]
    try:
        stat = path.stat()
    except OSError:
        return None
    if stat.st_size != meta["size"]:
        return None
    if stat.st_mtime_ns != meta.get("mtime_ns"):
        if hash_file(path).hexdigest() != meta["sha256"]:
            return None
        meta["mtime_ns"] = stat.st_mtime_ns
        _write_meta(home, meta)
    return meta


def _fetched(home: Path, meta: dict[str, Any]) -> Fetched:
    note = Note(**meta["note"])
    return Fetched(home / meta["name"], meta["sha256"], meta["size"], note, "", 0, 0, 0.0)


def _write_meta(home: Path, meta: dict[str, Any]) -> None:
    fresh = home / f"{_META}.new"
    with disk_errors(fresh):
        fresh.write_text(json.dumps(meta, indent=1), "utf-8")
        os.replace(fresh, home / _META)


def _result(
    folder: Path, meta: dict[str, Any], lineage: dict[str, Any], kind: str, *, from_cache: bool
) -> Download:
    path = folder / meta["name"]
    file = DownloadedFile(path, meta["name"], meta["size"], meta["sha256"])
    entry = {"name": file.name, "size": file.size, "sha256": file.sha256}
    etag = (meta.get("note") or {}).get("etag")
    more = {"files": [entry], "etag": etag, "downloaded": meta.get("time")}
    return Download(path, (file,), {**lineage, **more}, from_cache, kind)
