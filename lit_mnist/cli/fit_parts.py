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
from ..training.callbacks import RunRecord, run_folder
from ..training.checkpoints import CheckedFiles
from ..training.history import History
from ..training.lightning_internals import attributes, order_callbacks, steps_between_saves
from ..training.metrics_file import MetricsFile
from ..training.reports import StepProgress

_PATHS = ("runs_dir", "ckpt_path")


def without_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run without its paths: a run folder may be moved."""
    return {key: value for key, value in config.items() if key not in _PATHS}


class SaveConfig(SaveConfigCallback):
    """Writes ``config.yaml`` into the run folder, if there is one, as UTF-8 in every locale."""

    def __init__(self, parser: LightningArgumentParser, config: Namespace, **options: Any) -> None:
        recorded = config.clone()
        for key in _PATHS:
            recorded.pop(key, None)
        super().__init__(parser, recorded, **options)

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write the file when a fit with a run folder begins."""
        folder = run_folder(trainer)
        if stage == "fit" and folder and trainer.is_global_zero:
            write_text(
                folder / self.config_filename, self.parser.dump(self.config, skip_none=False)
            )


def open_run(trainer: L.Trainer, origin: Origin | None, runs_dir: str, name: str) -> None:
    """Give the trainer its run folder, a new one or that of a resumed run, and the loggers that
    write there.

    Only the first process claims a folder; Lightning sends its name to the others.
    """
    run = origin.run if origin else None
    lock = None
    step = origin.model.step if origin and run else None
    folder = expand(runs_dir) / name
    if run is None and trainer.is_global_zero:
        run, lock = claim_run(folder)
    run = run or folder / "version_0"
    if len(run.parts) <= 2:  # TensorBoard's logger takes its path in three parts
        run = run.absolute()
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


def release_run(trainer: L.Trainer) -> None:
    """Release the run folder, so that this process can resume it (in a notebook)."""
    for callback in attributes(trainer).callbacks:
        if isinstance(callback, RunRecord) and callback.lock is not None:
            callback.lock.release()
            callback.lock = None


def equip(trainer: L.Trainer, callbacks: Sequence[Callback], user: Sequence[Callback]) -> None:
    """Replace Lightning's default callbacks and checkpoint files by `callbacks` and checked files.

    The `user`'s callbacks stay; a progress bar among them replaces ours, since two bars would
    overwrite each other. The order is Lightning's: checkpoints come last and hold what the others
    did.
    """
    if any(isinstance(callback, ProgressBar) for callback in user):
        callbacks = [callback for callback in callbacks if not isinstance(callback, StepProgress)]
    # a RunRecord locks the folder, so it comes before all that write into it
    records = [callback for callback in callbacks if isinstance(callback, RunRecord)]
    others = [callback for callback in callbacks if callback not in records]
    present = [
        callback
        for callback in attributes(trainer).callbacks
        if callback in user or not _is_default(callback)
    ]
    attributes(trainer).callbacks = order_callbacks([*records, *present, *others])
    trainer.strategy.checkpoint_io = CheckedFiles()
    _hand_in_drawing(attributes(trainer).callbacks)


def _is_default(callback: Callback) -> bool:
    """Whether Lightning adds a callback of this kind by default, whose work one of ours does."""
    return isinstance(callback, ProgressBar) or type(callback) is ModelCheckpoint


def end_blocks_at_saves(callbacks: Iterable[Callback], steps: int) -> None:
    """Let blocks of steps end where a ModelCheckpoint saves: it sees only the ends of blocks."""
    for callback in callbacks:
        if every := steps_between_saves(callback):
            marked: Any = callback  # the data module reads `step_marks` of any callback
            marked.step_marks = range(every, steps + 1, every)


def draw_curves(history: History, path: Path, dataset: str | None) -> None:
    """Write the training curves of a run on a data set to `path` in its folder."""
    from ..figures.evaluation import draw_training_curves

    draw_training_curves(history, path, dataset)


def _hand_in_drawing(callbacks: list[Callback]) -> None:
    """Give callbacks that show pictures the functions that draw them."""
    from ..training.tensorboard import InsideView

    for callback in callbacks:
        if isinstance(callback, InsideView):
            from ..figures import board

            callback.draw = board
