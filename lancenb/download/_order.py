"""What to fetch and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._partial import Note
from .policy import UrlPolicy


@dataclass(frozen=True)
class Order:
    """One file to fetch.

    Attributes:
        url: address as given (mirrors and redirects are applied per attempt).
        policy: what is allowed.
        token: bearer token for the origin of ``url``.
        headers: further request headers.
        size: expected size in bytes.
        packed: keep a packed body as it comes.
        unless: note on a finished copy; the server may answer that it is still good.
        trusted_hash: the digest will be checked, so pieces need no validator.
        retries: failures in a row that are borne.
        backoff: first pause in seconds.
        parts: ranges asked for at the same time, 1 for one after the other.
        parallel_from: size from which on that is done.
    """

    url: str
    policy: UrlPolicy
    token: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    size: int | None = None
    unless: Note | None = None
    trusted_hash: bool = False
    retries: int = 5
    backoff: float = 0.5
    parts: int = 4
    parallel_from: int = 128 << 20
    packed: bool = False
