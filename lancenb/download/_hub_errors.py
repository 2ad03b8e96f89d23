"""Failures of the Hub's client as typed errors that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DownloadFailed, InvalidArgument, LancenbError, Offline, SourceNotFound
from ._files import disk_error, is_disk_error
from ._quiet import has_query, without_queries
from .errors import DownloadDenied, GatedRepo, RateLimited, RevisionNotFound

_LOGIN = "log in: pass token=, set HF_TOKEN, or run: hf auth login"
RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that an error of the client carries."""
    return getattr(getattr(error, "response", None), "status_code", None)


def is_transport(error: BaseException) -> bool:
    """Whether the connection failed (no answer, reset), whatever HTTP library is underneath."""
    from huggingface_hub.errors import HfHubHTTPError

    base = HfHubHTTPError.__bases__[0]
    return isinstance(error, (base, ConnectionError)) and not isinstance(error, HfHubHTTPError)


def worth_retrying(error: BaseException) -> bool:
    """Whether the same call may succeed in a moment (the client itself gives up on these)."""
    if is_transport(error):
        return not any(word in type(error).__name__ for word in ("Connect", "Timeout", "Offline"))
    return status_of(error) in RETRY_STATUS or "Consistency check failed" in str(error)


def hub_error(
    error: BaseException,
    source: str,
    revision: str | None,
    page: str,
    *,
    has_token: bool = False,
) -> LancenbError:
    """Give an error of the client its class here.

    Args:
        error: what was raised.
        source: the spec, for the sentence.
        revision: what was asked for.
        page: address of the repository's web page.
        has_token: whether a token was sent.
    """
    from huggingface_hub import errors as hub

    status = status_of(error)
    # A gated repository is also a "missing" one to the client, so it comes first.
    if isinstance(error, hub.GatedRepoError):
        first = " with the account of this token" if has_token else f", then {_LOGIN}"
        return GatedRepo(
            f"{source} is gated: its owner wants the terms accepted first",
            hint=f"open {page}, accept the terms{first}",
        )
    if isinstance(error, hub.RevisionNotFoundError):
        return RevisionNotFound(
            f"{source} has no revision {revision or 'main'!r}",
            hint=f"see its branches and tags at {page}, or leave revision out for 'main'",
        )
    if isinstance(error, hub.RepositoryNotFoundError):
        private = "this token's account may not see it" if has_token else _LOGIN
        return SourceNotFound(
            f"{source} does not exist, or is private and not open to you",
            hint=f"check the name (owner/name, model or dataset); if it is private, {private}",
        )
    if isinstance(error, (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled)):
        return Offline(
            f"{source} is not complete in the cache",
            hint="run it once with a network (and without HF_HUB_OFFLINE)",
        )
    if isinstance(error, hub.EntryNotFoundError):
        return SourceNotFound(f"{source} has no such file", hint=f"see the files at {page}")
    if isinstance(error, (hub.HFValidationError, hub.HfUriError)):
        return InvalidArgument(f"{source} is not a valid name on the Hub", hint="owner/name")
    if status == 401:
        return DownloadDenied(
            f"{source}: the token is not valid",
            hint=f"make a new one at the Hub's settings, then {_LOGIN}; or, for public "
            "repositories, unset HF_TOKEN or run: hf auth logout",
        )
    if status == 403:
        return DownloadDenied(
            f"{source}: the token does not allow this",
            hint=f"give the token read access to this repository, or {_LOGIN} with another",
        )
    if status == 429:
        return RateLimited(
            f"{source}: the Hub asks to come back later",
            hint="wait some minutes" if has_token else f"wait some minutes, or {_LOGIN}",
        )
    if is_transport(error):
        if re.search("Connect|Timeout", type(error).__name__) or isinstance(error, ConnectionError):
            return unreachable(page, source)
        return DownloadFailed(
            f"{source}: the connection to the Hub broke ({type(error).__name__})",
            hint="run it again; complete files are kept",
        )
    detail = f"status {status}" if status else f"{type(error).__name__}: {error}".splitlines()[0]
    detail = without_queries(detail)
    return DownloadFailed(f"{source} could not be downloaded ({detail})", hint="run it again")


def unreachable(endpoint: str, source: str) -> Offline:
    """Build the error for a Hub that does not answer."""
    return Offline(
        f"{source} cannot be reached: no answer from {endpoint}",
        hint="check the network and proxy, set HF_ENDPOINT to a mirror, or use offline=True "
        "for what is in the cache",
    )


@contextmanager
def hub_errors(
    source: str, revision: str | None, page: str, *, has_token: bool = False
) -> Iterator[None]:
    """Map errors of the client in the block."""
    from huggingface_hub.errors import HfHubHTTPError

    base: type[BaseException] = HfHubHTTPError.__bases__[0]
    try:
        yield
    except LancenbError:
        raise
    except (base, OSError, ValueError) as error:
        if isinstance(error, OSError) and is_disk_error(error):
            raise disk_error(error, Path(error.filename or page)) from error
        typed = hub_error(error, source, revision, page, has_token=has_token)
        raise typed from (None if _tells_secrets(error) else error)


def _tells_secrets(error: BaseException | None) -> bool:
    """Whether an error or one of its causes shows an address with a query (maybe signed)."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if has_query(str(error)):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
