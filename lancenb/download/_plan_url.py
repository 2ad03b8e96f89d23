"""Plans for addresses, torchvision's among them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from ..errors import CorruptInput, DownloadFailed, Offline
from ..progress import CancelToken
from ._headers import PlannedTensor, read_local_tensors, read_tensors
from ._names import hash_in_name, name_from_url, public_url, url_key
from ._plan_kinds import file_kind, notes_on, with_room
from ._probe import Probe
from ._request import Request
from ._url_records import Place
from .cache import Cache
from .fetch import Fetcher, check_digest
from .plan import DownloadPlan, PlannedFile
from .policy import UrlPolicy


def address(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan one address: asked for its first byte, and a safetensors file for its header."""
    return _plan(request, request.address, cancel, "file", {})


def torchvision(request: Request, cancel: CancelToken | None) -> DownloadPlan:
    """Plan weights that torchvision publishes."""
    from .torchvision_ import weights

    chosen = weights(request.source.name)
    return _plan(request, chosen.url, cancel, "model", chosen.facts)


def _plan(
    request: Request, url: str, cancel: CancelToken | None, kind: str, card: dict[str, Any]
) -> DownloadPlan:
    policy = request.policy or UrlPolicy()
    policy.apply(url)
    expected = _expected(request, url)
    found = _kept(url, request.cache, expected)
    kept = found[0] if found is not None else None
    tensors: tuple[PlannedTensor, ...] = ()
    notes: list[str] = []
    if kept is not None and (request.offline or expected):
        name, size = kept.name, kept.stat().st_size
    elif request.offline:
        raise Offline(
            f"{public_url(url)} is not in the cache and offline=True",
            hint="plan it with a network, or copy the cache folder from another machine",
        )
    else:
        probe = Fetcher(policy).probe(url, token=request.token, cancel=cancel)
        name, size = probe.name, probe.size
        policy.check_size(size, url)
        kept = kept if found is not None and _is_same(found, probe) else None
        if probe.etag or probe.modified:
            card = {**card, **_seen(probe)}
        if not probe.ranges:
            notes.append("the server sends whole files only: an interrupted one begins anew")
    if expected is None and request.sha256 is None:
        expected = hash_in_name(name)
    if name.lower().endswith(".safetensors"):
        tensors, why = _tensors(request, url, name, size, kept, cancel)
        notes += why
    file = PlannedFile(name, size, expected, None, file_kind(name), kept is not None)
    made = DownloadPlan(
        spec=request.spec, kind=kind, source=public_url(url), files=(file,), card=card,
        tensors=tensors, notes=(*notes, *notes_on([file])), request=request,
    )  # fmt: skip
    return with_room(made, request.cache.root / "url" / url_key(url))


def _kept(url: str, cache: Cache, expected: str | None) -> tuple[Path, str | None] | None:
    """Return the finished copy in the cache and the ETag it came with."""
    place = Place.at(cache.root / "url" / url_key(url))  # a plan makes no folders
    meta = place.read(expected)
    return None if meta is None else (place.folder / meta["name"], meta["note"].get("etag"))


def _is_same(kept: tuple[Path, str | None], probe: Probe) -> bool:
    """Whether the copy is what the server has now, as far as it says."""
    path, etag = kept
    same = None in (etag, probe.etag) or etag == probe.etag
    return same and probe.size in (None, path.stat().st_size)


def _expected(request: Request, url: str) -> str | None:
    if request.sha256 is False:
        return None
    return check_digest(request.sha256) or hash_in_name(name_from_url(url))


def _seen(probe: Probe) -> dict[str, str]:
    facts = {"etag": probe.etag, "modified": probe.modified, "content_type": probe.content_type}
    return {key: value for key, value in facts.items() if value}


def _tensors(
    request: Request, url: str, name: str, size: int | None, kept: Any, cancel: CancelToken | None
) -> tuple[tuple[PlannedTensor, ...], list[str]]:
    try:
        if kept is not None:
            return read_local_tensors(kept, name), []
        fetcher = Fetcher(request.policy)
        read = partial(fetcher.read_range, url, token=request.token, cancel=cancel)
        return read_tensors(read, name, size), []
    except (CorruptInput, DownloadFailed) as error:
        if isinstance(error, Offline):
            raise
        return (), [f"its header could not be read: {error.message}"]
