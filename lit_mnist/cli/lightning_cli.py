"""LightningCLI with the run folders, checkpoints and error messages of lit_mnist."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import yaml
from jsonargparse import ArgumentError, Namespace
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from ..data.kmeans import check_clusters, network_of
from ..data.module import MNISTDataModule
from ..errors import UserError
from ..files import expand
from ..runs.pretrained import resolve
from ..runs.resume import find_unfinished
from ..runs.start import find_origin, unfinished_run
from ..training.callbacks import RunRecord
from ..training.checkpoints import KeepLast, checkpoints
from ..training.classifier import LitClassifier
from ..training.devices import automatic_precision
from ..training.distillation import resolved
from ..training.history import Clock, EpochHistory
from ..training.interruption import Interruption
from ..training.lengths import total_steps
from ..training.lightning_internals import attributes
from ..training.monitors import check_monitors, metric_names
from ..training.reports import EpochReport, StepProgress, say
from ..training.settings import check_fit
from ..training.summary import warn_of_data
from .arguments import (
    accept_precisions,
    apply_layer_flags,
    check_keys,
    configs_as_read,
    configs_first,
    read_early,
    stem,
)
from .checks import check_callbacks, check_numbers, check_optimizer, check_trainer
from .fit_parts import SaveConfig, draw_curves, end_blocks_at_saves, equip, without_places
from .messages import explain
from .training_options import add_options

_SKIPPED = {
    "model",
    "train_dataloaders",
    "val_dataloaders",
    "dataloaders",
    "datamodule",
    "weights_only",
    "return_predictions",
    "verbose",
}
_TRAINER = {
    "max_epochs": 12,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
    "log_every_n_steps": 100,
}


class Cli(LightningCLI):
    """Parses options and builds model, data and trainer; `command` is the only subcommand.

    `origin` is the run or file that a command starts from, `settings` the configuration, and
    `keeps_run` says whether a training writes a run folder. `callbacks` and `dry` are as in
    `training.run`, which runs the command.
    """

    command = "fit"

    def __init__(
        self,
        command: str,
        argv: list[str],
        interruption: Interruption,
        callbacks: Sequence[Callback] = (),
        dry: bool = False,
    ) -> None:
        type(self).command = command
        self.interruption = interruption
        self.watchers = callbacks
        self.dry = dry
        self.started = time.perf_counter()
        early = read_early(argv)
        self.configs = early.config
        self.stem = stem(early.config)
        self.origin = (
            None
            if early.asks
            else find_origin(command, early.ckpt_path, early.runs_dir, early.name or self.stem)
        )
        super().__init__(
            LitClassifier,
            MNISTDataModule,
            args=self._arguments(argv),
            save_config_callback=SaveConfig,
            save_config_kwargs={"overwrite": True},
            seed_everything_default=1,
            trainer_defaults=dict(_TRAINER),
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            parser_kwargs={
                "exit_on_error": False,
                "allow_abbrev": False,
                "prog": "python -m lit_mnist",
                command: {"exit_on_error": False, "prog": f"python -m lit_mnist {command}"},
            },
        )

    def _arguments(self, argv: list[str]) -> list[str]:
        """Return the parser's arguments: the checkpoint's configuration, files, flags; later ones
        win.
        """
        base = self.origin.config if self.origin else {}
        flags = apply_layer_flags(configs_as_read(configs_first(argv)), self.configs, base)
        return [self.command, *(["--config", json.dumps(base)] if base else []), *flags]

    @classmethod
    def subcommands(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
    ) -> dict[str, set[str]]:
        """Return only the command in use: parsers of all commands would take seconds to set up."""
        return {cls.command: _SKIPPED}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options that are not those of model, data or trainer."""
        accept_precisions(parser)
        add_options(parser, self.command)

    def parse_arguments(self, parser: LightningArgumentParser, args: list[str]) -> None:
        """Parse; raise UserError with one clear message."""
        check_keys(
            self.configs,
            {action.dest.partition(".")[0] for action in self._parser(self.command)._actions},
        )
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise self.explained(error) from error

    def _parse_ckpt_path(self) -> None:
        """Do nothing: Lightning would override flags silently; `Origin` refuses contradictions."""

    def explained(self, error: Exception) -> UserError:
        """Return an error of jsonargparse or Lightning as one clear message."""
        known = [action.dest for action in self._parser(self.command)._actions]
        return UserError(explain(str(error), known))

    @property
    def settings(self) -> Namespace:
        """The configuration of the command."""
        return self.config[self.command]

    def before_instantiate_classes(self) -> None:
        """Name the run, refuse what contradicts the checkpoint, and find an unfinished run."""
        trainer = self.settings.trainer
        check_numbers(trainer)
        if trainer.precision == "auto":  # the run records the precision that was chosen
            trainer.precision = automatic_precision(str(trainer.accelerator))
        self._name_run()
        if self.command == "fit":
            callbacks = _as_list(trainer.callbacks)
            check_callbacks(entry.class_path for entry in callbacks)
            self._resolve_network()
        self._dump_config()
        if self.origin:
            self.origin.refuse_contradictions(self.config_dump)
        elif self._may_resume():
            self._resume_unfinished()

    def _name_run(self) -> None:
        settings = self.settings
        if not settings.runs_dir:
            raise UserError("--runs_dir '' cannot work; accepted: a folder, such as runs")
        settings.name = settings.name or self.stem or (self.origin.name if self.origin else "run")
        if Path(settings.name).name != settings.name or settings.name == "..":
            raise UserError(
                f"--name {settings.name}: cannot work; accepted: a folder's name, without "
                "separators (--runs_dir says where the folder is)"
            )

    def _resolve_network(self) -> None:
        """Replace a network that builds on a file, or reads distances to clusters, by its full
        description, and folders of runs by the run that is the teacher: that is what is recorded.
        """
        model = self.settings.model
        if model.distillation is not None:
            model.distillation.teachers = [resolved(path) for path in model.distillation.teachers]
        model.network, model.initial_weights = resolve(model.network, model.initial_weights)
        model.network = network_of(model.network, self.settings.data.as_dict())

    def _may_resume(self) -> bool:
        fitting = self.command == "fit" and not self.dry
        return fitting and self.settings.resume and not self.settings.trainer.fast_dev_run

    def _resume_unfinished(self) -> None:
        runs_dir = expand(self.settings.runs_dir)
        name = self.settings.name
        unfinished, warnings = find_unfinished(runs_dir, name, self.config_dump, self._completed)
        for warning in warnings:
            say(f"WARNING: {warning}")
        if unfinished is not None:
            self.origin = unfinished_run(unfinished)
            say(
                f"resuming {unfinished.run} at step {self.origin.model.step} "
                "(--resume false starts anew)"
            )

    def _completed(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings of a run, with defaults for options that are newer than the run."""
        parser = self._parser(self.command)
        try:
            parsed = parser.parse_object(dict(config))
        except ArgumentError:  # an option that no longer exists: the run cannot be this one
            return config
        return yaml.safe_load(
            parser.dump(parsed, skip_link_targets=False, skip_none=False, format="yaml")
        )

    def instantiate_classes(self) -> None:
        """Build model, data and trainer; turn their errors into UserError."""
        try:
            self._instantiate()
        except UserError:
            raise
        except (
            ArgumentError,
            MisconfigurationException,
            ValueError,
            TypeError,
            RuntimeError,
            ImportError,
        ) as error:
            raise self.explained(error) from error

    def _instantiate(self) -> None:
        """Build as Lightning does, but read no initial weights where a checkpoint replaces them."""
        config = self.config
        if self.origin and config[self.command].model.get("initial_weights"):
            self.config = config.clone()
            self.config[self.command].model.initial_weights = None
        self.config_init = self.parser.instantiate_classes(self.config)
        self.config = config
        self.datamodule = self._get(self.config_init, "data")
        self.model = self._get(self.config_init, "model")
        self.trainer = self.instantiate_trainer()

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Build the trainer with this program's loggers and callbacks."""
        settings = self._get(self.config_init, "trainer")
        user = _as_list(settings.get("callbacks"))
        fitting = self.command == "fit" and not settings.get("fast_dev_run")
        self.keeps_run = fitting and settings.get("logger") in (None, True)
        if settings.get("logger") in (None, True):
            kwargs["logger"] = False  # `open_run` adds the loggers of a run, after all checks
        if not fitting or settings.get("logger") is False:  # no run folder to keep checkpoints in
            kwargs["enable_checkpointing"] = any(
                isinstance(callback, ModelCheckpoint) for callback in user
            )
        trainer = super().instantiate_trainer(**kwargs)
        if self.command == "fit":
            check_trainer(trainer)
            equip(trainer, self._program_callbacks(trainer), user)
        return trainer

    def _program_callbacks(self, trainer: L.Trainer) -> list[Callback]:
        record = RunRecord(without_places(self.config_dump))
        callbacks = [record, Clock(), EpochHistory(draw_curves), EpochReport()]
        if self.keeps_run or (trainer.loggers and not attributes(trainer).fast_dev_run):
            keep_last = KeepLast(
                self.settings.checkpoint_every_seconds,
                self.settings.checkpoint_every_steps,
                self.interruption,
            )
            validated = self.datamodule.options.validate_on == "validation"
            callbacks += checkpoints(validated, keep_last)
        if self.settings.trainer.enable_progress_bar is not False:
            callbacks.append(StepProgress())
        return [*callbacks, *self.watchers]

    def after_instantiate_classes(self) -> None:
        """Read the data, and check what depends on them, before anything is written."""
        if self.dry:
            _ = self.model.configure_optimizers()
            return
        if self.command == "predict" and self.settings.images:
            return
        if self.origin and self.origin.scaled:
            self.datamodule.use(self.origin.model.standardizer)
        self.datamodule.for_network(self.model.spec)
        if self.command == "fit":
            self._check_fit()
        warn_of_data(self.datamodule.prepared, self.model.spec)

    def _check_fit(self) -> None:
        check_fit(self.trainer, self.model.cuda_graphs)
        check_optimizer(self.model)
        check_clusters(self.model.start, self.datamodule.features)
        self.model.open_teachers(self.datamodule)
        validated = self.datamodule.options.validate_on != "none"
        callbacks = [*attributes(self.trainer).callbacks, *self.model.schedule_callbacks]
        check_monitors(callbacks, metric_names(self.model.spec, validated))
        self._refuse_other_data()
        steps = total_steps(self.trainer, self.datamodule.steps_per_epoch)
        end_blocks_at_saves(attributes(self.trainer).callbacks, steps)

    def _refuse_other_data(self) -> None:
        if not self.origin:
            return
        dataset = self.datamodule.prepared.dataset.name
        trained_on = self.origin.model.dataset
        if dataset != trained_on:
            raise UserError(
                f"{self.origin.path}: was trained on {trained_on}, but the data are {dataset} now; "
                "accepted: the same data, or a new run with --resume false"
            )

    def _run_subcommand(self, subcommand: str) -> None:
        """Do nothing: `training.run` runs the command."""


def _as_list(callbacks: Any) -> list[Any]:
    if callbacks is None:
        return []
    return callbacks if isinstance(callbacks, list) else [callbacks]
