"""Explanations: the cost of a method against the same Captum call, and against a forward pass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from captum import attr
from torch import Tensor

from lit_mnist.attribution import (
    Baseline,
    GradCam,
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    Saliency,
)
from lit_mnist.cli.commands.summary import spec_of_config
from lit_mnist.data import DataError, load_dataset
from lit_mnist.data.standardize import Standardizer
from lit_mnist.network import Network, as_images

from .measure import Report, interleaved, ratios

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn.yaml"
_STEPS = 20


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time gradient methods on 1,000 digits against the same Captum calls.

    Accepted are at most 1.1 times.
    """
    count = 50 if quick else 1000
    images, source = _images(count, device)
    network = Network(spec_of_config(_CONFIG)).eval().to(device)
    classes = network(images).argmax(1)
    rows = []
    for name, (ours, by_hand) in _pairs(network, images, classes).items():
        cases = {"by hand": _finished(by_hand, device), "this project": _finished(ours, device)}
        timings = interleaved(cases, rounds)
        rows.append(
            {"method": name, **timings, "over by hand": ratios(timings, "by hand")["this project"]}
        )
    notes = (
        f"{count:,} {source} in one call, the predicted class, configs/cnn.yaml (untrained), on "
        f"{device}; integrated gradients with {_STEPS} nodes and batches of 1,000 in both."
    )
    return Report("Explaining", rows, notes, rounds)


def _images(count: int, device: str) -> tuple[Tensor, str]:
    try:
        pixels = load_dataset("mnist", download=False).test_images[:count]
        source = "MNIST test images"
    except DataError:
        pixels = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
        source = "random images"
    return as_images(Standardizer.fit("unit", pixels).apply(pixels)).to(device), source


def _pairs(network: Network, images: Tensor, classes: Tensor) -> dict:
    """Method -> (our call, Captum's)."""
    grad = images.clone().requires_grad_()
    empty = torch.zeros_like(images[:1])
    ours = {
        "saliency": Saliency(),
        "input x gradient": InputXGradient(),
        "guided backpropagation": GuidedBackprop(),
        "Grad-CAM": GradCam(),
        "integrated gradients": IntegratedGradients(Baseline("empty", empty), _STEPS, None),
    }
    guided = attr.GuidedBackprop(network)  # hooks are set inside the call
    integrated = attr.IntegratedGradients(network)
    by_hand = {
        "saliency": lambda: attr.Saliency(network).attribute(grad, target=classes),
        "input x gradient": lambda: attr.InputXGradient(network).attribute(grad, target=classes),
        "guided backpropagation": lambda: guided.attribute(grad, target=classes),
        "Grad-CAM": lambda: attr.LayerAttribution.interpolate(
            attr.LayerGradCam(network, network.Conv2D_3).attribute(
                grad, classes, relu_attributions=True
            ),
            (28, 28),
        ),
        "integrated gradients": lambda: integrated.attribute(
            grad,
            empty,
            target=classes,
            n_steps=_STEPS,
            method="gausslegendre",
            internal_batch_size=1000,
        ),
    }
    return {
        name: (lambda method=method: method(network, images, classes), by_hand[name])
        for name, method in ours.items()
    }


def _finished(case, device: str):  # noqa: ANN001, ANN202 - a function in, a function out
    def run_to_the_end() -> None:
        case()
        if device.startswith("cuda"):
            torch.cuda.synchronize()

    return run_to_the_end
