"""Which elements of a tensor a heat map of two of its dimensions reads, and its cells.

A slice within the byte budget is read whole and averaged down to cells; of a larger one evenly
spaced lines are read, and what was left out is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument

if TYPE_CHECKING:
    import numpy as np

#: Cells of a heat map per side; 256 x 256 float32 are 256 KB.
CELLS = 256
#: Bytes read for a heat map, and for the sample that figures of a large tensor come from.
HEAT_BYTES = 2_500_000
SAMPLE_BYTES = 1_000_000
#: A disk reads whole pages: a range costs at least this much of the budget.
_PAGE = 4096
#: Ranges asked of an object store: each may become a request.
_FAR_RANGES = 128


@dataclass(frozen=True)
class Cut:
    """Two dimensions of a tensor and the positions in the others, or the first against all others.

    >>> Cut.fit((4, 3, 5), axes=(2, 0), index=(1,))
    Cut(shape=(4, 3, 5), axes=(2, 0), index=(0, 1, 0))
    >>> Cut.fit((7,)).size, Cut.fit((64, 3, 7, 7)).size
    ((1, 7), (64, 147))
    """

    shape: tuple[int, ...]
    axes: tuple[int, int] | tuple[int] | tuple[()]
    index: tuple[int, ...]

    @classmethod
    def fit(
        cls,
        shape: Sequence[int],
        axes: Sequence[int] | None = None,
        index: Sequence[int] | None = None,
    ) -> Cut:
        """Return the cut; by default the first dimension runs down, all others run across.

        Args:
            shape: of the tensor.
            axes: the dimension that runs down and the one that runs across; ``(0,)`` lays the
                first against all others.
            index: positions in the other dimensions, in order, or one for every dimension.

        Raises:
            InvalidArgument: they do not fit the shape.
        """
        shape, n = tuple(shape), len(shape)
        if n < 2:
            return cls(shape, (0,) if n else (), (0,) * n)
        axes = [int(a) + n if int(a) < 0 else int(a) for a in axes or (0,)]
        if axes == [0] and n > 2:
            return cls(shape, (0,), (0,) * n)
        chosen = [0, 1] if axes == [0] else axes
        if len(chosen) != 2 or chosen[0] == chosen[1] or not all(0 <= a < n for a in chosen):
            raise InvalidArgument(
                f"axes={tuple(axes)} are not two dimensions of {dims(shape)}",
                hint=f"two different numbers from 0 to {n - 1}",
            )
        places = [int(i) for i in index] if index else [0] * n
        if len(places) == n - 2:
            for axis in sorted(chosen):
                places.insert(axis, 0)
        fits = len(places) == n and all(
            i in chosen or -size <= p < size
            for i, (p, size) in enumerate(zip(places, shape, strict=False))
        )
        if not fits:
            raise InvalidArgument(
                f"index={tuple(index or ())} is no position in {dims(shape)}",
                hint=f"one position for each of the other {n - 2} dimensions",
            )
        places = [0 if i in chosen else p % shape[i] for i, p in enumerate(places)]
        return cls(shape, (chosen[0], chosen[1]), tuple(places))

    @property
    def laid(self) -> bool:
        """Whether the first dimension is laid against all others."""
        return len(self.axes) == 1 and len(self.shape) > 2

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the slice."""
        if len(self.axes) < 2:
            tall = self.shape[0] if self.laid else 1
            return tall, math.prod(self.shape[1:] if self.laid else self.shape)
        return self.shape[self.axes[0]], self.shape[self.axes[1]]

    @property
    def steps(self) -> tuple[int, int]:
        """Elements between neighbours down and across."""
        if len(self.axes) < 2:
            return self.size[1], 1
        return self._stride(self.axes[0]), self._stride(self.axes[1])

    @property
    def start(self) -> int:
        """Where the slice begins among all elements."""
        return sum(p * self._stride(i) for i, p in enumerate(self.index))

    def _stride(self, axis: int) -> int:
        return math.prod(self.shape[axis + 1 :])

    def __str__(self) -> str:
        if len(self.axes) < 2:
            return f"dim 0 against all others, {dims(self.size)}" if self.laid else dims(self.shape)
        places = [str(p) for p in self.index]
        for axis in self.axes:
            places[axis] = ":"
        return f"[{', '.join(places)}]"


@dataclass(frozen=True)
class Heat:
    """The cells of a heat map.

    Attributes:
        cells: float32, rows by columns.
        size: rows and columns of the slice.
        rows: which rows of the slice were read.
        columns: which columns of the slice were read.
        block: rows and columns that one cell is the mean of.
        bytes_read: what reading them took.
    """

    cells: Any
    size: tuple[int, int]
    rows: Any
    columns: Any
    block: tuple[int, int]
    bytes_read: int = 0

    @property
    def whole(self) -> bool:
        """Whether every value of the slice was read."""
        return (len(self.rows), len(self.columns)) == self.size

    def words(self) -> str:
        """Say how the cells came from the slice; empty when each is one value."""
        parts = []
        for name, read, of in zip(
            ("rows", "columns"), (self.rows, self.columns), self.size, strict=True
        ):
            if len(read) < of:
                parts.append(f"{len(read):,} of {of:,} {name} read")
        if math.prod(self.block) > 1:
            parts.append(f"each cell is the mean of {self.block[0]} × {self.block[1]} values")
        return ", ".join(parts)


def read_heat(tensor: Any, cut: Cut, *, cells: int = CELLS, budget: int = HEAT_BYTES) -> Heat:
    """Read a slice of an open tensor and bring it to at most ``cells`` per side."""
    before = tensor.bytes_read
    rows, columns, values = _gather(tensor, cut, budget, cells)
    small, block = _average(values, cells)
    return Heat(small, cut.size, rows, columns, block, tensor.bytes_read - before)


def read_plane(tensor: Any, cut: Cut) -> Any:
    """Return every value of a slice as a torch tensor of its own type."""
    import torch

    (tall, wide), (down, across) = cut.size, cut.steps
    if not tall * wide:
        return torch.cat(tensor.read([(0, 0)])).reshape(tall, wide)
    span = (tall - 1) * down + (wide - 1) * across + 1
    if span <= 4 * tall * wide:
        [flat] = tensor.read([(cut.start, span)])
        return flat.as_strided((tall, wide), (down, across)).clone()
    length = (wide - 1) * across + 1
    if length <= 4 * wide:
        lines = tensor.read([(cut.start + i * down, length) for i in range(tall)])
        return torch.stack([line[::across] for line in lines])
    places = [(cut.start + i * down + j * across, 1) for i in range(tall) for j in range(wide)]
    return torch.cat(tensor.read(places)).reshape(tall, wide)


def read_sample(tensor: Any, budget: int = SAMPLE_BYTES) -> Any:
    """Return all elements, flat, or evenly spaced blocks of them within the budget."""
    import torch

    most = max(1, budget // tensor.itemsize)
    if tensor.count <= most:
        return tensor.read([(0, tensor.count)])[0]
    blocks = 64
    length = most // blocks
    starts = [round(i * (tensor.count - length) / (blocks - 1)) for i in range(blocks)]
    return torch.cat(tensor.read([(start, length) for start in starts]))


def widen(piece: Any) -> np.ndarray:
    """Return float64 values of a small torch tensor; complex numbers by magnitude."""
    import numpy as np
    import torch

    if piece.is_complex():
        piece = torch.view_as_real(piece.resolve_conj()).to(torch.float64)
        piece = piece.pow(2).sum(-1).sqrt()
    elif piece.is_floating_point() and piece.element_size() < 4:
        piece = piece.float()
    return piece.cpu().numpy().astype(np.float64)


def dims(shape: Sequence[int]) -> str:
    """Return a shape as text.

    >>> dims((2, 3)), dims(())
    ('2 × 3', 'scalar')
    """
    return " × ".join(map(str, shape)) or "scalar"


def _gather(tensor: Any, cut: Cut, budget: int, cells: int) -> tuple[Any, Any, np.ndarray]:
    """Read the slice, or evenly spaced lines of it, as float64 (rows, columns, values)."""
    import numpy as np

    (tall, wide), (down, across) = cut.size, cut.steps
    if not tall * wide:
        return np.arange(tall), np.arange(wide), np.zeros((tall, wide))
    if across > down and len(cut.axes) == 2:  # lines run along the closer spaced dimension
        turned = Cut(cut.shape, (cut.axes[1], cut.axes[0]), cut.index)
        columns, rows, values = _gather(tensor, turned, budget, cells)
        return rows, columns, values.T
    item, most = tensor.itemsize, (1 << 20 if tensor.local else _FAR_RANGES)
    span = (tall - 1) * down + (wide - 1) * across + 1
    if span * item <= budget:
        [flat] = tensor.read([(cut.start, span)])
        values = widen(flat.as_strided((tall, wide), (down, across)))
        return np.arange(tall), np.arange(wide), values
    length = (wide - 1) * across + 1
    lines = min(tall, cells, most, budget // max(length * item, _PAGE))
    if lines >= min(tall, 48):
        rows = _spread(tall, lines)
        found = tensor.read([(cut.start + int(r) * down, length) for r in rows])
        return rows, np.arange(wide), np.stack([widen(line[::across]) for line in found])
    return _gather_blocks(tensor, cut, budget, most, cells)


def _gather_blocks(
    tensor: Any, cut: Cut, budget: int, most: int, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read short runs of evenly spaced lines: of lines too long to be read whole."""
    import numpy as np

    (tall, wide), (down, across) = cut.size, cut.steps
    ranges = min(most, budget // _PAGE)
    lines = min(tall, 48 if across == 1 else max(1, int(math.sqrt(ranges))))
    runs = max(1, min(ranges // lines, wide, cells))
    length = max(1, min(budget // (lines * runs * tensor.itemsize), wide // runs))
    length = length if across == 1 else 1
    while length % -(-runs * length // cells):  # a cell is the mean of neighbours in one run
        length -= 1
    rows, firsts = _spread(tall, lines), _spread(wide - length + 1, runs)
    places = [(cut.start + int(r) * down + int(c) * across, length) for r in rows for c in firsts]
    values = np.concatenate([widen(piece) for piece in tensor.read(places)])
    columns = (firsts[:, None] + np.arange(length)).reshape(-1)
    return rows, columns, values.reshape(lines, -1)


def _spread(size: int, amount: int) -> np.ndarray:
    """Return ``amount`` evenly spaced positions below ``size``."""
    import numpy as np

    if amount >= size:
        return np.arange(size)
    return np.linspace(0, size - 1, amount).round().astype(np.int64)


def _average(values: np.ndarray, cells: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Average blocks; a block with NaN is NaN, one with an infinity stays infinite."""
    import numpy as np

    block = [1, 1]
    for axis, length in enumerate(values.shape):
        if length > cells:
            block[axis] = -(-length // cells)
            edges = np.arange(0, length, block[axis])
            amounts = np.diff([*edges, length]).reshape((-1, 1) if axis == 0 else (1, -1))
            with np.errstate(invalid="ignore", over="ignore"):
                values = np.add.reduceat(values, edges, axis=axis) / amounts
    with np.errstate(over="ignore"):
        return values.astype(np.float32), (block[0], block[1])
