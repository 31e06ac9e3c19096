"""The command live: where its page goes, and networks and places that it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lit_mnist.runs.model import save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import Run
from tests.networks import model_of, tiny_model


@pytest.fixture
def checkpoint(in_tmp: Path) -> Path:
    save_model(tiny_model(), in_tmp / "tiny.ckpt")
    return in_tmp / "tiny.ckpt"


@pytest.mark.parametrize(
    ("out", "path"),
    [(None, "out/live/live.html"), ("a/b", "a/b/live.html"), ("c.html", "c.html")],
)
def test_where_the_page_goes(
    checkpoint: Path, run_cli: Run, in_tmp: Path, out: str | None, path: str
) -> None:
    options = ["--out", out] if out else []
    code, text, err = run_cli("live", "--ckpt_path", checkpoint, "--json", *options)
    assert code == 0, err
    record = json.loads(text)
    assert record["files"] == [path] and record["bytes"] == (in_tmp / path).stat().st_size
    assert record["bytes"] < 500_000


@pytest.mark.parametrize(
    ("shape", "filters", "problem"),
    [([8, 8, 2], 4, "2 channels"), ([128, 128, 1], 512, "multiply-accumulates")],
)
def test_networks_that_no_page_runs(
    in_tmp: Path, run_cli: Run, shape: list[int], filters: int, problem: str
) -> None:
    layers = [
        {"type": "conv", "name": "Conv", "filters": filters, "kernel": 7, "padding": "same"},
        {"type": "global_pool", "name": "Mean"},
    ]
    spec = NetworkSpec.from_dict({"input_shape": shape, "layers": layers})
    save_model(model_of(spec), in_tmp / "net.ckpt")
    code, out, err = run_cli("live", "--ckpt_path", in_tmp / "net.ckpt")
    assert code == 2 and not out and problem in err and "accepted" in err
    assert not (in_tmp / "out").exists()


def test_a_folder_that_cannot_be_written(checkpoint: Path, run_cli: Run, in_tmp: Path) -> None:
    (in_tmp / "file").write_text("")
    code, out, err = run_cli("live", "--ckpt_path", checkpoint, "--out", in_tmp / "file" / "a.html")
    assert code == 2 and not out and "cannot be written" in err
