"""Headers of safetensors files, read by ranges: names, types and shapes without the weights.

Source: the safetensors format, https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import json
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
        header = json.loads(b"".join(pieces))
        header.pop("__metadata__", None)
        found = [_tensor(name, entry, file) for name, entry in header.items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _wrong(file, "its header cannot be read") from error
    end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
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


def _tensor(name: str, entry: dict[str, Any], file: str) -> PlannedTensor:
    begin, end = entry["data_offsets"]
    shape = tuple(int(side) for side in entry["shape"])
    dtype = str(entry["dtype"])
    if not 0 <= begin <= end or any(side < 0 for side in shape):
        raise ValueError("sizes below zero")
    return PlannedTensor(name, _TORCH.get(dtype, dtype.lower()), shape, end - begin, file)


def _wrong(file: str, why: str) -> CorruptInput:
    return CorruptInput(
        f"{file} is no safetensors file: {why}",
        hint="the upload may be broken; try another revision, or tell the owner",
    )
