"""Raw errors of Lance, Arrow and the operating system, told as errors of lancenb.

Lance reports most failures as ``OSError`` or ``ValueError`` with a text from Rust, some as a
``PanicException`` that not even ``except Exception`` catches. ``_raw_table`` knows the texts of
pylance 14 (each is pinned by a test that provokes it).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lancenb import errors as e

from ._raw_table import RETRY, TABLE, named, plain
from ._redact import redact

if TYPE_CHECKING:
    from ._store import Store

_FROM_LANCE = re.compile(
    r"LanceError\(|\.rs:\d+|Invalid user input|Dataset at path"
    r"|Ref (?:not found|conflict|is invalid)|Version not found|Generic \w+ error"
    r"|Too many concurrent writers|[Cc]ommit conflict"
    r"|Cleanup error|Incompatible transaction|Encountered internal error|C Data interface error"
)
_OURS = re.compile(
    r"lancenb\.errors\.(?P<cls>\w+): (?P<message>[^\n]*)(?:\n +hint: (?P<hint>[^\n]*))?"
)

_COMPILED = [(re.compile(pattern, re.DOTALL), make) for pattern, make in TABLE]


def wrapped_error(text: str) -> e.LancenbError | None:
    """Find the lancenb error that Arrow or torch wrapped as text (the last, if several)."""
    found = list(_OURS.finditer(text))
    if not found:
        return None
    last = found[-1]
    cls = getattr(e, last.group("cls"), None)
    if not (isinstance(cls, type) and issubclass(cls, e.LancenbError)):
        return None
    return cls(last.group("message"), hint=last.group("hint") or "")


def map_error(error: BaseException, uri: str, store: Store | None = None) -> e.LancenbError | None:
    """Return the typed error for ``error``, or ``None`` when it is none of Lance's business.

    Args:
        error: what was raised.
        uri: the table or folder concerned; it is named (redacted) in the message.
        store: the store of ``uri``, to say "endpoint" where that helps.
    """
    if isinstance(error, e.LancenbError):
        return error
    panic = type(error).__name__ == "PanicException"
    if not panic and not isinstance(error, (OSError, ValueError, RuntimeError, TypeError)):
        return None
    text = str(error)
    where = redact(uri)
    wrapped = wrapped_error(text) if "C Data interface error" in text else None
    if wrapped is not None:
        return wrapped
    if isinstance(error, OSError) and error.errno is not None:
        from ._local import os_error

        return os_error(error, redact(error.filename or where))
    if not panic and not _FROM_LANCE.search(text) and type(error).__name__ != "CommitConflictError":
        return None
    if type(error).__name__ == "CommitConflictError":
        return e.Conflict(f"another writer changed {where} at the same time", hint=RETRY)
    for pattern, make in _COMPILED:
        if pattern.search(text):
            return make(where, text)
    if "C Data interface error" in text:
        inner = named(r"C Data interface error: (?:\w+: )?(.*?)(?:\. Detail:|\n|$)", redact(text))
        return e.StoreError(f"writing {where} failed: {inner[:300]}")
    if panic:
        return e.StoreError(
            f"Lance stopped on an internal fault at {where}: {plain(text)}",
            hint="check the endpoint and options of the store; the table itself was not changed",
        )
    endpoint = getattr(store, "endpoint", None)
    at = f" ({redact(endpoint)})" if endpoint else ""
    return e.StoreError(f"Lance failed on {where}{at}: {plain(text)}")


@contextlib.contextmanager
def lance_errors(uri: str, store: Store | None = None) -> Iterator[None]:
    """Map what Lance, Arrow and the operating system raise inside the ``with`` block.

    Errors of lancenb and errors that have nothing to do with storage pass unchanged. The raw
    error stays attached as ``__cause__``, except where it may repeat key ids (access errors).

    Args:
        uri: the table concerned, named in messages.
        store: its store, when there is one.

    Raises:
        LancenbError: ``NotFound``, ``VersionNotFound``, ``TagNotFound``, ``AlreadyExists``,
            ``Conflict``, ``ColumnNotFound``, ``SchemaMismatch``, ``InvalidFilter``,
            ``CorruptInput``, ``OutOfSpace``, ``StoreNotWritable``, ``AccessDenied``,
            ``BucketNotFound``, ``StoreUnreachable``, ``UnsafeStore`` or ``StoreError``.

    >>> from lancenb.store import lance_errors
    >>> with lance_errors("/data/x.lance"):
    ...     raise OSError("LanceError(IO): No space left on device (os error 28), /a/b.rs:1:2")
    Traceback (most recent call last):
        ...
    lancenb.errors.OutOfSpace: the disk that holds /data/x.lance is full
      hint: free some space, then try again
    """
    try:
        yield
    except BaseException as error:
        mapped = map_error(error, uri, store)
        if mapped is None or mapped is error:
            raise
        if isinstance(mapped, e.AccessDenied):
            raise mapped from None
        raise mapped from error
