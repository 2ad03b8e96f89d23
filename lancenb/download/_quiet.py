"""Signed addresses kept out of messages and of the logs that the HTTP libraries write."""

from __future__ import annotations

import logging
import re
import threading

_SIGNED = re.compile(r"\?[\w%.~-]+=[^\s'\")<>]*")
_LOGGERS = (
    "httpx2", "httpcore2.http11", "httpcore2.http2", "huggingface_hub.file_download",
    "huggingface_hub.utils._http", "urllib3.connectionpool",
)  # fmt: skip
_lock = threading.Lock()


def without_queries(text: str) -> str:
    """Drop the queries of all addresses in a text: they may be signatures.

    >>> without_queries("GET https://cdn.example/a?Expires=1&Signature=s failed")
    'GET https://cdn.example/a failed'
    """
    return _SIGNED.sub("", text)


def has_query(text: str) -> bool:
    """Whether a text shows an address with a query."""
    return _SIGNED.search(text) is not None


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
