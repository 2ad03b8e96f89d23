"""The files that the makers of a known data set publish: ``download("mnist:official")``."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import ChecksumMismatch, InvalidArgument, SourceNotFound
from ..progress import CancelToken, Tracker
from . import registry
from ._check import digest_of
from ._entry import SPLITS, DatasetEntry, OfficialFile
from ._files import disk_errors, link_or_copy, need_space
from ._names import url_key
from ._partial import Partial
from .cache import Cache
from .policy import UrlPolicy
from .result import Download, DownloadedFile
from .url import download_url


def official_files(entry: DatasetEntry, split: str | None = None) -> tuple[OfficialFile, ...]:
    """Return the official files of a data set, or those that one split needs.

    Raises:
        SourceNotFound: its makers publish none that can be fetched, or there is no such split.
        InvalidArgument: its one file holds all splits.

    >>> [file.name for file in official_files(registry.info("mnist"), "test")]
    ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz']
    """
    files = tuple(file for file in entry.files if file.url)
    if not files:
        raise SourceNotFound(
            f"{entry.name} cannot be downloaded automatically" if entry.guide
            else f"no official files of {entry.name} are known",
            hint=entry.guide or f"download({entry.name!r}) gets it",
        )  # fmt: skip
    if split is None:
        return files
    wanted = SPLITS.get(split, split)
    if wanted not in entry.splits:
        raise SourceNotFound(
            f"{entry.name} has no split {split!r}", hint=f"it has: {', '.join(entry.splits)}"
        )
    if all(file.split is None for file in files):
        raise InvalidArgument(
            f"the official files of {entry.name} hold all splits together",
            hint=f"leave split= out here and choose when you convert: split={split!r}",
        )
    return tuple(file for file in files if file.split in (None, wanted))


def is_cached(cache: Cache, file: OfficialFile) -> bool:
    """Whether the cache has a file of that name and size (hashed when it is used)."""
    try:
        size = (cache.root / "url" / url_key(file.url) / file.name).stat().st_size
    except OSError:
        return False
    return file.size in (0, size)


def official_dataset(
    name: str,
    *,
    split: str | None = None,
    cache: Cache,
    to: Path | None = None,
    offline: bool = False,
    force: bool = False,
    tracker: Tracker,
    cancel: CancelToken | None = None,
    policy: UrlPolicy | None = None,
) -> Download:
    """Fetch the official files of a known data set, verified by their published hashes.

    Args:
        name: known name.
        split: only the files that this split needs.
        cache: where they are kept.
        to: put them into this folder instead.
        offline: use the cache only.
        force: fetch again.
        tracker: progress.
        cancel: stops it; what has arrived is kept for the next try.
        policy: see :class:`UrlPolicy`.

    Returns:
        The file, or a folder that holds exactly the files.
    """
    entry = registry.info(name)
    files = official_files(entry, split)
    missing = [file for file in files if to is not None or force or not is_cached(cache, file)]
    if not offline:
        place = to if to is not None else cache.folder("url")
        with disk_errors(place):
            place.mkdir(parents=True, exist_ok=True)
        # a resumed file needs less than this says; the engine itself knows exactly
        need_space(place, sum(file.size for file in missing if not _begun(place, file)))
    tracker.total_bytes = sum(file.size for file in missing) or tracker.total_bytes
    got = []
    for file in files:
        result = download_url(
            file.url, cache=cache, to=to / file.name if to is not None else None,
            sha256=file.sha256 or None, offline=offline, force=force, tracker=tracker,
            cancel=cancel, policy=policy, kind="dataset",
        )  # fmt: skip
        _check_md5(file, result, cache, tracker)
        got.append(result)
    if len(got) == 1:
        path, kept = got[0].path, [got[0].files[0]]
    elif to is not None:
        path, kept = to, [result.files[0] for result in got]
    else:
        path = _view(cache, entry, split, got, cancel)
        kept = [_in(path, result.files[0]) for result in got]
    lineage = _lineage(entry, split, files, got)
    return Download(path, tuple(kept), lineage, all(r.from_cache for r in got), "dataset")


def _begun(place: Path, file: OfficialFile) -> bool:
    """Whether an earlier try has left a part of the file."""
    key = url_key(file.url)
    return any(Partial.of(folder, key).path.exists() for folder in (place, place / key))


def _check_md5(file: OfficialFile, result: Download, cache: Cache, tracker: Tracker) -> None:
    """Check what has only an md5; the answer is kept, as hashing 20 GB again takes minutes.

    Raises:
        ChecksumMismatch: it differs; the file is deleted.
    """
    if not file.md5 or file.sha256:
        return
    seen = cache.folder("verified") / f"md5-{file.md5}"
    sha256 = result.files[0].sha256 or ""
    try:
        if sha256 and seen.read_text("utf-8") == sha256:
            return
    except OSError:
        pass
    tracker.enter("verify", file.name)
    digest = digest_of(result.path, "md5")
    if digest != file.md5:
        with disk_errors(result.path):
            result.path.unlink(missing_ok=True)
        raise ChecksumMismatch(
            f"{file.url} gave md5 {digest}, {file.md5} is expected; nothing was kept",
            hint="the file was changed at its source; see its homepage",
        )
    with disk_errors(seen):
        seen.write_text(sha256, "utf-8")


def _view(
    cache: Cache, entry: DatasetEntry, split: str | None, got: list[Download],
    cancel: CancelToken | None,
) -> Path:  # fmt: skip
    """Return a folder of links to the cached files, under their own names."""
    key = f"official-{entry.name}" + (f"-{SPLITS.get(split, split)}" if split else "")
    folder = cache.folder("view") / key
    with cache.lock("view", key, cancel), disk_errors(folder):
        folder.mkdir(exist_ok=True)
        for result in got:
            link = folder / result.path.name
            if not link.exists() or not os.path.samefile(link, result.path):
                link.unlink(missing_ok=True)
                link_or_copy(result.path, link)
    return folder


def _in(folder: Path, file: DownloadedFile) -> DownloadedFile:
    return DownloadedFile(folder / file.name, file.name, file.size, file.sha256)


def _lineage(
    entry: DatasetEntry, split: str | None, files: tuple[OfficialFile, ...], got: list[Download]
) -> dict[str, Any]:
    listed = [
        {
            "name": file.name,
            "url": file.url,
            "size": result.files[0].size,
            "sha256": result.files[0].sha256,
            "md5": file.md5 or None,
        }
        for file, result in zip(files, got, strict=True)
    ]
    return {
        "source": f"{entry.name}:official",
        "dataset": entry.name,
        "split": split,
        "license": entry.licence,
        "homepage": entry.homepage,
        "files": listed,
        "downloaded": datetime.now(UTC).isoformat(timespec="seconds"),
    }
