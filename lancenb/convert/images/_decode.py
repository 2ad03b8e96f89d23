"""The decoder's word on a picture: Pillow, kept from doing anything but decoding pixels."""

from __future__ import annotations

import functools
import io
import struct
import threading
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, UnsafeInput, UnsupportedFormat

from ._info import Header, Refusal

if TYPE_CHECKING:
    from PIL import Image

# Raster formats only: PostScript, PDF, WMF, HDF5 and video plugins start other programs or
# hold no pixels.
FORMATS = (
    *("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000", "ICO", "TGA", "QOI"),
    *("DIB", "CUR", "ICNS", "PCX", "DCX", "DDS", "SGI", "SUN", "MSP", "PSD", "XBM", "XPM", "BLP"),
    *("FLI", "IM", "SPIDER", "FITS"),
)
_BIG = 1 << 24
_one_big = threading.Lock()
_PNG_MODES = {"CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "HSV": "RGB", "RGBX": "RGB"}
_PNG_MODES |= {"PA": "RGBA", "La": "LA", "RGBa": "RGBA", "I;16B": "I;16", "I;16L": "I;16"}


class Unreadable(Exception):
    """Carries a :class:`~lancenb.convert.images._info.Refusal` out of the decoder."""

    def __init__(self, refusal: Refusal):
        super().__init__(refusal.reason)
        self.refusal = refusal


def open_image(data: memoryview | bytes, max_pixels: int) -> Image.Image:
    """Open a picture without decoding it; raises :class:`Unreadable`."""
    from PIL import Image

    stream = io.BytesIO(data)
    prefix = stream.read(16)
    claimed: Refusal | None = None
    for name, factory, accept in _plugins():
        mine = False
        try:
            # A text answer of accept() is a warning: known, but not readable by this build.
            mine = accept is None or accept(prefix)
            if not mine or isinstance(mine, str):
                continue
            stream.seek(0)
            # Not Image.open: its limit on pixels is global and warns where ours is to decide.
            image = factory(stream, "")
        except (SyntaxError, IndexError, TypeError, struct.error) as error:
            if accept is not None and mine and claimed is None:
                claimed = _damaged(f"{name} header: {error}")
            continue  # how plugins say "not mine"
        except Image.DecompressionBombError as error:
            raise Unreadable(too_large(str(error).split(",")[0])) from None
        except Exception as error:
            raise Unreadable(_damaged(error)) from None
        image.format = image.format or name
        check_pixels(image.width, image.height, max_pixels)
        return image
    if claimed is not None:
        raise Unreadable(claimed)
    raise Unreadable(
        Refusal(
            "not an image in any format that can be read",
            UnsupportedFormat,
            "the content decides, not the file's ending",
        )
    )


@functools.cache
def _plugins() -> list[tuple[str, Any, Any]]:
    from PIL import Image

    Image.init()
    return [(name, *Image.OPEN[name]) for name in FORMATS if name in Image.OPEN]


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse pictures that would unpack to an absurd size."""
    if width * height > max_pixels:
        raise Unreadable(too_large(f"{width} x {height} pixels exceed {max_pixels:,}"))


def too_large(fact: str) -> Refusal:
    """Return the refusal for a decompression bomb."""
    return Refusal(
        f"too large to decode safely ({fact})",
        UnsafeInput,
        "pass max_pixels= if a picture of that size is meant",
    )


def header(data: memoryview | bytes, max_pixels: int) -> Header:
    """Read size, mode and format without decoding."""
    with open_image(data, max_pixels) as image:
        return Header(image.width, image.height, image.mode, str(image.format))


def decode(data: memoryview | bytes, max_pixels: int) -> Header:
    """Decode the first frame completely and throw the pixels away."""
    with open_image(data, max_pixels) as image:
        found = Header(image.width, image.height, image.mode, str(image.format))
        _load(image, found, scaled=True)
    return found


def _load(image: Any, found: Header, *, scaled: bool) -> None:
    big = found.width * found.height > _BIG
    try:
        if scaled and found.format == "JPEG":
            image.draft(None, (1, 1))  # the same bits are read, far fewer pixels are made
        if big:
            with _one_big:
                image.load()
        else:
            image.load()
    except MemoryError:
        raise Unreadable(too_large("out of memory")) from None
    except Exception as error:
        raise Unreadable(_damaged(error)) from None


def _damaged(error: BaseException | str) -> Refusal:
    text = str(error).strip() or type(error).__name__
    return Refusal(
        f"damaged image: {text}", CorruptInput, "fetch or export the file again, or leave it out"
    )


def to_png(data: memoryview | bytes, max_pixels: int) -> tuple[bytes, Header]:
    """Encode the first frame as PNG, keeping EXIF and the colour profile.

    CMYK, YCbCr, LAB and HSV become RGB; modes without a PNG form (32-bit float) are refused.
    """
    with open_image(data, max_pixels) as image:
        found = Header(image.width, image.height, image.mode, str(image.format))
        _load(image, found, scaled=False)
        extras = {k: image.info[k] for k in ("exif", "icc_profile") if image.info.get(k)}
        target = _PNG_MODES.get(image.mode)
        if target is not None:
            if target == "RGB":
                extras.pop("icc_profile", None)  # it describes the old colour space
            image = image.convert(target)
        out = io.BytesIO()
        try:
            image.save(out, "PNG", **extras)
        except Exception as error:
            raise Unreadable(
                Refusal(
                    f"mode {image.mode} cannot be written as PNG ({error})",
                    UnsupportedFormat,
                    "leave out reencode= to keep the original bytes",
                )
            ) from None
        return out.getvalue(), Header(image.width, image.height, image.mode, "PNG")
