"""Numpy batches on JAX's devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..errors import InvalidArgument
from ._batches import Batches


class JaxBatches:
    """Iterator of batches of ``jax.Array`` made by :func:`lancenb.data.to_jax`.

    Attributes:
        data: the :class:`Batches` behind it.
    """

    def __init__(
        self,
        jax: Any,
        data: Batches,
        shaped: Callable[[dict[str, Any]], Any],
        sharding: Any,
        device: Any,
    ):
        if sharding is not None and device is not None:
            raise InvalidArgument("give a sharding or a device, not both")
        self.data = data
        self._jax = jax
        self._shaped = shaped
        self._sharding = sharding
        self._target = sharding if sharding is not None else device

    def __iter__(self) -> JaxBatches:
        iter(self.data)
        return self

    def __next__(self) -> Any:
        batch = next(self.data)
        return self._shaped({name: self._placed(name, array) for name, array in batch.items()})

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"<JaxBatches of {self.data!r}>"

    def state_dict(self) -> dict[str, Any]:
        """Where the iterator stands; see :meth:`Batches.state_dict`."""
        return self.data.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; see :meth:`Batches.load_state_dict`."""
        self.data.load_state_dict(state)

    def close(self) -> None:
        """End the reading threads."""
        self.data.close()

    def __enter__(self) -> JaxBatches:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def _placed(self, name: str, array: np.ndarray) -> Any:
        if array.dtype.kind not in "biufc":
            return array
        kind = self._jax.dtypes.canonicalize_dtype(array.dtype)
        if kind != array.dtype:
            array = _narrowed(name, array, kind)
        if self._sharding is not None and self._jax.process_count() > 1:
            return self._jax.make_array_from_process_local_data(self._sharding, array)
        try:
            return self._jax.device_put(array, self._target)
        except ValueError as error:
            if self._sharding is None:
                raise
            raise InvalidArgument(
                f"{len(array)} rows of '{name}' cannot be spread as the sharding says: "
                f"{str(error).splitlines()[0]}",
                hint="a batch size that all devices share evenly, and drop_last=True",
            ) from error


def _narrowed(name: str, array: np.ndarray, kind: np.dtype[Any]) -> np.ndarray:
    narrow = array.astype(kind)
    if array.dtype.kind in "iu" and not np.array_equal(narrow, array):
        raise InvalidArgument(
            f"column '{name}' holds {array.dtype} numbers that {kind} does not hold",
            hint='jax.config.update("jax_enable_x64", True), or choose other columns',
        )
    return narrow
