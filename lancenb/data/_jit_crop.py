"""The centre crop of ADM: halve, resize, crop."""

from __future__ import annotations

from PIL import Image

from ..errors import CorruptInput, InvalidArgument

#: A picture a million times as wide as high would be resized to gigabytes before it is cropped.
_MOST_PIXELS = 1 << 28


def center_crop_arr(pil_image: Image.Image, image_size: int) -> Image.Image:
    """Bring a picture to ``image_size`` pixels square, exactly as ADM does.

    It becomes RGB; both sides are halved (box filter) while the shorter one is at least twice
    ``image_size``; it is resized (bicubic) so that the shorter side is ``image_size``; its centre
    is cropped. Source: the data loader of "Diffusion Models Beat GANs on Image Synthesis"
    (Dhariwal and Nichol, 2021, https://arxiv.org/abs/2105.05233), used by its successors.

    Args:
        pil_image: picture of any mode and size.
        image_size: side of the result in pixels.

    Returns:
        RGB picture of ``image_size`` x ``image_size`` pixels.

    Raises:
        InvalidArgument: a side below 1 pixel.
        CorruptInput: sides so different that the resized picture would fill the memory.

    >>> center_crop_arr(Image.new("L", (700, 500)), 64).size
    (64, 64)
    """
    check_side(image_size)
    picture = pil_image if pil_image.mode == "RGB" else pil_image.convert("RGB")
    while min(picture.size) >= 2 * image_size:
        width, height = picture.size
        picture = picture.resize((width // 2, height // 2), Image.Resampling.BOX)
    scale = image_size / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    if width * height > _MOST_PIXELS:
        raise CorruptInput(
            f"a picture of {pil_image.width:,} x {pil_image.height:,} pixels cannot be cropped:"
            f" it would be resized to {width:,} x {height:,}",
            hint="leave it out; its sides differ too much",
        )
    left, top = (width - image_size) // 2, (height - image_size) // 2
    if width > image_size:  # Pillow resizes rows first, then columns: only those that stay
        rows = picture.resize((width, picture.height), Image.Resampling.BICUBIC)
        picture = rows.crop((left, 0, left + image_size, rows.height))
    picture = picture.resize((image_size, height), Image.Resampling.BICUBIC)
    return picture.crop((0, top, image_size, top + image_size))


class CenterCrop:
    """:func:`center_crop_arr` of one size, as a step of a transform that worker processes import.

    Args:
        size: side of the result in pixels.

    >>> CenterCrop(32)(Image.new("P", (40, 90))).size
    (32, 32)
    """

    deterministic = True

    def __init__(self, size: int):
        self.size = check_side(size)

    def __call__(self, picture: Image.Image) -> Image.Image:
        """Crop one picture."""
        return center_crop_arr(picture, self.size)

    def __repr__(self) -> str:
        return f"CenterCrop({self.size})"


def check_side(size: int) -> int:
    """Return a side in pixels.

    Raises:
        InvalidArgument: it is no whole number above 0.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise InvalidArgument(
            f"img_size={size!r} is no whole number of pixels above 0",
            hint="img_size=256; the models of JiT take 256 or 512",
        )
    return size
