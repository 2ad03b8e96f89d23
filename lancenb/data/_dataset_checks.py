"""Options of ``LanceTorchDataset`` that cannot work, refused before a table is opened."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidArgument


def check_options(on_error: Any, nulls: Any, cache: Any, transform: Any, shuffle: Any) -> None:
    """See that options have values that are known.

    Raises:
        InvalidArgument: one has not, or an order was asked of what has none.
    """
    for name, value, known in (
        ("on_error", on_error, ("raise", "skip")),
        ("nulls", nulls, ("raise", "fill")),
    ):
        if value not in known:
            raise InvalidArgument(f"{name} is {known[0]!r} or {known[1]!r}, not {value!r:.60}")
    if cache not in (True, False, "auto"):
        raise InvalidArgument(f"cache is True, False or 'auto', not {cache!r:.60}")
    if transform is not None and not callable(transform):
        raise InvalidArgument(f"transform={transform!r:.60} is no function")
    if shuffle is not None:  # a stream has taken it before
        raise InvalidArgument(
            "a map-style data set has no order of its own to shuffle",
            hint="lancenb.data.loader(data, shuffle=...), or data.stream(shuffle=...)",
        )
