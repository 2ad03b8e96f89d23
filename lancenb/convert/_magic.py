"""First bytes of the formats we can tell apart."""

from __future__ import annotations

import json
from pathlib import Path

from ._idx import idx_dims

_IMAGE_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    (0, b"II+\x00", "tiff"),
    (0, b"MM\x00+", "tiff"),
    (4, b"ftypavif", "avif"),
    (4, b"ftypavis", "avif"),
    (4, b"ftypheic", "heic"),
    (4, b"ftypmif1", "heic"),
    (0, b"qoif", "qoi"),
    (0, b"\x00\x00\x00\x0cjP  ", "jpeg2000"),
    (0, b"\xff\x4f\xff\x51", "jpeg2000"),
    (0, b"8BPS", "psd"),
    (0, b"DDS ", "dds"),
    (0, b"icns", "icns"),
)


def suffix_of(name: str) -> str:
    """Return the telling suffix without dot, lower case; compression suffixes are looked through.

    >>> suffix_of("a.CSV.gz"), suffix_of("m.pth.tar"), suffix_of("README")
    ('csv', 'pth.tar', '')
    """
    parts = name.lower().split(".")
    if len(parts) < 2:
        return ""
    if parts[-1] == "gz" and len(parts) > 2:
        parts.pop()
    if len(parts) > 2 and parts[-2:] == ["pth", "tar"]:
        return "pth.tar"
    return parts[-1]


def magic(head: bytes, path: Path, size: int) -> str:
    """Name the format of a file from its first bytes; ``"text"`` or ``"binary"`` when unknown."""
    for offset, pattern, name in _IMAGE_MAGIC:
        if head[offset : offset + len(pattern)] == pattern:
            return f"image/{name}"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[:2] == b"BM" and len(head) >= 18 and head[6:10] == b"\0\0\0\0":
        return "image/bmp"
    if head[:1] == b"P" and head[1:2] in b"1234567" and head[2:3].isspace():
        return "image/pnm"
    return _container(head, path, size)


def _container(head: bytes, path: Path, size: int) -> str:
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        return "zip"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:6] == b"ARROW1":
        return "arrow"
    if head[:4] == b"\xff\xff\xff\xff" and len(head) > 8 and head[4:8] != b"\xff\xff\xff\xff":
        return "arrow-stream"
    if head[257:262] == b"ustar":
        return "tar"
    if head[:2] == b"\x1f\x8b":
        return _gzipped(path)
    dims = idx_dims(head, size)
    if dims is not None:
        return f"idx{len(dims)}"
    if _is_safetensors(head, size):
        return "safetensors"
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        return "pickle"
    return _textual(head)


def _is_safetensors(head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    return len(head) > 8 and head[8:9] == b"{" and length <= max(size, 100_000_000)


def _gzipped(path: Path) -> str:
    """Name what a gzip file holds, as far as that is told by its beginning."""
    import gzip
    import zlib

    try:
        with gzip.open(path) as file:
            head = file.read(512)
    except (OSError, EOFError, zlib.error):
        return "gzip"
    if head[257:262] == b"ustar":
        return "gzip-tar"
    dims = idx_dims(head)
    return "gzip" if dims is None else f"gzip-idx{len(dims)}"


def _textual(head: bytes) -> str:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "text"
    if _is_binary(head):
        return "binary"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start in (b"{", b"["):
        return "json" if _looks_like_json(head) else "text"
    return "text"


def _is_binary(head: bytes) -> bool:
    """A stray control byte is damage inside text; many of them are another format."""
    control = sum(byte < 9 or 13 < byte < 27 for byte in head)
    try:
        head[: len(head) - 3].decode("utf-8")
    except UnicodeDecodeError:
        return control * 50 > len(head)
    return control * 8 > len(head)


def _looks_like_json(head: bytes) -> bool:
    text = head.decode("utf-8-sig", errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        # A long document is cut by our 4 KB look: an error at the very end is no error.
        return error.pos >= len(text) - 8 or len(head) >= 4096
    except RecursionError:
        return True
    return True
