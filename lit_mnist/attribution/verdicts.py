"""Whether a method's maps can be believed: one row of checks, each with its figure and threshold.

Definitions and the reasons for the thresholds are in ``docs/explain.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from .curves import KINDS, Curve, curve, intensity_ranking, random_ranking, ranking
from .method import Method
from .metrics import completeness, infidelity, sensitivity
from .placement import reach
from .randomization import DRAWS, Randomization, randomization
from .records import Verdict
from .targets import Target

RANDOMIZATION = 0.15  # |rho| of a map with itself after all weights are drawn anew
SENSITIVITY = 1.0  # a map that moves by more than its own length is noise
_SENSITIVE = 10  # images whose sensitivity is measured: each costs ten further maps
_EXPECTED = ("guided_backprop", "deconvolution", "guided_grad_cam")


@dataclass(frozen=True)
class Sample:
    """Digits on which methods are judged: network inputs (N, C, H, W), their target, what they are compared with.

    `background` is the empty image (1, C, H, W), `ink` its distance from a unit of input in pixel values
    (broadcast over the images), `radius` the noise of the sensitivity check in input units.
    """

    network: Network
    images: Tensor
    target: Target
    background: Tensor
    ink: Tensor
    radius: float
    seed: int = 0
    draws: int = DRAWS
    stage_draws: int = 0

    @cached_property
    def foreground(self) -> Tensor:
        """Pixels that are not empty, bool (N, H, W)."""
        return (self.images != self.background.to(self.images)).any(1)

    @cached_property
    def intensity(self) -> Tensor:
        """The image itself as a map: ink above the background."""
        return (self.images - self.background.to(self.images)) * self.ink.to(self.images)

    @cached_property
    def orders(self) -> dict[str, Tensor]:
        """The two orders of pixels that a method must beat."""
        return {"random": random_ranking(self.images, self.seed),
                "intensity": intensity_ranking(self.images, self.background.to(self.images), self.ink.to(self.images))}

    def curve(self, order: Tensor, kind: str) -> Curve:
        """Return the deletion or insertion curve of an order of the pixels."""
        return curve(self.network, self.images, self.target, order, self.background, kind)

    @cached_property
    def rivals(self) -> dict[str, dict[str, Curve]]:
        """``kind -> order -> curve`` of the random and the intensity order; empty for maps."""
        kinds = KINDS if self.target.first is not None else ()
        return {kind: {name: self.curve(order, kind) for name, order in self.orders.items()} for kind in kinds}

    @cached_property
    def rival_infidelity(self) -> float:
        """Infidelity of the image itself as a map."""
        return float(infidelity(self.network, self.images, self.target, self.intensity, self.background, True,
                                seed=self.seed).mean())


@dataclass(frozen=True)
class Judgement:
    """A method's verdicts, with the curves and the randomisation behind them."""

    verdicts: tuple[Verdict, ...]
    curves: dict[str, Curve]
    randomization: Randomization


def judge(method: Method, sample: Sample) -> Judgement:
    """Check `method` on the sample's digits, one Verdict a check."""
    attributions = method(sample.network, sample.images, sample.target)
    order = ranking(attributions)
    curves = {kind: sample.curve(order, kind) for kind in sample.rivals}
    shuffled = randomization(method.rough(), sample.network, sample.images, sample.target, sample.foreground,
                             attributions, sample.draws, sample.stage_draws, sample.seed)
    rows = (_completeness(method, sample, attributions), _blind(method, sample, attributions),
            *(_curve(kind, sample, curves.get(kind)) for kind in KINDS), _infidelity(method, sample, attributions),
            _sensitivity(method, sample), _randomization(method, sample, shuffled))
    return Judgement(rows, curves, shuffled)


def _completeness(method: Method, sample: Sample, attributions: Tensor) -> Verdict:
    if method.promise is None:
        return Verdict("completeness", None, None, None, "the method does not promise that attributions add up")
    worst = float(completeness(sample.network, sample.images, sample.target, attributions, method.baseline).error.max())
    return Verdict("completeness", worst, method.promise, worst <= method.promise,
                   "largest relative difference between the sum and the change of the score")


def _blind(method: Method, sample: Sample, attributions: Tensor) -> Verdict:
    blind = torch.from_numpy(~reach(sample.network.spec, sample.target.layer))
    if not blind.any():
        return Verdict("blind pixels", None, 0.0, None, "every pixel can influence the score")
    if not method.pixelwise:
        return Verdict("blind pixels", None, 0.0, None, "exempt: windows and coarse maps spread over their neighbours")
    largest = float(attributions[:, :, blind.to(attributions.device)].abs().max())
    return Verdict("blind pixels", largest, 0.0, largest == 0, "largest attribution where no pixel can have influence")


def _curve(kind: str, sample: Sample, found: Curve | None) -> Verdict:
    if found is None:
        return Verdict(kind, None, None, None, "a map has no probability")
    rivals = {name: float(rival.figures.mean()) for name, rival in sample.rivals[kind].items()}
    value, at_most = float(found.figures.mean()), kind == "deletion"
    threshold = min(rivals.values()) if at_most else max(rivals.values())
    return Verdict(kind, value, threshold, value <= threshold if at_most else value >= threshold,
                   f"random order {rivals['random']:.3f}, intensity order {rivals['intensity']:.3f}", at_most)


def _infidelity(method: Method, sample: Sample, attributions: Tensor) -> Verdict:
    value = float(infidelity(sample.network, sample.images, sample.target, attributions, sample.background,
                             method.multiplied, seed=sample.seed).mean())
    return Verdict("infidelity", value, sample.rival_infidelity, value <= sample.rival_infidelity,
                   "share of the score's changes left unexplained; threshold: the image itself as a map")


def _sensitivity(method: Method, sample: Sample) -> Verdict:
    part = slice(0, _SENSITIVE)
    value = float(sensitivity(method.rough(), sample.network, sample.images[part], sample.target.part(part),
                              sample.radius, seed=sample.seed).mean())
    return Verdict("sensitivity", value, SENSITIVITY, value <= SENSITIVITY,
                   f"largest relative move under noise that cannot be seen (n = {len(sample.images[part])})")


def _randomization(method: Method, sample: Sample, found: Randomization) -> Verdict:
    value, passed = found.figure, abs(found.figure) <= RANDOMIZATION
    note = f"signed rank correlation after all weights are drawn anew, {sample.draws} draws"
    if not passed and method.name in _EXPECTED:
        note += "; expected: this method restores the image more than it explains the network"
    return Verdict("randomisation", value, RANDOMIZATION, passed, note)


def per_image(method: Method, sample: Sample, attributions: Tensor) -> dict[str, np.ndarray]:
    """Return the figures of the sample's single images, each (N,): completeness error, deletion, insertion."""
    found = {} if method.promise is None else {"completeness_error": completeness(
        sample.network, sample.images, sample.target, attributions, method.baseline).error}
    if sample.target.first is None:
        return found
    order = ranking(attributions)
    return found | {kind: sample.curve(order, kind).figures for kind in KINDS}
