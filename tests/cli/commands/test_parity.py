"""The parity command: its table and files, a planted fault, configurations that Keras does not
train, bad input.
"""

from __future__ import annotations

import importlib.util
import json
import math
from pathlib import Path

import numpy as np
import pytest

from lit_mnist.comparison.parity.checks import Check, absolute, moved
from lit_mnist.comparison.parity.page import page, record, rows, sentence, table
from tests.conftest import ROOT, Run

CONFIG = """
recipe: keras
seed_everything: 4
trainer: {max_epochs: 1}
model:
  network:
    layers:
      - {type: conv, name: Conv2D_1, filters: 4, kernel: 3, activation: relu}
      - {type: pool, name: Max_Pool_1, size: 4}
      - {type: flatten, name: Flatten}
      - {type: dense, name: Dense_1, units: 10, activation: softmax, l2: 0.001}
  optimizer: {class_path: lit_mnist.training.optimizers.RMSprop, init_args: {momentum: 0.8}}
data: {dataset: digits, batch_size: 64, standardize: unit}
"""
needs_keras = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow is not installed"
)
keras = [pytest.mark.keras, needs_keras]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def few_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the checks that do not depend on the configuration: they have tests of their
    own.
    """
    monkeypatch.setattr("lit_mnist.comparison.parity.rules.optimizer_rules", lambda: iter(()))
    monkeypatch.setattr("lit_mnist.comparison.parity.rules.schedule_rules", lambda: iter(()))


class TestPage:
    CHECKS = (
        absolute("maps", "Conv2D_1", np.ones(3), np.ones(3) + 1e-7, 1e-6),
        absolute("maps", "Conv2D_2", np.ones(3), np.ones(3) + 5e-7, 1e-6),
        moved("steps", "Dense_1/kernel", np.full(2, 1.5), np.full(2, 2.0), np.zeros(2), 1e-12),
        absolute("reported", "x", 3, 0, math.inf),
    )

    def test_a_row_holds_the_worst_of_its_kind(self) -> None:
        maps, steps, reported = rows(self.CHECKS)
        assert (maps.comparisons, maps.failed, maps.closest.part) == (2, 0, "Conv2D_2")
        assert (steps.failed, steps.absolute, steps.relative, steps.travelled) == (
            1,
            0.5,
            0.25,
            0.25,
        )
        assert reported.failed == 0 and reported.travelled is None

    def test_what_failed_is_named_everywhere(self) -> None:
        result = rows(self.CHECKS)
        assert (
            sentence(result) == "FAILED, 1 of 3 kinds of check: steps (Dense_1/kernel: 0.5 > 1e-12)"
        )
        assert "FAILED (1)" in table(result) and "# Parity with Keras: FAILED" in page(
            result, ["about"]
        )
        plain = record(result, self.CHECKS)
        assert not plain["passed"] and [row["passed"] for row in plain["table"]] == [
            True,
            False,
            True,
        ]

    def test_of_what_is_only_reported_the_largest_counts(self) -> None:
        checks = [
            absolute("reported", part, error, 0, math.inf)
            for part, error in (("a", 1), ("b", 3), ("c", 2))
        ]
        assert rows(checks)[0].closest.part == "b"

    def test_nan_fails(self) -> None:
        check = absolute("maps", "Conv2D_1", np.array([math.nan]), np.ones(1), math.inf)
        assert rows([check])[0].failed == 1 and math.isnan(rows([*self.CHECKS, check])[0].absolute)

    def test_what_passed_is_said_to_have(self) -> None:
        assert (
            sentence(rows(self.CHECKS[:2]))
            == "all 2 comparisons of 1 kinds are within their limits"
        )


class TestCommand:
    pytestmark = keras

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_equal(
        self, config: Path, tmp_path: Path, run_cli: Run, few_rules: None, dtype: str
    ) -> None:
        out = tmp_path / "out"
        code, text, err = run_cli(
            "parity", "--config", config, "--dtype", dtype, "--steps", 3, "--out", out
        )
        assert code == 0, err
        assert text.strip().splitlines()[-1].endswith("are within their limits")
        result = json.loads((out / "parity.json").read_text())
        steps = "trajectory" if dtype == "float64" else "teacher-forced"
        assert {"structure", "forward", "gradient", "schedule", steps, "round trip"} <= {
            c["name"] for c in result["checks"]
        }
        assert result["passed"] and result["comparisons"] == len(result["checks"])
        assert "# Parity with Keras: passed" in (out / "parity.md").read_text()
        assert "gradient" in err and all(Path(name).is_file() for name in result["files"])

    def test_the_rules_are_among_the_checks(
        self, config: Path, tmp_path: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = Check("rule of Adam", "defaults", 1.0, 1e-14, absolute("", "", 1, 0, 0).difference)
        monkeypatch.setattr(
            "lit_mnist.comparison.parity.rules.optimizer_rules", lambda: iter([broken])
        )
        monkeypatch.setattr("lit_mnist.comparison.parity.rules.schedule_rules", lambda: iter(()))
        code, text, _ = run_cli("parity", "--config", config, "--steps", 1, "--out", tmp_path)
        assert code == 1 and "rule of Adam (defaults" in text.splitlines()[-1]

    def test_a_planted_fault_is_named(
        self,
        config: Path,
        tmp_path: Path,
        run_cli: Run,
        few_rules: None,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from lit_mnist.comparison.parity import torch_side as ours
        from lit_mnist.training.losses import penalty

        def halved(network: object, rule: object = penalty) -> object:
            return rule(network) / 2

        original = ours.build_torch_side
        monkeypatch.setattr(
            "lit_mnist.comparison.parity.levels.build_torch_side",
            lambda *args: setattr((side := original(*args)).step, "penalty", halved) or side,
        )
        code, text, err = run_cli(
            "parity", "--config", config, "--steps", 2, "--out", tmp_path, "--json"
        )
        result = json.loads(text)
        failed = {row["name"] for row in result["table"] if not row["passed"]}
        assert code == 1 and not result["passed"]
        assert {"loss", "gradient", "trajectory"} <= failed and not {
            "structure",
            "forward",
        } & failed
        assert "FAILED" in err.splitlines()[-1] and "loss" in err.splitlines()[-1]

    def test_without_training_where_keras_cannot(self, tmp_path: Path, run_cli: Run) -> None:
        config = ROOT / "configs" / "cnn_best.yaml"
        code, text, err = run_cli(
            "parity",
            "--config",
            config,
            "--options",
            "data.dataset=digits",
            "--out",
            tmp_path,
            "--json",
        )
        assert code == 0, err
        result = json.loads(text)
        assert (
            "Keras does not train this configuration" in result["about"][-1]
            and result["about"][-1] in err
        )
        names = {row["name"] for row in result["table"]}
        assert {"structure", "forward", "probabilities", "round trip"} <= names
        assert not {"gradient", "loss", "schedule", "trajectory", "rule of Adam"} & names

    def test_the_floor(self, config: Path, tmp_path: Path, run_cli: Run, few_rules: None) -> None:
        code, _, err = run_cli(
            "parity",
            "--config",
            config,
            "--dtype",
            "float32",
            "--steps",
            3,
            "--floor",
            "--out",
            tmp_path,
        )
        assert code == 0, err
        floor = {
            row["name"]: row["pairs"]
            for row in json.loads((tmp_path / "parity.json").read_text())["floor"]
        }
        assert {"maps", "gradient", "one step", "free run, step 3"} <= set(floor)
        for pair in (
            "ours and Keras",
            "Keras again and Keras",
            "ours and float64",
            "Keras and float64",
        ):
            assert floor["one step"][pair]["error"] < 3e-7, pair
        assert floor["one step"]["ours and float64"]["error"] > 0
        assert "| one step |" in (tmp_path / "parity.md").read_text()

    def test_the_floor_in_float64(
        self, config: Path, tmp_path: Path, run_cli: Run, few_rules: None
    ) -> None:
        code, text, err = run_cli(
            "parity", "--config", config, "--steps", 2, "--floor", "--out", tmp_path, "--json"
        )
        assert code == 0, err
        floor = {row["name"]: row["pairs"] for row in json.loads(text)["floor"]}
        assert set(floor["free run, step 2"]) == {"ours and Keras", "Keras again and Keras"}
        assert all(pair["error"] < 1e-14 for pair in floor["free run, loss by step"].values())

    @pytest.mark.parametrize(
        ("argv", "words"),
        [
            (["--steps", "0"], ["--steps 0", "1 or more"]),
            (["--dtype", "float16"], ["float16", "float64", "float32"]),
            (["--seed", "-1"], ["--seed -1"]),
            (["--options", "digits"], ["--options digits", "key=value"]),
            (["--options", "data.dataset=mnits"], ["mnits", "mnist"]),
            (["--options", "model.label_smoothing=0.1"], ["model.label_smoothing"]),
            (["--options", "recipe.x=1"], ["recipe"]),
        ],
    )
    def test_bad_input(
        self, config: Path, tmp_path: Path, run_cli: Run, argv: list[str], words: list[str]
    ) -> None:
        code, text, err = run_cli("parity", "--config", config, "--out", tmp_path / "out", *argv)
        assert code == 2 and not text and not (tmp_path / "out").exists()
        assert all(word in err for word in words) and len(err.strip().splitlines()) == 1, err

    @pytest.mark.parametrize("option", [["--steps", "5"], ["--floor"]])
    def test_steps_of_what_keras_cannot_train(
        self, option: list[str], tmp_path: Path, run_cli: Run
    ) -> None:
        code, _, err = run_cli(
            "parity",
            "--config",
            ROOT / "configs" / "cnn_best.yaml",
            "--options",
            "data.dataset=digits",
            "--out",
            tmp_path,
            *option,
        )
        assert code == 2 and option[0] in err and "recipe: keras" in err

    def test_no_such_configuration(self, run_cli: Run) -> None:
        code, _, err = run_cli("parity", "--config", "nowhere.yaml")
        assert code == 2 and "nowhere.yaml" in err


def test_without_keras(config: Path, run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    code, _, err = run_cli("parity", "--config", config)
    assert code == 2 and "install" in err and len(err.strip().splitlines()) == 1
