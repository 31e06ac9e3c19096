"""fit, validate, test and predict: a thin LightningCLI around LitClassifier and MNISTDataModule."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..environment import hide_tensorflow_from_tensorboard

hide_tensorflow_from_tensorboard()
# LightningCLI calls functions that newer releases of jsonargparse announce as deprecated.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

import lightning as L  # noqa: E402
import yaml  # noqa: E402
from jsonargparse import ArgumentError, Namespace  # noqa: E402
from lightning.pytorch.callbacks import Callback, ModelCheckpoint  # noqa: E402
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI  # noqa: E402
from lightning.pytorch.utilities.exceptions import MisconfigurationException  # noqa: E402

from ..data.module import MNISTDataModule  # noqa: E402
from ..errors import UserError  # noqa: E402
from ..files import expand  # noqa: E402
from ..outcome import Outcome  # noqa: E402
from ..runs.model import Model  # noqa: E402
from ..runs.pretrained import resolve  # noqa: E402
from ..runs.resume import find_unfinished  # noqa: E402
from ..runs.start import find_origin, unfinished_run  # noqa: E402
from ..training import callbacks as cb  # noqa: E402
from ..training.checkpoints import KeepLast, checkpoints  # noqa: E402
from ..training.classifier import LitClassifier, check_fit  # noqa: E402
from ..training.devices import automatic_precision  # noqa: E402
from ..training.interruption import Interrupted, Interruption  # noqa: E402
from ..training.lightning_internals import attributes  # noqa: E402
from ..training.monitors import check_monitors, metric_names  # noqa: E402
from ..training.summary import evaluate_run, finish_fit, predict_test, warn_of_data  # noqa: E402
from .arguments import (  # noqa: E402
    accept_automatic_precision,
    apply_layer_flags,
    check_keys,
    configs_as_read,
    configs_first,
    read_early,
    stem,
)
from .checks import check_callbacks, check_trainer  # noqa: E402
from .fit_parts import SaveConfig, draw_curves, end_blocks_at_saves, equip, open_run, without_places  # noqa: E402
from .messages import explain  # noqa: E402
from .quiet import quieten  # noqa: E402
from .training_options import add_options  # noqa: E402

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


def run(
    command: str, argv: list[str], callbacks: Sequence[Callback] = (), dry: bool = False
) -> Outcome:
    """Run fit, validate, test or predict with the options in `argv`; raise UserError for what cannot work.

    `callbacks` watch a training without being part of its settings. `dry` builds model, optimiser and data
    options, which checks every setting, and neither reads data nor trains.
    """
    try:  # outermost: from the first moment on a signal raises Interrupted
        with warnings.catch_warnings(), Interruption() as interruption:
            quieten()
            return Cli(command, argv, interruption, callbacks, dry).outcome
    except Interrupted as stop:
        if int(os.environ.get("LOCAL_RANK", 0)) == 0:
            cb.say(str(stop))
        raise SystemExit(stop.code) from None


class Cli(LightningCLI):
    """LightningCLI with this program's run folders, checkpoints and errors; `command` is its one subcommand."""

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
        self.watching = callbacks
        self.dry = dry
        self.started = time.perf_counter()
        self.outcome = Outcome({}, "")
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
        """Return what Lightning's parser reads: the checkpoint's own configuration, files, flags; the last wins."""
        base = self.origin.config if self.origin else {}
        flags = apply_layer_flags(configs_as_read(configs_first(argv)), self.configs, base)
        return [self.command, *(["--config", json.dumps(base)] if base else []), *flags]

    @classmethod
    def subcommands(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
    ) -> dict[str, set[str]]:
        """Return the one command that was asked for: setting up a parser for each would take seconds."""
        return {cls.command: _SKIPPED}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add what the program itself decides."""
        accept_automatic_precision(parser)
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
            raise self._explained(error) from error

    def _parse_ckpt_path(self) -> None:
        """Do nothing: Lightning would override flags silently, `Origin` refuses contradictions."""

    def _explained(self, error: Exception) -> UserError:
        known = [action.dest for action in self._parser(self.command)._actions]
        return UserError(explain(str(error), known))

    @property
    def settings(self) -> Namespace:
        """The command's own part of the configuration."""
        return self.config[self.command]

    def before_instantiate_classes(self) -> None:
        """Name the run; refuse what contradicts the checkpoint; find the run that was cut off."""
        trainer = self.settings.trainer
        if trainer.precision == "auto":  # what it stands for is recorded
            trainer.precision = automatic_precision(str(trainer.accelerator))
        self.settings.name = (
            self.settings.name or self.stem or (self.origin.name if self.origin else "run")
        )
        if Path(self.settings.name).name != self.settings.name or self.settings.name == "..":
            raise UserError(
                f"--name {self.settings.name}: cannot work; accepted: a folder's name, without separators "
                "(--runs_dir says where it lies)"
            )
        if self.command == "fit":
            callbacks = self.settings.trainer.callbacks or []
            check_callbacks(
                entry.class_path
                for entry in (callbacks if isinstance(callbacks, list) else [callbacks])
            )
        if self.command == "fit":
            self._resolve_network()
        self._dump_config()
        if self.origin:
            self.origin.refuse_contradictions(self.config_dump)
        elif (
            self.command == "fit"
            and not self.dry
            and self.settings.resume
            and not self.settings.trainer.fast_dev_run
        ):
            self._resume_unfinished()

    def _resolve_network(self) -> None:
        """Write out a network that builds on a file: what is recorded needs the file no more."""
        model = self.settings.model
        model.network, model.initial_weights = resolve(model.network, model.initial_weights)

    def _resume_unfinished(self) -> None:
        runs_dir = expand(self.settings.runs_dir)
        name = self.settings.name
        unfinished, remarks = find_unfinished(runs_dir, name, self.config_dump, self._completed)
        for remark in remarks:
            cb.say(f"WARNING: {remark}")
        if unfinished is not None:
            self.origin = unfinished_run(unfinished)
            cb.say(
                f"going on with {unfinished.run} at step {self.origin.model.step} (--resume false starts anew)"
            )

    def _completed(self, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a run's settings with the defaults of options that its release did not have."""
        parser = self._parser(self.command)
        try:
            parsed = parser.parse_object(dict(config))
        except ArgumentError:  # options that are no more: another run
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
            raise self._explained(error) from error

    def _instantiate(self) -> None:
        """Do as Lightning does, but leave initial weights alone where a checkpoint's take their place."""
        whole = self.config
        if self.origin and whole[self.command].model.get("initial_weights"):
            self.config = whole.clone()
            self.config[self.command].model.initial_weights = None
        self.config_init = self.parser.instantiate_classes(self.config)
        self.config = whole
        self.datamodule = self._get(self.config_init, "data")
        self.model = self._get(self.config_init, "model")
        self.trainer = self.instantiate_trainer()

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """Build the trainer with this program's loggers and callbacks."""
        settings = self._get(self.config_init, "trainer")
        user = self._user_callbacks()
        fitting = self.command == "fit" and not settings.get("fast_dev_run")
        self.keeps_run = fitting and settings.get("logger") in (None, True)
        if settings.get("logger") in (None, True):
            kwargs["logger"] = False  # `open_run` gives a run its loggers once all is checked
        if (
            not fitting or settings.get("logger") is False
        ):  # no run folder: nowhere to keep checkpoints of ours
            kwargs["enable_checkpointing"] = any(
                isinstance(callback, ModelCheckpoint) for callback in user
            )
        trainer = super().instantiate_trainer(**kwargs)
        if self.command == "fit":
            check_trainer(trainer)
            equip(trainer, self._own_callbacks(trainer), user)
        return trainer

    def _user_callbacks(self) -> Sequence[Callback]:
        callbacks = self._get(self.config_init, "trainer").get("callbacks") or []
        return callbacks if isinstance(callbacks, list) else [callbacks]

    def _own_callbacks(self, trainer: L.Trainer) -> list[Callback]:
        record = cb.RunRecord(without_places(self.config_dump))
        own = [record, cb.Clock(), cb.EpochHistory(draw_curves), cb.EpochReport()]
        if self.keeps_run or (trainer.loggers and not attributes(trainer).fast_dev_run):
            keep_last = KeepLast(
                self.settings.checkpoint_every_seconds,
                self.settings.checkpoint_every_steps,
                self.interruption,
            )
            own += checkpoints(self.datamodule.options.validate_on == "validation", keep_last)
        bar = self.settings.trainer.enable_progress_bar is not False
        return [*own, *([cb.StepProgress()] if bar else []), *self.watching]

    def after_instantiate_classes(self) -> None:
        """Read and check the data, and what only they decide, before anything is written."""
        if self.dry:
            _ = self.model.configure_optimizers()
            self.outcome = Outcome(dict(self.config_dump), "")
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
        check_fit(self.trainer, self.model)
        validated = self.datamodule.options.validate_on != "none"
        callbacks = [*attributes(self.trainer).callbacks, *self.model.schedule_callbacks]
        check_monitors(callbacks, metric_names(self.model.spec, validated))
        self._refuse_other_data()
        end_blocks_at_saves(attributes(self.trainer).callbacks, self._most_steps())

    def _most_steps(self) -> int:
        if self.trainer.max_steps > 0:
            return self.trainer.max_steps
        return self.datamodule.steps_per_epoch * max(self.trainer.max_epochs or 1, 1)

    def _refuse_other_data(self) -> None:
        if not self.origin:
            return
        here = self.datamodule.prepared.dataset.name
        there = self.origin.model.dataset
        if here != there:
            raise UserError(
                f"{self.origin.path}: was trained on {there}, but {here} is at hand now; accepted: the "
                "same data, or a new run with --resume false"
            )

    def _fit(self) -> None:
        path = str(self.origin.path) if self.origin else None
        try:
            if self.keeps_run:
                open_run(self.trainer, self.origin, self.settings.runs_dir, self.settings.name)
            if self.model.start is not None and self.trainer.is_global_zero:
                cb.say(self.model.start.text())
            began = time.perf_counter()
            self.trainer.fit(self.model, self.datamodule, ckpt_path=path, weights_only=True)
            seconds = {"fit_seconds": time.perf_counter() - began, "started": self.started}
            self.outcome = finish_fit(
                self.trainer, self.model, self.datamodule, **seconds, test=self.settings.test
            )
        except MisconfigurationException as error:
            raise self._explained(error) from error
        except OSError as error:
            raise UserError(
                f"{error.filename or self.settings.runs_dir}: cannot be written "
                f"({error.strerror or error})"
            ) from error

    def _run_subcommand(self, subcommand: str) -> None:
        if self.dry:
            return
        if subcommand == "fit":
            self._fit()
            return
        opened = self._opened()
        self.model.network.load_state_dict(opened.network.state_dict())
        if subcommand == "predict":
            self.outcome = self._predict()
        else:
            self.outcome = evaluate_run(
                subcommand, self.trainer, self.model, self.datamodule, opened
            )

    def _opened(self) -> Model:
        """Return the trained network, without which no command but fit gets this far."""
        if self.origin is None:
            raise UserError(
                f"{self.command} needs --ckpt_path: a run folder, a checkpoint or a Keras file"
            )
        return self.origin.model

    def _scaled(self) -> Model:
        """Return the trained network with the scaling that was asked for, which a Keras file does not say."""
        model = self._opened()
        kind = self.settings.data.standardize
        if self.origin is None or self.origin.scaled or kind == model.standardizer.kind:
            return model
        from ..runs.model import open_model

        return open_model(self.origin.path, kind, self.settings.data.root)

    def _predict(self) -> Outcome:
        if not self.settings.images:
            for key in ("out", "many", "output"):
                if self.settings[key]:
                    raise UserError(
                        f"--{key}: works on --images; accepted: --images FILE ... beside it"
                    )
            return predict_test(self.trainer, self.model, self.datamodule)
        from .commands.predict import predict

        settings = self.settings
        model = self._scaled()
        return predict(
            model if settings.output is None else model.with_output(settings.output),
            settings.images,
            settings.data.dataset,
            settings.data.root,
            settings.out,
            settings.many,
        )
