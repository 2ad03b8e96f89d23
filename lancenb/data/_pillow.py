"""Encoded pictures to numpy arrays by Pillow, upright and RGB (no torch here)."""

from __future__ import annotations

import io
import threading
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngImageFile

from ._png import is_plain_png

_BOMB = "it unpacks to too many pixels"
_filters = threading.Lock()
_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}


class BadPicture(Exception):
    """A picture that cannot be decoded; the text says why."""


def pillow_rgb(data: Any) -> np.ndarray:
    """Decode one picture to uint8 ``(height, width, 3)`` (see :func:`pillow_picture`)."""
    return np.array(pillow_picture(data), dtype=np.uint8)


def pillow_picture(data: Any) -> Image.Image:
    """Decode one picture to an upright RGB picture of Pillow.

    The EXIF orientation is applied, every mode becomes RGB: 16-bit grey keeps its upper eight
    bits, float grey is read as 0..1 (or 0..255 when it goes above 1), alpha is dropped.

    Args:
        data: encoded bytes, or a dict with ``bytes`` (Hugging Face's struct).

    Raises:
        BadPicture: no bytes, or bytes that are no whole picture.
    """
    if isinstance(data, dict):
        data = data.get("bytes")
    if not data:
        raise BadPicture("it has no bytes")
    try:
        if is_plain_png(data):
            return _plain(PngImageFile(io.BytesIO(data)))
        with _opened(data) as picture:
            if too_large(picture.height, picture.width):
                raise BadPicture(_BOMB)
            return _to_rgb(picture)
    except (MemoryError, KeyboardInterrupt, BadPicture):
        raise
    except Image.DecompressionBombError as error:
        raise BadPicture(_BOMB) from error
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged input
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if type(error).__name__ == "UnidentifiedImageError":
            reason = "the bytes are no image"
        raise BadPicture(reason) from error


def _plain(picture: Image.Image) -> Image.Image:
    """Without what other pictures need, which costs small ones as much as their pixels do."""
    if too_large(picture.height, picture.width):
        raise BadPicture(_BOMB)
    picture.load()
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _opened(data: Any) -> Image.Image:
    # filters of warnings belong to the whole process: one thread at a time may change them
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Image.open(io.BytesIO(data))


def too_large(height: int, width: int) -> bool:
    """Whether Pillow would warn of a decompression bomb."""
    limit = Image.MAX_IMAGE_PIXELS
    return limit is not None and height * width > limit


def _to_rgb(picture: Image.Image) -> Image.Image:
    picture.load()
    upright = ImageOps.exif_transpose(picture)
    if upright.mode == "RGB":
        return upright
    if upright.mode in _SIXTEEN_BIT:
        grey = np.asarray(upright).astype(np.uint16) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if upright.mode in ("I", "F"):
        return _wide_grey(np.asarray(upright).astype(np.float64)).convert("RGB")
    if upright.mode == "P" and "transparency" in upright.info:
        upright = upright.convert("RGBA")
    return upright.convert("RGB")


def _wide_grey(values: np.ndarray) -> Image.Image:
    values = np.nan_to_num(values, nan=0.0, posinf=255.0, neginf=0.0)
    top = float(values.max(initial=0.0))
    if top <= 1.0:
        values = values * 255.0
    elif top > 255.0:
        values = values / (257.0 if top <= 65535.0 else top / 255.0)
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
