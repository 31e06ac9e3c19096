"""Waits for commands: measured in copies of a run, a table with goals, one section of a page."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import waiting
from benchmarks.__main__ import main
from lit_mnist.errors import UserError


def times(*wall: float) -> waiting.Times:
    return waiting.Times(list(wall), [2 * one for one in wall], [0.5] * len(wall))


@pytest.mark.parametrize(("seconds", "result"), [(8.9, "met"), (9.1, "missed")])
def test_the_median_stands_beside_the_goal(seconds: float, result: str) -> None:
    second, first = waiting.CASES[1], waiting.CASES[0]
    assert second.beyond_imports and second.goal == 6
    imports = "importing torch, captum and matplotlib"
    table = waiting.rows(
        {imports: times(3.0, 2.0, 4.0), first.name: times(1.0), second.name: times(seconds)}
    )
    assert [row["result"] for row in table] == ["–", "met", result]
    busy = waiting.rows({imports: replace(times(2.0), load=[1.1]), second.name: times(seconds)})
    assert busy[1]["result"] == "not judged: busy machine"
    assert table[2]["goal"] == "6 s beyond the imports" and table[2]["load before"] == "0.5 to 0.5"


def test_only_the_section_of_the_page_changes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n<!-- benchmarks waiting: table -->\nold\n<!-- benchmarks waiting: end -->\nprose"
    )
    for section in ("# One\n", "# Two\n"):
        page.write_text(waiting.with_section(page, section))
    text = page.read_text()
    assert text.startswith("# Page\n\n<!--") and text.endswith("-->\nprose")
    assert "\n### Two\n" in text and "One" not in text and "old" not in text
    page.write_text("no section")
    with pytest.raises(UserError, match="without a section"):
        waiting.with_section(page, "# One\n")


def test_the_recorded_page_has_the_section() -> None:
    page = Path(__file__).parents[2] / "docs" / "results" / "waiting.md"
    assert "### Section" in waiting.with_section(page, "# Section\n")


def test_without_a_finished_run_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["waiting", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path}: no readable summary.json")


@pytest.mark.slow
def test_every_case_is_measured_in_copies(trained_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained_run, folder)
    before = sorted(path for path in folder.rglob("*"))
    assert main(["waiting", str(folder), "--quick", "--out", str(tmp_path / "out")]) == 0
    assert sorted(path for path in folder.rglob("*")) == before
    rows = json.loads((tmp_path / "out" / "waiting.json").read_text())["rows"]
    assert [row["command"] for row in rows[1:]] == [case.name for case in waiting.CASES]
    assert all(row["wall"][0] > 0 and row["processor"][0] > 0 for row in rows)
