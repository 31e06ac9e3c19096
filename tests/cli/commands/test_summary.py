"""The layer table of a network that branches, its drawing, and its outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import CONFIGS, Run

BRANCHED = """
model:
  network:
    input_shape: [12, 12, 1]
    layers:
      - {type: conv, name: Conv2D_1, filters: 4, padding: same}
      - {type: conv, name: Conv2D_2, filters: 4, padding: same}
      - {type: add, name: Add_1, inputs: [Conv2D_1, Conv2D_2]}
      - {type: global_pool, name: Global}
      - {type: dense, name: Classes, units: 10, activation: softmax}
      - {type: dense, name: Side, units: 2, activation: sigmoid, inputs: [Global]}
    outputs: [Classes, Side]
"""


@pytest.fixture
def branched(tmp_path: Path) -> Path:
    path = tmp_path / "branched.yaml"
    path.write_text(BRANCHED)
    return path


def test_inputs_have_a_column_where_a_network_branches(branched: Path, run_cli: Run) -> None:
    code, out, _ = run_cli("summary", "--config", branched)
    assert code == 0
    head, row = (
        out.splitlines()[0],
        next(line for line in out.splitlines() if line.startswith("Add_1")),
    )
    assert head.endswith("inputs") and row.endswith("Conv2D_1, Conv2D_2")
    _, chain, _ = run_cli("summary", "--config", CONFIGS[0])
    assert "inputs" not in chain.splitlines()[0]


def test_drawn_as_svg(branched: Path, tmp_path: Path, run_cli: Run) -> None:
    picture = tmp_path / "net.svg"
    code, out, _ = run_cli("summary", "--config", branched, "--draw", picture, "--json")
    assert code == 0 and json.loads(out)["drawn"] == str(picture)
    assert picture.read_text().startswith("<svg") and "Conv2D_2" in picture.read_text()
    code, _, err = run_cli("summary", "--config", branched, "--draw", tmp_path / "net.png")
    assert code == 2 and "net.png" in err and ".svg" in err
    assert not (tmp_path / "net.png").exists()


def test_another_output_gives_the_answer(branched: Path, run_cli: Run) -> None:
    for argv, outputs in (([], ["Classes", "Side"]), (["--output", "Side"], ["Side", "Classes"])):
        code, out, _ = run_cli("summary", "--config", branched, *argv, "--json")
        assert code == 0 and json.loads(out)["outputs"] == outputs
    code, _, err = run_cli("summary", "--config", branched, "--output", "Sides")
    assert code == 2 and "did you mean 'Side'" in err
