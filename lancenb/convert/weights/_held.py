"""The bytes of a binary value inside an Arrow array, writable and without a copy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


class _Held:
    """Memory of an Arrow buffer as numpy sees it: writable, and alive as long as the array is.

    Arrow calls every buffer that came from elsewhere immutable, also one nobody else looks at.
    """

    def __init__(self, owner: Any, address: int, size: int):
        self._owner = owner
        self.__array_interface__ = {
            "data": (address, False),
            "shape": (size,),
            "typestr": "|u1",
            "version": 3,
        }


def held_bytes(array: pa.Array) -> Iterator[np.ndarray]:
    """Yield the values of a binary array as ``uint8[n]`` over the array's own memory.

    Raises:
        CorruptInput: the array points outside its memory.

    >>> import pyarrow as pa
    >>> [value.tolist() for value in held_bytes(pa.array([b"ab", None, b"c"], pa.binary()))]
    [[97, 98], [], [99]]
    """
    import numpy as np
    import pyarrow as pa

    try:
        array.validate(full=True)  # it may come from anywhere, and its memory is used as it says
    except pa.ArrowInvalid as error:
        raise CorruptInput(f"the payloads are damaged: {error}") from None
    _, offsets, data = array.buffers()
    wide = pa.types.is_large_binary(array.type)
    ends = np.frombuffer(offsets or b"", np.int64 if wide else np.int32)
    for at in range(array.offset, array.offset + len(array)):
        start, size = int(ends[at]), int(ends[at + 1] - ends[at])
        if data is None or size == 0:
            yield np.empty(0, np.uint8)
        else:
            yield np.asarray(_Held(data, data.address + start, size))
