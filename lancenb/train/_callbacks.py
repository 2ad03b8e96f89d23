"""Lightning callbacks of ``fit``: history, progress and cancel."""

from __future__ import annotations

from typing import Any

import lightning as L
import pyarrow as pa

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


class Recorder(L.Callback):
    """Collects one row per step and reports progress; a cancel request ends the run at once."""

    def __init__(self, tracker: Tracker, cancel: CancelToken | None):
        self.rows: list[dict[str, Any]] = []
        self.tracker = tracker
        self.cancel = cancel
        self.rate = 0.0

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the rate this step uses (the schedule moves on before the step's end is told)."""
        self.rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note the figures of a step."""
        metrics = trainer.callback_metrics
        self.rows.append(
            {
                "step": len(self.rows) + 1,
                "epoch": trainer.current_epoch,
                "train_loss": float(metrics["train_loss"]),
                "train_acc": float(metrics["train_acc"]),
                "lr": self.rate,
            }
        )
        count = len(batch["label"] if isinstance(batch, dict) else batch[1])
        loss = self.rows[-1]["train_loss"]
        self.tracker.advance(count, message=f"step {len(self.rows)}, loss {loss:.3f}")

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Note validation figures on the last step."""
        if self.cancel is not None:
            self.cancel.check()
        metrics = trainer.callback_metrics
        if self.rows and "val_loss" in metrics:
            self.rows[-1]["val_loss"] = float(metrics["val_loss"])
            self.rows[-1]["val_acc"] = float(metrics["val_acc"])

    def table(self) -> pa.Table:
        """All rows with a fixed schema."""
        return pa.Table.from_pylist(self.rows, schema=HISTORY)
