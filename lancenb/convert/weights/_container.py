"""What kind of file a checkpoint is, told from its bytes, and whether those are intact."""

from __future__ import annotations

import zipfile
from pathlib import Path

from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    LancenbError,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)

_AGAIN = "fetch or export the file again"
_OTHERS = (
    (b"GGUF", "a GGUF model", "convert it to safetensors first"),
    (b"\x89HDF", "an HDF5 file", "load it in Keras and save the weights as safetensors"),
    (b"\x93NUMPY", "a NumPy array", "np.load it and pass {name: torch.from_numpy(array)}"),
    (b"\x1f\x8b", "compressed with gzip", "gunzip it first"),
    (b"\x08\x00\x00\x00", "perhaps an ONNX or flatbuffer model", "export it as safetensors"),
)


def container_of(path: Path) -> str:
    """Return ``"safetensors"``, ``"zip"`` or ``"pickle"`` from the first bytes of a file.

    Raises:
        EmptyInput: the file has no bytes.
        CorruptInput: an HTML page, a git-LFS pointer or noise.
        UnsupportedFormat: some other format.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
    if size == 0:
        raise EmptyInput(f"{path} is empty (0 bytes)", hint=_AGAIN)
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head[257:262] == b"ustar":
        raise UnsupportedFormat(
            f"{path} is a checkpoint in the tar format of torch before 0.1.10",
            hint="load it with a torch of that time and save it again",
        )
    if head.startswith(b"version https://git-lfs"):
        raise CorruptInput(
            f"{path} is a git-LFS pointer, not the file itself",
            hint="run `git lfs pull` in that repository, or download the file from its page",
        )
    if head.lstrip()[:64].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CorruptInput(
            f"{path} is a web page, not weights", hint="a download gave a page; fetch it again"
        )
    if path.suffix == ".safetensors" or head[8:9] == b"{":
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return "pickle"
    for magic, what, hint in _OTHERS:
        if head.startswith(magic):
            raise UnsupportedFormat(f"{path} is {what}, not a torch checkpoint", hint=hint)
    raise CorruptInput(
        f"{path} is neither a torch checkpoint nor safetensors",
        hint=f"its first bytes are {head[:8]!r}; {_AGAIN}",
    )


def check_zip(path: Path, *, checksums: bool) -> str:
    """Check that a zip file is an intact torch checkpoint.

    torch itself never looks at the checksums, so a flipped byte would load silently.

    Args:
        path: the file.
        checksums: read everything and compare CRC-32.

    Returns:
        ``"checked"``, ``"absent"`` (torch can be told to write none) or ``"not checked"``.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            if not checksums:
                return "not checked"
            if all(m.CRC == 0 for m in members if m.file_size):
                return "absent"
            for member in members:
                _check_crc(path, archive, member)
    except LancenbError:
        raise
    except Exception as error:  # a damaged directory makes zipfile raise nearly anything
        if isinstance(error, OSError) and error.errno is not None:
            raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
        raise CorruptInput(
            f"{path} is a damaged or truncated checkpoint: {error}", hint=_AGAIN
        ) from None
    return "checked"


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [m.filename for m in members]
    root = next((n.split("/")[0] for n in names if "/" in n), "")
    if f"{root}/constants.pkl" in names or any(n.startswith(f"{root}/code/") for n in names):
        raise UnsupportedFormat(
            f"{path} is a TorchScript archive: a program with its weights, not plain weights",
            hint="torch.save(torch.jit.load(path).state_dict(), 'weights.pth') "
            "if you trust the source",
        )
    if f"{root}/data.pkl" not in names:
        what = "a torch.export program" if any("archive_format" in n for n in names) else "a zip"
        raise UnsupportedFormat(
            f"{path} is {what} without a torch checkpoint in it",
            hint="save the weights with torch.save(model.state_dict(), path)",
        )
    if len(set(names)) != len(names):
        raise CorruptInput(f"{path} holds two members of the same name", hint=_AGAIN)
    for member in members:
        if member.compress_type != zipfile.ZIP_STORED:
            raise UnsafeInput(
                f"{path}: member {member.filename[:80]!r} is compressed, which torch never does",
                hint="the file was zipped again; unpack it and ask for the original",
            )


def _check_crc(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    try:
        with archive.open(member) as file:
            while file.read(1 << 20):
                pass
    except zipfile.BadZipFile:
        raise CorruptInput(
            f"{path} is damaged: the checksum of {member.filename[:80]!r} does not fit its bytes",
            hint=f"{_AGAIN}; check_crc=False reads it all the same",
        ) from None
