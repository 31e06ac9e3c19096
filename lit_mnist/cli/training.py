"""The commands fit, validate, test and predict."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence

from ..environment import hide_tensorflow_from_tensorboard

hide_tensorflow_from_tensorboard()
# LightningCLI calls functions that newer releases of jsonargparse announce as deprecated.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")

from lightning.pytorch.callbacks import Callback  # noqa: E402
from lightning.pytorch.utilities.exceptions import MisconfigurationException  # noqa: E402

from ..errors import UserError  # noqa: E402
from ..outcome import Outcome  # noqa: E402
from ..runs.model import Model, open_model  # noqa: E402
from ..training.interruption import Interrupted, Interruption  # noqa: E402
from ..training.reports import say  # noqa: E402
from ..training.summary import evaluate_run, finish_fit, predict_test  # noqa: E402
from .fit_parts import open_run, release_run  # noqa: E402
from .lightning_cli import Cli  # noqa: E402
from .quiet import quieten  # noqa: E402


def run(
    command: str, argv: list[str], callbacks: Sequence[Callback] = (), dry: bool = False
) -> Outcome:
    """Run fit, validate, test or predict with the options in `argv`; raise UserError for bad input.

    `callbacks` watch a training without being part of its settings. `dry` builds model, optimiser
    and data options, which checks every setting, but neither reads data nor trains.
    """
    try:  # outermost: from here on, a signal raises Interrupted
        with warnings.catch_warnings(), Interruption() as interruption:
            quieten()
            cli = Cli(command, argv, interruption, callbacks, dry)
            return Outcome(dict(cli.config_dump), "") if dry else _run(cli)
    except Interrupted as stop:
        if int(os.environ.get("LOCAL_RANK", 0)) == 0:
            say(str(stop))
        raise SystemExit(stop.code) from None


def _run(cli: Cli) -> Outcome:
    if cli.command == "fit":
        return _fit(cli)
    model = _trained(cli)
    cli.model.network.load_state_dict(model.network.state_dict())
    if cli.command == "predict":
        return _predict(cli)
    return evaluate_run(cli.command, cli.trainer, cli.model, cli.datamodule, model)


def _fit(cli: Cli) -> Outcome:
    path = str(cli.origin.path) if cli.origin else None
    try:
        if cli.keeps_run:
            open_run(cli.trainer, cli.origin, cli.settings.runs_dir, cli.settings.name)
        if cli.model.start is not None and cli.trainer.is_global_zero:
            say(cli.model.start.text())
        start = time.perf_counter()
        cli.trainer.fit(cli.model, cli.datamodule, ckpt_path=path, weights_only=True)
        seconds = {"fit_seconds": time.perf_counter() - start, "started": cli.started}
        return finish_fit(cli.trainer, cli.model, cli.datamodule, **seconds, test=cli.settings.test)
    except MisconfigurationException as error:
        raise cli.explained(error) from error
    except OSError as error:
        raise UserError(
            f"{error.filename or cli.settings.runs_dir}: cannot be written "
            f"({error.strerror or error})"
        ) from error
    finally:
        release_run(cli.trainer)


def _trained(cli: Cli) -> Model:
    """Return the trained network; raise UserError where the options name none."""
    if cli.origin is None:
        raise UserError(
            f"{cli.command} needs --ckpt_path: a run folder, a checkpoint or a Keras file"
        )
    return cli.origin.model


def _predict(cli: Cli) -> Outcome:
    settings = cli.settings
    if not settings.images:
        for key in ("out", "many", "output"):
            if settings[key]:
                raise UserError(f"--{key} needs --images; accepted: --{key} with --images FILE ...")
        return predict_test(cli.trainer, cli.model, cli.datamodule)
    from .commands.predict import predict

    model = _with_asked_scaling(cli)
    return predict(
        model if settings.output is None else model.with_output(settings.output),
        settings.images,
        settings.data.dataset,
        settings.data.root,
        settings.out,
        settings.many,
    )


def _with_asked_scaling(cli: Cli) -> Model:
    """Return the trained network, a Keras file's with the scaling that ``data.standardize``
    names.
    """
    model = _trained(cli)
    kind = cli.settings.data.standardize
    if cli.origin is None or cli.origin.scaled or kind == model.standardizer.kind:
        return model
    return open_model(cli.origin.path, kind, cli.settings.data.root)
