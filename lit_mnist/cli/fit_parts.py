"""What a trainer of ``fit`` carries beside Lightning's own parts: loggers, callbacks, the files of checkpoints."""

from __future__ import annotations

from pathlib import Path

import lightning as L
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import SaveConfigCallback
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.trainer.connectors.callback_connector import _CallbackConnector

from ..runs.resume import take_abandoned
from ..runs.start import Origin
from ..training import callbacks as cb
from ..training.checkpoints import CheckedFiles, KeepLast
from ..training.metrics_file import MetricsFile


class SaveConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run folder; needs none where there is no run folder."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write the file where a run has a folder."""
        if stage == "fit" and trainer.log_dir and trainer.loggers:
            super().setup(trainer, pl_module, stage)


def loggers(origin: Origin | None, runs_dir: str, name: str) -> list[Logger]:
    """Return TensorBoard's and the CSV logger, of a new run folder or of the run that goes on."""
    run = origin.run if origin else None
    place = {"save_dir": run.parent.parent, "name": run.parent.name, "version": run.name} if run else \
        {"save_dir": runs_dir, "name": name, "version": take_abandoned(Path(runs_dir), name)}
    step = origin.model.step if run else None
    board = TensorBoardLogger(**place, default_hp_metric=False, purge_step=None if step is None else step + 1)
    return [board, MetricsFile(Path(board.log_dir), step)]


def equip(trainer: L.Trainer, extra: list[Callback]) -> None:
    """Add this program's callbacks and files; ours take the places of Lightning's progress bar and checkpoints.

    The order is Lightning's own: checkpoints last, so that they hold what the other callbacks did.
    """
    if any(isinstance(callback, cb.StepProgress) for callback in extra):
        trainer.callbacks = [c for c in trainer.callbacks if not isinstance(c, cb.ProgressBar)]
    if any(isinstance(callback, KeepLast) for callback in extra):
        trainer.callbacks = [c for c in trainer.callbacks if type(c) is not ModelCheckpoint]
    locks = [callback for callback in extra if isinstance(callback, cb.RunRecord)]  # before anything is written
    others = [callback for callback in extra if callback not in locks]
    trainer.callbacks = _CallbackConnector._reorder_callbacks([*locks, *trainer.callbacks, *others])
    trainer.strategy.checkpoint_io = CheckedFiles()
    _hand_in_drawing(trainer.callbacks)


def draw_curves(history: cb.History, path: Path) -> None:
    """Write the training curves of a run to `path` in its folder."""
    from ..figures.canvas import save
    from ..figures.evaluation import training_curves

    save(training_curves(history.epochs, history.train_acc, history.val_acc or None, history.train_loss,
                         history.val_loss or None, title=path.parent.parent.name), path)


def _hand_in_drawing(callbacks: list[Callback]) -> None:
    """Give callbacks that show pictures what draws them."""
    from ..training.tensorboard import InsideView

    for callback in callbacks:
        if isinstance(callback, InsideView):
            from ..figures import board

            callback.draw = board
