"""Headers of safetensors files, read by ranges: names, types and shapes without the weights.

Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CorruptInput

_LIMIT = 100_000_000  # the format's own
_PIECE = 32 << 20
_TORCH = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32",
    "U16": "uint16", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F4": "float4_e2m1fn_x2",
}  # fmt: skip
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8,
    "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8,
    "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip
_MOST_SIDES, _LARGEST = 256, 1 << 62


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor that a file holds.

    Attributes:
        name: its name in the file.
        dtype: torch's name of its type (``bfloat16``).
        shape: its shape.
        nbytes: bytes of its data.
        file: the file, as named in the plan.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    file: str

    @property
    def count(self) -> int:
        """Number of values."""
        total = 1
        for side in self.shape:
            total *= side
        return total


def read_tensors(
    read: Callable[[int, int], bytes], file: str, size: int | None
) -> tuple[PlannedTensor, ...]:
    """Read the header of a safetensors file.

    Args:
        read: called with start and length, returns exactly these bytes.
        file: the file's name, for the result and for messages.
        size: bytes of the file, None when not known.

    Raises:
        CorruptInput: this is no safetensors file.

    >>> body = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    >>> data = len(body).to_bytes(8, "little") + body + bytes(8)
    >>> read_tensors(lambda start, length: data[start : start + length], "a.safetensors", len(data))
    (PlannedTensor(name='w', dtype='float32', shape=(2,), nbytes=8, file='a.safetensors'),)
    """
    if size is not None and size < 8:
        raise _wrong(file, "it is shorter than any")
    length = int.from_bytes(read(0, 8), "little")
    if length > _LIMIT or (size is not None and length > size - 8):
        raise _wrong(file, "its header would be larger than the file")
    pieces = [read(8 + at, min(_PIECE, length - at)) for at in range(0, length, _PIECE)]
    try:
        header = json.loads(b"".join(pieces), object_pairs_hook=_once)
        header.pop("__metadata__", None)
        found = [_tensor(name, entry, file) for name, entry in header.items()]
        end = _end_of([entry["data_offsets"] for entry in header.values()])
    except _Damaged as error:
        raise _wrong(file, f"its header is damaged: {error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _wrong(file, "its header cannot be read") from error
    if size is not None and 8 + length + end != size:
        raise _wrong(file, f"it should have {8 + length + end:,} bytes, and has {size:,}")
    return tuple(found)


def read_local_tensors(path: Path, file: str) -> tuple[PlannedTensor, ...]:
    """Read the header of a safetensors file on this disk; see :func:`read_tensors`."""
    with path.open("rb", buffering=0) as opened:

        def read(start: int, length: int) -> bytes:
            opened.seek(start)
            return opened.read(length)

        return read_tensors(read, file, path.stat().st_size)


class _Damaged(ValueError):
    """A rule of the format that a header breaks, in words."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Damaged("a name occurs twice")
    return found


def _tensor(name: str, entry: dict[str, Any], file: str) -> PlannedTensor:
    label = ascii(name[:80])
    if _is_no_text(name):
        raise _Damaged(f"{label} is no text")
    shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _Damaged(f"{label} has no proper shape or data_offsets")
    if not isinstance(dtype, str) or not dtype.isascii() or len(dtype) > 20:
        raise _Damaged(f"{label} has no proper dtype")
    begin, end = offsets
    bits = _BITS.get(dtype)  # a type of tomorrow may have any size
    if begin > end or (bits is not None and math.prod(shape) * bits != (end - begin) * 8):
        raise _Damaged(f"{label} has {end - begin:,} bytes, not those of its shape")
    return PlannedTensor(name, _TORCH.get(dtype, dtype.lower()), tuple(shape), end - begin, file)


def _are_sizes(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > _MOST_SIDES:
        return False
    return all(type(side) is int and 0 <= side < _LARGEST for side in value)


def _is_no_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def _end_of(spans: list[list[int]]) -> int:
    """Return where the data end; they must follow each other without holes."""
    at = 0
    for begin, end in sorted(spans):
        if begin != at:
            raise _Damaged("tensors overlap" if begin < at else "there are holes between tensors")
        at = end
    return at


def _wrong(file: str, why: str) -> CorruptInput:
    return CorruptInput(
        f"{file} is no safetensors file: {why}",
        hint="the upload may be broken; try another revision, or tell the owner",
    )
