"""Names of element types: torch's, safetensors' and those of pickled storages."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from lancenb.errors import CorruptInput

if TYPE_CHECKING:
    import torch

# safetensors code -> (torch name, elements of the header's shape per element of torch).
# F4 counts half bytes while torch packs two of them into one element.
SAFETENSORS: dict[str, tuple[str, int]] = {
    "BOOL": ("bool", 1),
    "U8": ("uint8", 1),
    "I8": ("int8", 1),
    "U16": ("uint16", 1),
    "I16": ("int16", 1),
    "U32": ("uint32", 1),
    "I32": ("int32", 1),
    "U64": ("uint64", 1),
    "I64": ("int64", 1),
    "F16": ("float16", 1),
    "BF16": ("bfloat16", 1),
    "F32": ("float32", 1),
    "F64": ("float64", 1),
    "C64": ("complex64", 1),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 1),
    "F8_E5M2FNUZ": ("float8_e5m2fnuz", 1),
    "F4": ("float4_e2m1fn_x2", 2),
}

# class name of a pickled storage -> torch name; None: the element type comes separately.
STORAGES: dict[str, str | None] = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "UntypedStorage": None,
}


def dtype_name(dtype: torch.dtype) -> str:
    """Return the name stored in the table.

    >>> import torch
    >>> dtype_name(torch.bfloat16)
    'bfloat16'
    """
    return str(dtype).removeprefix("torch.")


@cache
def torch_dtype(name: str) -> torch.dtype:
    """Return the torch element type of that name.

    Raises:
        CorruptInput: the installed torch has no such type.

    >>> torch_dtype("float32")
    torch.float32
    """
    import torch

    dtype = getattr(torch, name, None)
    if not isinstance(dtype, torch.dtype):
        raise CorruptInput(
            f"torch {torch.__version__} has no element type {name[:40]!r}",
            hint="the weights may come from a newer torch; update it",
        )
    return dtype


@cache
def itemsize(name: str) -> int:
    """Return bytes per element.

    >>> itemsize("float16")
    2
    """
    return torch_dtype(name).itemsize
