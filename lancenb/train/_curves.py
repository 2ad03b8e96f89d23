"""``LiveCurves``: a Lightning callback that fills a picture of curves while a training runs."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch

from .. import _hooks
from ..errors import Cancelled, InvalidArgument

#: Seconds between two hand-overs of figures: one copy from the device for many steps.
PAUSE = 0.25
_HELD_BACK = ("val", "test")


class LiveCurves(L.Callback):
    """Shows losses, metrics, learning rate, speed and waiting of any Lightning training, live.

    Everything that the module logs with ``self.log`` is drawn: what appears after a step by step,
    what appears after a validation or an epoch at its last step. The throughput is rows per second
    of wall time, the waiting is the share of that time between the end of a step and the next
    batch; validation does not count. Figures stay on their device until they are handed over, a
    few times a second, so that a GPU is not stopped at every step.

    Trouble with the picture never ends the training: it is said once, in a warning.

    Args:
        curves: what takes the points, such as ``lnb.curves()``; ``None`` makes and displays one.
        run: name of the run; default: the class of the module. A number is added when taken.
        every: log each so many steps.

    Raises:
        InvalidArgument: ``every`` is no whole number above 0, or ``curves`` takes no points.
    """

    def __init__(self, curves: Any = None, run: str | None = None, every: int = 1):
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise InvalidArgument(f"every must be a whole number >= 1, not {every!r}")
        if curves is not None and not (hasattr(curves, "add") and hasattr(curves, "finish")):
            raise InvalidArgument(
                f"{type(curves).__name__} takes no points", hint="lnb.curves() makes a picture"
            )
        self.curves: Any = curves
        self.every = every
        self.run = ""
        self._wanted = run
        self._forget()

    def _forget(self) -> None:
        """Begin anew; nothing of a training stays behind."""
        self._pending: list[tuple[int, dict[str, Any], dict[str, float]]] = []
        self._by_step: set[str] = set()
        self._by_check: set[str] = set()
        self._by_epoch: set[str] = set()
        self._rates: dict[str, float] = {}
        self._begin = self._handed = self._idle_since = time.monotonic()
        self._rows, self._waited, self._apart = 0, 0.0, 0.0
        self._left_at = 0.0
        self._last = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin the run."""
        self._forget()
        if not trainer.is_global_zero:
            return
        if self.curves is None:
            self.curves = _hooks.call("curves")
            self.curves.show()
        wanted = self._wanted or type(pl_module).__name__
        start = getattr(self.curves, "start", None)
        self.run = start(wanted) if callable(start) else wanted
        self._begin = self._handed = self._idle_since = time.monotonic()

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the time since the last step as waiting; note the rates this step uses."""
        if not self.run:
            return
        self._waited += time.monotonic() - self._idle_since
        if batch_idx % self.every == 0 or not self._rates:
            self._rates = _rates(trainer.optimizers)

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep what was logged in this step."""
        if not self.run:
            return
        self._last = int(trainer.global_step)
        self._rows += _rows(batch)
        if (batch_idx + 1) % self.every == 0:
            figures = self._of_step(trainer.callback_metrics)
            if not figures and isinstance(outputs, Mapping) and "loss" in outputs:
                figures = {"train_loss": outputs["loss"]}
            size = trainer.num_training_batches
            whole = isinstance(size, int) or math.isfinite(size)
            share = (batch_idx + 1) / size if whole and size else 0.0
            self._keep(figures, trainer.current_epoch + min(1.0, share), self._rates)
        if time.monotonic() - self._handed >= PAUSE:
            self._hand_over()
        self._idle_since = time.monotonic()

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Validation is neither training nor waiting."""
        self._left_at = time.monotonic()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw what the validation logged at the last step."""
        if not self.run:
            return
        found = trainer.callback_metrics
        names = set(found) - self._by_step - self._by_epoch
        self._by_check |= names
        self._keep({n: found[n] for n in found if n in names}, trainer.current_epoch + 1)
        away = time.monotonic() - self._left_at
        self._apart += away
        self._idle_since += away

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Draw what is logged once per epoch."""
        if not self.run:
            return
        found = trainer.callback_metrics
        names = {n for n in set(found) - self._by_step - self._by_check if not _held(n)}
        self._by_epoch |= names
        self._keep({n: found[n] for n in found if n in names}, trainer.current_epoch + 1)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """The run is done."""
        self._end("done")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """The run failed, or was cancelled."""
        stopped = isinstance(exception, (Cancelled, KeyboardInterrupt))
        self._end("cancelled" if stopped else "failed")

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Whatever ended the training without a word leaves a cancelled run."""
        self._end("cancelled")

    def _of_step(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """What belongs to this step: not what a validation or an epoch left there."""
        other = self._by_check | self._by_epoch
        names = [n for n in metrics if n not in other and not _held(n)]
        self._by_step.update(names)
        # of a figure logged by step and by epoch Lightning keeps two names for the same value
        twins = {f"{name}_step" for name in names}
        return {name: metrics[name] for name in names if name not in twins}

    def _keep(
        self, figures: Mapping[str, Any], epoch: float, rates: Mapping[str, float] | None = None
    ) -> None:
        if figures or rates:
            held = {n: v.detach() if isinstance(v, torch.Tensor) else v for n, v in figures.items()}
            beside = {"epoch": epoch, "time": time.monotonic() - self._begin, **(rates or {})}
            self._pending.append((max(1, self._last), held, beside))

    def _hand_over(self) -> None:
        """Give all kept figures to the picture, with the speed since the last time."""
        now = time.monotonic()
        pending, self._pending = self._pending, []
        wall = now - self._handed - self._apart
        if pending and self._rows and wall > 0:
            pending[-1][2]["rows_per_second"] = self._rows / wall
            pending[-1][2]["loader_wait"] = min(1.0, self._waited / wall)
        self._handed, self._rows, self._waited, self._apart = now, 0, 0.0, 0.0
        try:
            for step, values in _plain(pending):
                self.curves.add(self.run, step, **values)
        except Exception as error:
            self._give_up(error)

    def _end(self, state: str) -> None:
        if not self.run:
            return
        self._hand_over()
        run, self.run = self.run, ""
        self._forget()
        if run:
            try:
                self.curves.finish(run, state)
            except Exception as error:
                self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self.run = ""
        self._pending = []
        warnings.warn(f"the live curves stopped: {error}", RuntimeWarning, stacklevel=3)


def _held(name: str) -> bool:
    return name.lower().startswith(_HELD_BACK)


def _plain(pending: list[tuple[int, dict[str, Any], dict[str, float]]]) -> list[Any]:
    """Steps with plain numbers: all tensors of a device come over in one copy."""
    waiting: dict[torch.device, list[tuple[int, str, torch.Tensor]]] = {}
    ready: list[tuple[int, dict[str, Any]]] = []
    for at, (step, figures, beside) in enumerate(pending):
        ready.append((step, dict(beside)))
        for name, value in figures.items():
            if isinstance(value, torch.Tensor) and value.numel() == 1:
                waiting.setdefault(value.device, []).append((at, name, value.reshape(())))
            elif isinstance(value, (int, float)):
                ready[at][1][name] = float(value)
    for tensors in waiting.values():
        values = torch.stack([tensor.double() for _, _, tensor in tensors]).tolist()
        for (at, name, _), value in zip(tensors, values, strict=True):
            ready[at][1][name] = value
    return ready


def _rates(optimizers: list[Any]) -> dict[str, float]:
    """Learning rate of all parameter groups: one figure while they agree."""
    rates = [float(group["lr"]) for optimizer in optimizers for group in optimizer.param_groups]
    if len(set(rates)) <= 1:
        return {"lr": rates[0]} if rates else {}
    return {f"lr/group {i}": rate for i, rate in enumerate(rates, 1)}


def _rows(batch: Any) -> int:
    """Rows of a batch: the first size found in it."""
    if isinstance(batch, torch.Tensor):
        return int(batch.shape[0]) if batch.ndim else 1
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, (list, tuple)) and batch:
        return _rows(batch[0]) or len(batch)
    return 0
