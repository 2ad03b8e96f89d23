"""What one call of ``download`` or ``plan`` asks for, checked once for both."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import InvalidArgument
from ._names import check_token, public_url
from .cache import Cache
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
                f"{name}= means nothing for {source.kind} sources ({public_url(source.name)})",
                hint=f"these take: {', '.join(sorted(_TAKES[source.kind]))}",
            )


def check_place(name: str, place: Any) -> None:
    """Raise :class:`~lancenb.errors.InvalidArgument` unless ``place`` may be a path."""
    if place is None or isinstance(place, Cache):
        return
    text = os.fspath(place) if isinstance(place, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidArgument(f"{name}={place!r:.60} is no path", hint="give text or a Path")


def _patterns(value: str | Sequence[str] | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else tuple(value)
