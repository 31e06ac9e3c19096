"""The pictures of a study show its numbers, in the form that its settings call for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lit_mnist.figures.studies import heat_map, pictures

RATE, SIZE, NAME = "model.optimizer.lr", "data.batch_size", "model.optimizer.class_path"


def row(mean: float | None, parameters: int = 100, **values: Any) -> dict[str, Any]:
    """A trial of two seeds, 0.01 around their mean."""
    return {
        "state": "complete" if mean is not None else "pruned",
        "values": values,
        "mean": mean,
        "deviation": 0.01,
        "by_seed": [] if mean is None else [mean - 0.01, mean + 0.01],
        "parameters": parameters,
        "train_seconds": parameters / 10,
    }


def study(
    rows: Sequence[dict[str, Any]], importances: dict[str, float] | None = None
) -> dict[str, Any]:
    names = list(rows[0]["values"])
    return {
        "trials": list(rows),
        "settings": {name: {} for name in names},
        "objective": "val/acc",
        "importances": importances,
    }


def grid(*sizes: int) -> list[dict[str, Any]]:
    return [
        row(0.9 + rate + size / 1e4, **{RATE: rate, SIZE: size})
        for rate in (0.001, 0.01)
        for size in sizes
    ]


def test_a_study_without_a_finished_trial_has_no_picture() -> None:
    assert pictures(study([row(None, **{RATE: 0.1})])) == {}


def test_one_setting_is_a_curve_of_the_finished_trials() -> None:
    rows = [row(0.95, **{RATE: 0.1}), row(0.91, **{RATE: 0.001}), row(None, **{RATE: 1.0})]
    drawn = pictures(study(rows))
    assert list(drawn) == ["curve.png"]
    (axes,) = drawn["curve.png"].axes
    mean = axes.lines[-1]
    assert np.array_equal(mean.get_xdata(), [0.001, 0.1])
    assert np.array_equal(mean.get_ydata(), [0.91, 0.95])
    seeds = [list(line.get_ydata()) for line in axes.lines[:-1]]
    assert seeds == [pytest.approx([0.90, 0.92]), pytest.approx([0.94, 0.96])]
    assert axes.get_xscale() == "log"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("lr", "val/acc")


def test_two_settings_are_a_heat_map_with_each_mean_in_its_cell() -> None:
    rows = grid(16, 32, 64)[:-1]  # the last one has not finished
    axes = heat_map(rows, RATE, SIZE, "val/acc").axes[0]
    written = {text.get_position(): text.get_text() for text in axes.texts}
    assert written == {
        (0, 0): "0.9026", (0, 1): "0.9042", (0, 2): "0.9074",
        (1, 0): "0.9116", (1, 1): "0.9132",
    }  # fmt: skip
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.001", "0.01"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["16", "32", "64"]
    values = axes.images[0].get_array()
    assert values is not None and np.isnan(values.filled(np.nan)[2, 1])


def test_two_settings_drawn_at_random_are_dots() -> None:
    random = np.random.default_rng(0)
    rows = [row(x, **{RATE: 10 ** -(1 + 3 * x), SIZE: float(y)}) for x, y in random.random((9, 2))]
    axes = pictures(study(rows))["heat_map.png"].axes[0]
    offsets = axes.collections[0].get_offsets()
    expected = [(one["values"][RATE], one["values"][SIZE]) for one in rows]
    assert np.allclose(np.asarray(offsets), expected)
    assert axes.get_xscale() == "log"


def test_three_settings_are_lines_through_parallel_axes() -> None:
    rows = [
        row(mean, **{RATE: rate, SIZE: size, NAME: name})
        for mean, rate, size, name in [(0.9, 0.1, 16, "SGD"), (0.8, 0.2, 64, "Adam")]
    ]
    (axes,) = pictures(study(rows))["parallel.png"].axes
    worse, better = (line.get_ydata() for line in axes.get_lines() if len(line.get_ydata()) == 4)
    assert list(worse[[0, 1, 3]]) == [1, 1, 0]
    assert list(better[[0, 1, 3]]) == [0, 0, 1]
    assert {worse[2], better[2]} == {0, 1}
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["lr", "batch_size", "class_path", "val/acc"]
    assert {"SGD", "Adam"} <= {text.get_text() for text in axes.texts}


def test_importances_are_bars_the_longest_on_top() -> None:
    (axes,) = pictures(study(grid(16, 32), {RATE: 0.7, SIZE: 0.3}))["importances.png"].axes
    assert [bar.get_width() for bar in axes.patches] == [0.3, 0.7]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["batch_size", "lr"]


def test_trials_of_different_sizes_show_what_accuracy_costs() -> None:
    rows = [row(0.9, 100, **{SIZE: 1}), row(0.95, 1000, **{SIZE: 2})]
    left, right = pictures(study(rows))["cost.png"].axes
    assert list(left.lines[0].get_xdata()) == [100, 1000]
    assert list(right.lines[0].get_xdata()) == [10, 100]
    assert list(left.lines[0].get_ydata()) == [0.9, 0.95]
    assert "cost.png" not in pictures(study(grid(16)))
