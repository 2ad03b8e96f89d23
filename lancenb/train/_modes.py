"""Borrowing a model: evaluation mode while it is looked at, everything as before afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[torch.nn.Module]:
    """Put a model into evaluation mode; each part gets its own mode back, also after an error.

    Parts may be in different modes (a frozen batch normalisation in a network that is trained), so
    one ``model.train()`` would not bring them back. torch's random numbers are left alone even
    when the model draws some.
    """
    before = [(part, part.training) for part in model.modules()]
    where = device_of(model)
    devices = [where] if where.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices):
            model.eval()
            yield model
    finally:
        for part, training in before:
            part.training = training


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a model is; the CPU for one without tensors."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return first.device if first is not None else torch.device("cpu")
