"""What an operation is: a typed signature, a scope, a path and a shape, declared once."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lancenb.errors import LancenbError

READ, WRITE, ADMIN = SCOPES = ("read", "write", "admin")

#: JSON in, JSON out, soon.
UNARY = "unary"
#: JSON in, an Arrow stream out.
ARROW_OUT = "arrow_out"
#: An Arrow stream in, JSON out.
ARROW_IN = "arrow_in"
#: Files (a tar stream) in, JSON out.
BYTES_IN = "bytes_in"
#: JSON in, numbered JSON events out.
EVENTS = "events"
#: JSON in; the work runs on in the server, its events and its result come by ``job_events``.
JOB = "job"
_LOOKS = ("prepare",)
SHAPES = (UNARY, ARROW_OUT, ARROW_IN, BYTES_IN, EVENTS, JOB)


@dataclass(frozen=True)
class Op:
    """One operation.

    Attributes:
        name: its name on every engine, and the name of the verb.
        scope: the scope a token needs.
        method: HTTP method.
        path: HTTP path below ``/lnb/v1``; ``{name}`` stands for the argument of that name.
        shape: how it moves data, one of :data:`SHAPES`.
        signature: the function that declares arguments, defaults, types and the result.
        errors: what it can answer besides what every operation can.
        example: arguments that make sense, for the documentation.
    """

    name: str
    scope: str
    method: str
    path: str
    shape: str
    signature: Callable[..., Any]
    errors: tuple[type[LancenbError], ...] = ()
    example: tuple[tuple[str, Any], ...] = ()

    @cached_property
    def params(self) -> dict[str, inspect.Parameter]:
        """The arguments by name, in order."""
        return dict(inspect.signature(self.signature).parameters)

    @cached_property
    def hints(self) -> dict[str, Any]:
        """The types of the arguments; the result under ``"return"``."""
        return typing.get_type_hints(self.signature)

    @property
    def result(self) -> Any:
        """The type of the result."""
        return self.hints.get("return")

    @property
    def doc(self) -> str:
        """One sentence."""
        return (inspect.getdoc(self.signature) or "").strip()

    @property
    def path_params(self) -> tuple[str, ...]:
        """Arguments that are part of the path."""
        return tuple(name for name in self.params if "{" + name + "}" in self.path)

    @property
    def in_query(self) -> bool:
        """Whether the other arguments come in the query, because there is no JSON body for them."""
        return self.method == "GET" or self.shape in (ARROW_IN, BYTES_IN)

    @property
    def writes(self) -> bool:
        """Whether it changes anything: what is noted, and done once under a key."""
        return self.scope != READ and self.name not in _LOOKS

    @property
    def targets(self) -> bool:
        """Whether its first argument names an artefact."""
        return next(iter(self.params), "") == "name"


OPS: dict[str, Op] = {}


def op(
    route: str,
    *,
    scope: str = READ,
    shape: str = UNARY,
    errors: tuple[type[LancenbError], ...] = (),
    example: dict[str, Any] | None = None,
    name: str = "",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a signature into the table of operations.

    Args:
        route: HTTP method and path, such as ``"POST /artifacts/{name}/rollback"``.
        scope: the scope a token needs.
        shape: how it moves data.
        errors: errors of its own.
        example: arguments for the documentation.
        name: when it cannot be the function's.
    """
    method, path = route.split(" ", 1)

    def enter(signature: Callable[..., Any]) -> Callable[..., Any]:
        called = name or signature.__name__
        if called in OPS or scope not in SCOPES or shape not in SHAPES:
            raise AssertionError(f"operation {called} is declared twice or wrongly")
        shown = tuple((example or {}).items())
        OPS[called] = Op(called, scope, method, path, shape, signature, errors, shown)
        return signature

    return enter
