"""Lightning callbacks of ``fit``: history, progress, cancel, and the state of random numbers."""

from __future__ import annotations

import math
import random
from typing import Any

import lightning as L
import numpy as np
import pyarrow as pa
import torch

from ..errors import InvalidArgument
from ..progress import CancelToken, Tracker

HISTORY = pa.schema(
    [
        ("step", pa.int64()),
        ("epoch", pa.int64()),
        ("train_loss", pa.float64()),
        ("train_acc", pa.float64()),
        ("lr", pa.float64()),
        ("val_loss", pa.float64()),
        ("val_acc", pa.float64()),
    ]
)
_WHOLE = ("step", "epoch")


class Recorder(L.Callback):
    """Collects one row per optimizer step and reports progress; a cancel request ends the run.

    A step over several batches (``accumulate``) gives the mean of their figures, by rows. The rows
    travel in checkpoints, so that the history of a resumed run begins at its first step.
    """

    def __init__(self, tracker: Tracker, cancel: CancelToken | None):
        self.rows: list[dict[str, Any]] = []
        self.tracker = tracker
        self.cancel = cancel
        self.rate = 0.0
        self._batches: list[tuple[int, float, float]] = []
        self._done = 0
        self._before = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Count from where the trainer stands."""
        self._batches, self._done = [], int(trainer.global_step)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the rate this step uses (the schedule moves on before the step's end is told)."""
        self.rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the figures of a batch, and those of a step at its last one."""
        metrics = trainer.callback_metrics
        if not {"train_loss", "train_acc"} <= metrics.keys():
            raise InvalidArgument(
                f"training_step of {type(pl_module).__name__} does not log train_loss and"
                " train_acc",
                hint="call super().training_step(...), or self.log both",
            )
        count = len(batch["label"] if isinstance(batch, dict) else batch[1])
        self._batches.append((count, float(metrics["train_loss"]), float(metrics["train_acc"])))
        if trainer.global_step > self._done:
            self._done = int(trainer.global_step)
            self._close(self._done, int(trainer.current_epoch))
        text = f"step {self._done}, loss {self._batches_loss():.3f}"
        if trainer.is_global_zero:
            self.tracker.advance(count * trainer.world_size, message=text)
        elif self.cancel is not None:
            self.cancel.check()

    def _batches_loss(self) -> float:
        return self._batches[-1][1] if self._batches else self.rows[-1]["train_loss"]

    def _close(self, step: int, epoch: int) -> None:
        group, self._batches = self._batches, []
        rows = sum(count for count, _, _ in group)
        loss, accuracy = (
            group[0][k] if len(group) == 1 else sum(g[0] * g[k] for g in group) / rows
            for k in (1, 2)
        )
        self.rows.append(
            {
                "step": step,
                "epoch": epoch,
                "train_loss": loss,
                "train_acc": accuracy,
                "lr": self.rate,
            }
        )

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Note validation figures on the last step."""
        if self.cancel is not None:
            self.cancel.check()
        metrics = trainer.callback_metrics
        if self.rows and "val_loss" in metrics:
            self.rows[-1]["val_loss"] = float(metrics["val_loss"])
            self.rows[-1]["val_acc"] = float(metrics["val_acc"])

    @property
    def here(self) -> int:
        """Steps made in this process; those before the checkpoint it goes on from are not."""
        return len(self.rows) - self._before

    def table(self) -> pa.Table:
        """All rows with a fixed schema."""
        return pa.Table.from_pylist(self.rows, schema=HISTORY)

    def state_dict(self) -> dict[str, Any]:
        """The rows as one matrix, and which of its values are there."""
        cells = [[row.get(name) for name in HISTORY.names] for row in self.rows]
        shape = (len(cells), len(HISTORY.names))
        known = [[value is not None for value in row] for row in cells]
        values = [[math.nan if value is None else value for value in row] for row in cells]
        return {
            "columns": list(HISTORY.names),
            "values": torch.tensor(values, dtype=torch.float64, device="cpu").reshape(shape),
            "known": torch.tensor(known, dtype=torch.bool, device="cpu").reshape(shape),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on after the rows of a checkpoint.

        Raises:
            ValueError: a column that is none.
        """
        names = state_dict["columns"]
        if set(names) - set(HISTORY.names) or not {"step", "train_loss"} <= set(names):
            raise ValueError(f"these are no columns of a history: {names!r:.80}")
        values, known = state_dict["values"].tolist(), state_dict["known"].tolist()
        self.rows = [
            {
                name: int(value) if name in _WHOLE else value
                for name, value, there in zip(names, row, mask, strict=True)
                if there
            }
            for row, mask in zip(values, known, strict=True)
        ]
        self._before = len(self.rows)


class Randomness(L.Callback):
    """Keeps the state of all random numbers in checkpoints: dropout goes on where it stopped."""

    def __init__(self) -> None:
        self._state: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """The states of torch, of the GPUs in use, of numpy and of Python."""
        kind, keys, *rest = np.random.get_state()
        return {
            "torch": torch.random.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
            "numpy": (kind, np.asarray(keys), *rest),
            "python": random.getstate(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Hold the states until the training starts.

        Raises:
            ValueError: one of them is no such state; nothing of it is set then.
        """
        torch.Generator().set_state(state_dict["torch"])
        _, keys, place, *_ = state_dict["numpy"]
        np.random.RandomState().set_state(state_dict["numpy"])
        if not 0 <= place <= len(keys):  # numpy would read beyond its memory
            raise ValueError(f"numpy's random numbers stand at place {place}")
        random.Random().setstate(state_dict["python"])
        if not all(isinstance(state, torch.Tensor) for state in state_dict["cuda"]):
            raise ValueError("the states of the GPUs are no tensors")
        self._state = state_dict

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Set the states of the checkpoint, if there was one."""
        state, self._state = self._state, None
        if state is None:
            return
        torch.random.set_rng_state(state["torch"])
        if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda"])
        np.random.set_state(state["numpy"])
        random.setstate(state["python"])
