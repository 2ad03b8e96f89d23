"""Signed addresses kept out of messages and of the logs that the HTTP libraries write."""

from __future__ import annotations

import logging
import re
import threading

_QUERY = re.compile(r"\?\S+")
_CLOSING = "'\")>]},;:.!?"  # what a sentence puts behind an address
_LOGGERS = (
    "httpx2", "httpcore2.http11", "httpcore2.http2", "huggingface_hub.file_download",
    "huggingface_hub.utils._http", "urllib3.connection", "urllib3.connectionpool",
    "urllib3.util.retry",
)  # fmt: skip
_lock = threading.Lock()


def without_queries(text: str) -> str:
    """Drop the queries of all addresses in a text: they may be signatures.

    >>> without_queries("GET https://cdn.example/a?Expires=1&Signature=s failed")
    'GET https://cdn.example/a failed'
    """
    return _QUERY.sub(_dropped, text)


def _dropped(match: re.Match[str]) -> str:
    """Return what is left of a query: the signs behind it, or all when it is only signs."""
    bare = match[0].rstrip(_CLOSING)
    return match[0][len(bare) :]


def has_query(text: str) -> bool:
    """Whether a text shows an address with a query."""
    return without_queries(text) != text


class _Hide(logging.Filter):
    """Lets every record pass, without the queries of addresses."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record that shows a query."""
        text = record.getMessage()
        if has_query(text):
            record.msg, record.args = without_queries(text), None
        return True


def hide_signatures() -> None:
    """Make the HTTP libraries log addresses without queries from now on (in this process)."""
    with _lock:
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            if not any(isinstance(item, _Hide) for item in logger.filters):
                logger.addFilter(_Hide())
