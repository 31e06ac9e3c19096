"""Study files: what they mean, and one clear error for each that cannot work."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_mnist.studies.description import StudyError, read_study

GOOD = """\
settings:
  filters: {keys: [model.network.layers.Conv2D_1.filters], grid: [2, 4]}
  model.optimizer.init_args.learning_rate: {grid: [0.01, 1e-3]}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_grid_is_every_combination(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, GOOD + "seeds: [3, 4]\noptions: {trainer.max_epochs: 2}"))
    rate = "model.optimizer.init_args.learning_rate"
    assert (study.name, study.seeds, study.direction) == ("study", (3, 4), "maximize")
    assert study.points == [
        {"filters": filters, rate: value} for filters in (2, 4) for value in (0.01, 0.001)
    ]
    assert study.overrides(study.points[0]) == {
        "trainer.max_epochs": 2,
        "model.network.layers.Conv2D_1.filters": 2,
        rate: 0.01,
    }


def test_a_range_is_drawn_from(tmp_path: Path) -> None:
    text = "settings: {a.b: {low: 1, high: 9, int: true}}\ntrials: 5\nobjective: val/loss"
    study = read_study(written(tmp_path, text))
    assert study.points == [{}] * 5
    assert study.direction == "minimize"
    assert [value for _, value, _ in study.probes()] == [1, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("settings: {}", "settings = {} cannot work"),
        ("- 1", "the file holds"),
        (GOOD + "seed: [1]", "unknown key 'seed'; did you mean 'seeds'"),
        (GOOD + "seeds: 3", "seeds = 3 cannot work"),
        (GOOD + "seeds: [1, 1]", "different whole numbers"),
        (GOOD + "objective: test/acc", "test images must not choose"),
        (GOOD + "objective: val/accuracy", "did you mean 'val/acc'"),
        (GOOD + "trials: 3", "every setting has a grid"),
        (GOOD + "pruning: medium", "did you mean 'median'"),
        (GOOD + "pruning: median\nobjective: train/loss", "cannot work by train/loss"),
        (GOOD + "options: {epochs: 3}", "options = {'epochs': 3} cannot work"),
        (
            "settings: {data.validate_on: {grid: [none]}}",
            "data.validate_on: cannot work in a study",
        ),
        ("settings: {resume: {grid: [true]}}", "settings.resume: cannot work in a study"),
        ("settings: {a.b: {gird: [1]}}", "unknown key 'gird'; did you mean 'grid'"),
        ("settings: {a.b: {grid: [1, 1]}}", "different values"),
        ("settings: {a.b: {grid: []}}", "a list of values"),
        ("settings: {a.b: {grid: [1], low: 1}}", "one of grid, choices, and low with high"),
        ("settings: {a.b: {grid: [1], log: true}}", "log: goes with low and high"),
        ("settings: {a.b: {low: 2, high: 1}}\ntrials: 1", "low below high"),
        ("settings: {a.b: {low: 0, high: 1, log: true}}\ntrials: 1", "a number above 0"),
        ("settings: {a.b: {low: 0.5, high: 1, int: true}}\ntrials: 1", "a whole number"),
        ("settings: {a.b: {low: 0, high: 1, step: 2}}\ntrials: 1", "step = 2 cannot work"),
        ("settings: {a.b: {low: 0, high: 1}}", "trials is missing"),
        ("settings: {a: {keys: [x.y], grid: [1]}, x.y: {grid: [1]}}", "x.y is set twice"),
        ("settings: [", "not YAML"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(StudyError) as error:
        read_study(written(tmp_path, text))
    assert message in str(error.value)
    assert str(error.value).startswith("--study ")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="--study .*cannot be read"):
        read_study(tmp_path / "none.yaml")
