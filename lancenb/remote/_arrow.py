"""Arrow streams in pieces: out of a reader, and into one that notices a broken end."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from lancenb.errors import CorruptInput, LancenbError

from ._wire import PIECE

_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_SMALL = 64 << 10
_STEP = 16 << 20
_ROWS = (1 << 31) - 1


class Sink(io.RawIOBase):
    """Collects what the stream writer writes, small parts joined, large ones as they are."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Any] = []
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self._parts.append(view)
        self.size += view.nbytes
        return view.nbytes

    def take(self) -> Iterator[Any]:
        parts, self._parts, self.size = self._parts, [], 0
        small = bytearray()
        for part in parts:
            if part.nbytes < _SMALL:
                small += part
                continue
            if small:
                yield bytes(small)
                small = bytearray()
            flat = part.cast("B")
            for start in range(0, flat.nbytes, PIECE):
                yield flat[start : start + PIECE]
        if small:
            yield bytes(small)


def pieces(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[Any]:
    """Yield an Arrow IPC stream in bytes-like pieces of at most about 1 MiB.

    Where the pieces end early, the batches are closed, which a reader made of them would not do.
    """
    sink = Sink()
    writer = pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), schema)
    try:
        for batch in batches:
            writer.write_batch(batch)
            if sink.size >= PIECE // 2:
                yield from sink.take()
        writer.close()
        yield from sink.take()
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()


def eager(stream: Iterator[Any]) -> Iterator[Any]:
    """Read the first piece now, so that an error becomes the answer instead of breaking it off."""
    try:
        first = next(stream)
    except StopIteration:
        return iter(())

    def go_on() -> Iterator[Any]:
        try:
            yield first
            yield from stream
        finally:
            close = getattr(stream, "close", None)
            if close is not None:
                close()

    return go_on()


def then(stream: Iterator[Any], check: Callable[[], None]) -> Iterator[Any]:
    """Hand on a stream and check when its last byte is there: others did not wait for it."""
    yield from stream
    check()


class PieceFile(io.RawIOBase):
    """A file to read from pieces that arrive one by one; remembers how the stream ended."""

    def __init__(self, stream: Iterator[Any]):
        super().__init__()
        self._stream = iter(stream)
        self._rest = memoryview(b"")
        self.tail = b""
        self.count = 0

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        view = memoryview(target).cast("B")
        filled = 0
        while filled < view.nbytes:
            if not self._rest.nbytes and not self._next():
                break
            part = self._rest[: view.nbytes - filled]
            view[filled : filled + part.nbytes] = part
            self._rest = self._rest[part.nbytes :]
            filled += part.nbytes
        return filled

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            return self.readall()
        # What a header promises is not what comes: memory grows with the bytes that do.
        target = bytearray()
        while len(target) < size:
            begin, step = len(target), min(size - len(target), _STEP)
            target.extend(bytes(step))
            count = self.readinto(memoryview(target)[begin:])
            if count < step:
                del target[begin + count :]
                break
        return target  # type: ignore[return-value]  # any buffer will do, and this one is not copied

    def _next(self) -> bool:
        for piece in self._stream:
            view = memoryview(piece).cast("B")
            if view.nbytes:
                self.tail = (self.tail + bytes(view[-8:]))[-8:]
                self.count += view.nbytes
                self._rest = view
                return True
        return False

    def drain(self) -> None:
        """Read to the end; raises what the stream raises."""
        while self._next():
            pass


def _damaged(what: str) -> LancenbError:
    return CorruptInput(f"the Arrow stream is damaged: {what}", hint="send it again")


def reader_of(
    stream: Any, *, broken: Callable[[str], LancenbError] = _damaged, strange: bool = False
) -> pa.RecordBatchReader:
    """Return a reader of an Arrow IPC stream that arrives in pieces.

    A stream without its end mark is refused at its end, when nothing was committed yet: the format
    itself would take what a dead client sent for the whole.

    Raises:
        CorruptInput: this is no Arrow stream.
    """
    file = stream if hasattr(stream, "tail") else PieceFile(stream)
    try:
        source = pa.ipc.open_stream(pa.PythonFile(file, mode="r"))
    except (pa.ArrowException, OSError) as error:
        raise CorruptInput(
            f"the data is no Arrow IPC stream: {_brief(error)}",
            hint="write it with pyarrow.ipc.new_stream",
        ) from None

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            for batch in source:
                if strange:
                    if batch.num_rows > _ROWS:  # nulls take no bytes: a few make any number
                        raise broken(f"a batch of {batch.num_rows:,} rows")
                    batch.validate(full=True)
                yield batch
        except LancenbError:
            raise
        except (pa.ArrowException, OSError) as error:
            raise broken(_brief(error)) from None
        file.drain()
        if file.tail != _END:
            raise broken("it ends too early")

    return pa.RecordBatchReader.from_batches(source.schema, batches())


def _brief(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
