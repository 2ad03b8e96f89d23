"""What the front end of a tensor browser is sent about one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ._histogram import Measured, glance, plain
from ._slices import CELLS, HEAT_BYTES, Cut, Heat, read_heat

if TYPE_CHECKING:
    import numpy as np

    from ._tensor_rows import Row

#: Cells of the strip that a tensor of one dimension is drawn as.
_STRIP = 1024


def figures_of(sides: Sequence[Any], row: Row) -> Measured | None:
    """Return the figures of open tensors, from a sample when they are large; None if packed."""
    return glance(sides) if row.drawable else None


def read_heats(sides: Sequence[Any], row: Row, cut: Cut) -> list[Heat]:
    """Return the heat map of every side, and their difference where both have one form."""
    if not row.drawable:
        return []
    fits = [side for side in sides if tuple(side.shape) == row.shape]
    cells, budget = (CELLS if len(row.shape) > 1 else _STRIP), HEAT_BYTES // max(1, len(fits))
    return [read_heat(side, cut, cells=cells, budget=budget) for side in fits]


def look(sides: Sequence[Any], row: Row, cut: Cut) -> tuple[dict[str, Any], list[bytes]]:
    """Return the heat maps of a slice: facts, and one buffer of float32 cells for each."""
    heats = read_heats(sides, row, cut)
    facts: dict[str, Any] = {"axes": list(cut.axes), "index": list(cut.index), "cut": str(cut)}
    if not heats:
        why = (
            f"{row.dtype} packs several values into each byte: such tensors are stored and loaded"
            " as they are, but have no figures and no picture here."
        )
        return {**facts, "maps": [], "why": why}, []
    first, cells = heats[0], [heat.cells for heat in heats]
    facts |= {
        "size": list(first.size),
        "shape": list(first.cells.shape),
        "rows": first.rows[:: first.block[0]].tolist(),
        "columns": first.columns[:: first.block[1]].tolist(),
        "block": list(first.block),
        "words": first.words(),
        "others": list(row.shape[1:]) if cut.laid else [],
        "complex": row.dtype.startswith("complex"),
        "bytes": sum(heat.bytes_read for heat in heats),
    }
    maps = [{"role": "value", **scale(cells)} for _ in cells]
    if len(cells) == 2:
        cells.append(subtract(cells[0], cells[1]))
        maps.append({"role": "difference", **scale(cells[2:])})
    return {**facts, "maps": maps}, [each.tobytes() for each in cells]


def subtract(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return after - before; cells that are not finite stay so."""
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        return after - before


def scale(cells: Sequence[np.ndarray]) -> dict[str, Any]:
    """Return the colour scale of cells: its ends, and whether it is centred at zero.

    The ends leave out half a percent of the cells, so that one outlier does not hide the rest.
    """
    import numpy as np

    flat = np.concatenate([c.reshape(-1) for c in cells]).astype(np.float64)
    fine = flat[np.isfinite(flat)]
    odd = {"nan": int(np.isnan(flat).sum()), "inf": int(np.isinf(flat).sum())}
    if not fine.size:
        return {"low": 0.0, "high": 0.0, "signed": False, **odd}
    if bool((fine < 0).any()):
        top = float(np.percentile(np.abs(fine), 99.5)) or float(np.abs(fine).max())
        return {"low": plain(-top), "high": plain(top), "signed": True, **odd}
    low, high = (float(x) for x in np.percentile(fine, [0.5, 99.5]))
    low, high = (low, high) if low < high else (float(fine.min()), float(fine.max()))
    return {"low": plain(low), "high": plain(high), "signed": False, **odd}
