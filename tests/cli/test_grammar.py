"""One grammar for all commands: numbers, folders for results, older forms, and examples that
run.
"""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lit_mnist.cli.commands import COMMANDS
from lit_mnist.cli.numbers import read_numbers
from lit_mnist.cli.parser import call
from lit_mnist.errors import UserError
from lit_mnist.outcome import Outcome
from tests.conftest import ROOT, Run

LONG = {
    "parity": "minutes, and Keras",
    "compare": "hours, and Keras",
    "sweep": "hours, and Optuna",
}
# the examples at their full size take minutes; these options leave their form alone
SHORT = {
    "maximize": ["--steps", "2", "--restarts", "1", "--compare", "false"],
    "style": ["--steps", "2", "--snapshots", "2"],
    "explain": ["--methods", "saliency", "--verdict_digits", "0"],
    "activation_stats": ["--attempts", "5"],
    "top_images": ["--part", "test"],
    "clusters": ["--k", "3", "5", "--dataset", "digits", "--n_init", "1", "--sample", "200"],
    "card": ["--leave_out", "own", "turned"],
    "report": ["--leave_out", "preferred", "attributions", "top_images", "filters"],
}


def function(command: str) -> Callable:
    return getattr(importlib.import_module(f"lit_mnist.cli.commands.{command}"), command)


def example(command: str) -> list[str]:
    """The words of a command's example, without ``python -m lit_mnist``."""
    documentation = inspect.getdoc(function(command))
    return shlex.split(
        re.search(r"(?s)Example: python -m lit_mnist (.+?)(\n\n|\Z)", documentation)[1]
    )


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in LONG])
def test_examples_run(
    command: str, run_cli: Run, trained_run: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("runs").mkdir()
    for name in ("cnn", "fashion_cnn"):
        Path("runs", name).mkdir()
        Path("runs", name, "version_0").symlink_to(trained_run)
    Path("configs").symlink_to(ROOT / "configs")
    Image.new("L", (28, 28)).save("black.png")
    Image.effect_mandelbrot((60, 60), (-2, -2, 2, 2), 20).save("digit.png")
    if command == "convert":
        from lit_mnist.cli.commands.convert import convert

        convert("runs/cnn/version_0", "model.h5")
    words = [word for word in example(command) if word != "--verify"]
    code, out, err = run_cli(*words, *SHORT.get(command, []))
    assert code == 0 and out.strip(), err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        call(command, function(command), ["--help"])
    text = capsys.readouterr().out
    options = re.findall(r"^  (?:-h, )?--(\w+).*?(?:  |\n) *(\S)", text, re.M)
    assert {name for name, _ in options} >= set(inspect.signature(function(command)).parameters)
    assert [name for name, begin in options if begin == "("] == []


@pytest.mark.parametrize("command", LONG)
def test_examples_that_take_long_are_understood(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = function(command)
    called = []

    def stand_in(**settings: object) -> Outcome:
        inspect.signature(real).bind(**settings)
        called.append(settings)
        return Outcome({}, "")

    stand_in.__signature__ = inspect.signature(real, eval_str=False)
    stand_in.__annotations__, stand_in.__doc__ = real.__annotations__, real.__doc__
    call(command, stand_in, example(command)[1:])
    assert called and Path(called[0]["config"]).parent == Path("configs")


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        (None, None),
        (["all"], None),
        (["3", "17"], [3, 17]),
        (["0-2", "9"], [0, 1, 2, 9]),
        (["3,17"], [3, 17]),
    ],
)
def test_numbers(
    words: list[str] | None, numbers: list[int] | None, capsys: pytest.CaptureFixture
) -> None:
    assert read_numbers(words, 20, "maps") == numbers
    assert ("--maps 3 17" in capsys.readouterr().err) == (words == ["3,17"])


@pytest.mark.parametrize("words", [["20"], ["3", "3"], ["x"], ["5-3"], ["-1"], ["0-20"], [""]])
def test_numbers_that_cannot_be(words: list[str]) -> None:
    with pytest.raises(
        UserError, match=r"--maps .* of layer 'A': cannot work; accepted: all, or .* 0 to 19"
    ):
        read_numbers(words, 20, "maps", "of layer 'A'")


def test_the_older_option_works_with_a_note(
    run_cli: Run, trained_run: Path, tmp_path: Path
) -> None:
    code, out, err = run_cli(
        "filters",
        "--ckpt_path",
        trained_run,
        "--layer",
        "Conv2D_2",
        "--map",
        "3",
        "--out",
        tmp_path,
    )
    assert code == 0 and "note: --map is now --maps" in err
    assert (tmp_path / "filters_Conv2D_2_map3.png").is_file()


@pytest.mark.parametrize("command", COMMANDS)
def test_results_lie_in_a_folder_of_the_commands_name(command: str) -> None:
    parameters = inspect.signature(function(command)).parameters
    if "out" in parameters and command not in ("convert", "report", "live", "sweep"):
        assert parameters["out"].default == f"out/{command}"
