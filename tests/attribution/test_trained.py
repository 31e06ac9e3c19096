"""What holds on a fully trained default network and real MNIST digits: the figures of
docs/results/explain.md.

The network is ``$LIT_MNIST_TRAINED``: a run folder or checkpoint of configs/cnn.yaml, trained to
its end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from benchmarks.explain import run as benchmark
from lit_mnist.attribution import (
    DeepLift,
    GradCam,
    GuidedBackprop,
    IntegratedGradients,
    Method,
    Saliency,
    Target,
    background,
    completeness,
    curve,
    intensity_ranking,
    make_baseline,
    random_ranking,
    ranking,
    resolve,
)
from lit_mnist.attribution.randomization import randomization
from lit_mnist.data import Dataset
from lit_mnist.runs.model import Model, open_model

pytestmark = [pytest.mark.slow, pytest.mark.mnist]


@pytest.fixture(scope="module")
def model() -> Model:
    """The trained network; skips where none is named."""
    path = os.environ.get("LIT_MNIST_TRAINED")
    if not path:
        pytest.skip(
            "no trained network is named ($LIT_MNIST_TRAINED: a run folder or checkpoint of "
            "configs/cnn.yaml)"
        )
    return open_model(path)


def digits(model: Model, mnist: Dataset, count: int) -> tuple[Tensor, Target]:
    images = model.tensor(mnist.test_images[:count])
    return images, resolve(model.network, images, "predicted")


@pytest.mark.parametrize(("method", "limit"), [(IntegratedGradients, 0.005), (DeepLift, 1e-4)])
def test_completeness_at_the_worst_of_1000_digits(
    method: type, limit: float, model: Model, mnist: Dataset
) -> None:
    images, target = digits(model, mnist, 1000)
    baseline = make_baseline("empty", model)
    result = method(baseline)(model.network, images, target)
    assert completeness(model.network, images, target, result, baseline).error.max() <= limit


def test_integrated_gradients_rank_better_than_both_orders(model: Model, mnist: Dataset) -> None:
    images, target = digits(model, mnist, 500)
    empty = background(model)
    maps = IntegratedGradients(make_baseline("empty", model))(model.network, images, target)
    ink = torch.from_numpy(model.standardizer.scale).to(images)
    orders: Sequence[Tensor] = (
        ranking(maps),
        random_ranking(images, 0),
        intensity_ranking(images, empty, ink),
    )
    deletion, insertion = (
        [
            float(curve(model.network, images, target, order, empty, kind).figures.mean())
            for order in orders
        ]
        for kind in ("deletion", "insertion")
    )
    assert deletion[0] <= 0.20 and deletion[0] < min(deletion[1:])
    assert insertion[0] >= 0.88 and insertion[0] > max(insertion[1:])


@pytest.mark.parametrize(
    "name", ["saliency", "integrated_gradients", "deeplift", "grad_cam", "guided_backprop"]
)
def test_maps_follow_the_weights_except_guided_backpropagation(
    name: str, model: Model, mnist: Dataset
) -> None:
    baseline = make_baseline("empty", model)
    methods: dict[str, Method] = {
        method.name: method
        for method in (
            Saliency(),
            IntegratedGradients(baseline).rough(),
            DeepLift(baseline),
            GradCam(),
            GuidedBackprop(),
        )
    }
    images, target = digits(model, mnist, 500)
    foreground = torch.from_numpy(mnist.test_images[:500] > 0)
    correlation = abs(
        randomization(methods[name], model.network, images, target, foreground).mean_correlation
    )
    assert correlation >= 0.5 if name == "guided_backprop" else correlation <= 0.15


@pytest.mark.filterwarnings("ignore:Setting backward hooks")  # Captum's own, from the calls by hand
def test_gradient_methods_cost_at_most_a_tenth_more_than_captum_by_hand() -> None:
    """Needs a quiet machine: n = 1,000 digits, median of the ratios of 7 interleaved rounds."""
    rows = {
        row["method"]: row["over by hand"]
        for row in benchmark(rounds=7, quick=False, device="cpu").rows
    }
    assert all(
        rows[name] <= 1.1 for name in ("saliency", "input x gradient", "guided backpropagation")
    ), rows
