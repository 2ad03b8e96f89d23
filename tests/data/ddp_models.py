"""Models for training in several processes: importable there, and writing down what they see."""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

import lightning
import torch

EPOCHS = 2


class Diary(lightning.LightningModule):
    """Writes the crc of each picture it is given to ``folder/rank-<r>.jsonl``, a line per batch.

    Args:
        folder: where to.
        save_at: step after which a checkpoint is saved and the run is stopped.
        one_cycle: ask the trainer for its steps before the fit, as one-cycle schedules do.
    """

    def __init__(self, folder: str, save_at: int = 0, one_cycle: bool = False, side: int = 16):
        super().__init__()
        self.folder, self.save_at, self.one_cycle = folder, save_at, one_cycle
        self.net = torch.nn.Linear(3 * side * side, 3)

    def training_step(self, batch, batch_idx):
        images, labels = batch
        with open(Path(self.folder) / f"rank-{self.global_rank}.jsonl", "a") as file:
            file.write(json.dumps(marks(images)) + "\n")
        return torch.nn.functional.cross_entropy(self.net(images.flatten(1) / 255), labels)

    def validation_step(self, batch, batch_idx):
        with open(Path(self.folder) / f"val-{self.global_rank}.jsonl", "a") as file:
            file.write(json.dumps(marks(batch[0])) + "\n")

    def on_train_batch_end(self, outputs, batch, batch_idx):
        if self.save_at and self.trainer.global_step == self.save_at:
            self.trainer.save_checkpoint(f"{self.folder}/last.ckpt")
            self.trainer.should_stop = True

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        if not self.one_cycle:
            return optimizer
        total = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=total)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def marks(images: torch.Tensor) -> list[int]:
    """A number per picture that tells pictures apart."""
    return [zlib.crc32(image.contiguous().numpy().tobytes()) for image in images]


def diary(folder: Path, rank: int, name: str = "rank") -> list[list[int]]:
    """What one rank wrote down, batch by batch."""
    lines = (folder / f"{name}-{rank}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def main(folder: Path, table: str, tree: str) -> None:
    """What each of the two processes does: three runs, one after the other.

    A run that is stopped after 7 steps, the rest of it, and one on pictures in folders.
    """
    from lancenb.data import JiTDataModule, LanceDataModule
    from tests.data.test_modules import trainer

    def fit(model: Diary, data: lightning.LightningDataModule, start: str | None = None) -> None:
        Path(model.folder).mkdir(exist_ok=True)
        run = trainer(devices=2, strategy="ddp", max_epochs=EPOCHS, num_sanity_val_steps=0)
        run.fit(model, datamodule=data, ckpt_path=start)

    def stored() -> LanceDataModule:
        return LanceDataModule(table, val=table, batch_size=4, augment=False)

    fit(Diary(f"{folder}/one", save_at=7, one_cycle=True), stored())
    fit(Diary(f"{folder}/two", one_cycle=True), stored(), f"{folder}/one/last.ckpt")
    pictures = JiTDataModule(tree, img_size=16, batch_size=3, num_workers=0)
    fit(Diary(f"{folder}/tree"), pictures)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
