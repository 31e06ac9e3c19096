"""The command line: help, JSON on standard output alone, and errors of one message and exit code
2.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from lit_mnist.cli.commands import COMMANDS, TRAINING
from tests.conftest import ROOT, Run

CNN = ROOT / "configs" / "cnn.yaml"


def python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout


def test_one_help_lists_every_command(run_cli: Run) -> None:
    code, out, _ = run_cli("--help")
    assert code == 0 and all(f"  {name} " in out for name in (*TRAINING, *COMMANDS))


@pytest.mark.parametrize(
    "arguments", [["--help"], ["summary", "--config", "configs/cnn.yaml"]], ids=" ".join
)
def test_light_commands_import_neither_framework(arguments: list[str]) -> None:
    out = python(
        f"import sys; from lit_mnist.__main__ import main; main({arguments!r}); print([name for "
        "name in ('torch', 'tensorflow', 'lightning', 'matplotlib') if name in sys.modules])"
    )
    assert out.splitlines()[-1] == "[]"


def test_training_never_imports_tensorflow(tmp_path: Path) -> None:
    arguments = [
        "fit",
        "--config",
        str(CNN),
        "--data.dataset",
        "digits",
        "--trainer.max_epochs",
        "1",
        "--runs_dir",
        str(tmp_path),
    ]
    out = python(
        f"import sys; from lit_mnist.__main__ import main; code = main({arguments!r}); "
        "print(code, 'tensorflow' in sys.modules, 'torch' in sys.modules)"
    )
    assert out.splitlines()[-1] == "0 False True"


def test_every_command_has_help(run_cli: Run) -> None:
    for name in (*TRAINING, *COMMANDS):
        code, out, err = run_cli(name, "--help")
        assert code == 0 and "usage" in out and "--" in out, (name, err)


def test_every_command_is_a_function_of_its_name() -> None:
    import importlib

    for name in COMMANDS:
        function = getattr(importlib.import_module(f"lit_mnist.cli.commands.{name}"), name)
        assert function.__doc__ and "python -m lit_mnist" in function.__doc__, name


def test_print_config(run_cli: Run) -> None:
    code, out, _ = run_cli("fit", "--config", CNN, "--print_config")
    assert (
        code == 0
        and "class_path: lit_mnist.training.optimizers.RMSprop" in out
        and "momentum: 0.8" in out
    )


def test_json_is_all_there_is_on_standard_output(run_cli: Run) -> None:
    code, out, _ = run_cli("summary", "--config", CNN, "--json")
    result = json.loads(out)
    assert code == 0 and result["parameters"] == 208_982
    assert result["layers"][0] == result["layers"][0] | {
        "name": "Conv2D_1",
        "type": "conv",
        "output_shape": [26, 26, 32],
        "parameters": 320,
    }


def test_runs_are_listed(run_cli: Run, trained_run: Path) -> None:
    code, out, _ = run_cli("runs", "--runs_dir", trained_run.parent.parent, "--json")
    result = json.loads(out)["runs"]
    assert (
        code == 0
        and [entry["finished"] for entry in result] == [True]
        and result[0]["run"] == str(trained_run)
    )


def test_the_console_script_is_the_same_program() -> None:
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"lit-mnist": "lit_mnist.__main__:main"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fti"], ["'fti'", "did you mean 'fit'"]),
        (["fit", "--config", "nowhere.yaml"], ["nowhere.yaml", "no such file"]),
        (
            ["fit", "--config", CNN, "--data.batch_sise", "3"],
            ["batch_sise", "did you mean 'data.batch_size'"],
        ),
        (["fit", "--config", CNN, "--trainer.max_epoch", "3"], ["max_epoch", "max_epochs"]),
        (
            ["fit", "--config", CNN, "--data.batch_size", "abc"],
            ["batch_size", "abc", "whole number"],
        ),
        (["fit", "--config", CNN, "--data.batch_size", "0"], ["batch_size", "0", "above 0"]),
        (
            ["fit", "--config", CNN, "--data.standardize", "per_pixle"],
            ["'per_pixle'", "did you mean 'per_pixel'"],
        ),
        (["fit", "--config", CNN, "--data.dataset", "mnits"], ["'mnits'", "did you mean 'mnist'"]),
        (["fit", "--config", CNN, "--model.label_smoothing", "2"], ["label_smoothing", "2.0"]),
        (["fit", "--config", CNN, "--model.optimizer", "RMSpropp"], ["optimizer", "RMSpropp"]),
        (
            ["fit", "--config", CNN, "--model.initial_weights", "no.safetensors"],
            ["no.safetensors", "no such file"],
        ),
        (["fit", "--config", CNN, "--trainer.accelerator", "gpu_"], ["gpu_"]),
        (
            [
                "fit",
                "--config",
                CNN,
                "--data.root",
                "/nowhere",
                "--data.fallback",
                "null",
                "--data.download",
                "false",
            ],
            ["/nowhere", "--data.root", "digits"],
        ),
        (["test"], ["--ckpt_path", "run folder"]),
        (["test", "--ckpt_path", "nowhere.ckpt"], ["nowhere.ckpt", "no such"]),
        (["summary"], ["--config", "--ckpt_path"]),
        (["summary", "--confg", "x"], ["confg", "config"]),
        (["runs", "--runs_dir", "nowhere"], ["nowhere", "no such folder"]),
        (["fit"], ["--config", "configs/cnn.yaml"]),
        (["fit", "--config", CNN, "--name", "../up"], ["--name ../up", "without separators"]),
        (
            ["fit", "--config", CNN, "--recipe", "kears"],
            ["'kears'", "did you mean 'keras'", "torch"],
        ),
        (
            ["fit", "--config", CNN, "--trainer.precision", "bf61-mixed"],
            ["did you mean 'bf16-mixed'", "64"],
        ),
        (
            ["parity", "--config", CNN, "--dtype", "float16"],
            ["dtype = 'float16'", "Accepted: float64, float32"],
        ),
        (
            ["maximize", "--ckpt_path", "x", "--preset", "robst"],
            ["preset = 'robst'", "did you mean 'robust'", "source"],
        ),
    ],
)
def test_bad_input(run_cli: Run, in_tmp: Path, arguments: list, words: list[str]) -> None:
    code, out, err = run_cli(*arguments)
    assert code == 2 and not out, err
    message = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(message) == 1 and len(err.splitlines()) <= 5 and "Traceback" not in err, err
    assert all(word in message[0] for word in words), message[0]
    assert not list(in_tmp.iterdir()), "nothing may be written"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: [", ["bad.yaml"]),
        ("modle: {}", ["modle"]),
        (
            "model: {network: {layers: [{type: conv, name: A, filters: 2, kernel: 40}, {type: "
            "flatten, name: F}]}}",
            ["'A'", "(40, 40)"],
        ),
        (
            "model: {network: {layers: [{type: flatten, name: F}, {type: dense, name: D, units: "
            "3, actvation: relu}]}}",
            ["'D'", "'actvation'", "did you mean 'activation'"],
        ),
        ("model: {network: 3}", ["network", "3"]),
    ],
)
def test_bad_yaml(run_cli: Run, in_tmp: Path, text: str, words: list[str]) -> None:
    Path("bad.yaml").write_text(text)
    code, out, err = run_cli("fit", "--config", "bad.yaml", "--data.dataset", "digits")
    assert code == 2 and not out and "Traceback" not in err, err
    message = next(line for line in err.splitlines() if line.startswith("error: "))
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("option", "value", "old"),
    [
        ("--data.standardize", "unit", "per_pixel"),
        ("--model.label_smoothing", "0.3", "0.0"),
        ("--seed_everything", "5", "1"),
    ],
)
def test_what_contradicts_the_checkpoint_is_refused(
    run_cli: Run, trained_run: Path, option: str, value: str, old: str
) -> None:
    code, _, err = run_cli("test", "--ckpt_path", trained_run, option, value)
    assert code == 2 and "contradicts the checkpoint" in err and value in err and old in err, err


def test_what_agrees_with_the_checkpoint_is_accepted(run_cli: Run, trained_run: Path) -> None:
    code, _, err = run_cli(
        "test",
        "--ckpt_path",
        trained_run,
        "--config",
        CNN,
        "--data.standardize",
        "per_pixel",
        "--data.eval_batch_size",
        500,
        "--data.download",
        "false",
    )
    assert code == 0, err


def test_predict_takes_image_files(run_cli: Run, trained_run: Path, digits, tmp_path: Path) -> None:
    Image.fromarray(digits.test_images[0]).resize((90, 90)).save(tmp_path / "digit.png")
    code, out, err = run_cli(
        "predict", "--ckpt_path", trained_run, "--images", tmp_path / "digit.png", "--json"
    )
    assert code == 0, err
    entry = json.loads(out)["images"][0]
    assert (
        entry["label"] is None
        and 0 <= entry["predicted"] <= 9
        and len(entry["probabilities"]) == 10
    )
    code, out, err = run_cli(
        "predict", "--ckpt_path", trained_run, "--images", tmp_path / "none.png"
    )
    assert code == 1 and "none.png" in out, err
