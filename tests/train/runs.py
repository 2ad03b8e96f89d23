"""Small trainings for tests, also as a script that is killed: ``python -m tests.train.runs``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import lightning as L

from lancenb import DataManager
from lancenb.train import fit
from tests.data.tables import patterns

OPTIONS: dict[str, Any] = {
    "epochs": 3, "batch_size": 8, "val": 0.2, "lr": 0.02, "accelerator": "cpu", "name": "m",
}  # fmt: skip


def store(root: Path) -> DataManager:
    """A catalogue with 60 pictures of three classes under ``pics``."""
    dm = DataManager(root / "store")
    if "pics" not in dm:
        dm.register("pics", str(patterns(root / "p.lance", 60)))
    return dm


class Stop(L.Callback):
    """Ends a training before the batch that would be its step ``step + 1``."""

    def __init__(self, step: int, number: int = 0):
        self.step = step
        self.number = number

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.step:
            if self.number:
                os.kill(os.getpid(), self.number)
            raise RuntimeError("stopped")


def same_weights(one: Any, two: Any) -> bool:
    """Whether two modules hold the same bits."""
    a, b = one.state_dict(), two.state_dict()
    return list(a) == list(b) and all(
        a[name].numpy().tobytes() == b[name].numpy().tobytes() for name in a
    )


if __name__ == "__main__":
    fit("simple_cnn", "pics", manager=store(Path(sys.argv[1])), checkpoint=2, resume=True,
        callbacks=[Stop(int(sys.argv[2]), signal.SIGKILL)], **OPTIONS)  # fmt: skip
