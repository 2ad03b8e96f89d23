"""The base of all errors, and the way back from their wire form (public in ``errors``)."""

from __future__ import annotations

from typing import Any, ClassVar

_BY_CODE: dict[str, type[LancenbError]] = {}


class LancenbError(Exception):
    """Base of all errors raised on purpose by lancenb.

    Args:
        message: one sentence that names the file, row, field or artefact concerned.
        hint: what the reader can do about it; empty when there is nothing to advise.
        details: JSON-able facts for programs (never secrets).
    """

    __module__ = "lancenb.errors"
    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "", details: dict[str, Any] | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = dict(details or {})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Index the class by its code so that errors can be rebuilt on the other side of a wire."""
        super().__init_subclass__(**kwargs)
        if "code" in cls.__dict__:
            _BY_CODE[cls.code] = cls

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # The default reduction would drop the keyword arguments when crossing processes.
        return (_rebuild, (type(self), self.message, self.hint, self.details))

    def to_dict(self) -> dict[str, Any]:
        """Return the wire form: ``code``, ``message``, ``hint`` and ``details``."""
        return {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "details": self.details,
        }


def _rebuild(
    cls: type[LancenbError], message: str, hint: str, details: dict[str, Any]
) -> LancenbError:
    return cls(message, hint=hint, details=details)


def from_dict(data: dict[str, Any]) -> LancenbError:
    """Rebuild an error from :meth:`LancenbError.to_dict`; unknown codes give the base class."""
    cls = _BY_CODE.get(str(data.get("code", "")), LancenbError)
    return cls(
        str(data.get("message", "")),
        hint=str(data.get("hint", "")),
        details=data.get("details") or {},
    )
