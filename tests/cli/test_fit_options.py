"""fit's options: flags anywhere, layers by name, the user's callbacks, and what is refused before
training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lit_mnist.files import read_yaml
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.monitors import metric_names
from tests.conftest import ROOT, Run
from tests.forked import CONFIG

LIGHTNING = "lightning.pytorch.callbacks."
SGD = "lit_mnist.training.optimizers.SGD"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A small network on the embedded digits."""
    path = tmp_path / "tiny.yaml"
    path.write_text(CONFIG)
    return path


def printed(run_cli: Run, *arguments: object) -> dict:
    """Return the configuration that ``--print_config`` shows."""
    code, out, err = run_cli("fit", *arguments, "--print_config")
    assert code == 0, err
    return yaml.safe_load(out)


def fit(run_cli: Run, config: Path, *options: object) -> tuple[int, str, str]:
    arguments = [
        "--config",
        config,
        "--runs_dir",
        config.parent / "runs",
        "--trainer.max_epochs",
        1,
    ]
    return run_cli("fit", *arguments, *options)


def refusal(result: tuple[int, str, str], config: Path) -> str:
    """Return the message of a refused fit; it leaves nothing behind."""
    code, out, err = result
    assert code == 2 and not out and "Traceback" not in err, err
    assert not (config.parent / "runs").exists(), "nothing may be written"
    return next(line for line in err.splitlines() if line.startswith("error: "))


# ---- the order of flags, and layers by name


@pytest.mark.parametrize("form", [["-c", None], ["--config=", ""]], ids=["-c", "="])
def test_flags_win_wherever_they_stand(run_cli: Run, config: Path, form: list) -> None:
    words = [f"{form[0]}{config}"] if form[1] == "" else [form[0], config]
    result = printed(
        run_cli,
        "--data.batch_size",
        77,
        f"--model.optimizer={SGD}",
        *words,
        "--trainer.max_epochs",
        9,
    )
    assert (result["data"]["batch_size"], result["trainer"]["max_epochs"]) == (77, 9)
    assert result["model"]["optimizer"]["class_path"] == SGD


def test_a_layers_value_is_set_by_its_name(run_cli: Run, config: Path) -> None:
    flags = [
        "--model.network.layers.Conv2D_1.filters",
        8,
        "--model.network.layers.Dense_1.l2=0.5",
        "--model.network.layers.Conv2D_1.kernel",
        "[5, 3]",
    ]
    network = printed(run_cli, *flags, "--config", config)["model"]["network"]
    layers = {layer["name"]: layer for layer in network["layers"]}
    assert (
        layers["Conv2D_1"]["filters"],
        layers["Conv2D_1"]["kernel"],
        layers["Dense_1"]["l2"],
    ) == (8, [5, 3], 0.5)
    assert layers["Max_Pool_1"] == {"type": "pool", "name": "Max_Pool_1", "size": 4}


def test_the_baseline_takes_the_same_flags(config: Path) -> None:
    from keras_baseline.recipe import read_config, read_spec

    spec = read_spec(read_config(config, ["model.network.layers.Conv2D_1.filters=8"]))
    assert spec["Conv2D_1"].output_shape[-1] == 8


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--model.network.layers.Conv2D_2.filters", 8],
            ["'Conv2D_2'", "did you mean 'Conv2D_1'", "Max_Pool_1"],
        ),
        (
            ["--model.network.layers.Conv2D_1.filtres", 8],
            ["'filtres'", "did you mean 'filters'", "kernel"],
        ),
        (["--model.network.layers.Conv2D_1.filters", "many"], ["'Conv2D_1'", "'many'"]),
        (["--model.network.layers.Conv2D_1", 8], ["LAYER.KEY VALUE"]),
        (["--model.network.layers.Conv2D_1.filters"], ["has no value"]),
    ],
)
def test_a_layers_value_that_cannot_be_set(
    run_cli: Run, config: Path, flags: list, words: list[str]
) -> None:
    message = refusal(fit(run_cli, config, *flags), config)
    assert all(word in message for word in words), message


def test_a_layers_value_without_a_network(run_cli: Run, in_tmp: Path) -> None:
    code, _, err = run_cli("fit", "--model.network.layers.Conv2D_1.filters", 8)
    assert code == 2 and "--config" in err and "Traceback" not in err


# ---- the user's callbacks


def test_the_users_callbacks_work_beside_ours(run_cli: Run, config: Path) -> None:
    callbacks = [
        {
            "class_path": f"{LIGHTNING}ModelCheckpoint",
            "init_args": {"filename": "{step}", "every_n_train_steps": 40, "save_top_k": -1},
        },
        {
            "class_path": f"{LIGHTNING}ModelCheckpoint",
            "init_args": {"save_last": True, "monitor": "train/loss"},
        },
        {"class_path": f"{LIGHTNING}TQDMProgressBar"},
    ]
    with_them = config.with_name("with.yaml")
    with_them.write_text(
        yaml.safe_dump(yaml.safe_load(CONFIG) | {"trainer": {"callbacks": callbacks}})
    )
    code, out, err = fit(run_cli, with_them, "--json")
    assert code == 0, err
    summary = json.loads(out)
    names = {path.name for path in (Path(summary["run"]) / "checkpoints").iterdir()}
    assert {"last.ckpt", "best.ckpt"} < names, names
    steps = {
        int(name.removeprefix("step=").removesuffix(".ckpt"))
        for name in names
        if name.startswith("step=")
    }
    assert steps == set(range(40, summary["steps"] + 1, 40)), (
        "blocks of 25 steps must end where it saves"
    )
    assert any(name.startswith("epoch=0") for name in names), names


def test_a_checkpoint_callback_hinders_no_other_command(
    run_cli: Run, config: Path, trained_run: Path
) -> None:
    extra = config.with_name("extra.yaml")
    extra.write_text(
        yaml.safe_dump({"trainer": {"callbacks": [{"class_path": f"{LIGHTNING}ModelCheckpoint"}]}})
    )
    code, _, err = run_cli("test", "--config", extra, "--ckpt_path", trained_run)
    assert code == 0, err


# ---- refused before training


@pytest.mark.parametrize(
    ("callback", "arguments", "words"),
    [
        (
            "EarlyStopping",
            {"monitor": "val_loss"},
            ["EarlyStopping", "'val_loss'", "did you mean 'val/loss'", "train/acc"],
        ),
        ("ModelCheckpoint", {"monitor": "val_acc"}, ["ModelCheckpoint", "did you mean 'val/acc'"]),
        (
            "StochasticWeightAveraging",
            {"swa_lrs": 0.1},
            ["StochasticWeightAveraging", "model.average_decay"],
        ),
        ("EMAWeightAveraging", {}, ["EMAWeightAveraging", "model.average_decay"]),
        ("LearningRateFinder", {}, ["LearningRateFinder", "automatic optimisation"]),
        ("BatchSizeFinder", {}, ["BatchSizeFinder", "data.batch_size"]),
        (
            "GradientAccumulationScheduler",
            {"scheduling": {0: 2}},
            ["GradientAccumulationScheduler"],
        ),
        ("ThroughputMonitor", {"batch_size_fn": "builtins.len"}, ["ThroughputMonitor"]),
    ],
)
def test_callbacks_that_cannot_work(
    run_cli: Run, config: Path, callback: str, arguments: dict, words: list[str]
) -> None:
    entry = {"class_path": LIGHTNING + callback, "init_args": arguments}
    message = refusal(fit(run_cli, config, f"--trainer.callbacks={json.dumps([entry])}"), config)
    assert all(word in message for word in words), message


def test_a_monitor_of_validation_without_validation(run_cli: Run, config: Path) -> None:
    entry = {"class_path": f"{LIGHTNING}EarlyStopping", "init_args": {"monitor": "val/loss"}}
    message = refusal(
        fit(
            run_cli,
            config,
            f"--trainer.callbacks={json.dumps([entry])}",
            "--data.validate_on",
            "none",
        ),
        config,
    )
    assert "'val/loss'" in message and "train/loss" in message


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("max_epochs", 0, ["trainer.max_epochs = 0"]),
        ("max_steps", 0, ["trainer.max_steps = 0"]),
        ("limit_train_batches", 0, ["trainer.limit_train_batches = 0"]),
    ],
)
def test_trainings_of_nothing(
    run_cli: Run, config: Path, option: str, value: int, words: list[str]
) -> None:
    message = refusal(fit(run_cli, config, f"--trainer.{option}", value), config)
    assert all(word in message for word in words), message


def test_processes_that_cannot_hand_back_their_network(run_cli: Run, config: Path) -> None:
    options = [
        "--trainer.strategy",
        "ddp_spawn",
        "--trainer.devices",
        2,
        "--trainer.accelerator",
        "cpu",
    ]
    message = refusal(fit(run_cli, config, *options), config)
    assert "trainer.strategy" in message and "accepted: ddp" in message


def test_every_monitor_that_is_named_exists(
    run_cli: Run, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are listed before training: here they are compared with what a training logs."""
    logged = tmp_path / "logged.json"
    (tmp_path / "collector.py").write_text(
        "import json, pathlib\nfrom lightning.pytorch.callbacks import EarlyStopping\nclass "
        "Collector(EarlyStopping):\n    def on_train_epoch_end(self, trainer, module):\n        "
        f"pathlib.Path({str(logged)!r}).write_text(json.dumps([*trainer.callback_metrics]))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    entry = {"class_path": "collector.Collector", "init_args": {"monitor": "a_metric_of_their_own"}}
    code, _, err = fit(run_cli, config, f"--trainer.callbacks={json.dumps([entry])}")
    monkeypatch.delitem(sys.modules, "collector")
    assert code == 0, err
    model = LitClassifier(yaml.safe_load(CONFIG)["model"]["network"])
    assert sorted(json.loads(logged.read_text())) == sorted(
        metric_names(model.spec, validated=True)
    )


# ---- the profiler's report, and a locale without umlauts


def test_the_profiler_reports_and_a_locale_loses_nothing(config: Path) -> None:
    """In a process of its own with an ASCII locale: umlauts in the YAML, which is read and kept as
    UTF-8.
    """
    config.write_text(
        "# für Müller\n" + CONFIG.replace("dataset: digits", "dataset: digits, root: /für/Müller"),
        encoding="utf-8",
    )
    environment = os.environ | {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONPATH": str(ROOT),
    }
    arguments = [
        "fit",
        "--config",
        config,
        "--runs_dir",
        config.parent / "runs",
        "--trainer.max_epochs",
        1,
        "--trainer.profiler",
        "simple",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "lit_mnist", *map(str, arguments)],
        env=environment,
        capture_output=True,
    )
    errors = done.stderr.decode("ascii")
    assert done.returncode == 0, errors
    assert "FIT Profiler Report" in errors and "TEST Profiler Report" in errors
    kept = read_yaml(config.parent / "runs" / "tiny" / "version_0" / "config.yaml")
    assert kept["data"]["root"] == "/für/Müller"


def test_no_result_is_lost_in_ascii() -> None:
    code = (
        "import sys; from lit_mnist.cli import program; from lit_mnist.outcome import Outcome; "
        "program._function = lambda *_: Outcome({}, 'accuracy \u2013 or so'); "
        "sys.exit(program.main(['runs']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (0, b"accuracy \\u2013 or so\n"), done.stderr
