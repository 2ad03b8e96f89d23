"""Checks of a saved position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ._hash import BITS, SEED_BITS, whole
from ._shown import shown


def check_position(state: Any, fixed: Mapping[str, Any]) -> None:
    """Refuse what is no position, or one of another order.

    Args:
        state: a saved position.
        fixed: what must be the same as then, ``rows`` among it.

    Raises:
        InvalidArgument: it cannot be gone on from here.
    """
    if not isinstance(state, Mapping) or not same(state.get("format"), 1):
        raise InvalidArgument(f"this is no position of a loader: {shown(state, 80)}")
    for name, here in fixed.items():
        if not same(state.get(name), here):
            raise InvalidArgument(
                f"the position was saved with {name}={shown(state.get(name))}, and this loader"
                f" has {name}={here!r}",
                hint="resume with the data and the shuffle settings of then",
            )
    for name, bits in (("seed", SEED_BITS), ("epoch", BITS), ("position", BITS)):
        whole(f"{name} of a saved position", state.get(name), 0, bits)
    done = whole("batches of a saved position", state.get("batches", 0), 0)
    if state["position"] > fixed["rows"]:
        raise InvalidArgument(f"position {state['position']} lies past {fixed['rows']} rows")
    if done > state["position"]:  # each of them had a row or more
        raise InvalidArgument(
            f"the saved position {state['position']} cannot come after {done} batches",
            hint="it was changed or is damaged: take another one, or begin the epoch anew",
        )


def same(then: Any, now: Any) -> bool:
    """Whether a saved value is one of today; an array, say, is none.

    >>> same(3, 3), same([3], 3), same(None, None)
    (True, False, True)
    """
    plain = then is None or isinstance(then, (str, int, float, np.generic))
    return plain and bool(then == now)
