"""What ``loader`` can read: data sets with samples by number."""

from __future__ import annotations

from typing import Any

from torch.utils.data import IterableDataset

from ..errors import InvalidArgument

_BY_NUMBER = ("__getitem__", "__getitems__", "read_batch", "fetch")  # ways to read that are used
_STREAM = (
    "loader takes the data set itself, which it shuffles and resumes, and no stream of it; a stream"
    " goes to torch.utils.data.DataLoader(stream, batch_size=...)"
)
_OTHER = (
    "LanceTorchDataset(...) makes a data set of a table, list(...) one of what can only be iterated"
    " over"
)


def samples_in(dataset: Any) -> int:
    """Number of samples of a map-style data set.

    Raises:
        InvalidArgument: it is a stream, or has no length or no samples by number.
    """
    kind = type(dataset)
    if isinstance(dataset, IterableDataset):
        raise InvalidArgument(f"{kind.__name__} has no samples by number", hint=_STREAM)
    if not any(hasattr(dataset, way) for way in _BY_NUMBER):
        raise InvalidArgument(f"{kind.__name__} has no samples by number", hint=_OTHER)
    try:
        return len(dataset)
    except TypeError as error:
        raise InvalidArgument(f"{kind.__name__} has no length: {error}", hint=_OTHER) from error
