"""One value of a table, whole: text in parts, pictures made small, sound, vectors with figures."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

from ._audio_clip import Clip, bytes_of, clip_of
from ._format import count, number, size
from ._table_cells import full, is_bytes, is_text, is_vector, plain, spark_of
from ._thumbs import MAX_PIXELS, Undrawable, _to_eight_bits

if TYPE_CHECKING:
    import pyarrow as pa

#: Characters of a value sent at once, and of bytes shown as hex.
PART = 100_000
_HEX = 4_096
#: Longest sides of pictures in a cell and in the pane, in pixels.
THUMB, PICTURE = 96, 720
_IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\x00", b"MM\x00*")


def picture(data: bytes, side: int) -> tuple[bytes, str, tuple[int, int]]:
    """Return an encoded image made small for a browser, its media type and its real size.

    Raises:
        Undrawable: no image, a damaged one, or one too large to draw.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            whole = image.size
            if image.width * image.height > MAX_PIXELS:
                raise Undrawable(f"{image.width} × {image.height}, too large to draw")
            if image.format == "JPEG":
                image.draft(None, (side, side))
            image.load()
            drawn = _to_eight_bits(ImageOps.exif_transpose(image))
            drawn.thumbnail((side, side), Image.Resampling.LANCZOS)
            out = io.BytesIO()
            small = max(drawn.size) <= 128 or drawn.mode == "RGBA"
            if small:
                drawn.save(out, "PNG")
            else:
                drawn.save(out, "JPEG", quality=85)
    except Undrawable:
        raise
    except Exception as error:  # decoders raise anything on damaged input
        raise Undrawable(f"cannot be decoded ({type(error).__name__})") from None
    return out.getvalue(), "image/png" if small else "image/jpeg", whole


def is_picture(data: bytes) -> bool:
    """Tell whether bytes begin like an encoded image."""
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return webp or any(data.startswith(magic) for magic in _IMAGES)


class Value:
    """What the pane shows of one cell, kept while its parts are asked for."""

    def __init__(self, scalar: pa.Scalar, image: bool = False):
        scalar = plain(scalar)
        self.facts: list[tuple[str, str]] = []
        self.spark: list[float] = []
        self.blob, self.mime = b"", ""
        self.clip: Clip | None = None
        self._text: str | None = None
        data = bytes_of(scalar)
        if data is not None and (image or is_picture(data)):
            self._draw(data)
        elif scalar.is_valid:
            self.clip = clip_of(scalar)
        if not self.blob and self.clip is None:
            self._say(scalar, data)

    def _draw(self, data: bytes) -> None:
        try:
            self.blob, self.mime, (wide, high) = picture(data, PICTURE)
            self.facts = [("size", f"{wide} × {high}"), ("bytes", size(len(data)))]
        except Undrawable as error:
            self.facts = [("picture", str(error)), ("bytes", size(len(data)))]

    def _say(self, scalar: pa.Scalar, data: bytes | None) -> None:
        if data is not None and is_bytes(scalar.type):
            self.facts = self.facts or [("bytes", size(len(data)))]
            if len(data) > _HEX:
                self.facts.append(("shown", f"the first {count(_HEX)} bytes"))
            self._text = _dump(data[:_HEX])
            return
        if is_vector(scalar.type) and scalar.is_valid:
            self.spark = spark_of(scalar, 120)
            self.facts = _vector_facts(scalar)
        self._text = full(scalar)
        if is_text(scalar.type) and scalar.is_valid:
            words = len(self._text.split())
            self.facts = [("characters", count(len(self._text))), ("words", count(words))]

    def answer(self, start: int, title: str) -> tuple[dict[str, Any], list[bytes]]:
        """Return the message for the front end, with the text from ``start`` on."""
        text = self._text
        part = None if text is None else text[start : start + PART]
        body = {
            "text": part, "start": start, "taken": len(part or ""), "length": len(text or ""),
            "facts": self.facts, "spark": self.spark, "picture": self.mime,
            "clip": None if self.clip is None else self.clip.to_dict(title),
        }  # fmt: skip
        return body, [self.blob] if self.blob and start == 0 else []


def _vector_facts(scalar: pa.Scalar) -> list[tuple[str, str]]:
    import numpy as np

    values = np.asarray(scalar.values.to_numpy(zero_copy_only=False), np.float64)
    finite = values[np.isfinite(values)]
    facts = [("numbers", count(values.size))]
    if finite.size:
        facts += [("min", number(float(finite.min()))), ("max", number(float(finite.max())))]
        facts += [
            ("mean", number(float(finite.mean()))),
            ("norm", number(float(np.linalg.norm(finite)))),
        ]
    return facts


def _dump(data: bytes) -> str:
    """Return bytes as lines of place, hex and the letters among them.

    >>> _dump(b"ab")
    '00000000  61 62                                            ab'
    """
    lines = []
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        letters = "".join(chr(b) if 32 <= b < 127 else "·" for b in part)
        lines.append(f"{start:08x}  {part.hex(' '):47}  {letters}")
    return "\n".join(lines)
