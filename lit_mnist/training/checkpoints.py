"""Checkpoints while training: the newest state, from which a run goes on, and the best on validation."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint

from ..runs.checkpoint import BEST, LAST, PREVIOUS, read_checkpoint, write_checkpoint
from ..runs.record import RECORD, checkpoint_record
from .interruption import Interrupted, Interruption
from .lightning_internals import attributes, epochs_processed, is_last_block

_EPOCH_SECONDS = 5.0  # epochs shorter than this do not all save at their end


class CheckedFiles(CheckpointIO):
    """Reads and writes Lightning's checkpoints as `lit_mnist.runs.checkpoint` does: sealed, safe, whole."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write; the newest state's predecessor is kept."""
        write_checkpoint(path, checkpoint, PREVIOUS if Path(path).name == LAST else None)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read, onto the CPU, plain values and tensors only."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file that may have gone already."""
        Path(path).unlink(missing_ok=True)


class KeepLast(Checkpoint):
    """Saves the newest state as ``last.ckpt``, so that a run that is cut off goes on from there.

    Saved are: the start; between blocks of steps, the state after `every_seconds` or `every_steps`; the ends of
    epochs (of very short ones, not all); the end of training; and the last block before an interruption.
    """

    def __init__(
        self,
        every_seconds: float = 60.0,
        every_steps: int | None = None,
        interruption: Interruption | None = None,
    ) -> None:
        self.every_seconds = every_seconds
        self.every_steps = every_steps
        self.interruption = interruption or Interruption()
        self._own = interruption is None
        self.path = Path()
        self.step = 0
        self._at = 0.0

    def setup(self, *_: Any, **__: Any) -> None:
        """Take the signals before Lightning does, so that they can be given back."""
        if self._own:
            self.interruption.listen()

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Listen to signals and save the start, so that every run folder can be gone on from."""
        self.path = Path(trainer.strategy.broadcast(trainer.log_dir or ".")) / "checkpoints" / LAST
        self.interruption.listen()  # Lightning has put its own handler there
        self.interruption.waits = True
        self.step = trainer.global_step
        self._at = time.monotonic()
        if trainer.is_global_zero:
            for left in self.path.parent.glob(
                ".*.part"
            ):  # by a process that was killed while it saved
                left.unlink(missing_ok=True)
        if trainer.ckpt_path is None:
            self._save(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save where it is time to; where validation comes next, the end of the epoch saves."""
        interval = trainer.val_check_batch
        if is_last_block(trainer) or (interval is not None and (batch_idx + 1) % interval == 0):
            return
        signum, due = self.interruption.asked(trainer.world_size, self._due(trainer))
        if signum or due:
            self._save(trainer, pl_module)
        if signum:
            self._stop(signum)

    def on_validation_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: Any,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Break off a validation that would keep a signal waiting; the last saved state stands."""
        if trainer.world_size == 1 and self.interruption.overdue:
            self._stop(self.interruption.noted)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Save the epoch's end."""
        ends = (
            trainer.should_stop
            or epochs_processed(trainer) == trainer.max_epochs
            or trainer.global_step == trainer.max_steps
        )
        waited = time.monotonic() - self._at >= min(_EPOCH_SECONDS, self.every_seconds)
        signum, due = self.interruption.asked(
            trainer.world_size, ends or waited or self._due(trainer)
        )
        if signum or due:
            self._save(trainer, pl_module)
        if signum and not ends:
            self._stop(signum)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """From here on signals are obeyed at once: all is saved."""
        self.interruption.waits = False
        if self.interruption.noted:
            self._stop(self.interruption.noted)

    def teardown(self, *_: Any, **__: Any) -> None:
        """Give back signals that were not handed in by a program."""
        if self._own:
            self.interruption.release()

    def _due(self, trainer: L.Trainer) -> bool:
        steps = self.every_steps is not None and trainer.global_step - self.step >= self.every_steps
        return steps or time.monotonic() - self._at >= self.every_seconds

    def _save(self, trainer: L.Trainer, pl_module: Any) -> None:
        pl_module.watch.check()
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.path)
        self.step = trainer.global_step
        self._at = time.monotonic()

    def _stop(self, signum: int) -> None:
        raise Interrupted(
            signum,
            f"interrupted; step {self.step} is saved in {self.path}; the same command goes on "
            "from there",
        )


class KeepBest(ModelCheckpoint):
    """Keeps ``best.ckpt``: the epoch of the highest validation accuracy, saved at its end."""

    def __init__(self) -> None:
        super().__init__(
            filename=Path(BEST).stem,
            monitor="val/acc",
            mode="max",
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Save where the epoch was validated and is the best so far."""
        if self.monitor in trainer.callback_metrics:
            pl_module.watch.check()
            super().on_train_epoch_end(trainer, pl_module)


def describe(checkpoint: dict[str, Any], trainer: L.Trainer, module: Any) -> None:
    """Put into a checkpoint what opening it later takes: network, scaling, data set, seed."""
    prepared = getattr(attributes(trainer).datamodule, "prepared", None)
    known: tuple[Any, ...] = (None, None, module.seed)
    if prepared is not None:
        known = (
            prepared.standardizer,
            prepared.dataset.name,
            module.seed,
            prepared.dataset.class_names,
        )
    checkpoint[RECORD] = checkpoint_record(module.spec, *known) | checkpoint.get(RECORD, {})


_PLACES = ("best_model_path", "kth_best_model_path", "last_model_path")


def portable_states(states: dict[str, Any]) -> None:
    """Replace the paths that checkpoint callbacks put into their states by paths relative to the callback's folder."""
    for state in states.values():
        if isinstance(state, dict) and "dirpath" in state:
            _replace_paths(state, partial(_within, state["dirpath"]), ".")


def place_states(states: dict[str, Any], callbacks: Iterable[Callback]) -> None:
    """Replace the paths in the states of checkpoint callbacks by paths in the folder that the callback has now.

    States of older runs hold the folder that they were written in, which may have been moved or named otherwise.
    """
    for callback in callbacks:
        state = states.get(callback.state_key)
        if (
            isinstance(callback, ModelCheckpoint)
            and isinstance(state, dict)
            and callback.dirpath is not None
        ):
            _replace_paths(
                state,
                partial(_moved, state.get("dirpath"), str(callback.dirpath)),
                str(callback.dirpath),
            )


def _replace_paths(state: dict[str, Any], replace: Callable[[str], str], folder: str) -> None:
    state["dirpath"] = folder
    for key in _PLACES:
        state[key] = replace(state[key]) if state.get(key) else ""
    state["best_k_models"] = {
        replace(path): score for path, score in state.get("best_k_models", {}).items()
    }


def _moved(before: str | None, folder: str, path: str) -> str:
    return os.path.join(folder, _within(before, path))


def _within(folder: str | None, path: str) -> str:
    """Return `path` relative to `folder`, else its last part; with ``/`` on every system."""
    parts, prefix = (str(place or ".").replace("\\", "/").split("/") for place in (path, folder))
    if prefix == ["."]:
        return "/".join(parts)
    return "/".join(parts[len(prefix) :] if parts[: len(prefix)] == prefix else parts[-1:])


def checkpoints(validates: bool, keep_last: KeepLast) -> list[Checkpoint]:
    """Return the callbacks in their order: the last one's file must know of the best one's."""
    best: list[Callable] = [KeepBest] if validates else []
    return [*(make() for make in best), keep_last]
