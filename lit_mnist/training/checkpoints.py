"""Checkpoints during training: the newest state, for resuming, and the best on validation."""

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
    """Reads and writes Lightning's checkpoints by `lit_mnist.runs.checkpoint`: checked and safe."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the predecessor of the newest state is kept."""
        write_checkpoint(path, checkpoint, PREVIOUS if Path(path).name == LAST else None)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read plain values and tensors onto the CPU."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file if it still exists."""
        Path(path).unlink(missing_ok=True)


class KeepLast(Checkpoint):
    """Saves the newest state as ``last.ckpt``, from which an interrupted run resumes.

    It saves at the start; between blocks of steps, after `every_seconds` or `every_steps`; at the
    ends of epochs, though not of all very short ones; at the end of training; and when interrupted.
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
        self._owns_signals = interruption is None
        self.path = Path()
        self.step = 0
        self._saved_at = 0.0

    def setup(self, *_: Any, **__: Any) -> None:
        """Install the signal handlers before Lightning does, so that they can be restored."""
        if self._owns_signals:
            self.interruption.listen()

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Listen to signals and save the start, so that every run can be resumed."""
        self.path = Path(trainer.strategy.broadcast(trainer.log_dir or ".")) / "checkpoints" / LAST
        self.interruption.listen()  # Lightning has installed its own handler
        self.interruption.waits = True
        self.step = trainer.global_step
        self._saved_at = time.monotonic()
        if trainer.is_global_zero:
            for partial_file in self.path.parent.glob(
                ".*.part"
            ):  # left by a process that was killed while saving
                partial_file.unlink(missing_ok=True)
        if trainer.ckpt_path is None:
            self._save(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time; before a validation the end of the epoch saves instead."""
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
        """Interrupt a validation that delays a signal; the last saved state is kept."""
        if trainer.world_size == 1 and self.interruption.overdue:
            self._stop(self.interruption.noted)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Save the epoch's end."""
        ends = (
            trainer.should_stop
            or epochs_processed(trainer) == trainer.max_epochs
            or trainer.global_step == trainer.max_steps
        )
        elapsed = time.monotonic() - self._saved_at >= min(_EPOCH_SECONDS, self.every_seconds)
        signum, due = self.interruption.asked(
            trainer.world_size, ends or elapsed or self._due(trainer)
        )
        if signum or due:
            self._save(trainer, pl_module)
        if signum and not ends:
            self._stop(signum)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Obey signals at once from here on, since everything is saved."""
        self.interruption.waits = False
        if self.interruption.noted:
            self._stop(self.interruption.noted)

    def teardown(self, *_: Any, **__: Any) -> None:
        """Restore the signal handlers, unless the program installed them itself."""
        if self._owns_signals:
            self.interruption.release()

    def _due(self, trainer: L.Trainer) -> bool:
        steps = self.every_steps is not None and trainer.global_step - self.step >= self.every_steps
        return steps or time.monotonic() - self._saved_at >= self.every_seconds

    def _save(self, trainer: L.Trainer, pl_module: Any) -> None:
        pl_module.watch.check()
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.path)
        self.step = trainer.global_step
        self._saved_at = time.monotonic()

    def _stop(self, signum: int) -> None:
        raise Interrupted(
            signum,
            f"interrupted; step {self.step} is saved in {self.path}; the same command resumes it",
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
        """Save if the epoch was validated and is the best so far."""
        if self.monitor in trainer.callback_metrics:
            pl_module.watch.check()
            super().on_train_epoch_end(trainer, pl_module)


def describe(checkpoint: dict[str, Any], trainer: L.Trainer, module: Any) -> None:
    """Add to a checkpoint what opening it needs: network, scaling, data set, seed."""
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


_PATH_KEYS = ("best_model_path", "kth_best_model_path", "last_model_path")


def portable_states(states: dict[str, Any]) -> None:
    """Make the paths in checkpoint callbacks' states relative to the callback's folder."""
    for state in states.values():
        if isinstance(state, dict) and "dirpath" in state:
            _replace_paths(state, partial(_within, state["dirpath"]), ".")


def place_states(states: dict[str, Any], callbacks: Iterable[Callback]) -> None:
    """Make the paths in checkpoint callbacks' states point into the callback's present folder.

    States of older runs hold the folder that they were written in, which may since have moved.
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
    for key in _PATH_KEYS:
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
    """Return the callbacks in order: ``last.ckpt`` must record the path of ``best.ckpt``."""
    best: list[Callable] = [KeepBest] if validates else []
    return [*(make() for make in best), keep_last]
