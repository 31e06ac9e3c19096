"""``python -m keras_baseline fit|evaluate|predict|summary``: the baseline's command line."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from lit_mnist.errors import UserError, nearest
from lit_mnist.files import expand_argument, to_json, with_configuration_paths

from .recipe import TOP_KEYS, Recipe, RecipeError, read_config, read_recipe, read_spec

_EPILOG = """Any key of a configuration can be set: --trainer.max_epochs 2 --data.dataset digits

examples:
  python -m keras_baseline fit --config configs/cnn.yaml
  python -m keras_baseline evaluate --ckpt_path runs/cnn_keras/version_0
  python -m keras_baseline predict --ckpt_path runs/cnn_keras/version_0 --images test:0 digit.png
  python -m keras_baseline summary --config configs/cnn_best.yaml"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code, 2 for a user's error."""
    arguments = [*map(expand_argument, sys.argv[1:] if argv is None else argv)]
    try:
        options, overrides = _parse(with_configuration_paths(arguments))
        with contextlib.redirect_stdout(sys.stderr):  # standard output carries the result alone
            data, text = _COMMANDS[options.command](options, overrides)
    except UserError as error:
        print(f"keras_baseline: {error}", file=sys.stderr)
        return 2
    print(to_json(data) if options.json else text)
    return 0


class _Parser(argparse.ArgumentParser):
    """Raises RecipeError instead of printing the usage and ending the program."""

    def error(self, message: str) -> NoReturn:
        raise RecipeError(f"{message}; see python -m keras_baseline --help")


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = _Parser(
        "python -m keras_baseline",
        description=__doc__,
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command", nargs="?", metavar="COMMAND", help=f"one of {', '.join(_COMMANDS)}"
    )
    parser.add_argument("--config", type=Path, help="the YAML that lit_mnist reads")
    parser.add_argument(
        "--ckpt_path", type=Path, help="evaluate, predict: a run folder or a .keras file in it"
    )
    parser.add_argument(
        "--images", nargs="+", default=[], help="predict: ids such as test:19, or image files"
    )
    parser.add_argument(
        "--name", help="name of the run's folder (default: the configuration's, with _keras)"
    )
    parser.add_argument(
        "--runs_dir", type=Path, default=Path("runs"), help="folder that holds all runs"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options, rest = parser.parse_known_args(argv)
    if options.command not in _COMMANDS:
        named = "no command" if options.command is None else f"unknown command {options.command!r}"
        raise RecipeError(f"{named}; {nearest(options.command or '', _COMMANDS)}")
    return options, _overrides(parser, rest)


def _overrides(parser: argparse.ArgumentParser, rest: Sequence[str]) -> list[str]:
    """Return ``key=value`` of ``--key value`` and ``--key=value``."""
    overrides = []
    words = iter(rest)
    for word in words:
        key = word.removeprefix("--").partition("=")[0]
        if not word.startswith("--") or ("." not in key and key not in TOP_KEYS):
            own = [name for action in parser._actions for name in action.option_strings]
            parser.error(
                f"unknown option {word!r}; {nearest(word, own)}, and keys of the configuration, "
                "such as --trainer.max_epochs 2"
            )
        value = None if "=" in word else next(words, None)
        if "=" not in word and value is None:
            parser.error(f"option {word!r} needs a value")
        overrides.append(word[2:] if value is None else f"{word[2:]}={value}")
    return overrides


def _fit(options: argparse.Namespace, overrides: list[str]) -> tuple[dict[str, Any], str]:
    from .runs import fit

    recipe = _recipe(options, overrides)
    summary = fit(recipe, options.runs_dir)
    return (
        summary,
        f"{_accuracy(summary)}; weights: {summary['weights']}\nrun folder: {summary['run']}",
    )


def _evaluate(options: argparse.Namespace, overrides: list[str]) -> tuple[dict[str, Any], str]:
    from .runs import test_metrics

    model, recipe = _opened(options, overrides)
    metrics = test_metrics(model, recipe)
    return metrics, _accuracy(metrics)


def _predict(options: argparse.Namespace, overrides: list[str]) -> tuple[dict[str, Any], str]:
    from lit_mnist.data import prepare
    from lit_mnist.data.images import read_images

    from .training import class_probabilities

    model, recipe = _opened(options, overrides)
    images = read_images(
        options.images, recipe.data.dataset, recipe.data.root, recipe.spec.input_shape
    )
    pixels = prepare(recipe.data, network=recipe.spec).standardizer.apply(images.pixels)
    outputs = model.predict(pixels.reshape(-1, *recipe.spec.input_shape), verbose=0)
    probabilities = class_probabilities(recipe.spec, outputs)
    predictions = [
        {
            "image": name,
            "class": int(p.argmax()),
            "probability": float(p.max()),
            "probabilities": p.tolist(),
        }
        for name, p in zip(images.names, probabilities, strict=True)
    ]
    return {"predictions": predictions}, "\n".join(
        f"{p['image']}: {p['class']} ({p['probability']:.4f})" for p in predictions
    )


def _summary(options: argparse.Namespace, overrides: list[str]) -> tuple[dict[str, Any], str]:
    from .model import build_model

    spec = read_spec(read_config(_config(options), overrides))
    model = build_model(spec)
    layers = [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output_shape": list(layer.output.shape[1:]),
            "parameters": layer.count_params(),
        }
        for layer in model.layers
    ]
    lines = [
        f"{layer['name']:<16}{layer['type']:<24}"
        f"{layer['output_shape']!s:<18}{layer['parameters']:>10,}"
        for layer in layers
    ]
    lines.append(f"{'total':<58}{model.count_params():>10,}")
    return {"parameters": model.count_params(), "layers": layers, "framework": "keras"}, "\n".join(
        lines
    )


_COMMANDS = {"fit": _fit, "evaluate": _evaluate, "predict": _predict, "summary": _summary}


def _config(options: argparse.Namespace) -> Path:
    if options.config is None:
        raise RecipeError(
            f"{options.command} needs --config FILE, such as --config configs/cnn.yaml"
        )
    return options.config


def _recipe(options: argparse.Namespace, overrides: list[str]) -> Recipe:
    config = _config(options)
    return read_recipe(read_config(config, overrides), options.name or f"{config.stem}_keras")


def _opened(options: argparse.Namespace, overrides: list[str]) -> tuple[Any, Recipe]:
    from .runs import open_run

    if options.ckpt_path is None:
        raise RecipeError(f"{options.command} needs --ckpt_path, a run folder of keras_baseline")
    model, run = open_run(options.ckpt_path)
    return model, read_recipe(
        read_config(options.config or run / "config.yaml", overrides), run.parent.name
    )


def _accuracy(metrics: dict[str, Any]) -> str:
    return (
        f"test accuracy {100 * metrics['test/acc']:.2f} % ({metrics['test/correct']} of "
        f"{metrics['images']} {metrics['dataset']} images), loss {metrics['test/loss']:.4f}"
    )


if __name__ == "__main__":
    sys.exit(main())
