"""What holds on a fully trained default network and real MNIST digits: the figures of
docs/results/maximize.md.

The network is ``$LIT_MNIST_TRAINED``: a run folder or checkpoint of configs/cnn.yaml, trained to
its end. The limits are those that the project set itself before anything was measured. What was
measured lies above them, but for the speed beside Captum, which is at the limit: see
docs/performance.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.maximize import GOALS
from lit_mnist.maximize import (
    MaximizationResult,
    Reference,
    Settings,
    maximize_classes,
    maximize_maps,
    reference,
)
from lit_mnist.runs.model import Model, open_model

pytestmark = [pytest.mark.slow, pytest.mark.mnist]


@pytest.fixture(scope="module")
def model(mnist_root: Path) -> Model:
    """The trained network; skips where none is named."""
    path = os.environ.get("LIT_MNIST_TRAINED")
    if not path:
        pytest.skip(
            "no trained network is named ($LIT_MNIST_TRAINED: a run folder or checkpoint of "
            "configs/cnn.yaml)"
        )
    return open_model(path)


@pytest.fixture(scope="module")
def data(model: Model) -> Reference:
    return reference(model, "Conv2D_3")


def nothing_asleep(made: MaximizationResult) -> bool:
    """No map stays at zero, unless interval bounds prove that it must."""
    asleep = made.quality.activation[made.best] == 0
    return not (asleep & ~made.silence.unreachable[list(made.targets)]).any()


def test_source_beats_the_training_images(model: Model, data: Reference) -> None:
    made = maximize_maps(model, "Conv2D_3", settings=Settings("source"), data=data)
    metrics = made.metrics()
    assert nothing_asleep(made)
    assert (
        metrics["beats_data"] >= 0.99 and metrics["median_ratio"] >= 2 and metrics["first"] >= 0.8
    )


def test_robust_survives_a_shift(model: Model, data: Reference) -> None:
    made = maximize_maps(model, "Conv2D_3", settings=Settings("robust"), data=data)
    metrics = made.metrics()
    assert nothing_asleep(made)
    assert (
        metrics["median_shift"] >= 0.9
        and metrics["median_fine"] <= 0.12
        and metrics["median_ratio"] >= 1.8
    )


def test_class_images_beat_every_real_image(model: Model) -> None:
    made = maximize_classes(model, data=reference(model, model.spec.names[-1]))
    assert (made.quality.ratio[made.best] > 1).all() and len(made.best) == 10


def test_the_same_bits_again_and_in_part(model: Model) -> None:
    few = [
        maximize_maps(model, "Conv2D_3", maps, Settings("source", restarts=4, steps=60))
        for maps in ([3, 17], [3, 17], range(12, 24))
    ]
    assert np.array_equal(few[0].ascent.images, few[1].ascent.images)
    assert np.array_equal(few[0].ascent.images[4:], few[2].ascent.images[20:24])


def test_benchmark_reaches_what_was_set(tmp_path: Path) -> None:
    """Only on a machine that does nothing else; as users run it, in a process of its own."""
    command = [
        sys.executable,
        "-m",
        "benchmarks",
        "maximize",
        "--rounds",
        "5",
        "--out",
        str(tmp_path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    rows = json.loads((tmp_path / "maximize.json").read_text())["rows"]
    ratios = {row["case"]: row["times ours"] for row in rows if row["goal, at least"] != ""}
    assert len(ratios) == 3 and all(ratios[case] >= least for case, least in GOALS.items()), ratios
