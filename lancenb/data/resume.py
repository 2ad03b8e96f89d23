"""``LoaderState``: a Lightning callback that keeps the position of a loader in checkpoints."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class LoaderState(Callback):
    """Keeps the position of a training loader in every checkpoint, and Lightning's counts exact.

    Lightning saves and restores the position by itself, with four gaps: a module that asks for
    ``trainer.estimated_stepping_batches`` while it is set up makes Lightning forget the position
    it is about to restore (issue 20550); a resume with another batch size or number of ranks
    leaves it with the number of batches of the resumed epoch for all later ones, and one at the
    end of an epoch with part of the next; a run that was resumed after the last batch of an epoch
    miscounts its epochs, so that a second resume repeats rows; and one that ``max_steps`` stopped
    inside an epoch counts that as done. With this callback each row is seen once per epoch in all
    of these.

    A :class:`~lancenb.LanceDataModule` adds it to its trainer by itself.

    Args:
        loader: what ``trainer.fit`` gets: a :class:`~lancenb.data.BatchLoader`, or anything with
            ``state_dict`` and ``load_state_dict``; None: what the trainer's DataModule makes,
            whose position is in the state of the DataModule.

    >>> from lancenb.data import loader
    >>> LoaderState(loader(list(range(4)), 2)).state_dict()["position"]
    0
    """

    def __init__(self, loader: Any = None):
        self.loader = loader

    def state_dict(self) -> dict[str, Any]:
        """The loader's position; empty when a DataModule keeps it."""
        return {} if self.loader is None else self.loader.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore it; Lightning does so before it sets up the module."""
        if self.loader is not None:
            self.loader.load_state_dict(state_dict)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Store an epoch that was stopped before its last batch as one in progress."""
        loader = self._loader_of(trainer)
        batches = trainer.fit_loop.epoch_loop.batch_progress
        inside = 0 < batches.current.ready < trainer.fit_loop.max_batches
        if loader is None or batches.is_last_batch or not inside:
            return
        counts = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        if counts["current"]["processed"] == counts["current"]["ready"] and _begun(loader):
            for each in counts.values():
                each["processed"] = each["completed"] = each["ready"] - 1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Have Lightning end an epoch of which nothing was left, whatever the batches are now."""
        if self._batches(trainer) is None or not trainer.fit_loop.epoch_loop.restarting:
            return
        loop, progress = trainer.fit_loop.epoch_loop, trainer.fit_loop.epoch_progress
        batches = loop.batch_progress
        if not batches.is_last_batch:
            if not _ended(self._loader_of(trainer)):
                return
            batches.is_last_batch = True  # its last rows are no batch of today's
            progress.increment_processed()
        current: Any = progress.current
        if current.processed < current.ready or loop.restarted_on_train_batch_end:
            _set_batches(trainer, batches.current.ready)
        else:  # max_steps: the first batch of the next epoch would be taken for its last
            loop.restarting = False
        if current.completed < current.processed:
            progress.increment_completed()

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the epoch in progress, which Lightning leaves out after a resume at its end."""
        progress = trainer.fit_loop.epoch_progress
        current: Any = progress.current
        if current.ready == current.processed:
            progress.increment_ready()
            progress.increment_started()
            self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tell Lightning how many batches this epoch has."""
        batches = self._batches(trainer)
        if batches is not None:
            _set_batches(trainer, batches)

    def _batches(self, trainer: Trainer) -> int | None:
        """Batches of the loader's epoch; None for a stream, or loaders of another kind."""
        try:
            batches = len(self._loader_of(trainer))
        except TypeError:
            return None
        limit = trainer.limit_train_batches
        if limit is None:
            return batches
        return min(batches, limit) if isinstance(limit, int) else int(batches * limit)

    def _loader_of(self, trainer: Trainer) -> Any:
        """The training loader; None when it is of a kind that keeps no position."""
        made = trainer.train_dataloader if self.loader is None else self.loader
        return made if hasattr(made, "load_state_dict") else None


def _begun(loader: Any) -> bool:
    """Whether a loader stands inside an epoch, as far as it tells."""
    return bool(loader.state_dict().get("position", True))


def _ended(loader: Any) -> bool:
    """Whether a loader stands at the end of an epoch, as far as it tells."""
    return bool(getattr(getattr(loader, "batch_sampler", None), "ended", False))


def _set_batches(trainer: Trainer, batches: int) -> None:
    """Have the epoch of a trainer end after so many batches."""
    if batches == trainer.fit_loop.max_batches:
        return
    trainer.fit_loop.max_batches = batches
    combined = trainer.fit_loop._combined_loader
    if combined is not None and combined.limits is not None:  # set when the run was resumed
        combined.limits = batches
    if isinstance(trainer.val_check_interval, float):
        trainer.val_check_batch = max(1, int(batches * trainer.val_check_interval))
