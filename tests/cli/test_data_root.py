"""Where data lie, for every command: the given root, the run's own where it exists,
$LIT_MNIST_DATA, the cache.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_mnist.cli.parser import without_training_options
from lit_mnist.data import DataOptions, Dataset, load_dataset
from lit_mnist.runs.checkpoint import read_checkpoint, write_checkpoint
from lit_mnist.runs.model import open_model
from tests.conftest import Run

COMMANDS = {
    "features": ["--layer", "Dense_2"],
    "top_images": ["--part", "test", "--k", 1],
    "activation_stats": ["--attempts", 1],
    "explain": ["--images", "test:1", "--methods", "saliency", "--verdict_digits", 0],
    "test": [],
    "predict": ["--images", "test:1"],
    "journey": [],
}


@pytest.fixture
def places(trained_run: Path, in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A checkpoint of the default run that was trained on KMNIST under `own`; the roots that are
    asked for.
    """
    content = read_checkpoint(trained_run / "checkpoints" / "best.ckpt")
    content["lit_mnist"]["dataset"] = content["lit_mnist"]["config"]["data"]["dataset"] = "kmnist"
    content["lit_mnist"]["config"]["data"]["root"] = "own"
    write_checkpoint(in_tmp / "run.ckpt", content)
    digits, asked = load_dataset("digits"), []

    def official(options: DataOptions) -> Dataset:  # stands in for the reader of IDX files
        asked.append(str(options.root))
        return digits

    monkeypatch.setattr("lit_mnist.data.sources.mnist.load", official)
    return asked


@pytest.mark.parametrize("command", COMMANDS)
def test_one_rule(command: str, places: list[str], run_cli: Run) -> None:
    for own, given, root in (
        (False, [], "None"),
        (True, [], "own"),
        (True, ["--data.root", "given"], "given"),
    ):
        if own:
            Path("own").mkdir(exist_ok=True)
        places.clear()
        code, _, err = run_cli(command, "--ckpt_path", "run.ckpt", *COMMANDS[command], *given)
        assert code == 0, err
        assert places and set(places) == {root}, (own, given, places)


def test_the_default_run_knows_its_root(places: list[str]) -> None:
    assert open_model("run.ckpt").data_root is None
    Path("own").mkdir()
    assert open_model("run.ckpt").data_root == Path("own")
    assert open_model("run.ckpt", root="given").data_root == Path("given")


def test_only_ways_out_that_the_command_has(trained_run: Path, in_tmp: Path, run_cli: Run) -> None:
    content = read_checkpoint(trained_run / "checkpoints" / "best.ckpt")
    content["lit_mnist"]["dataset"] = "kmnist"
    write_checkpoint(in_tmp / "run.ckpt", content)
    code, _, err = run_cli("features", "--ckpt_path", "run.ckpt", "--data_root", "nowhere")
    assert (
        code == 2
        and "--data.root" in err
        and "--data.fallback" not in err
        and "--data.mirror" not in err
    ), err
    assert (
        without_training_options("a (--data.root, $X), or b (--data.fallback digits); c")
        == "a (--data.root, $X); c"
    )
