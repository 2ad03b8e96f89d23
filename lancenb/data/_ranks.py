"""Which of how many training processes this one is."""

from __future__ import annotations

import sys

from ..errors import InvalidArgument
from ._hash import whole


def rank_and_world(rank: int | None, world_size: int | None) -> tuple[int, int]:
    """The given rank and number of ranks, else those of ``torch.distributed``, else (0, 1).

    Raises:
        InvalidArgument: only one of both is given, or the rank is none of them.
    """
    if rank is None and world_size is None:
        # no group exists in a process that has not imported it
        group = sys.modules.get("torch.distributed")
        if group is not None and group.is_available() and group.is_initialized():
            return int(group.get_rank()), int(group.get_world_size())
        return 0, 1
    if rank is None or world_size is None:
        raise InvalidArgument("rank and world_size are given together, or neither of them")
    world = whole("world_size", world_size, 1)
    if whole("rank", rank, 0) >= world:
        raise InvalidArgument(f"rank {rank} is none of {world} ranks, counted from 0")
    return int(rank), world
