"""Encoded pictures to uint8 tensors, upright and RGB."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

_SIXTEEN_BIT = {"I;16", "I;16L", "I;16B", "I;16N"}


class BadPicture(Exception):
    """A picture that cannot be decoded; the text says why."""


def decode_rgb(data: Any) -> torch.Tensor:
    """Decode one picture to a uint8 tensor ``(3, height, width)``.

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
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as picture:
                array = np.array(_to_rgb(picture), dtype=np.uint8)
    except (MemoryError, KeyboardInterrupt):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPicture("it unpacks to too many pixels") from error
    except Exception as error:  # Pillow's plugins raise nearly anything on damaged input
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if type(error).__name__ == "UnidentifiedImageError":
            reason = "the bytes are no image"
        raise BadPicture(reason) from error
    return torch.from_numpy(array).permute(2, 0, 1).contiguous()


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
