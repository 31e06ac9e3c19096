"""Networks with one unit, which stands for two classes, in the commands that look inside."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_mnist.runs.model import save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import Run
from tests.networks import model_of

COMMANDS = {
    "features": ["--images", "test:1"],
    "journey": ["--layer", "C"],
    "filters": [],
    "top_images": ["--part", "test", "--k", 2],
    "activation_stats": ["--attempts", 2],
    "maximize": ["--classes", "all", "--steps", 2, "--restarts", 1, "--compare", "false"],
    "explain": ["--images", "test:1", "--methods", "saliency", "--verdict_digits", 0],
    "report": ["--steps", 2, "--images", "test:1", "--leave_out", "attributions"],
    "predict": ["--images", "test:1"],
}


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_traceback(command: str, activation: str, run_cli: Run, in_tmp: Path) -> None:
    """Its data set has ten classes, so a label may lie beyond its two: an answer, or one clear
    error.
    """
    layers = [
        {"type": "conv", "name": "C", "filters": 3, "kernel": 3, "stride": 2, "activation": "relu"},
        {"type": "flatten", "name": "F"},
        {"type": "dense", "name": "D", "units": 1, "activation": activation},
    ]
    save_model(model_of(NetworkSpec.from_dict({"layers": layers})), Path("one.ckpt"))
    code, out, err = run_cli(command, "--ckpt_path", "one.ckpt", *COMMANDS[command])
    if command == "explain":  # judged against its data set, whose classes it does not have
        assert code == 2 and "one unit, for 2 classes" in err, err
    else:
        assert code == 0 and out, err
