"""The page of measurements: goals beside measured values, nothing claimed that was not
measured.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import performance
from benchmarks.measure import Report, Timing, conditions, write


def written(folder: Path, ratio: float) -> None:
    rows = [
        {
            "case": "ours, float32",
            "time": Timing((1.0, 2.0, 3.0)),
            "over Keras": ratio,
            "share of peak": "unknown",
        }
    ]
    write(
        "train",
        Report("Training", rows, "Few steps.", 3),
        conditions(),
        f"python -m x --out {folder}",
        folder,
    )


@pytest.mark.parametrize(("ratio", "verdict"), [(0.78, "met"), (0.781, "missed")])
def test_goals_stand_beside_measured_values(tmp_path: Path, ratio: float, verdict: str) -> None:
    written(tmp_path, ratio)
    page = performance.page(tmp_path)
    assert f"| time of ours, float32, over Keras | <= 0.78 | {ratio:.3g} | {verdict} |" in page
    assert "## Training" in page and "Again: `python -m x`" in page
    assert (
        "over a bare loop" not in page and "peak" not in page.split("## Training")[0]
    )  # not measured, not claimed


def test_at_least_and_at_most() -> None:
    least, most = (performance.Goal("", 2.0, "", "", "", least) for least in (True, False))
    assert least.met(2.1) and not least.met(1.9) and most.met(1.9) and not most.met(2.1)


@pytest.mark.parametrize("content", [None, "{", json.dumps({"no": "rows"})])
def test_a_folder_without_results_is_one_error(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "train.json").write_text(content)
    assert performance.main([str(tmp_path), "--out", str(tmp_path / "page.md")]) == 2
    assert (
        capsys.readouterr().err.startswith(f"error: {tmp_path}")
        and not (tmp_path / "page.md").exists()
    )
