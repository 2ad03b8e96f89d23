"""Objects a pickle may hold but not change.

Pickle can call a function, but also set the state, the attributes and the items of whatever lies
on its stack: the defaults of a function of ours, or the memory that a tensor refers to
(``Tensor.__setstate__`` calls ``set_``, which reaches beyond the storage).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import torch


def refuse(*_args: Any) -> NoReturn:
    """Stand for every method by which a pickle would change an object."""
    raise pickle.UnpicklingError("it changes an object that no checkpoint changes")


class Inert:
    """An object whose state a pickle cannot set."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        refuse()


class Call(Inert):
    """A function that a pickle may call and do nothing else with.

    >>> Call(len)("four")
    4
    """

    __slots__ = ("_run",)

    def __init__(self, run: Callable[..., Any]) -> None:
        self._run = run

    def __call__(self, *args: Any) -> Any:
        return self._run(*args)


@cache
def _sealed_type() -> Any:
    import torch

    closed = ("__setstate__", "__setitem__", "__delitem__", "add")
    body: dict[str, Any] = {name: refuse for name in closed}
    body["__torch_function__"] = torch._C._disabled_torch_function_impl
    return type("SealedTensor", (torch.Tensor,), body)


def sealed(tensor: torch.Tensor) -> torch.Tensor:
    """Return the same tensor, closed to a pickle; what is computed from it is an ordinary one."""
    return tensor.as_subclass(_sealed_type())
