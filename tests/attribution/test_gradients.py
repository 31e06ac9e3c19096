"""Integrated gradients and DeepLIFT: what is spent and compared until the sum closes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_mnist.attribution import (
    Baseline,
    Conductance,
    DeepLift,
    IntegratedGradients,
    Method,
    Target,
    completeness,
    resolve,
)
from lit_mnist.attribution import deeplift as deeplift_module
from lit_mnist.attribution.methods import Setting, make_methods
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from tests.attribution.networks import empty, pictures, several

SMOOTH_GRADS = ("smoothgrad", "smoothgrad_squared")


def test_deeplift_closes_and_would_not_without_tensors_apart(
    cnn: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the baseline must vary: with a constant one both pools of a pair choose the same place, and
    # nothing shows
    images, baseline = pictures(16, cnn.spec), Baseline("digit", pictures(1, cnn.spec, seed=50))
    target = resolve(cnn, images, "predicted")
    assert _gap(cnn, images, target, DeepLift(baseline)) <= 1e-4
    monkeypatch.setattr(deeplift_module.Apart, "forward", lambda self, x: x)
    assert (
        _gap(cnn, images, target, DeepLift(baseline)) > 0.05
    )  # Captum 0.9's hooks meet on one tensor


def _gap(network: Network, images: Tensor, target: Target, method: Method) -> float:
    """Largest completeness error relative to the largest change: random images leave some changes
    near zero.
    """
    result = completeness(network, images, target, method(network, images, target), method.baseline)
    return float((np.abs(result.total - result.change) / np.abs(result.change).max()).max())


def test_integrated_gradients_spend_more_nodes_on_images_that_do_not_close(cnn: Network) -> None:
    images, baseline = pictures(8, cnn.spec, seed=7), empty(cnn.spec)
    target = resolve(cnn, images, "predicted")
    once, again = (
        completeness(cnn, images, target, method(cnn, images, target), baseline).error
        for method in (
            IntegratedGradients(baseline, 20, None),
            IntegratedGradients(baseline, 20, 0.01),
        )
    )
    late = once > 0.01
    assert late.any() and not late.all()
    assert (again[~late] == once[~late]).all() and again[late].mean() < once[late].mean() / 2


def smooth_grads(spec: NetworkSpec, *names: str) -> tuple[Method, ...]:
    return make_methods(names, Setting(empty(spec), None, noise=0.3, seed=4))


def test_both_smoothgrads_take_their_gradients_once(
    cnn: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = pictures(3, cnn.spec)
    alone = [smooth_grads(cnn.spec, name)[0](cnn, images, 2) for name in SMOOTH_GRADS]
    passes = []
    logits = Network.training_logits
    monkeypatch.setattr(
        Network, "training_logits", lambda self, x: passes.append(len(x)) or logits(self, x)
    )
    together = smooth_grads(cnn.spec, *SMOOTH_GRADS)
    for method, expected in zip(together, alone, strict=True):
        assert torch.equal(method(cnn, images, 2), expected)
    assert sum(passes) == 3 * 50
    assert torch.equal(together[1](cnn, images, 2), alone[1])  # computed again
    assert sum(passes) == 2 * 3 * 50


def test_smoothgrad_of_changed_weights_and_other_images_is_computed_anew(cnn: Network) -> None:
    network, images = copy.deepcopy(cnn), pictures(4, cnn.spec)
    together = smooth_grads(cnn.spec, *SMOOTH_GRADS)
    together[0](network, images[:2], 2)
    other = together[1](network, images[2:], 2)
    assert torch.equal(other, smooth_grads(cnn.spec, "smoothgrad_squared")[0](cnn, images[2:], 2))
    with torch.no_grad():
        network.Conv2D_1.conv.weight.mul_(2)
    (alone,) = smooth_grads(cnn.spec, "smoothgrad_squared")
    assert torch.equal(together[1](network, images[:2], 2), alone(network, images[:2], 2))
    assert not torch.equal(alone(network, images[:2], 2), alone(cnn, images[:2], 2))


def test_integrated_gradients_average_over_baselines(cnn: Network) -> None:
    images, digits = pictures(2, cnn.spec), several(cnn.spec)
    single = [
        IntegratedGradients(Baseline("one", digits.references[i : i + 1]), 50, None)(cnn, images, 3)
        for i in range(len(digits))
    ]
    torch.testing.assert_close(
        IntegratedGradients(digits, 50, None)(cnn, images, 3), torch.stack(single).mean(0)
    )


def test_conductance_of_every_layer_adds_up_to_the_change(cnn: Network) -> None:
    images, baseline = pictures(3, cnn.spec), empty(cnn.spec)
    target = resolve(cnn, images, "predicted")
    change = completeness(cnn, images, target, images, baseline).change
    for layer in ("Conv2D_1", "Max_Pool_2", "Dense_1"):
        units = Conductance(baseline, steps=200).units(cnn, images, target, layer)
        np.testing.assert_allclose(units.flatten(1).sum(1).numpy(), change, rtol=0.05)
