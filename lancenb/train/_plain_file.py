"""Checkpoints that ``torch.save`` wrote: whole files alone, and read without running their code."""

from __future__ import annotations

import os
import pickle
import zipfile
from typing import Any

import torch

from ..errors import CorruptInput, SchemaMismatch, SourceNotFound, UnsafeInput

#: How a pickle of torch begins: the form before it wrote zip files.
_PICKLES = tuple(bytes((0x80, number)) for number in range(2, 6))
_ZIP = b"PK\x03\x04"


def read_plain_file(path: str, device: Any) -> dict[str, Any]:
    """Read a file that ``torch.save`` wrote, as far as that runs no code.

    Args:
        path: of the file.
        device: where the tensors go.

    Raises:
        CorruptInput: it is empty, cut off, or was written by something else.
        UnsafeInput: it names code that would have to be run.
        SchemaMismatch: it holds no checkpoint.
        SourceNotFound: it cannot be opened.
    """
    _check_file(path)
    torch.empty(0, device=device)  # a device that is not there is no damage of the file
    try:
        found = torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnsafeInput(
            f"{path} cannot be read without running code from it",
            hint="save checkpoints with LanceCheckpointIO; weights alone: dm.convert(path, name)",
        ) from error
    except (MemoryError, torch.cuda.OutOfMemoryError):
        raise
    except Exception as error:  # damage ends in nearly anything
        raise _damaged(path, str(error).partition("\n")[0][:200]) from error
    if not isinstance(found, dict) or "state_dict" not in found:
        raise SchemaMismatch(f"{path} is no checkpoint of Lightning")
    return found


def _check_file(path: str) -> None:
    """Refuse what torch would take for code, or unpack to more than the file holds."""
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            head = file.read(len(_ZIP))
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from error
    if head == _ZIP:
        _check_members(path, size)
    elif not head.startswith(_PICKLES):
        raise _damaged(path, "torch.save writes no such file" if size else "it is empty")


def _check_members(path: str, size: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except Exception as error:  # a damaged directory makes zipfile raise nearly anything
        raise _damaged(path, str(error)) from error
    if any(each.compress_type != zipfile.ZIP_STORED for each in members):
        raise _damaged(path, "its parts are compressed, which torch.save never does")
    if sum(each.file_size for each in members) > size:
        raise _damaged(path, "its parts are larger than the file")


def _damaged(path: str, why: str) -> CorruptInput:
    return CorruptInput(
        f"the checkpoint {path} is damaged or incomplete: {why}",
        hint="take the one saved before, or copy the file again; LanceCheckpointIO saves whole"
        " checkpoints alone",
    )
