"""Looking inside: the cost of `capture`, `top_images` and statistics over a forward pass.

The pass is over 60,000 images.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import numpy as np
import torch

from lit_mnist.cli.commands.summary import spec_of_config
from lit_mnist.data import DataError, load_dataset
from lit_mnist.data.standardize import Standardizer
from lit_mnist.inside.capture import capture
from lit_mnist.inside.passes import batches, evaluation
from lit_mnist.inside.statistics import activation_statistics
from lit_mnist.inside.top_images import top_images
from lit_mnist.network import Network
from lit_mnist.runs.model import Model

from .measure import Report, interleaved, ratios

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn.yaml"
_LAYER = "Conv2D_3"  # 128 maps


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time each way to pass once over the training images, in batches of 500."""
    pixels, source = _pixels(2000 if quick else 60_000)
    model = Model(
        Network(spec_of_config(_CONFIG)).eval().to(device),
        Standardizer.fit("per_pixel", pixels),
        "mnist",
        _CONFIG,
    )
    cases = {
        "plain forward pass": lambda: _plain(model, pixels),
        "top_images, 128 maps of the last convolution": lambda: _top(model, pixels, _LAYER),
        "top_images, all layers": lambda: _top(model, pixels, "*"),
        "capture of all layers, cloned": lambda: _captured(model, pixels),
        "activation statistics, all layers": lambda: _statistics(model, pixels),
    }
    memory = {name: _peak(case) for name, case in cases.items()}
    timings = interleaved(
        cases, rounds, warm_up=0
    )  # the passes that measured memory have warmed up
    shares = ratios(timings, "plain forward pass")
    rows = [
        {
            "pass": name,
            "time": timings[name],
            "over plain": shares[name],
            "peak memory, GiB": memory[name],
        }
        for name in cases
    ]
    notes = (
        f"{len(pixels):,} {source}, configs/cnn.yaml (untrained), on {device}; peak memory is the "
        "high-water mark after that pass, so it can only rise from row to row."
    )
    return Report("Looking inside", rows, notes, rounds)


def _pixels(count: int) -> tuple[np.ndarray, str]:
    try:
        return load_dataset("mnist", download=False).train_images[:count], "MNIST training images"
    except DataError:
        return np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8), "random images"


def _plain(model: Model, pixels: np.ndarray) -> None:
    with evaluation(model.network):
        for batch in batches(model, pixels):
            model.network(batch)
    _finish(model)


def _top(model: Model, pixels: np.ndarray, layers: str) -> None:
    top_images(model.network, batches(model, pixels), layers, k=8)
    _finish(model)


def _captured(model: Model, pixels: np.ndarray) -> None:
    with evaluation(model.network), capture(model.network, "*"):
        for batch in batches(model, pixels):
            model.network(batch)
    _finish(model)


def _statistics(model: Model, pixels: np.ndarray) -> None:
    activation_statistics(model.network, batches(model, pixels))
    _finish(model)


def _finish(model: Model) -> None:
    if next(model.network.parameters()).is_cuda:
        torch.cuda.synchronize()


def _peak(case) -> float:  # noqa: ANN001
    """Return the peak memory after `case`: of the GPU if one is used, else of the process."""
    case()
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**30
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
