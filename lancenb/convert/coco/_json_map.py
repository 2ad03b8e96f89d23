"""Where the elements of the arrays in a large JSON object lie, found without parsing them."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from lancenb.convert.text._json_split import ArraySplitter
from lancenb.errors import CorruptInput, UnsupportedFormat

if TYPE_CHECKING:
    import numpy as np

_SPACE = re.compile(rb"[ \t\r\n]*")
_KEY = re.compile(rb'"(?:[^"\\]|\\.)*"')
_BLOCK = 1 << 22
_WINDOWS = (1 << 16, 1 << 20, 1 << 26)


class JsonMap:
    """A JSON object on disk whose arrays are read element by element.

    Args:
        data: the file.
        where: its name, for messages.

    Attributes:
        spans: name of a top-level array -> start and end of each element, ``[n, 2]``.
        others: name and value of what is no array.
    """

    def __init__(self, data: mmap.mmap, where: str):
        self._data = data
        self._where = where
        self.spans: dict[str, np.ndarray[Any, Any]] = {}
        self.others: dict[str, Any] = {}
        self._walk()

    def read(self, name: str, places: Iterable[int]) -> Iterator[Any]:
        """Yield elements of an array in the order asked for."""
        spans = self.spans[name]
        for place in places:
            start, end = spans[place].tolist()
            yield self._parsed(self._data[start:end], name, place)

    def read_all(self, name: str) -> Iterator[Any]:
        """Yield all elements of an array, some thousand at a time in memory."""
        spans = self.spans[name]
        first = 0
        while first < len(spans):
            last = first
            while last + 1 < len(spans) and spans[last + 1, 1] - spans[first, 0] < _BLOCK:
                last += 1
            text = self._data[int(spans[first, 0]) : int(spans[last, 1])]
            yield from self._parsed(b"[" + text + b"]", name, first)
            first = last + 1

    def _parsed(self, text: bytes, name: str, place: int) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CorruptInput(
                f"{self._where}: {name} is not JSON near element {place:,}: "
                f"{str(error).splitlines()[0]}",
                hint="fetch or export the file again",
            ) from None

    def _walk(self) -> None:
        at = self._skip(3 if self._data[:3] == b"\xef\xbb\xbf" else 0)
        if self._data[at : at + 1] != b"{":
            raise UnsupportedFormat(
                f"{self._where} is no JSON object, and so no annotations in COCO's form"
            )
        at = self._skip(at + 1)
        while self._data[at : at + 1] != b"}":
            match = _KEY.match(self._data, at)
            if match is None:
                raise self._broken(at)
            name = self._parsed(match[0], "a key", 0)
            at = self._skip(match.end())
            if self._data[at : at + 1] != b":":
                raise self._broken(at)
            at = self._skip(self._value(name, self._skip(at + 1)))
            mark = self._data[at : at + 1]
            if mark == b",":
                at = self._skip(at + 1)
            elif mark != b"}":
                raise self._broken(at)

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._data, at)
        return match.end() if match else at

    def _value(self, name: str, at: int) -> int:
        if self._data[at : at + 1] == b"[":
            splitter = _Spans(_From(self._data, at), self._where)
            self.spans[name] = splitter.collect(at + 1)
            return splitter.end
        for window in _WINDOWS:
            text = self._data[at : at + window].decode("utf-8", "replace")
            try:
                self.others[name], end = json.JSONDecoder().raw_decode(text)
            except (ValueError, RecursionError):
                continue
            return at + len(text[:end].encode())
        raise self._broken(at)

    def _broken(self, at: int) -> CorruptInput:
        why = "ends too early" if at >= len(self._data) else f"breaks at byte {at:,}"
        return CorruptInput(
            f"{self._where} is not JSON: it {why}",
            hint="the file is cut off or damaged; fetch or export it again",
        )


class _From:
    """A stream over a mapped file from some place on."""

    def __init__(self, data: mmap.mmap, at: int):
        self._data = data
        self.consumed = at

    def block(self, size: int) -> bytes:
        block = self._data[self.consumed : self.consumed + size]
        self.consumed += len(block)
        return block


class _Spans(ArraySplitter):
    """Finds where the elements of one array begin and end, and where the array does."""

    def __init__(self, stream: _From, where: str):
        super().__init__(stream, where, _BLOCK, _BLOCK)
        self.end = 0

    def collect(self, start: int) -> np.ndarray[Any, Any]:
        import numpy as np

        found = [np.zeros((0, 2), np.int64)]
        for chunk in self:
            commas = np.asarray(chunk.commas, np.int64)
            begins = np.concatenate(([0], commas + 1)) + start
            ends = np.concatenate((commas, [len(chunk.data)])) + start
            found.append(np.stack([begins, ends], axis=1))
            start += len(chunk.data) + 1
        return np.concatenate(found)

    def _finish(self, tail: bytes) -> None:
        if tail[:1] != b"]":
            raise CorruptInput(f"{self._name}: a JSON array ends with {tail[:1]!r}, not with ']'")
        self.end = self._stream.consumed - len(tail) + 1
