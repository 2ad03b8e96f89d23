"""Errors that only downloads raise; all are also classes of :mod:`lancenb.errors`.

>>> from lancenb.download.errors import GatedRepo
>>> from lancenb.errors import AccessDenied, DownloadFailed
>>> issubclass(GatedRepo, AccessDenied) and issubclass(GatedRepo, DownloadFailed)
True
"""

from __future__ import annotations

from ..errors import AccessDenied, DownloadFailed, SourceNotFound, UnsafeInput


class RevisionNotFound(SourceNotFound):
    """The repository exists, but has no such branch, tag or commit."""

    code = "revision_not_found"


class DownloadDenied(DownloadFailed, AccessDenied):
    """The server wants a token, or the token is not good enough."""

    code = "download_denied"


class GatedRepo(DownloadDenied):
    """The repository's owner wants its terms accepted on the web page first."""

    code = "gated_repo"


class RateLimited(DownloadFailed):
    """The server asks to come back later; ``details["retry_after"]`` has the seconds."""

    code = "rate_limited"


class BlockedURL(DownloadFailed, UnsafeInput):
    """The address, or one it redirects to, is not allowed by the policy."""

    code = "blocked_url"


class TooLarge(DownloadFailed):
    """The file is larger than the limit that was set."""

    code = "too_large"


__all__ = [
    "BlockedURL",
    "DownloadDenied",
    "GatedRepo",
    "RateLimited",
    "RevisionNotFound",
    "TooLarge",
]
