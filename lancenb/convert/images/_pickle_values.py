"""What the names in a pickle of plain data stand for: arrays, numbers, bytes; no functions run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
KNOWN = {
    **{(module, "_reconstruct"): "array" for module in _CORE},
    **{(module, "scalar"): "scalar" for module in _CORE},
    ("numpy.core.numeric", "_frombuffer"): "frombuffer",
    ("numpy._core.numeric", "_frombuffer"): "frombuffer",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}
_LONGEST_TEXT = 1 << 14  # longer bytes come as a view, or are encoded before
_MOST_AXES, _LONGEST_AXIS = 8, 1 << 40
_DTYPES = {f"{kind}{width}" for kind in "iu" for width in (1, 2, 4, 8)} | {"b1"}


@dataclass(frozen=True)
class Name:
    """A name the pickle may use; it stands for what will be made of it."""

    makes: str


@dataclass
class Dtype:
    """An element type under construction."""

    code: str
    order: str = "="


@dataclass
class Array:
    """An array under construction."""

    dtype: Dtype | None = None
    shape: tuple[int, ...] = ()
    fortran: bool = False
    data: Any = b""


def _reconstruct(_type: Any, _shape: Any, _kind: Any) -> Array:
    return Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    return Array(dtype, shape, order == "F", data)


def _scalar(dtype: Any, data: Any) -> Any:
    return finished(Array(dtype, (1,), False, data))[0].item()


def _encoded(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or not isinstance(encoding, str):
        raise TypeError("text or an encoding that is none")
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes are written in the encoding {encoding[:20]!r}")
    return text.encode("latin-1")


def _dtype(code: Any, *_flags: Any) -> Dtype:
    if not isinstance(code, str):
        raise TypeError("an element type that is no text")
    return Dtype(code)


def _refused(*_arguments: Any) -> Any:
    raise TypeError("a call of an array type")


CALLS: dict[str, Callable[..., Any]] = {
    "array": _reconstruct,
    "frombuffer": _from_buffer,
    "scalar": _scalar,
    "dtype": _dtype,
    "encode": _encoded,
    "ndarray": _refused,
}


def finished(value: Any) -> Any:
    """Turn what has been put together into an array; anything else stays as it is."""
    return _to_numpy(value) if isinstance(value, Array) else value


def _to_numpy(array: Array) -> np.ndarray[Any, Any]:
    import numpy as np

    dtype, shape = array.dtype, array.shape
    if not isinstance(dtype, Dtype) or dtype.code.lstrip("<>|=") not in _DTYPES:
        raise TypeError("an array of something else than whole numbers")
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MOST_AXES
        or not all(type(n) is int and 0 <= n < _LONGEST_AXIS for n in shape)
    ):
        raise TypeError("an array without a shape")
    order = dtype.order if dtype.order in ("<", ">") else ""
    kind = np.dtype(order + dtype.code.lstrip("<>|="))
    data = array.data
    if isinstance(data, str) and len(data) <= _LONGEST_TEXT:
        data = data.encode("latin-1")
    if not isinstance(data, (bytes, memoryview)):
        raise TypeError("an array without bytes")
    volume = kind.itemsize
    for length in shape:
        volume *= length
    if volume != len(data):
        raise ValueError(f"an array of {volume:,} bytes has {len(data):,}")
    return np.frombuffer(data, kind).reshape(shape, order="F" if array.fortran else "C")
