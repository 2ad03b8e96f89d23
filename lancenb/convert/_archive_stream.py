"""Streams that count what they unpack and turn damage into typed errors."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from lancenb.errors import LancenbError

from .archive import Limits, bomb, damaged, too_big

DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)


class Counted(io.RawIOBase):
    """A readable, forward-only stream that enforces size limits on the real bytes.

    Args:
        inner: where the unpacked bytes come from.
        what: name for messages.
        limits: what may be unpacked.
        packed: called for the packed bytes read so far (or in all).
        expected: bytes promised by the header, ``None`` when unknown.
    """

    def __init__(
        self,
        inner: Any,
        what: str,
        limits: Limits,
        packed: Callable[[], int],
        expected: int | None = None,
    ):
        self._inner = inner
        self._what = what
        self._limits = limits
        self._packed = packed
        self._expected = expected
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._inner.read(len(view))
        except LancenbError:
            raise
        except DAMAGE as error:
            raise damaged(self._what, _reason(error)) from error
        got = len(data)
        self.count += got
        self._check(got)
        view[:got] = data
        return got

    def _check(self, got: int) -> None:
        limits = self._limits
        if self.count > limits.max_member:
            raise too_big(self._what, self.count, limits.max_member)
        if self._expected is not None and (
            self.count > self._expected or (got == 0 and self.count < self._expected)
        ):
            raise damaged(
                self._what, f"{self.count:,} bytes came out, {self._expected:,} were declared"
            )
        if self.count > limits.ratio_floor:
            packed = self._packed()
            if self.count > limits.max_ratio * max(packed, 1):
                raise bomb(self._what, self.count, packed, limits)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


def _reason(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]


def buffered(raw: Counted, size: int = 1 << 18) -> BinaryIO:
    """Wrap a counted stream so that short reads are rare."""
    return cast(BinaryIO, io.BufferedReader(raw, size))


def open_gzip(path: str, limits: Limits) -> BinaryIO:
    """Open a ``.gz`` file that holds one stream, with the limits of an archive.

    Raises:
        CorruptInput: (while reading) the data is damaged or cut off.
        UnsafeInput: (while reading) it unpacks beyond the limits.
    """
    import gzip
    from pathlib import Path

    file = Path(path).open("rb")  # noqa: SIM115 - closed with the stream
    inner = gzip.GzipFile(fileobj=file)
    raw = Counted(_Both(inner, file), path, limits, file.tell)
    return buffered(raw)


class _Both:
    """A reader that closes two things."""

    def __init__(self, inner: Any, outer: Any):
        self.read = inner.read
        self._inner = inner
        self._outer = outer

    def close(self) -> None:
        self._inner.close()
        self._outer.close()
