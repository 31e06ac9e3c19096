"""Style transfer beside a loop written by hand: the same network, losses and L-BFGS in plain torch.

Each case makes the same number of gradient evaluations of one random picture. What counts is
processor time from the first evaluation to the last, so that neither set-up nor other programs
weigh in.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lit_mnist.data import Standardizer
from lit_mnist.maximize.style import content_loss, style_transfer
from lit_mnist.maximize.style.networks import layers_for
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec, imagenet

from .measure import Report, Timing, ratios

OURS = "ours"
PLAIN = "a loop by hand"
MOST = 1.05  # times the loop by hand


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time both in turns for SqueezeNet and VGG19, random weights; `quick` is a smoke test."""
    side = 64 if quick else 256
    rows: list[dict[str, Any]] = []
    for name, build, steps in (
        ("squeezenet", imagenet.squeezenet, 24),
        ("vgg19", imagenet.vgg19, 4),
    ):
        rows += _rows(name, build((side, side, 3)), 2 if quick else steps, rounds, device)
    notes = f"{side} x {side} pixels, processor time of one gradient evaluation of L-BFGS."
    return Report("Style transfer", rows, notes, rounds)


def _rows(
    name: str, spec: NetworkSpec, steps: int, rounds: int, device: str
) -> list[dict[str, Any]]:
    standardizer = Standardizer.fit("caffe", np.zeros((1, *spec.input_shape), np.uint8))
    network = Network(spec, seed=1).eval().requires_grad_(False).to(device)
    # it comes from no file
    model = Model(network, standardizer, "folder", None)  # pyright: ignore[reportArgumentType]
    pictures = np.random.default_rng(0).integers(0, 256, (2, *spec.input_shape)).astype(np.uint8)
    cases = {OURS: _ours(model, pictures, steps), PLAIN: _plain(network, pictures, steps)}
    seconds: dict[str, list[float]] = {case: [] for case in cases}
    for number in range(rounds + 1):  # the first does not count
        for case, work in cases.items():
            clock = Clock()
            work(clock)
            if number:
                seconds[case].append(clock.seconds)
    timings = {case: Timing(tuple(values)) for case, values in seconds.items()}
    times = ratios(timings, PLAIN)
    return [
        {
            "network": name,
            "case": case,
            "seconds an evaluation": timings[case].median,
            "times the loop by hand": times[case],
            "wanted, at most": MOST if case == OURS else "",
        }
        for case in cases
    ]


class Clock:
    """Takes the processor time of every evaluation."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def tick(self, *_: object) -> None:
        """Note that an evaluation has ended."""
        self.times.append(time.process_time())

    @property
    def seconds(self) -> float:
        """Mean time of an evaluation."""
        return (self.times[-1] - self.times[0]) / (len(self.times) - 1)


def _ours(model: Model, pictures: np.ndarray, steps: int) -> Callable[[Clock], object]:
    return lambda clock: style_transfer(
        pictures[0],
        pictures[1],
        model,
        steps=steps,
        tv_weight=0.0,
        snapshots=0,
        size=pictures.shape[1],
        progress=clock.tick,
    )


def _plain(network: Network, pictures: np.ndarray, steps: int) -> Callable[[Clock], object]:
    content_layer, style_layers = layers_for(network.spec)
    names = (content_layer, *style_layers)
    like = next(network.parameters())
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous().to(like)
    mean = torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1).to(like)

    def gram(x: Tensor) -> Tensor:
        flat = x.flatten(2)[0]
        return flat @ flat.T

    def work(clock: Clock) -> None:
        with torch.no_grad():
            content, style = (network.layer_values(i[None].flip(1) - mean, *names) for i in images)
            grams = {name: gram(style[name]) for name in style_layers}
        image = images[:1].clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [image],
            max_iter=steps,
            max_eval=steps,
            history_size=20,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            values = network.layer_values(image.flip(1) - mean, *names)
            loss = 1e-6 * content_loss(values[content_layer], content[content_layer])
            for name, target in grams.items():
                maps, places = values[name].shape[1], values[name][0, 0].numel()
                distance = (gram(values[name]) - target).square().sum()
                loss = loss + distance / (4 * maps**2 * places**2) / len(grams)
            loss.backward()
            clock.tick()
            return loss

        optimizer.step(closure)

    return work
