"""The data loss against its closed form, and networks whose single unit speaks for two classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_mnist.network import Network, predicted_classes
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.losses import data_loss
from lit_mnist.training.sums import StepResult, metrics_of, summed


def head(units: int, activation: str) -> Network:
    """A network of one dense layer."""
    layers = [
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Output", "units": units, "activation": activation},
    ]
    return Network(NetworkSpec.from_dict({"input_shape": [4, 4, 1], "layers": layers}))


def logits_and_labels(units: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(7, units, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, max(units, 2), (7,), generator=generator)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize(("units", "activation"), [(1, "sigmoid"), (1, "linear"), (4, "sigmoid")])
def test_binary_cross_entropy_is_its_closed_form(
    units: int, activation: str, smoothing: float
) -> None:
    """Keras: y' = y (1 - s) + s / 2; the loss -y' log p - (1 - y') log(1 - p), averaged over
    units.
    """
    logits, labels = logits_and_labels(units)
    target = np.eye(units)[labels] if units > 1 else labels.numpy()[:, None]
    target = target * (1 - smoothing) + smoothing / 2
    p = 1 / (1 + np.exp(-logits.numpy()))
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    assert float(data_loss(head(units, activation), logits, labels, smoothing)) == pytest.approx(
        expected, rel=1e-12
    )


@pytest.mark.parametrize("activation", ["sigmoid", "linear"])
def test_one_unit_means_two_classes(activation: str) -> None:
    network = head(1, activation)
    logits, labels = logits_and_labels(1)
    probabilities = network.probabilities(logits)
    assert network.spec.units == 1 and network.spec.classes == 2 and probabilities.shape == (7, 2)
    assert torch.allclose(probabilities[:, 1:], logits.sigmoid())
    assert torch.allclose(probabilities.sum(1), torch.ones(1).double())
    assert (predicted_classes(logits) == probabilities.argmax(1)).all() and len(
        predicted_classes(logits).unique()
    ) == 2
    result = StepResult(logits.new_zeros(()), None, logits, labels, 7)
    assert metrics_of(summed([result], ((7, 7),)).sums)["correct"] == int(
        (probabilities.argmax(1) == labels).sum()
    )


def test_several_units_are_as_before() -> None:
    for seed in range(3):
        logits = torch.randn(5, 4, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(predicted_classes(logits), logits.argmax(1))
        assert torch.equal(head(4, "softmax").probabilities(logits), logits.softmax(-1))
