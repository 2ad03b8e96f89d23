"""Is this a picture, and what are its size, mode and format? The content decides."""

from __future__ import annotations

from lancenb.errors import EmptyInput, InvalidArgument, UnsupportedFormat

from ._decode import Unreadable, check_pixels, decode, header
from ._info import Header, Refusal
from ._jpeg import read_jpeg
from ._png import SIGNATURE, is_whole, read_png

VERIFY = ("auto", "full", "header")
_JPEG = b"\xff\xd8\xff"


def inspect(data: memoryview, *, verify: str = "auto", max_pixels: int) -> Header:
    """Check one picture and return its header.

    Args:
        data: the encoded bytes, whole.
        verify: ``"auto"`` proves JPEG and PNG whole by their structure (markers to the end of
            image; chunk CRCs and an inflated length) and decodes whatever that cannot settle;
            ``"full"`` decodes everything; ``"header"`` only reads the header.
        max_pixels: width times height above this is refused.

    Raises:
        Unreadable: empty, not an image, damaged, truncated or too large.
    """
    if not len(data):
        raise Unreadable(Refusal("empty file", EmptyInput, "fetch the file again"))
    start = bytes(data[:8])
    found: Header | None = None
    whole = False
    if start.startswith(_JPEG):
        found, whole = read_jpeg(data)
        if whole and found is None and verify == "auto":
            found = header(data, max_pixels)
    elif start == SIGNATURE:
        found = read_png(data)
    if found is not None:
        if found.width * found.height > max_pixels:
            check_pixels(found.width, found.height, max_pixels)
        if verify == "auto" and found.format == "PNG":
            whole = is_whole(data, found)
        if verify == "header" or (whole and verify == "auto"):
            return found
    wrong = not_a_picture(start, data)
    if wrong is not None:
        raise Unreadable(wrong)
    return header(data, max_pixels) if verify == "header" else decode(data, max_pixels)


def check_verify(verify: str) -> None:
    """Raise for an unknown ``verify``."""
    if verify not in VERIFY:
        raise InvalidArgument(
            f"verify={verify!r} is not one of {', '.join(VERIFY)}",
            hint='"full" decodes every image, "header" only reads headers, "auto" is the default',
        )


def not_a_picture(start: bytes, data: memoryview | bytes) -> Refusal | None:
    """Recognise what is often found in the place of a picture."""
    text = bytes(data[:256]).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"version "[:8]) and b"git-lfs" in text:
        return Refusal(
            "a Git LFS pointer stands in place of the file",
            UnsupportedFormat,
            "run `git lfs pull` in the repository it came from",
        )
    if text.startswith((b"<!doctype html", b"<html")):
        return Refusal(
            "an HTML page, not an image",
            UnsupportedFormat,
            "the download was answered with a web page; check the address",
        )
    if start[4:8] == b"ftyp" and bytes(data[8:12]) in (b"heic", b"heix", b"heim", b"hevc"):
        return Refusal(
            "a HEIF image, which the decoder cannot read",
            UnsupportedFormat,
            "export it as JPEG or PNG first",
        )
    return None
