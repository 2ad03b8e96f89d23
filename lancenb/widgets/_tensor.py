"""One tensor in detail: figures, histogram and heat map, reading only that tensor."""

from __future__ import annotations

import difflib
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InvalidArgument, NotFound
from ._display import Preview, card, esc, heading, stats
from ._format import count, number, plural, size
from ._plots import bin_counts, heat, histogram
from ._target import Target
from ._weights import _shape, records

if TYPE_CHECKING:
    import numpy as np
    import torch

#: Above this many values, figures come from an evenly spaced sample.
SAMPLE = 8_000_000
_BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Figures:
    """What the values of a tensor look like (complex ones by magnitude)."""

    mean: float
    std: float
    low: float
    high: float
    zeros: float
    nan: int
    inf: int
    sampled: int


def detail(
    target: Target,
    name: str,
    *,
    bins: int = 48,
    log: bool = False,
    index: tuple[int, ...] | None = None,
) -> Preview:
    """Draw one tensor.

    Args:
        target: a weights table.
        name: the tensor's name.
        bins: bars of the histogram, 1 to 400.
        log: draw the counts on a logarithmic scale.
        index: leading positions that cut a 2-D slice out of a tensor with more dimensions; None
            lays the first dimension against all others.

    Raises:
        NotFound: the table has no such tensor.
        InvalidArgument: ``bins`` or ``index`` do not fit.
    """
    if not 1 <= bins <= 400:
        raise InvalidArgument(f"bins={bins} is out of range", hint="1 to 400")
    everything = records(target)
    record = next((r for r in everything if r["name"] == name), None)
    if record is None:
        close = difflib.get_close_matches(name, [r["name"] for r in everything], 3, 0.4)
        raise NotFound(
            f"{target.title} has no tensor {name!r}",
            hint="did you mean " + ", ".join(close) + "?" if close else "preview() lists them all",
        )
    tensor = _read(target, name)
    shape = tuple(tensor.shape)
    if not _drawable(tensor):
        return _undrawn(target, record)
    figures, sample = measure(tensor)
    chips = ["tensor", f"version {target.version}", str(record["dtype"])]
    facts = [_shape(record), plural(math.prod(shape), "number"), size(record["nbytes"] or 0)]
    if record.get("alias_of"):
        facts.append(f"shares the storage of {record['alias_of']}")
    named = named_figures(figures)
    parts = [stats(named)] if tensor.numel() else []
    lines = [heading(f"{target.title}  {name}", chips, facts)]
    lines += [f"{key:>10}  {value}" for key, value in named] if tensor.numel() else ["empty"]
    data: dict[str, Any] = {"name": name, "shape": list(shape), **asdict(figures)}
    found = bin_counts(sample, bins, figures.low, figures.high) if sample.size else None
    if found is not None:
        counts, edges = found
        low, high = float(edges[0]), float(edges[-1])
        data["counts"], data["edges"] = counts.tolist(), edges.tolist()
        caption = "Histogram of values" + (", logarithmic counts" if log else "")
        drawing = histogram(counts, low, high, log=log, what=f"{caption} of {name}")
        figure = f"<figure><figcaption>{caption}</figcaption>{drawing}</figure>"
        matrix, how = _slice(tensor, shape, index)
        picture = heat(matrix, what=f"Heat map of {name}, {how}")
        figure += f"<figure><figcaption>Heat map, {how}</figcaption>{picture}</figure>"
        parts.append(f'<div class="lnb-duo">{figure}</div>')
        lines.append(f"{'histogram':>10}  {number(low)} {_line(counts)} {number(high)}")
    foot = (
        f"Figures from {count(figures.sampled)} evenly spaced values."
        if figures.sampled < tensor.numel()
        else ""
    )
    title = f"{target.title} · {name}"
    return Preview(card(title, chips, facts, *parts, foot=foot), "\n".join(lines), data)


def _drawable(tensor: torch.Tensor) -> bool:
    """Whether each element is one number (packed four-bit types are not)."""
    return "4" not in str(tensor.dtype).split("float")[-1][:1] and not tensor.is_quantized


def _undrawn(target: Target, record: dict[str, Any]) -> Preview:
    chips = ["tensor", f"version {target.version}", str(record["dtype"])]
    facts = [_shape(record), size(record["nbytes"] or 0)]
    title = f"{target.title} · {record['name']}"
    why = f"Values of type {record['dtype']} are packed and not drawn."
    text = heading(f"{target.title}  {record['name']}", chips, facts) + "\n" + why
    return Preview(card(title, chips, facts, foot=esc(why)), text, {"name": record["name"]})


def _read(target: Target, name: str) -> torch.Tensor:
    from ..convert.weights import load_tensors
    from ._far_dataset import FarDataset

    if isinstance(target.dataset, FarDataset):
        return target.dataset.tensor(name)
    found = load_tensors(target.dataset, only=[name])
    return found[name]


def _widen(piece: torch.Tensor) -> np.ndarray:
    """Return float64 values of a small piece; complex numbers by magnitude."""
    import numpy as np
    import torch

    if piece.is_complex():
        piece = torch.view_as_real(piece.resolve_conj()).float().pow(2).sum(-1).sqrt()
    elif piece.is_floating_point() and piece.element_size() < 4:
        piece = piece.float()
    return piece.cpu().numpy().astype(np.float64)


def measure(values: torch.Tensor) -> tuple[Figures, np.ndarray]:
    """Return the figures of ``values`` and the finite sample they come from (1-D float64)."""
    import numpy as np

    flat = values.reshape(-1)
    if flat.numel() > SAMPLE:
        flat = flat[:: -(-flat.numel() // SAMPLE)]
    sample = _widen(flat)
    finite = sample[np.isfinite(sample)]
    nan = int(np.isnan(sample).sum())
    if not finite.size:
        gap = math.nan
        figures = Figures(gap, gap, gap, gap, 0.0, nan, sample.size - nan, sample.size)
        return figures, finite
    return (
        Figures(
            mean=float(finite.mean()),
            std=float(finite.std()),
            low=float(finite.min()),
            high=float(finite.max()),
            zeros=float((finite == 0).mean()),
            nan=nan,
            inf=int(sample.size - nan - finite.size),
            sampled=int(sample.size),
        ),
        finite,
    )


def named_figures(figures: Figures) -> list[tuple[str, str]]:
    """Return the figures with their names, as text."""
    zeros = 100 * figures.zeros
    return [
        ("mean", number(figures.mean)),
        ("std", number(figures.std)),
        ("min", number(figures.low)),
        ("max", number(figures.high)),
        ("zeros", f"{zeros:.3g} %"),
        ("NaN", count(figures.nan)),
        *([("infinite", count(figures.inf))] if figures.inf else []),
    ]


def _slice(
    tensor: torch.Tensor, shape: tuple[int, ...], index: tuple[int, ...] | None
) -> tuple[np.ndarray, str]:
    """Return a 2-D piece of the tensor and how it was cut."""
    if index is not None:
        index = tuple(index) if isinstance(index, (tuple, list)) else (index,)
        fits = len(index) == len(shape) - 2 and all(
            -n <= i < n for i, n in zip(index, shape, strict=False)
        )
        if not fits:
            raise InvalidArgument(
                f"index={index} does not cut a 2-D slice out of {_dims(shape)}",
                hint=f"give {plural(max(0, len(shape) - 2), 'position')}",
            )
        how = f"[{', '.join(map(str, index))}] of {_dims(shape)}" if index else _dims(shape)
        return _thin(tensor[index], 0), how
    if len(shape) < 2:
        return _thin(tensor.reshape(1, -1), 1), plural(tensor.numel(), "value")
    rest = math.prod(shape[1:])
    how = _dims(shape) if len(shape) == 2 else f"{shape[0]} × {rest} (first dimension × the others)"
    return _thin(tensor.reshape(shape[0], rest), 0), how


def _thin(matrix: torch.Tensor, axis: int) -> np.ndarray:
    """Bring a huge matrix to at most ``SAMPLE`` values by evenly spaced rows or columns."""
    every = -(-matrix.numel() // SAMPLE)
    if every > 1:
        matrix = matrix[::every] if axis == 0 and matrix.shape[0] >= every else matrix[:, ::every]
    return _widen(matrix)


def _dims(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "scalar"


def _line(counts: np.ndarray) -> str:
    """Return a histogram as one line of block characters."""
    groups = [int(part.sum()) for part in _split(counts, 32)]
    top = max(groups) or 1
    return "".join(_BLOCKS[-(-8 * g // top)] for g in groups)


def _split(counts: np.ndarray, parts: int) -> list[np.ndarray]:
    import numpy as np

    return [part for part in np.array_split(counts, min(parts, len(counts))) if part.size]
