"""A checkpoint as tensors and JSON, and back: every type as it was, nothing pickled."""

from __future__ import annotations

import datetime
import math
import pathlib
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch

from ..errors import CorruptInput, UnsupportedFormat

#: Keys that begin so mark an encoded value; no dictionary of a checkpoint is mistaken for one.
MARK = "$"
_SEQUENCES: dict[str, Callable[[Iterable[Any]], Any]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "size": torch.Size,
}


def encode(value: Any) -> tuple[Any, dict[str, torch.Tensor]]:
    """Split a checkpoint into JSON-able values and its tensors, by name.

    Args:
        value: dictionaries, lists, tuples, sets, numbers, text, bytes, dates, paths, tensors,
            numpy arrays, torch dtypes and devices, to any depth.

    Raises:
        UnsupportedFormat: anything else, or a value that holds itself; the message says where.

    >>> plain, tensors = encode({"epoch": 3, "pair": (1, None), "w": torch.zeros(2)})
    >>> plain
    {'epoch': 3, 'pair': {'$tuple': [1, None]}, 'w': {'$tensor': 'w'}}
    >>> list(tensors)
    ['w']
    """
    writer = _Writer()
    try:
        return writer.value(value, ()), writer.tensors
    except RecursionError:
        raise UnsupportedFormat(
            "a value of the checkpoint holds itself, or is nested too deeply",
            hint="leave it out of the state: state_dict() of the callback or module that has it",
        ) from None


def decode(plain: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Join again what :func:`encode` split.

    Raises:
        CorruptInput: a tensor is missing, a mark is unknown, or what it marks is no such value.

    >>> decode(*encode({1: {2, 3}, "x": float("inf")}))
    {1: {2, 3}, 'x': inf}
    """
    try:
        return _value(plain, tensors)
    except _DAMAGE as error:
        raise CorruptInput(f"the checkpoint is damaged: {_first_line(error)}") from error


#: What values of a wrong kind behind a mark end in.
_DAMAGE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _value(plain: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(plain, list):
        return [_value(item, tensors) for item in plain]
    if not isinstance(plain, dict):
        return plain
    mark = next(iter(plain), "")
    if not mark.startswith(MARK):
        return {name: _value(item, tensors) for name, item in plain.items()}
    kind, content = mark.removeprefix(MARK), plain[mark]
    if kind in ("tensor", "array"):
        if content not in tensors:
            raise CorruptInput(f"the checkpoint lacks its tensor {content!r}")
        return tensors[content].numpy() if kind == "array" else tensors[content]
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](_value(item, tensors) for item in content)
    if kind == "deque":
        return deque((_value(item, tensors) for item in content), plain.get("most"))
    if kind in ("dict", "ordered"):
        return _mapping(kind, plain, tensors)
    return _scalar(kind, content)


class _Writer:
    def __init__(self) -> None:
        self.tensors: dict[str, torch.Tensor] = {}

    def value(self, value: Any, path: tuple[str, ...]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int):
            return value
        if kind is str:
            return _text(value, path)
        if kind is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if kind is list:
            return self._items(value, path)
        if isinstance(value, torch.Tensor):
            return {"$tensor": self._keep(value, path)}
        if kind is np.ndarray:
            return {"$array": self._keep(self._of_numpy(value, path), path)}
        if isinstance(value, dict):
            return self._mapping(value, path)
        for name, make in _SEQUENCES.items():
            if kind is make:
                return {MARK + name: self._items(value, path)}
        if kind is deque:
            return {"$deque": self._items(value, path), "most": value.maxlen}
        return self._rare(value, path)

    def _items(self, values: Iterable[Any], path: tuple[str, ...]) -> list[Any]:
        return [self.value(item, (*path, str(i))) for i, item in enumerate(values)]

    def _keep(self, tensor: torch.Tensor, path: tuple[str, ...]) -> str:
        wanted = name = ".".join(path) or "value"
        number = 1
        while name in self.tensors:
            number += 1
            name = f"{wanted}~{number}"
        self.tensors[name] = tensor.detach()
        return name

    def _of_numpy(self, array: np.ndarray, path: tuple[str, ...]) -> torch.Tensor:
        try:
            return torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape).copy())
        except (TypeError, ValueError):  # text and objects; a foreign order of bytes
            raise _unknown(path, f"a numpy array of {array.dtype}") from None

    def _mapping(self, value: dict[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
        kind = type(value)
        if kind not in (dict, OrderedDict, defaultdict):
            # a mapping of its own kind, such as Lightning's hyperparameters, becomes a plain one
            value, kind = dict(value), dict
        if kind is dict and all(type(k) is str and not k.startswith(MARK) for k in value):
            return {
                _text(name, path): self.value(item, (*path, name)) for name, item in value.items()
            }
        pairs = [
            [self.value(name, (*path, "key")), self.value(item, (*path, str(name)))]
            for name, item in value.items()
        ]
        if kind is not OrderedDict:
            return {"$dict": pairs}
        # torch keeps the format versions of modules beside the tensors of a state dict
        notes = getattr(value, "_metadata", None)
        beside = {} if notes is None else {"notes": self.value(dict(notes), (*path, "_metadata"))}
        return {"$ordered": pairs, **beside}

    def _rare(self, value: Any, path: tuple[str, ...]) -> Any:
        if type(value).__module__.startswith("omegaconf."):
            return self.value(_container(value), path)
        if isinstance(value, bytes):
            return {"$bytes": value.hex()}
        if isinstance(value, np.generic) and value.dtype.kind in "biufc":
            return {"$numpy": [value.dtype.str, value.tobytes().hex()]}
        if isinstance(value, complex):
            return {"$complex": [repr(value.real), repr(value.imag)]}
        if isinstance(value, (torch.dtype, torch.device)):
            return {f"${type(value).__name__}": str(value).removeprefix("torch.")}
        if isinstance(value, pathlib.PurePath):
            return {"$path": str(value)}
        if isinstance(value, datetime.datetime):
            return {"$datetime": value.isoformat()}
        if isinstance(value, datetime.timedelta):
            return {"$timedelta": [value.days, value.seconds, value.microseconds]}
        raise _unknown(path, f"a {type(value).__name__}")


def _text(value: str, path: tuple[str, ...]) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _unknown(path, f"the text {value!a:.60}") from None
    return value


def _container(value: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(value, resolve=True)


def _unknown(path: tuple[str, ...], what: str) -> UnsupportedFormat:
    place = "".join(f"[{part!r}]" for part in path)
    return UnsupportedFormat(
        f"checkpoint{place} is {what}, which has no form without pickle",
        hint="keep numbers, text, lists, dictionaries and tensors there; leave modules out of "
        "hyperparameters: save_hyperparameters(ignore=[...])",
    )


def _mapping(kind: str, plain: dict[str, Any], tensors: dict[str, torch.Tensor]) -> dict[Any, Any]:
    pairs = [(_value(k, tensors), _value(v, tensors)) for k, v in plain[MARK + kind]]
    if kind == "dict":
        return dict(pairs)
    found: Any = OrderedDict(pairs)
    if "notes" in plain:
        found._metadata = OrderedDict(_value(plain["notes"], tensors))
    return found


def _scalar(kind: str, content: Any) -> Any:
    if kind == "float":
        return float(content)
    if kind == "bytes":
        return bytes.fromhex(content)
    if kind == "numpy":
        return np.frombuffer(bytes.fromhex(content[1]), np.dtype(content[0]))[0]
    if kind == "complex":
        return complex(float(content[0]), float(content[1]))
    if kind == "dtype" and isinstance(getattr(torch, content, None), torch.dtype):
        return getattr(torch, content)
    if kind == "device":
        return torch.device(content)
    if kind == "path":
        return pathlib.Path(content)
    if kind == "datetime":
        return datetime.datetime.fromisoformat(content)
    if kind == "timedelta":
        return datetime.timedelta(*content)
    raise CorruptInput(
        f"the checkpoint holds a value of unknown kind {kind!r}",
        hint="it may come from a newer lancenb; update it",
    )
