"""Two files with ImageNet's weights, in full: every layer's statistics and samples against what
Keras gave.

They lie in ``$LIT_MNIST_DATA/keras``, with the reference values and the differences between Keras'
own backends.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.keras_files import read_keras
from lit_mnist.network import Network, as_images

FOLDER = Path(os.environ.get("LIT_MNIST_DATA", "absent")) / "keras"
# ten times what Keras on torch and on TensorFlow without oneDNN differ by, in layer standard
# deviations
MEAN, STD, SAMPLE, PROBABILITY = 4e-6, 6e-5, 1.2e-4, 1e-5
PHOTOGRAPHS = {"chelsea": 285, "coffee": 967}  # ImageNet's Egyptian cat and espresso

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs the files in $LIT_MNIST_DATA/keras"
)


@dataclass(frozen=True)
class Case:
    """An opened file and its reference values."""

    network: Network
    names: tuple[str, ...]
    record: dict[str, np.ndarray]

    def probabilities(self, image: np.ndarray) -> np.ndarray:
        """The network's probabilities for pixels 0 to 255, (1, H, W, C)."""
        with torch.no_grad():
            return self.network.probabilities(
                self.network(as_images(image.astype(np.float32)))
            ).numpy()

    def layers(self) -> dict[str, np.ndarray]:
        """Every layer's output for the reference input, channels last, by its name in the file."""
        kept = [name for name in self.network.spec.names if name in self.names]
        with torch.no_grad():
            values = self.network.layer_values(
                as_images(self.record["input"].astype(np.float32)), *kept
            )
        arrays = {name: value.numpy().astype(np.float64) for name, value in values.items()}
        return {
            name: array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
            for name, array in arrays.items()
        }


@pytest.fixture(scope="module", params=["squeezenet1_1", "efficientnet_lite0"])
def case(request: pytest.FixtureRequest) -> Case:
    file = read_keras(FOLDER / f"{request.param}_imagenet.keras")
    network = Network(file.spec).eval()
    network.load_weights(file.weights)
    with np.load(FOLDER / f"check_{request.param}.npz") as record:
        arrays = dict(record)
    return Case(network, tuple(map(str, arrays["layer_names"])), arrays)


def worst_errors(case: Case) -> tuple[int, float, float, float]:
    """Number of layers compared, and the largest errors of means, standard deviations and
    samples.
    """
    layers, errors = case.layers(), []
    for number, name in enumerate(case.names):
        if (
            name not in layers or name == case.network.spec.output
        ):  # the answer: compared as probabilities
            continue
        array, std = layers[name], case.record["layer_std"][number]
        sampled = array.ravel()[case.record["sample_index"][number]]
        errors.append(
            (
                abs(array.mean() - case.record["layer_mean"][number]) / std,
                abs(array.std() - std) / std,
                np.abs(sampled - case.record["sample_value"][number]).max() / std,
            )
        )
    mean, std, sample = np.max(errors, axis=0)
    return len(errors), float(mean), float(std), float(sample)


def test_every_layer_has_the_statistics_and_samples_on_record(case: Case) -> None:
    layers, mean, std, sample = worst_errors(case)
    assert layers == len(case.names) - 2  # all but the input and the answer
    assert mean < MEAN and std < STD and sample < SAMPLE


def test_a_transposed_kernel_is_seen(case: Case) -> None:
    """The samples tell axes apart, which means and deviations do not."""
    name = next(name for name in case.network.state_dict() if name.endswith("conv.weight"))
    weight = case.network.get_parameter(name)
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.copy_(kept.transpose(2, 3))
        assert worst_errors(case)[3] > SAMPLE
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_predictions_are_those_on_record(case: Case) -> None:
    assert (
        np.abs(case.probabilities(case.record["input"]) - case.record["output"]).max() < PROBABILITY
    )
    for photograph, label in PHOTOGRAPHS.items():
        probabilities = case.probabilities(case.record[f"{photograph}_input"])
        assert probabilities.argmax() == label
        assert np.abs(probabilities - case.record[f"{photograph}_output"]).max() < PROBABILITY
