"""Encoded image bytes of any kind to a small picture a browser can show."""

from __future__ import annotations

import base64
import io
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

#: Longest side of a thumbnail in pixels: a card is 104 px wide, screens draw up to twice that.
SIDE = 208
#: Images with more pixels than this are named, not drawn.
MAX_PIXELS = 64_000_000


class Undrawable(ValueError):
    """The bytes cannot be drawn; the message says why in a few words."""


def thumbnail(data: bytes) -> tuple[str, bool]:
    """Return a ``data:`` address and whether the picture is small enough to show its pixels.

    EXIF rotation is applied, sixteen-bit and float images are stretched to their range, the first
    frame of an animation is taken.

    Raises:
        Undrawable: no image, a damaged one, or one too large to draw here.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            if image.width * image.height > MAX_PIXELS:
                raise Undrawable(f"{image.width} × {image.height}, too large to draw")
            if image.format == "JPEG":
                image.draft(None, (SIDE, SIDE))
            image.load()
            image = ImageOps.exif_transpose(image)
            image = _to_eight_bits(image)
            pixels = max(image.size) <= SIDE // 2
            if not pixels:
                image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    except Undrawable:
        raise
    except Exception as error:  # decoders raise anything on damaged input
        raise Undrawable(f"cannot be decoded ({type(error).__name__})") from None
    return _address(image, lossless=pixels or image.mode == "RGBA"), pixels


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


def _address(image: Image, lossless: bool) -> str:
    buffer = io.BytesIO()
    kind = "png" if lossless else "jpeg"
    if lossless:
        image.save(buffer, "PNG", compress_level=6)
    else:
        image.save(buffer, "JPEG", quality=82)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def png(rgba: object, width: int, height: int) -> str:
    """Return a ``data:`` address for raw RGBA bytes."""
    from PIL import Image

    return _address(Image.frombytes("RGBA", (width, height), bytes(rgba)), True)  # type: ignore[arg-type]
