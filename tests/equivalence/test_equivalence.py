"""Equivalence of accuracies: the statistics by hand, by scipy and by simulation; the command end to
end.
"""

from __future__ import annotations

import math
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lit_mnist.comparison.equivalence import runs
from lit_mnist.comparison.equivalence.page import pictures, results, write_page
from lit_mnist.comparison.equivalence.runs import Plan
from lit_mnist.comparison.equivalence.statistics import (
    EquivalenceError,
    compare_means,
    mcnemar,
    summarize,
    tost_power,
)
from lit_mnist.files import write_json, write_text
from tests.conftest import ROOT, Run

NEEDS_KERAS = pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs the extra keras")
RANDOM = np.random.default_rng(0)
SPREAD = (
    stats.norm.ppf((np.arange(12) + 0.5) / 12) * 0.06
)  # 12 values like those of MNIST runs, in points


def test_by_hand() -> None:
    """Means 2 and 3, variances 1 and 1, n = 3: standard error sqrt(2/3), 4 degrees of freedom, t =
    -1.2247.
    """
    result = compare_means([1, 2, 3], [2, 3, 4], margin=0.1)
    assert result.difference == -1 and result.degrees_of_freedom == pytest.approx(4)
    assert result.standard_error == pytest.approx(math.sqrt(2 / 3))
    assert result.p_different == pytest.approx(
        0.2878641347266908
    )  # 1 - t(2 - ...): tables of t with 4 degrees
    assert result.interval[0] == pytest.approx(
        -1 - 2.131846786 * math.sqrt(2 / 3)
    )  # t(0.95, 4) = 2.1318


@pytest.mark.parametrize("sizes", [(3, 3), (5, 12), (12, 12)])
def test_by_scipy(sizes: tuple[int, int]) -> None:
    a, b = RANDOM.normal(99.2, 0.05, sizes[0]), RANDOM.normal(99.2, 0.2, sizes[1])
    result = compare_means(a, b, margin=0.1)
    two_sided = stats.ttest_ind(a, b, equal_var=False)
    low = stats.ttest_ind(a + 0.1, b, equal_var=False, alternative="greater").pvalue
    high = stats.ttest_ind(a - 0.1, b, equal_var=False, alternative="less").pvalue
    assert result.p_different == pytest.approx(two_sided.pvalue)
    assert result.p_equivalent == pytest.approx(max(low, high))
    assert result.interval == pytest.approx(tuple(two_sided.confidence_interval(0.9)))


def test_planted_verdicts() -> None:
    assert compare_means(99.2 + SPREAD, 99.2 + SPREAD).verdict == "equivalent"
    assert compare_means(99.2 + SPREAD, 98.9 + SPREAD).verdict == "different"
    assert compare_means(98.9 + SPREAD, 99.2 + SPREAD).verdict == "different"
    assert compare_means([99.1, 99.3], [99.2, 99.3]).verdict == "undecided"
    assert compare_means([99.2], [99.2]).verdict == "undecided"
    assert compare_means([99.2, 99.2], [99.2, 99.2]).verdict == "equivalent"  # no spread at all
    assert compare_means([99.2, 99.2], [98.2, 98.2]).verdict == "different"


def test_a_real_but_small_difference_is_equivalent() -> None:
    result = compare_means(99.2 + SPREAD / 10, 99.25 + SPREAD / 10)
    assert result.p_different < 0.05 and result.verdict == "equivalent"


def test_equivalent_agrees_with_the_interval() -> None:
    for _ in range(200):
        a, b = RANDOM.normal(0, 0.06, 8), RANDOM.normal(0.04, 0.06, 8)
        result = compare_means(a, b)
        inside = -result.margin < result.interval[0] and result.interval[1] < result.margin
        assert (result.verdict == "equivalent") == inside


def test_power_by_simulation() -> None:
    """4,000 experiments of 2 x 6 runs: the share found equivalent is the power within 4 standard
    errors.
    """
    runs, n, deviation = 4000, 6, 0.08
    a, b = RANDOM.normal(0, deviation, (2, runs, n))
    error = np.sqrt((a.var(1, ddof=1) + b.var(1, ddof=1)) / n)
    room = 0.1 - stats.t.ppf(0.95, 2 * n - 2) * error
    share = float((np.abs(a.mean(1) - b.mean(1)) < room).mean())
    expected = tost_power(deviation * math.sqrt(2 / n), 2 * n - 2)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / runs)


def test_level_is_kept() -> None:
    """At a true difference of exactly the margin, equivalence is found in at most alpha of
    experiments.
    """
    assert tost_power(0.02, 22, difference=0.1) == pytest.approx(0.05, abs=0.002)
    assert tost_power(0.5, 22) < 0.01  # hopeless spread
    assert tost_power(0.001, 22) > 0.999


def test_mcnemar_by_hand() -> None:
    result = mcnemar([1, 2, 3, 4, 5, 9], [9])
    assert (result.first_alone_wrong, result.second_alone_wrong) == (5, 0)
    assert result.p == pytest.approx(2 / 2**5)  # all five one way, two-sided
    assert mcnemar([3, 7], [7, 3]).p == 1.0


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0]])
def test_bad_samples_are_refused(values: list[float]) -> None:
    with pytest.raises(EquivalenceError, match="accepted"):
        summarize(values)


@pytest.mark.parametrize(
    ("margin", "alpha"), [(0, 0.05), (-1, 0.05), (math.nan, 0.05), (0.1, 0), (0.1, 0.5)]
)
def test_bad_margins_and_levels_are_refused(margin: float, alpha: float) -> None:
    with pytest.raises(EquivalenceError, match="margin"):
        compare_means([1, 2], [1, 2], margin, alpha)


def fake_record(settings: dict, side: str, seed: int, accuracy: float, wrong: list[int]) -> dict:
    history = {"train_loss": [1.0, 0.5], "val_loss": [], "val_acc": []}
    return {
        "settings": settings,
        "side": side,
        "seed": seed,
        "test/acc": accuracy,
        "wrong": wrong,
        "history": history,
        "images": 360,
        "dataset": "digits",
        "note": None,
        "wall_seconds": 1.0,
        "versions": {"x": "1"},
        "hardware": {"cpu": "<one>"},
    }


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(ROOT / "configs" / "cnn.yaml", 3, 2, ("data.dataset=digits",), tmp_path)


def test_a_comparison_goes_on_where_it_stopped(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off after four trainings, it makes only the other five; the file of a finished one is
    what counts.
    """
    made = []

    def train(plan: Plan, side: str, seed: int) -> dict:
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append((side, seed))
        record = fake_record(plan.settings, side, seed, 0.9, [])
        write_json(plan.record(seed, side), record)
        return record

    monkeypatch.setattr(runs, "train", train)
    with pytest.raises(KeyboardInterrupt):
        list(runs.train_missing(plan, []))
    before, made = made, []
    assert list(runs.finished(plan)) == before
    monkeypatch.setattr(runs, "train", lambda plan, side, seed: made.append((side, seed)))
    list(runs.train_missing(plan, list(runs.finished(plan))))
    assert before + made == plan.trainings and len(made) == 5


def test_records_of_other_settings_are_refused(plan: Plan) -> None:
    write_json(plan.record(1, "ours"), fake_record(plan.settings, "ours", 1, 0.9, []))
    with pytest.raises(runs.TrainingError, match="another folder"):
        runs.finished(replace(plan, epochs=3))


def test_control_seeds_are_new(plan: Plan) -> None:
    assert [seed for side, seed in plan.trainings if side == "control"] == [4, 5, 6]
    assert len({plan.record(seed, side) for side, seed in plan.trainings}) == 9


@pytest.mark.parametrize(("gap", "verdict"), [(0.0, "equivalent"), (0.003, "different")])
def test_page(plan: Plan, gap: float, verdict: str) -> None:
    """Planted accuracies 0.3 points apart are found different, and the page says so and stands
    alone.
    """
    records = {
        (side, seed): fake_record(
            plan.settings, side, seed, 0.99 + gap * (side == "ours") + seed % 3 * 1e-4, [seed, 7]
        )
        for side, seed in plan.trainings
    }
    layers = [
        {
            "layer": "Conv2D_1",
            "ours": {"shape": (26, 26, 32), "parameters": 320},
            "keras": {"shape": None, "parameters": None},
            "largest_difference": None,
        }
    ]
    result = results(plan, records, layers, 0.1, 0.05)
    assert result["verdict"] == verdict
    markdown, page = (
        path.read_text()
        for path in write_page(result, pictures(result), "the <command>", plan.folder)
    )
    assert verdict in markdown.splitlines()[0] and verdict in page and "the &lt;command&gt;" in page
    assert (
        page.count("data:image/png;base64") == 3
        and 'src="http' not in page
        and "26 x 26 x 32" in markdown
    )


def test_predictions_that_contradict_the_summary_are_refused(tmp_path: Path) -> None:
    write_text(tmp_path / "config.yaml", "data: {dataset: digits}\n")
    with pytest.raises(runs.TrainingError, match="summary says 3"):
        runs.wrong_images(tmp_path, np.full(360, 99), {"images": 360, "test/correct": 357})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config", "missing.yaml"], "no such file"),
        (["--config", "CNN", "--seeds", 0], "--seeds 0"),
        (["--config", "CNN", "--options", "digits"], "key=value"),
        (["--config", "CNN", "--margin", 0], "margin"),
    ],
)
def test_bad_input(arguments: list, message: str, run_cli: Run, in_tmp: Path) -> None:
    given = [ROOT / "configs" / "cnn.yaml" if word == "CNN" else word for word in arguments]
    code, _, err = run_cli("compare", *given)
    assert code == 2 and message in err


@pytest.mark.keras
@NEEDS_KERAS
@pytest.mark.slow
def test_end_to_end(run_cli: Run, in_tmp: Path) -> None:
    """One training a group on the digits; a second call trains nothing and finds the same."""
    words = [
        "compare",
        "--config",
        ROOT / "configs" / "fashion_dense.yaml",
        "--seeds",
        1,
        "--epochs",
        1,
        "--options",
        "data.dataset=digits",
        "--out",
        "out",
    ]
    code, text, err = run_cli(*words)
    assert code == 0 and "undecided" in text and err.count("%") >= 3, err
    first = (in_tmp / "out" / "compare.json").read_text()
    assert run_cli(*words)[0] == 0 and (in_tmp / "out" / "compare.json").read_text() == first


@pytest.mark.keras
@NEEDS_KERAS
def test_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny mode: a small dense network, one seed, one epoch of the embedded digits.

    The control, which is Keras with another seed, is on record already: two trainings are left.
    """
    pytest.importorskip("jupytext")
    from tests.notebooks.test_notebooks import execute

    config = ROOT / "configs" / "fashion_dense.yaml"
    tiny = Plan(config, 1, 1, ("data.dataset=digits",), tmp_path / "compare")
    ((side, seed),) = [training for training in tiny.trainings if training[0] == runs.CONTROL]
    write_json(tiny.record(seed, side), fake_record(tiny.settings, runs.KERAS, seed, 0.9, []))
    for name, value in {
        "CONFIG": config,
        "DATASET": "digits",
        "SEEDS": 1,
        "EPOCHS": 1,
    }.items():
        monkeypatch.setenv(f"LIT_MNIST_{name}", str(value))
    outputs = [
        output
        for cell in execute("05_compare", tmp_path, monkeypatch).cells
        for output in cell.get("outputs", [])
    ]
    assert {path.name for path in (tmp_path / "compare" / "trainings").iterdir()} == {
        "ours-1.json",
        "keras-1.json",
        "keras-2.json",
    }
    assert len([output for output in outputs if "image/png" in output.get("data", {})]) == 2
    assert "different" in "".join(output.get("text", "") for output in outputs)
