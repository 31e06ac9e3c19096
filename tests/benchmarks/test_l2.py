"""The study of L2 from finished runs: Lambda2 as the source counts it, means over seeds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import l2

CONFIG = """\
model:
  network:
    layers:
      - {type: flatten, name: Flatten}
      - {type: dense, name: Dense_1, units: 70, activation: sigmoid, l2: FACTOR}
"""
METRICS = """\
step,lr,train/penalty_share
100,5.0,
120,5.0,0.25
240,5.0,0.625
"""


def finished_run(folder: Path, factor: str, seed: int, test: float) -> Path:
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG.replace("FACTOR", factor), encoding="utf-8")
    summary = {"seed": seed, "train/acc": 0.99, "test/acc": test}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    (folder / "metrics.csv").write_text(METRICS, encoding="utf-8")
    return folder


def test_a_table_and_a_picture_of_all_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        finished_run(tmp_path / "a", "2e-05", 2, 0.975),
        finished_run(tmp_path / "b", "1e-06", 1, 0.965),
        finished_run(tmp_path / "c", "2e-05", 1, 0.973),
    ]
    assert l2.main([*map(str, runs), "--out", str(tmp_path)]) == 0
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in capsys.readouterr().out.splitlines()
    ]
    assert [row[:5] for row in rows[2:]] == [
        ["0.01", "1", "0.9900", "0.9650", "1: 0.9650"],
        ["0.2", "2", "0.9900", "0.9740", "1: 0.9730, 2: 0.9750"],
    ]
    assert [row[-1] for row in rows[2:]] == ["62 %", "62 %"]
    assert (tmp_path / "l2.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert l2.main([str(tmp_path / "absent")]) == 2
    assert "absent" in capsys.readouterr().err
