"""Options of fit, validate, test and predict that are not those of model, data or trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from jsonargparse.typing import NonNegativeFloat, PositiveInt

from ..errors import need_seed

if TYPE_CHECKING:
    from lightning.pytorch.cli import LightningArgumentParser


def add_options(parser: LightningArgumentParser, command: str) -> None:
    """Add these options to the parser of one of the training commands."""
    parser.add_argument(
        "--recipe",
        type=Literal["keras", "torch"],
        default="torch",
        help="keras: keras_baseline can train this configuration too",
    )
    parser.add_argument(
        "--name",
        type=str | None,
        default=None,
        help="name of the run's folder (default: the configuration file's)",
    )
    parser.add_argument("--runs_dir", type=str, default="runs", help="folder that holds all runs")
    if command == "fit":
        parser.add_argument(
            "--resume",
            type=bool,
            default=True,
            help="resume the newest unfinished run of the same settings; false: start a new one",
        )
        parser.add_argument(
            "--test",
            type=bool,
            default=True,
            help="test once at the end; false: the run sees no test image",
        )
        parser.add_argument(
            "--checkpoint_every_seconds",
            type=NonNegativeFloat,
            default=60.0,
            help="seconds after which the state is saved, within epochs too",
        )
        parser.add_argument(
            "--checkpoint_every_steps",
            type=cast(Any, PositiveInt) | None,
            default=None,
            help="optimiser steps after which the state is saved, counted in whole blocks of 25",
        )
    if command == "predict":
        parser.add_argument(
            "--images",
            type=str,
            nargs="+",
            default=[],
            help="image files, or ids such as test:19 (default: the whole test set)",
        )
        parser.add_argument(
            "--out",
            type=str | None,
            default=None,
            help="folder: draw each picture beside the network's input and the answer",
        )
        parser.add_argument(
            "--output",
            type=str | None,
            default=None,
            help="which of several outputs gives the network's answer to --images, by name",
        )
        parser.add_argument(
            "--many",
            action="store_true",
            help="find all digits of each picture, read by lines from the left",
        )
    for target in ("model.seed", "data.seed"):
        parser.link_arguments("seed_everything", target, compute_fn=_as_seed)


def _as_seed(value: bool | int) -> int:
    """Return the seed; Lightning also accepts true and false, which stand for 0."""
    if isinstance(value, bool):
        return 0
    need_seed("seed_everything", value)
    return value
