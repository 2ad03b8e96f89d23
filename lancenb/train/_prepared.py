"""Whether float pictures look as if they had been prepared for a network."""

from __future__ import annotations

import contextlib
import warnings

import torch

#: Prepared values reach at most so far, or twice as far as a white pixel does.
_FAR = 20.0


def tell_unprepared(images: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> None:
    """Warn of float pictures in 0..1 or 0..255 that a network takes as normalised ones.

    Args:
        images: floating point ``(n, 3, h, w)``.
        mean: per channel, of values scaled to 0..1.
        std: per channel, of values scaled to 0..1.
    """
    with contextlib.suppress(RuntimeError):  # no values to look at: empty, or being traced
        low, high = (float(value) for value in images.detach().aminmax())
        black, white = float((-mean / std).min()), float(((1 - mean) / std).max())
        if 0 <= low < high <= 1 and black < 0:
            found = "lie between 0 and 1"
        elif high > max(_FAR, 2 * white):
            found = f"reach up to {high:.0f}"
        else:
            return
        warnings.warn(
            f"the values of these float pictures {found}, and floats are taken as normalised"
            " already; give uint8 pictures, or (values in 0..1 - model.mean) / model.std",
            stacklevel=5,
        )
