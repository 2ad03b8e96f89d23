"""``lancenb download --verify``: a copy hashed again; nothing is fetched, nothing is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _cli_answers as answers
from .errors import ChecksumMismatch, InvalidArgument, Offline
from .progress import CancelToken, Tracker

if TYPE_CHECKING:
    from .download import PlannedFile
    from .download._request import Request


def verify(
    spec: str, to: str | None, options: dict[str, Any], bar: bool, cancel: CancelToken
) -> answers.Answer:  # fmt: skip
    """Compare a copy with what is known of it: in a folder of the user's, else in the cache.

    Args:
        spec: what it should be a copy of.
        to: folder or file of the user; None for the cache.
        options: those of the download.
        bar: whether to show progress.
        cancel: stops it.
    """
    from .download import parse, registry

    name = spec.removesuffix(":official")
    entry = registry.find(name)
    if to is not None and entry is not None and entry.source != "synthetic":
        return answers.checked(spec, registry.check(name, to, progress=bar, cancel=cancel))
    if to is not None:
        return _folder(spec, Path(to).expanduser(), options, bar, cancel)
    if entry is not None and entry.source == "guided":
        raise InvalidArgument(
            f"{entry.name} is never in the cache", hint="name your copy: --verify --to FOLDER"
        )
    source = parse(spec)
    if source.kind == "local" or (source.kind == "arrow" and Path(source.name).is_dir()):
        raise InvalidArgument(
            f"{spec} does not say which dataset it should be",
            hint=f"lancenb download NAME --verify --to {spec}",
        )
    return _cached(spec, options, bar, cancel)


def _cached(spec: str, options: dict[str, Any], bar: bool, cancel: CancelToken) -> answers.Answer:
    from .download import download
    from .download._request import make_request

    given = {"policy": None, "token": None, **options, "offline": True}
    request = make_request(spec, **given)
    try:
        if request.kind == "synthetic" and not _is_drawn(request):
            raise Offline("not drawn")
        found = download(spec, **{**options, "offline": True}, cancel=cancel)
    except ChecksumMismatch as error:
        return answers.damaged(spec, error.message)
    except Offline as error:
        name = _changed(request)
        if name is not None:
            return answers.damaged(spec, f"{name} is damaged")
        what = error.message if "not complete" in error.message else "not in the cache"
        return answers.absent(spec, what)
    return answers.rehashed(spec, found, progress=bar, cancel=cancel)


def _is_drawn(request: Request) -> bool:
    from .download._kept import kept
    from .download.arrow import check_rows
    from .download.synthetic import SPLITS, key_of

    split = request.split or "train"
    check_rows(split, request.limit)
    if split not in SPLITS:
        return False
    return kept(
        request.cache, "synthetic", key_of(request.source.name, split, request.limit), split
    )


def _changed(request: Request) -> str | None:
    """Return the name of a file that is in the cache, but not as it came."""
    from .download._cache_list import URL_META, read_json
    from .download._names import url_key

    for url in _addresses(request):
        home = request.cache.where("url") / url_key(url)
        name = read_json(home / URL_META).get("name")
        if isinstance(name, str) and (home / Path(name).name).is_file():
            return name
    return None


def _addresses(request: Request) -> list[str]:
    from .download import registry

    if request.kind == "url":
        return [request.address]
    if request.kind == "torchvision":
        from .download.torchvision_ import weights

        return [weights(request.source.name).url]
    if request.kind == "official":
        return [file.url for file in registry.info(request.source.name).files if file.url]
    return []


def _folder(
    spec: str, place: Path, options: dict[str, Any], bar: bool, cancel: CancelToken
) -> answers.Answer:
    """Compare files at a place of the user's with what their source promises."""
    from .download import plan

    if not place.exists():
        raise InvalidArgument(f"there is nothing at {place}", hint="--to names the copy to check")
    seen = plan(spec, cancel=cancel, **options)
    if seen.request is None or seen.request.kind in ("arrow", "synthetic", "local"):
        raise InvalidArgument(
            f"nobody has published hashes of {spec}, so a copy of it cannot be checked",
            hint="--verify --to takes known datasets (lancenb download --list), files of "
            "repositories (without --split and --limit) and addresses",
        )
    tracker = Tracker(bar, cancel, total_bytes=seen.total_bytes)
    tracker.enter("verify", str(place))
    wrong, unknown = [], []
    for file in seen.files:
        path = place if place.is_file() and len(seen.files) == 1 else place / file.name
        why = _judge(file, path, tracker)
        if why:
            wrong.append(f"{file.name} {why}")
        elif not (file.sha256 or file.git_sha1):
            unknown.append(file.name)
    tracker.enter("done", str(place))
    return answers.compared(spec, place, len(seen.files), wrong, unknown)


def _judge(file: PlannedFile, path: Path, tracker: Tracker) -> str:
    """Return what is wrong with a file; empty when nothing is, as far as is known."""
    from .download._hub_files import git_hash
    from .download.registry import digest_of

    if not path.is_file():
        return "is missing"
    size = path.stat().st_size
    if file.size not in (None, size):
        return f"is damaged: it has {size:,} bytes, {file.size:,} are expected"
    if file.sha256:
        right = digest_of(path, "sha256", tracker).startswith(file.sha256)
    else:
        right = file.git_sha1 in (None, git_hash(path))
    return "" if right else "is damaged: its hash is not the promised one"
