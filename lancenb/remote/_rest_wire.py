"""Errors of the Lance REST Namespace: its numbers, and what of ours is which of them."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Any

from lancenb import errors as e
from lancenb.errors import LancenbError


class Code(IntEnum):
    """The numbers that the specification gives to errors."""

    UNSUPPORTED = 0
    NAMESPACE_NOT_FOUND = 1
    NAMESPACE_ALREADY_EXISTS = 2
    NAMESPACE_NOT_EMPTY = 3
    TABLE_NOT_FOUND = 4
    TABLE_ALREADY_EXISTS = 5
    INDEX_NOT_FOUND = 6
    TAG_NOT_FOUND = 8
    TAG_ALREADY_EXISTS = 9
    TRANSACTION_NOT_FOUND = 10
    VERSION_NOT_FOUND = 11
    COLUMN_NOT_FOUND = 12
    INVALID_INPUT = 13
    CONCURRENT_MODIFICATION = 14
    PERMISSION_DENIED = 15
    UNAUTHENTICATED = 16
    SERVICE_UNAVAILABLE = 17
    INTERNAL = 18
    INVALID_TABLE_STATE = 19
    SCHEMA_VALIDATION = 20
    THROTTLING = 21
    BRANCH_NOT_FOUND = 22


_STATUS = {
    Code.UNSUPPORTED: 406,
    Code.NAMESPACE_NOT_FOUND: 404,
    Code.NAMESPACE_ALREADY_EXISTS: 409,
    Code.NAMESPACE_NOT_EMPTY: 409,
    Code.TABLE_NOT_FOUND: 404,
    Code.TABLE_ALREADY_EXISTS: 409,
    Code.INDEX_NOT_FOUND: 404,
    Code.TAG_NOT_FOUND: 404,
    Code.TAG_ALREADY_EXISTS: 409,
    Code.TRANSACTION_NOT_FOUND: 404,
    Code.VERSION_NOT_FOUND: 404,
    Code.COLUMN_NOT_FOUND: 404,
    Code.INVALID_INPUT: 400,
    Code.CONCURRENT_MODIFICATION: 409,
    Code.PERMISSION_DENIED: 403,
    Code.UNAUTHENTICATED: 401,
    Code.SERVICE_UNAVAILABLE: 503,
    Code.INTERNAL: 500,
    Code.INVALID_TABLE_STATE: 409,
    Code.SCHEMA_VALIDATION: 400,
    Code.THROTTLING: 429,
    Code.BRANCH_NOT_FOUND: 404,
}

#: Our errors by class, nearest base class first; INTERNAL when none fits.
_CODES: dict[type[LancenbError], Code] = {
    e.Unauthorized: Code.UNAUTHENTICATED,
    e.Forbidden: Code.PERMISSION_DENIED,
    e.TagNotFound: Code.TAG_NOT_FOUND,
    e.VersionNotFound: Code.VERSION_NOT_FOUND,
    e.ColumnNotFound: Code.COLUMN_NOT_FOUND,
    e.NotFound: Code.TABLE_NOT_FOUND,
    e.AlreadyExists: Code.TABLE_ALREADY_EXISTS,
    e.Conflict: Code.CONCURRENT_MODIFICATION,
    e.Protected: Code.INVALID_TABLE_STATE,
    e.StoreNotWritable: Code.INVALID_TABLE_STATE,
    e.Cancelled: Code.CONCURRENT_MODIFICATION,
    e.SchemaMismatch: Code.SCHEMA_VALIDATION,
    e.WeightsMismatch: Code.SCHEMA_VALIDATION,
    e.UnsupportedFormat: Code.SCHEMA_VALIDATION,
    e.InvalidArgument: Code.INVALID_INPUT,
    e.ConfirmationRequired: Code.INVALID_INPUT,
    e.CorruptInput: Code.INVALID_INPUT,
    e.UnsafeInput: Code.INVALID_INPUT,
    e.RequestTooLarge: Code.INVALID_INPUT,
    e.Busy: Code.THROTTLING,
    e.TimedOut: Code.SERVICE_UNAVAILABLE,
    e.StoreError: Code.SERVICE_UNAVAILABLE,
    e.DownloadFailed: Code.SERVICE_UNAVAILABLE,
    e.LocalOnly: Code.UNSUPPORTED,
    e.MissingDependency: Code.UNSUPPORTED,
}

#: Where HTTP has a status of its own and the specification no number.
_OWN_STATUS: dict[type[LancenbError], int] = {e.RequestTooLarge: 413, e.OutOfSpace: 507}

# Lance says where in its sources an error arose, a path on the machine that built it.
_BUILT_AT = re.compile(r",?\s*(?:/[\w.+-]+)+\.rs:\d+:\d+|,? location: Location \{[^}]*\}")


class Problem(LancenbError):
    """An error that only namespaces know, such as a namespace that is not there.

    Args:
        number: the number the specification gives it.
        message: one sentence.
        hint: what to do about it.
        status: HTTP status where it is not the usual one of this number.
    """

    code = "namespace_problem"

    def __init__(self, number: Code, message: str, *, hint: str = "", status: int = 0):
        super().__init__(message, hint=hint)
        self.number = number
        self.status = status or _STATUS[number]

    def __reduce__(self) -> tuple[Any, ...]:
        return (_problem, (self.number, self.message, self.hint, self.status))


def _problem(number: Code, message: str, hint: str, status: int) -> Problem:
    return Problem(number, message, hint=hint, status=status)


def unsupported(what: str, hint: str = "") -> Problem:
    """Return the error for what this server does not do."""
    return Problem(Code.UNSUPPORTED, f"this server does not {what}", hint=hint)


def invalid(message: str, hint: str = "") -> Problem:
    """Return the error for a request that makes no sense."""
    return Problem(Code.INVALID_INPUT, message, hint=hint)


def code_of(error: BaseException) -> tuple[Code, int]:
    """Return the number of an error and its HTTP status.

    >>> [int(part) for part in code_of(e.ArtifactNotFound("there is none"))]
    [4, 404]
    """
    if isinstance(error, Problem):
        return error.number, error.status
    lineage = type(error).__mro__
    code = next((_CODES[cls] for cls in lineage if cls in _CODES), Code.INTERNAL)
    status = next((_OWN_STATUS[cls] for cls in lineage if cls in _OWN_STATUS), _STATUS[code])
    return code, status


def error_body(error: BaseException, root: str, instance: str) -> dict[str, Any]:
    """Return the body of an error answer; what was not raised on purpose tells nothing of itself.

    Args:
        error: what was raised.
        root: where the catalogue lies, which is nobody's business.
        instance: names the request, in the server's log too.
    """
    from ._wire import unexpected

    known = error if isinstance(error, LancenbError) else unexpected(instance)
    body: dict[str, Any] = {
        "error": _clean(known.message, root),
        "code": int(code_of(error)[0]),
        "instance": instance,
    }
    if known.hint:
        body["detail"] = _clean(known.hint, root)
    return body


def _clean(text: str, root: str) -> str:
    from lancenb.store import redact

    text = _BUILT_AT.sub("", redact(text))
    for place in {root.rstrip("/"), redact(root).rstrip("/")} - {""}:
        text = text.replace(f"{place}/", "").replace(place, "the catalogue")
    return text
