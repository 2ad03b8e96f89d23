"""Encoded image bytes of any kind to a small picture a browser can show."""

from __future__ import annotations

import base64
import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

#: Longest side of a thumbnail in pixels: a card is 104 px wide, screens draw up to twice that.
SIDE = 208
#: Images with more pixels than this are named, not drawn.
MAX_PIXELS = 64_000_000
_ORIENTATION = 0x0112


class Undrawable(ValueError):
    """The bytes cannot be drawn; the message says why in a few words."""


@dataclass(frozen=True)
class Picture:
    """An image scaled for a screen, encoded.

    Attributes:
        data: the encoded picture.
        mime: ``image/jpeg``, ``image/png`` or ``image/webp``.
        pixels: whether it is so small that its pixels should be seen when it is drawn larger.
        width, height: of the original, upright.
    """

    data: bytes
    mime: str
    pixels: bool
    width: int
    height: int

    @property
    def address(self) -> str:
        """The picture as a ``data:`` address."""
        return f"data:{self.mime};base64,{base64.b64encode(self.data).decode()}"


def thumbnail(data: bytes) -> tuple[str, bool]:
    """Return a ``data:`` address and whether the picture is small enough to show its pixels.

    Raises:
        Undrawable: no image, a damaged one, or one too large to draw here.
    """
    picture = draw(data, SIDE)
    return picture.address, picture.pixels


def draw(data: bytes, side: int, *, webp: bool = False) -> Picture:
    """Scale encoded image bytes so that the longest side is at most ``side``.

    EXIF rotation is applied, sixteen-bit and float images are stretched to their range, the first
    frame of an animation is taken, transparency is kept. ``webp`` stores pictures with
    transparency as WebP, a fraction of a PNG.

    Raises:
        Undrawable: no image, a damaged one, or one too large to draw here.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Undrawable(f"{width} × {height}, too large to draw")
            if image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8):
                width, height = height, width
            if image.format == "JPEG":
                image.draft(None, (side, side))
            image.load()
            image = ImageOps.exif_transpose(image)
            image = _to_eight_bits(image)
            pixels = max(image.size) <= side // 2
            if not pixels:
                image.thumbnail((side, side), Image.Resampling.LANCZOS)
            encoded, mime = _encode(image, exact=pixels, webp=webp)
    except Undrawable:
        raise
    except Exception as error:  # decoders raise anything on damaged input
        raise Undrawable(f"cannot be decoded ({type(error).__name__})") from None
    return Picture(encoded, mime, pixels, width, height)


def _to_eight_bits(image: Image) -> Image:
    if image.mode in ("RGB", "RGBA", "L"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode.startswith(("I", "F")):
        return stretch(image)
    return image.convert("RGB")


def stretch(image: Image) -> Image:
    """Map the finite values of a sixteen-bit, integer or float image to 0..255."""
    import numpy as np
    from PIL import Image as Pillow

    values = np.asarray(image).astype("float64")
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1)
    return Pillow.fromarray((scaled.clip(0, 1) * 255).astype("uint8"))


def _encode(image: Image, *, exact: bool, webp: bool) -> tuple[bytes, str]:
    buffer = io.BytesIO()
    if not exact and image.mode != "RGBA":
        image.save(buffer, "JPEG", quality=82)
        return buffer.getvalue(), "image/jpeg"
    if webp and not exact:
        image.save(buffer, "WEBP", quality=82, method=2)
        return buffer.getvalue(), "image/webp"
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue(), "image/png"


def png(rgba: object, width: int, height: int) -> str:
    """Return a ``data:`` address for raw RGBA bytes."""
    from PIL import Image

    image = Image.frombytes("RGBA", (width, height), bytes(rgba))  # type: ignore[arg-type]
    return Picture(*_encode(image, exact=True, webp=False), True, width, height).address
