"""What is in one file? Its content decides, the suffix is a hint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lancenb.errors import (
    CorruptInput,
    EmptyInput,
    SourceNotFound,
    UnsafeInput,
    UnsupportedFormat,
)

from ._families import FAMILY_OF, LATER
from ._folder import refuse_special
from ._idx import named_idx
from ._layouts import file_layout
from ._magic import magic, suffix_of
from ._peek import parquet_holds_images, tar_format, zip_format


@dataclass(frozen=True)
class Sniffed:
    """What a source is and why we think so.

    Attributes:
        kind: ``"weights"``, ``"images"``, ``"text"`` or ``"table"``: the converter to use.
        format: the concrete format, such as ``"png"``, ``"csv"``, ``"safetensors"``, ``"folder"``.
        reason: one sentence for people.
    """

    kind: str
    format: str
    reason: str


def sniff_file(path: Path) -> Sniffed:
    """Tell what one file is; see :func:`sniff`."""
    refuse_special(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}") from None
    if size == 0:
        raise EmptyInput(f"{path} is empty (0 bytes)", hint="fetch or export the file again")
    suffix = suffix_of(path.name)
    promised = FAMILY_OF.get(suffix)
    found = magic(head, path, size)
    _refuse_strangers(path, head, promised)
    layout = _official(path, found)
    if layout is not None:
        return layout
    if found == "tar" and promised == "weights":
        return Sniffed("weights", "tar", "a PyTorch checkpoint of the oldest kind")
    if found in ("zip", "tar", "gzip-tar"):
        return _sniff_archive(path, found, promised)
    if found == "pickle" and promised != "weights":
        raise UnsafeInput(
            f"{path} is a Python pickle, which runs code when it is opened",
            hint="if it holds weights, give it the suffix .pth or pass kind='weights'",
        )
    family = {"parquet": "table", "arrow": "table", "arrow-stream": "table"}.get(found, "")
    family = family or {"safetensors": "weights", "pickle": "weights"}.get(found, "")
    if found.startswith("image/"):
        family = "images"
    if not family:
        return _by_suffix(path, suffix, promised, head, found)
    if promised not in (None, family):
        raise CorruptInput(
            f"{path} is named .{suffix} but holds {found.removeprefix('image/')} data",
            hint=f"rename it, or pass kind={family!r} to take it for what it is",
        )
    if found == "parquet" and parquet_holds_images(path):
        return Sniffed("images", "parquet", "Parquet with an image column")
    return Sniffed(family, found.removeprefix("image/"), f"its first bytes are {found}")


def _official(path: Path, found: str) -> Sniffed | None:
    """Tell what a file in the layout of a data set's makers is."""
    layout = file_layout(path)
    named = named_idx(path.name)
    if found in ("idx1", "gzip-idx1") or named == "labels":
        return Sniffed("table", "idx", "a column of numbers in idx form")
    if found in ("idx3", "gzip-idx3") or named == "images":
        return Sniffed("images", "idx", "pictures in idx form")
    if layout == "cifar" and found in ("pickle", "binary", "text"):
        return Sniffed("images", "cifar", "a batch of CIFAR")
    return None


def _refuse_strangers(path: Path, head: bytes, promised: str | None) -> None:
    start = head.lstrip()[:64].lower()
    if head.startswith(b"version https://git-lfs"):
        raise CorruptInput(
            f"{path} is a git-LFS pointer, not the file itself",
            hint="run `git lfs pull` in that repository, or download the file from its page",
        )
    if promised not in (None, "text") and start.startswith((b"<!doctype html", b"<html")):
        raise CorruptInput(
            f"{path} is an HTML page, not {promised}",
            hint="a download gave an error or login page; fetch the file again",
        )


def _sniff_archive(path: Path, found: str, promised: str | None) -> Sniffed:
    format_ = zip_format(path) if found == "zip" else tar_format(path)
    if format_ == "torch":
        if promised not in (None, "weights"):
            raise CorruptInput(
                f"{path} holds a PyTorch checkpoint in spite of its suffix",
                hint="rename it to .pth, or pass kind='weights'",
            )
        return Sniffed("weights", "pth", "a PyTorch zip checkpoint")
    if promised not in (None, "weights") and not path.name.endswith(".gz"):
        raise CorruptInput(
            f"{path} is an archive in spite of its suffix", hint="rename it to .zip or .tar"
        )
    if format_ in ("images", "cifar"):
        return Sniffed("images", found, f"a {found} archive of images")
    return Sniffed("table", found, f"a {found} archive")


def _by_suffix(path: Path, suffix: str, promised: str | None, head: bytes, found: str) -> Sniffed:
    if suffix in LATER:
        raise UnsupportedFormat(
            f"{path} looks like {LATER[suffix]}, which this version does not convert",
            hint="weights, images, text, CSV, JSON, Parquet, Arrow and zip are supported",
        )
    if promised == "text":
        if found == "binary":
            raise CorruptInput(
                f"{path} is named .{suffix} but does not hold text",
                hint="check how the file was made; pass kind= if the suffix is wrong",
            )
        return Sniffed("text", suffix, f"its suffix is .{suffix}")
    if promised in ("images", "weights", "table"):
        # The converter itself gives the exact reason why the content is not readable.
        return Sniffed(promised, suffix, f"its suffix is .{suffix}")
    if found in ("json", "text"):
        return Sniffed("text", "json" if found == "json" else "txt", "it holds readable text")
    raise UnsupportedFormat(
        f"{path} is of no kind that lancenb knows",
        hint="pass kind='weights', 'images', 'text' or 'table' if you know better",
    )
