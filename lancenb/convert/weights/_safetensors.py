"""Reading safetensors files, with a header check as strict as the format asks for.

Format: https://huggingface.co/docs/safetensors (8 bytes little-endian header length, a JSON
header, the data; the tensors must cover the data exactly, in order, without holes or overlaps).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from lancenb.errors import CorruptInput, EmptyInput, UnsupportedFormat

from ._dtypes import SAFETENSORS, itemsize
from ._items import TensorItem, TensorSource
from ._pages import FileMap

if TYPE_CHECKING:
    import numpy as np

MAX_HEADER = 100_000_000
_MAX_RANK = 256
_HINT = "the file is damaged or was made by a faulty program; fetch or export it again"


def read_safetensors(path: Path) -> TensorSource:
    """Map a safetensors file; the tensors are views of the mapping.

    Raises:
        CorruptInput: the header breaks a rule of the format, or the file is truncated.
        UnsupportedFormat: an element type that torch does not have.
    """
    tensors, metadata, start = read_header(path)
    source = TensorSource([], notes={"format": "safetensors"}, files=[path])
    if metadata:
        source.extras["safetensors_metadata"] = metadata
    if not tensors:
        return source
    mapped = FileMap(path)
    source.regions.append(mapped.region)
    for name, (dtype, shape, begin, end) in tensors.items():
        reader = _slice(mapped.array, start + begin, start + end)
        source.items.append(TensorItem(name, dtype, shape, end - begin, reader))
    return source


def _slice(array: np.ndarray, begin: int, end: int) -> Callable[[], np.ndarray]:
    return lambda: array[begin:end]


Entry = tuple[str, tuple[int, ...], int, int]


def read_header(path: Path) -> tuple[dict[str, Entry], dict[str, str], int]:
    """Parse and check a header.

    Returns:
        ``{name: (dtype, shape, begin, end)}`` with offsets into the data, the metadata, and the
        offset of the data in the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        if size == 0:
            raise EmptyInput(f"{path} is empty (0 bytes)", hint="fetch or export the file again")
        if len(head) < 8:
            raise _bad(path, "the file is shorter than its 8-byte length field")
        length = int.from_bytes(head, "little")
        if length > MAX_HEADER:
            raise _bad(path, f"the header claims {length:,} bytes, more than the format allows")
        if 8 + length > size:
            raise _bad(path, f"the header claims {length:,} bytes, the file has {size - 8:,}")
        text = file.read(length)
    header = _parse(path, text)
    if _is_no_text(json.dumps(header, ensure_ascii=False)):
        raise _bad(path, "a name in the header holds half of a surrogate pair")
    metadata = _metadata(path, header.pop("__metadata__", {}))
    tensors = {name: _entry(path, name, value) for name, value in header.items()}
    _check_cover(path, tensors, size - 8 - length)
    return tensors, metadata, 8 + length


def _parse(path: Path, text: bytes) -> dict[str, Any]:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise _bad(path, f"{key[:80]!r} occurs twice in the header")
            out[key] = value
        return out

    if not text.startswith(b"{"):
        raise _bad(path, "the header does not begin with '{'")
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError):
        raise _bad(path, "the header is not JSON") from None
    if not isinstance(header, dict):
        raise _bad(path, "the header is not a JSON object")
    return header


def _is_no_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _metadata(path: Path, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise _bad(path, "__metadata__ does not map text to text")
    return value


def _entry(path: Path, name: str, value: Any) -> Entry:
    label = repr(name[:80])
    if not isinstance(value, dict):
        raise _bad(path, f"tensor {label} is not described by an object")
    code, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not isinstance(code, str) or code not in SAFETENSORS:
        if code in ("F6_E2M3", "F6_E3M2"):
            raise UnsupportedFormat(
                f"tensor {label} of {path} has the element type {code}, which torch does not have",
                hint="export the model with another element type",
            )
        raise _bad(path, f"tensor {label} has the unknown element type {str(code)[:20]!r}")
    if not _sizes(shape) or not _offsets(offsets):
        raise _bad(path, f"tensor {label} has no proper shape or data_offsets")
    dtype, per_element = SAFETENSORS[code]
    begin, end = offsets
    sizes = list(shape)
    if per_element > 1:
        if not sizes or sizes[-1] % per_element:
            raise _bad(path, f"tensor {label} splits a byte: shape {shape} of {code}")
        sizes[-1] //= per_element
    if end - begin != math.prod(sizes) * itemsize(dtype):
        raise _bad(path, f"tensor {label} has {end - begin} bytes, not those of {shape} {code}")
    return dtype, tuple(sizes), begin, end


def _sizes(value: Any) -> TypeGuard[list[int]]:
    if not isinstance(value, list) or len(value) > _MAX_RANK:
        return False
    # torch multiplies the sizes even of tensors without elements.
    fits = all(type(v) is int and 0 <= v < 1 << 62 for v in value)
    return fits and math.prod(max(v, 1) for v in value) < 1 << 62


def _offsets(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and len(value) == 2 and all(_sizes([v]) for v in value)


def _check_cover(path: Path, tensors: dict[str, Entry], size: int) -> None:
    at = 0
    for name, (_, _, begin, end) in sorted(tensors.items(), key=lambda kv: kv[1][2:]):
        if begin < at:
            raise _bad(path, f"tensor {name[:80]!r} overlaps another one")
        if begin > at:
            raise _bad(path, f"there is a hole of {begin - at} bytes before {name[:80]!r}")
        at = end
    if at > size:
        raise _bad(path, f"the file is truncated: {at:,} bytes of data expected, {size:,} present")
    if at < size:
        raise _bad(path, f"{size - at:,} bytes at the end belong to no tensor")


def _bad(path: Path, reason: str) -> CorruptInput:
    return CorruptInput(f"{path} is not a valid safetensors file: {reason}", hint=_HINT)
