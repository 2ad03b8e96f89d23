"""The store room: where tables live and how to reach them.

>>> import tempfile
>>> from lancenb.store import Store
>>> store = Store(tempfile.mkdtemp()).create()
>>> store.probe().safe
True
"""

from __future__ import annotations

from typing import Any

from ._files import FileInfo
from ._foreign import check_self_contained
from ._lance import lance_module
from ._open import open_table
from ._probe import ProbeResult
from ._raw import lance_errors
from ._redact import redact, redact_facts
from ._store import Store

__all__ = [
    "FileInfo",
    "ProbeResult",
    "Store",
    "check_self_contained",
    "lance_errors",
    "lance_module",
    "open_table",
    "redact",
    "redact_facts",
    "s3_options",
]


def s3_options(*, bucket: str = "bucket", **fields: Any) -> dict[str, str]:
    """Return plain Lance storage options for an S3 place, without making a :class:`Store`.

    Args:
        bucket: only needed with ``path_style=False``, where it becomes part of the address.
        **fields: the options of :class:`Store`.

    Returns:
        Text by text, for ``lance.dataset(uri, storage_options=...)``. They hold secrets.

    Raises:
        UnknownOption: an option that does not exist; the hint names the one that was meant.
        InvalidArgument: a value that cannot work.
        AccessDenied: there are no credentials.

    >>> options = s3_options(endpoint="http://localhost:9000", access_key="minioadmin",
    ...                      secret_key="minioadmin", region="us-east-1")
    >>> options["aws_endpoint"], options["allow_http"], options["aws_region"]
    ('http://localhost:9000', 'true', 'us-east-1')
    """
    options = Store(f"s3://{bucket}", **fields).storage_options
    assert options is not None
    return options
