"""What one call of ``download`` or ``plan`` asks for, checked once for both."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import DownloadFailed, InvalidArgument, Offline, StoreNotWritable
from . import registry
from ._names import check_token, public_url
from .cache import Cache
from .errors import BlockedURL
from .policy import UrlPolicy
from .sources import Source, parse

_REPO = {"revision", "token", "allow", "ignore", "offline", "force"}
_TAKES = {
    "model": {*_REPO, "variant"},
    "dataset": {*_REPO, "split", "limit"},
    "arrow": {"revision", "token", "split", "limit", "offline", "force"},
    "lance": {"revision", "token", "offline", "force"},
    "official": {"split", "offline", "force"},
    "synthetic": {"split", "limit", "offline", "force"},
    "url": {"token", "sha256", "offline", "force"},
    "torchvision": {"sha256", "offline", "force"},
    "local": {"sha256", "split", "limit", "offline", "force"},
}
_WORDS = {"arrow": "dataset", "url": "address", "official": "official dataset"}
_ENGINES = ("auto", "range", "official")


class Secret:
    """A token or signed address that no repr, copy, pickle or ``asdict`` shows or takes along."""

    __slots__ = ("value",)

    def __init__(self, value: str | None = None):
        self.value = value

    def __repr__(self) -> str:
        return "***" if self.value else "None"

    def __reduce__(self) -> tuple[type[Secret], tuple[()]]:
        return (Secret, ())


@dataclass(frozen=True)
class Request:
    """A checked request.

    Attributes:
        source: the parsed spec.
        kind: kind of the source; ``arrow`` when rows of a data set are asked for.
        revision: branch, tag or commit as asked for.
        commit: the commit that a plan has pinned.
        hub_engine: who moves the bytes of Hub files, see :func:`hub_engine`.

    The others are the arguments of :func:`~lancenb.download.download`.
    """

    spec: str
    source: Source
    kind: str
    cache: Cache
    revision: str | None = None
    commit: str | None = None
    secret: Secret = field(default_factory=Secret, repr=False, compare=False)
    signed: Secret = field(default_factory=Secret, repr=False, compare=False)
    allow: tuple[str, ...] | None = None
    ignore: tuple[str, ...] | None = None
    variant: str | None = None
    sha256: str | bool | None = None
    split: str | None = None
    limit: int | None = None
    offline: bool = False
    policy: UrlPolicy | None = None
    hub_engine: str = "auto"

    @property
    def token(self) -> str | None:
        """The access token."""
        return self.secret.value

    @property
    def address(self) -> str:
        """The address, with a query that may be a signature (lost in copies)."""
        return self.signed.value or self.source.name


def make_request(
    spec: str | os.PathLike[str],
    *,
    cache: str | os.PathLike[str] | Cache | None,
    policy: UrlPolicy | None,
    offline: bool,
    token: str | None,
    hub_engine: str | None,
    source: Source | None = None,
    **options: Any,
) -> Request:
    """Check the arguments of a call against its kind of source.

    Raises:
        InvalidArgument: an option that cannot work, or that this kind of source does not take.
        SourceNotFound: there is nothing of that name.
    """
    source = parse(spec) if source is None else source
    signed = Secret()
    if source.kind == "url":
        source, signed = replace(source, name=public_url(source.name)), Secret(source.name)
    _refuse_unused(source, token=token, **options)
    check_place("cache", cache)
    if policy is not None and not isinstance(policy, UrlPolicy):
        raise InvalidArgument(f"policy={policy!r:.60} is no UrlPolicy", hint="UrlPolicy(...)")
    _refuse_local(source, policy)
    allow, ignore = _patterns(options.get("allow")), _patterns(options.get("ignore"))
    if source.pattern:
        if allow:
            raise InvalidArgument("allow= and a pattern in the spec", hint="give one of them")
        allow = (source.pattern,)
    return Request(
        spec=source.name if source.kind == "url" else os.fspath(spec),
        signed=signed,
        source=source,
        kind=_kind(source, options, allow or ignore),
        cache=cache if isinstance(cache, Cache) else Cache(cache),
        revision=options.get("revision") or source.revision,
        secret=Secret(check_token(token)),
        allow=allow,
        ignore=ignore,
        variant=options.get("variant"),
        sha256=options.get("sha256"),
        split=options.get("split"),
        limit=options.get("limit"),
        offline=offline,
        policy=policy,
        hub_engine=choose_engine(hub_engine),
    )


def choose_engine(name: str | None) -> str:
    """Return who moves the bytes of Hub files.

    ``range`` is lancenb's own engine; ``official`` the Hub's client; ``auto`` (the default, also
    by ``$LANCENB_HUB_ENGINE``) the client for files that xet can deliver, else lancenb's.

    >>> choose_engine("range")
    'range'
    """
    name = name or os.environ.get("LANCENB_HUB_ENGINE") or "auto"
    if name not in _ENGINES:
        raise InvalidArgument(
            f"hub_engine={name!r} is not known",
            hint=f"one of {', '.join(_ENGINES)}, as argument or LANCENB_HUB_ENGINE",
        )
    return name


def _kind(source: Source, options: dict[str, Any], patterns: Any) -> str:
    if options.get("split") is None and options.get("limit") is None:
        return source.kind
    if source.kind == "local":
        return "arrow"
    if source.kind == "dataset" and not (options.get("allow") or options.get("ignore")):
        if patterns:
            raise InvalidArgument(
                "a file pattern and split/limit do not go together",
                hint="hf:dataset:ID with split= and limit=, or hf:dataset:ID:pattern without",
            )
        return "arrow"
    return source.kind


def _refuse_unused(source: Source, **options: Any) -> None:
    """Raise for options that would be ignored: silence would look like success."""
    for name, value in options.items():
        if value is not None and name not in _TAKES[source.kind]:
            raise InvalidArgument(
                f"{name}= means nothing for {_WORDS.get(source.kind, source.kind)} sources "
                f"({public_url(source.name)})",
                hint=f"these take: {', '.join(sorted(_TAKES[source.kind]))}",
            )


def _refuse_local(source: Source, policy: UrlPolicy | None) -> None:
    """Refuse the server's own files to whoever may only name public addresses."""
    if policy is None or policy.allow_private:
        return
    local = source.kind == "local" or (
        source.kind in ("arrow", "dataset") and Path(source.name).expanduser().is_dir()
    )
    if local:
        raise BlockedURL(
            "a path of this machine is no source where only public addresses may be fetched",
            hint="name an address or a repository; whoever runs the server may leave out policy=",
        )


def check_place(name: str, place: Any) -> None:
    """Raise :class:`~lancenb.errors.InvalidArgument` unless ``place`` may be a path."""
    if place is None or isinstance(place, Cache):
        return
    text = os.fspath(place) if isinstance(place, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgument(f"{name}={place!r:.60} is no path", hint="give text or a Path")


def check_target(request: Request, to: str | os.PathLike[str] | None) -> Path | None:
    """Return the place for the result, which can be made there.

    A folder written with a slash at its end is made, other names appear with their content.

    Raises:
        InvalidArgument: it is a file, or below one, where a folder is needed.
        StoreNotWritable: it cannot be made.
    """
    if to is None:
        return None
    path = Path(to).expanduser()
    single = request.kind in ("url", "torchvision") or (
        request.kind == "local" and Path(request.source.name).is_file()
    )
    slash = str(to).endswith(("/", os.sep))
    there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
    if not there.is_dir() and not (single and there == path and not slash):
        raise InvalidArgument(
            f"to={str(path)!r} cannot be a folder: {there} is a file",
            hint="name a folder, or a new name beside the file",
        )
    if slash or there != path:
        _try(path, there, keep=slash)
    return path


def _try(path: Path, there: Path, *, keep: bool) -> None:
    """Make the folder, or only see whether anything can be made in its nearest parent."""
    try:
        if keep:
            path.mkdir(parents=True, exist_ok=True)
        else:
            os.rmdir(tempfile.mkdtemp(prefix=".lancenb-", dir=there))
    except OSError as error:
        what = f"{path} cannot be made" + (f" in {there}" if there != path.parent else "")
        raise StoreNotWritable(
            f"{what} ({error.strerror or error})", hint="choose another folder with to="
        ) from error


@contextmanager
def elsewhere(request: Request) -> Iterator[None]:
    """Say of a known data set that cannot be had from the Hub who else has it."""
    try:
        yield
    except (Offline, DownloadFailed) as error:
        entry = registry.find(request.source.entry) if request.source.entry else None
        if entry is not None and any(file.url for file in entry.files):
            error.hint += f"; its makers' own files are {entry.name}:official"
        raise


def _patterns(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(value)
