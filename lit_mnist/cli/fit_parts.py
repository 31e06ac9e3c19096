"""Loggers, callbacks and checkpoint files that ``fit`` adds to the Trainer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import Namespace
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

from ..files import expand, write_text
from ..runs.folder import claim_run
from ..runs.start import Origin
from ..training.callbacks import History, RunRecord, StepProgress, run_folder
from ..training.checkpoints import CheckedFiles
from ..training.lightning_internals import attributes, order_callbacks, steps_between_saves
from ..training.metrics_file import MetricsFile

_PLACES = ("runs_dir", "ckpt_path")


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's settings without what says where the run lies: a run folder may be moved."""
    return {key: value for key, value in config.items() if key not in _PLACES}


class SaveConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run folder, as UTF-8 in every locale; nothing where there is no run folder."""

    def __init__(self, parser: LightningArgumentParser, config: Namespace, **options: Any) -> None:
        kept = config.clone()
        for key in _PLACES:
            kept.pop(key, None)
        super().__init__(parser, kept, **options)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write the file where a run has a folder."""
        folder = run_folder(trainer)
        if stage == "fit" and folder and trainer.is_global_zero:
            write_text(
                folder / self.config_filename, self.parser.dump(self.config, skip_none=False)
            )


def open_run(trainer: L.Trainer, origin: Origin | None, runs_dir: str, name: str) -> None:
    """Give the trainer its run folder, a new one or the one that goes on, and the loggers that write into it.

    Only the first process claims a folder; Lightning tells the others which.
    """
    run = origin.run if origin else None
    lock = None
    step = origin.model.step if origin and run else None
    folder = expand(runs_dir) / name
    if run is None and trainer.is_global_zero:
        run, lock = claim_run(folder)
    run = run or folder / "version_0"
    run = (
        run if len(run.parts) > 2 else run.absolute()
    )  # TensorBoard's logger takes its path in three parts
    board = TensorBoardLogger(
        run.parent.parent,
        run.parent.name,
        run.name,
        default_hp_metric=False,
        purge_step=None if step is None else step + 1,
    )
    trainer.loggers = [board, MetricsFile(Path(board.log_dir), step)]
    for callback in attributes(trainer).callbacks:
        if isinstance(callback, RunRecord):
            callback.lock = lock


def equip(trainer: L.Trainer, own: Sequence[Callback], user: Sequence[Callback]) -> None:
    """Add this program's callbacks to the `user`'s, and its checkpoint files; Lightning's default callbacks go.

    A progress bar of the user's takes the place of ours: two bars would write over each other. The order is
    Lightning's own: checkpoints last, so that they hold what the other callbacks did.
    """
    if any(isinstance(callback, ProgressBar) for callback in user):
        own = [callback for callback in own if not isinstance(callback, StepProgress)]
    locks = [
        callback for callback in own if isinstance(callback, RunRecord)
    ]  # before anything is written
    others = [callback for callback in own if callback not in locks]
    kept = [
        callback
        for callback in attributes(trainer).callbacks
        if callback in user or not _is_default(callback)
    ]
    attributes(trainer).callbacks = order_callbacks([*locks, *kept, *others])
    trainer.strategy.checkpoint_io = CheckedFiles()
    _hand_in_drawing(attributes(trainer).callbacks)


def _is_default(callback: Callback) -> bool:
    """Whether Lightning adds such a callback of its own accord where ours does the work."""
    return isinstance(callback, ProgressBar) or type(callback) is ModelCheckpoint


def end_blocks_at_saves(callbacks: Iterable[Callback], steps: int) -> None:
    """Make blocks of steps end where a ModelCheckpoint saves, else it would pass over most of its steps."""
    for callback in callbacks:
        if every := steps_between_saves(callback):
            marked: Any = callback  # the data module reads `step_marks` of any callback
            marked.step_marks = range(every, steps + 1, every)


def draw_curves(history: History, path: Path) -> None:
    """Write the training curves of a run to `path` in its folder."""
    from ..figures.evaluation import draw_training_curves

    draw_training_curves(history, path)


def _hand_in_drawing(callbacks: list[Callback]) -> None:
    """Give callbacks that show pictures what draws them."""
    from ..training.tensorboard import InsideView

    for callback in callbacks:
        if isinstance(callback, InsideView):
            from ..figures import board

            callback.draw = board
