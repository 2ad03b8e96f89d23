"""Plain data out of a pickle, without the pickle module and without running anything.

A pickle is a program for a small machine with a stack (Python's ``pickletools`` documents each
instruction). This machine knows the instructions that build text, bytes, numbers, lists, tuples
and dictionaries, and of all names only those by which numpy and Python 2 write arrays; those lead
to marks, not to functions. Any other name or instruction ends the reading. Large byte strings
are not copied: they are views of the file. Work and memory are bounded by the size of the file, and
values are never printed, hashed or compared: a few bytes can make one that takes for ever.
"""

from __future__ import annotations

import ast
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lancenb.errors import CorruptInput, UnsafeInput, UnsupportedFormat

from ._pickle_bounds import Bounds
from ._pickle_values import CALLS, KNOWN, Array, Dtype, Name, finished

if TYPE_CHECKING:
    from lancenb.progress import CancelToken

_COPIED = 4096  # shorter byte strings are copied, longer ones are views
_LONGEST_LINE = 8192
_MARK = object()
_DAMAGE = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, SyntaxError),
    *(TypeError, ValueError, struct.error),
)


def read_pickle(data: memoryview, where: str, cancel: CancelToken | None = None) -> Any:
    """Return the value in a pickle of plain data.

    Args:
        data: the whole pickle.
        where: its name, for messages.
        cancel: stops the reading.

    Returns:
        Built of dict, list, tuple, str, numbers, numpy arrays, and bytes or ``memoryview``. Text
        of Python 2 is decoded as Latin-1.

    Raises:
        UnsafeInput: it names something that has no place in plain data, or is made to exhaust
            time or memory; nothing was run.
        UnsupportedFormat: it is written in a way that is not read here.
        CorruptInput: it is damaged or cut off.

    >>> import pickle
    >>> read_pickle(memoryview(pickle.dumps({"labels": [3, 1]}, protocol=2)), "x")
    {'labels': [3, 1]}
    """
    try:
        return _Machine(data, where, cancel).run()
    except _DAMAGE as error:
        raise CorruptInput(
            f"{where} is no whole pickle: {str(error) or type(error).__name__}",
            hint="fetch the file again",
        ) from None


class _Machine:
    def __init__(self, data: memoryview, where: str, cancel: CancelToken | None):
        self._data = data
        self._bounds = Bounds(len(data), where, cancel)
        self._where = where
        self._at = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        data = self._data
        while True:
            if self._at >= len(data):
                raise ValueError("it is cut off")
            code = data[self._at]
            self._at += 1
            if code == 0x2E:  # STOP
                return finished(self._stack.pop())
            step = _STEPS.get(code)
            if step is None:
                raise UnsupportedFormat(
                    f"{self._where} is not a pickle of plain data (instruction 0x{code:02x} at "
                    f"byte {self._at - 1:,})",
                    hint="arrays, lists, text and numbers are read, in pickle protocol 2 to 5",
                )
            step(self)
            self._bounds.step()

    def take(self, count: int) -> memoryview:
        """Return the next bytes."""
        if count > len(self._data) - self._at:
            raise ValueError("it is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, width: int, *, signed: bool = False) -> int:
        return int.from_bytes(self.take(width), "little", signed=signed)

    def line(self) -> str:
        """Return the text up to the end of the line (instructions of protocol 0)."""
        end = bytes(self._data[self._at : self._at + _LONGEST_LINE]).index(b"\n")
        text = bytes(self.take(end)).decode("latin-1")
        self._at += 1
        return text

    def quoted(self) -> str:
        text = ast.literal_eval(self.line())
        if not isinstance(text, str):
            raise TypeError("text without quotes")
        return text

    def whole(self) -> int | bool:
        text = self.line()
        return text == "01" if text in ("00", "01") else int(text.rstrip("L"))

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def marked(self) -> list[Any]:
        """Take what lies above the last mark."""
        at = len(self._stack) - 1
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise ValueError("a mark is missing")
        items = self._stack[at + 1 :]
        del self._stack[at:]
        return items

    def put(self, index: int) -> None:
        if not 0 <= index < 1 << 32:
            raise ValueError("a number of a value is out of range")
        self._memo[index] = self._stack[-1]

    def text(self, width: int) -> None:
        self.push(bytes(self.take(self.number(width))).decode("utf-8", "surrogatepass"))

    def old_text(self, width: int) -> None:
        view = self.take(self.number(width))
        self.push(view if len(view) > _COPIED else bytes(view).decode("latin-1"))

    def octets(self, width: int) -> None:
        view = self.take(self.number(width))
        self.push(view if len(view) > _COPIED else bytes(view))

    def name(self, module: str, name: str) -> None:
        makes = KNOWN.get((module, name))
        if makes is None:
            raise UnsafeInput(
                f"{self._where} names {module[:80]}.{name[:80]}, which has no place in a pickle "
                "of pictures; nothing was run",
                hint="fetch the file again from its makers; this one was changed",
                details={"name": f"{module[:200]}.{name[:200]}"},
            )
        self.push(Name(makes))

    def stacked_name(self) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise TypeError("a name that is no text")
        self.name(module, name)

    def set_items(self, pairs: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, dict) or len(pairs) % 2:
            raise TypeError("items for what is no dictionary")
        self._bounds.nest(target, pairs[1::2])
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            if type(key) is int and not -(2**63) <= key < 2**63:
                raise ValueError("a key of more than 64 bits")
            if type(key) not in (str, bytes, int):
                raise TypeError("a key that is neither text nor a whole number")
            target[key.decode("latin-1") if isinstance(key, bytes) else key] = finished(value)
        self._bounds.keys(len(target))

    def extend(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if not isinstance(target, list):
            raise TypeError("items for what is no list")
        self._bounds.nest(target, items)
        target += [finished(item) for item in items]

    def made(self, container: Any) -> None:
        """Fill a new list or dictionary with what lies above the last mark."""
        items = self.marked()
        self.push(container)
        if isinstance(container, dict):
            self.set_items(items)
        else:
            self.extend(items)

    def tuple_of(self, count: int) -> None:
        items = self._stack[len(self._stack) - count :] if count else []
        if len(items) != count:
            raise ValueError("a tuple is incomplete")
        del self._stack[len(self._stack) - count :]
        self.push_tuple(items)

    def push_tuple(self, items: list[Any]) -> None:
        made = tuple(items)
        if made:
            self._bounds.nest(made, made)
        self.push(made)

    def reduce(self) -> None:
        arguments, made = self._stack.pop(), self._stack.pop()
        if not isinstance(made, Name) or not isinstance(arguments, tuple):
            raise TypeError("a call of what is no name")
        if made.makes == "encode" and arguments:
            self._bounds.encode(arguments[0])
        self.push(CALLS[made.makes](*arguments))

    def build(self) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(state, tuple):
            raise TypeError("a state that is no tuple")
        if isinstance(target, Dtype):
            if not isinstance(state[1], str):
                raise TypeError("a byte order that is no text")
            target.order = state[1]
        elif isinstance(target, Array):
            _, target.shape, target.dtype, target.fortran, target.data = state
        else:
            raise TypeError("a state for what has none")


_STEPS: dict[int, Callable[[_Machine], Any]] = {
    # protocol 0, in which Python 2 wrote small dictionaries
    ord("d"): lambda m: m.made({}),
    ord("l"): lambda m: m.made([]),
    ord("I"): lambda m: m.push(m.whole()),
    ord("L"): lambda m: m.push(m.whole()),
    ord("S"): lambda m: m.push(m.quoted()),
    ord("p"): lambda m: m.put(int(m.line())),
    ord("g"): lambda m: m.push(m._memo[int(m.line())]),
    # protocol 1 to 5
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME
    ord("("): lambda m: m.push(_MARK),
    ord("0"): lambda m: m._stack.pop(),
    ord("}"): lambda m: m.push({}),
    ord("]"): lambda m: m.push([]),
    ord(")"): lambda m: m.push(()),
    ord("t"): lambda m: m.push_tuple(m.marked()),
    0x85: lambda m: m.tuple_of(1),
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    ord("a"): lambda m: m.extend([m._stack.pop()]),
    ord("e"): lambda m: m.extend(m.marked()),
    ord("s"): lambda m: m.set_items([m._stack.pop(-2), m._stack.pop()]),
    ord("u"): lambda m: m.set_items(m.marked()),
    ord("q"): lambda m: m.put(m.number(1)),
    ord("r"): lambda m: m.put(m.number(4)),
    0x94: lambda m: m.put(len(m._memo)),  # MEMOIZE
    ord("h"): lambda m: m.push(m._memo[m.number(1)]),
    ord("j"): lambda m: m.push(m._memo[m.number(4)]),
    ord("N"): lambda m: m.push(None),
    0x88: lambda m: m.push(True),
    0x89: lambda m: m.push(False),
    ord("K"): lambda m: m.push(m.number(1)),
    ord("M"): lambda m: m.push(m.number(2)),
    ord("J"): lambda m: m.push(m.number(4, signed=True)),
    0x8A: lambda m: m.push(m.number(m.number(1), signed=True)),  # LONG1
    ord("G"): lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    ord("U"): lambda m: m.old_text(1),
    ord("T"): lambda m: m.old_text(4),
    0x8C: lambda m: m.text(1),
    ord("X"): lambda m: m.text(4),
    0x8D: lambda m: m.text(8),
    ord("C"): lambda m: m.octets(1),
    ord("B"): lambda m: m.octets(4),
    0x8E: lambda m: m.octets(8),
    0x96: lambda m: m.octets(8),  # BYTEARRAY8
    ord("c"): lambda m: m.name(m.line(), m.line()),
    0x93: lambda m: m.stacked_name(),
    ord("R"): lambda m: m.reduce(),
    ord("b"): lambda m: m.build(),
}
