"""Whether a method's maps can be believed: a row of checks, each with its value and threshold.

Definitions and the reasons for the thresholds are in ``docs/explain.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..inside.kept import KeptResults, arrays_hash
from ..network import Network
from .curves import KINDS, Curve, curve, intensity_ranking, random_ranking, ranking
from .gradients import ROUGH_STEPS
from .method import BaselineMethod, Method
from .metrics import (
    FIRST_NOISES,
    NOISES,
    RememberedScore,
    completeness,
    infidelity,
    settled_sensitivity,
)
from .placement import reach
from .randomization import (
    DRAWS,
    STAGED,
    Randomization,
    drawn_anew,
    randomization,
    weighted_layers,
)
from .records import Judgement, Verdict
from .targets import Target

RECORD = "verdicts"  # the name under which they are kept
# how the checks are made: verdicts by other numbers are other verdicts, and are not read
CHECKS = {"noises": [FIRST_NOISES, NOISES], "staged": STAGED, "rough steps": ROUGH_STEPS}
RANDOMIZATION = 0.15  # |rho| of a map with itself after all weights are drawn anew
SENSITIVITY = 1.0  # a map that moves by more than its own length is noise
_SENSITIVE = 10  # images whose sensitivity is measured: each costs three to ten further maps
_EXPECTED = ("guided_backprop", "deconvolution", "guided_grad_cam")


@dataclass(frozen=True)
class Sample:
    """Digits on which methods are judged: network inputs (N, C, H, W), their target, what they are compared with.

    `background` is the empty image (1, C, H, W), `ink` its distance from a unit of input in pixel values
    (broadcast over the images), `radius` the noise of the sensitivity check in input units; `names` are the
    digits' ids.
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
    names: tuple[str, ...] = ()

    @property
    def maps(self) -> int:
        """How many maps of single images judging a method takes."""
        images = len(self.images)
        staged = self.stage_draws * (len(weighted_layers(self.network)) - 1)
        return (
            images * (1 + self.draws)
            + min(images, STAGED) * staged
            + min(images, _SENSITIVE) * (1 + FIRST_NOISES)
        )

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
        return {
            "random": random_ranking(self.images, self.seed),
            "intensity": intensity_ranking(
                self.images, self.background.to(self.images), self.ink.to(self.images)
            ),
        }

    def curve(self, order: Tensor, kind: str) -> Curve:
        """Return the deletion or insertion curve of an order of the pixels."""
        return curve(self.network, self.images, self.target, order, self.background, kind)

    @cached_property
    def rivals(self) -> dict[str, dict[str, Curve]]:
        """``kind -> order -> curve`` of the random and the intensity order; empty for maps."""
        kinds = KINDS if self.target.first is not None else ()
        return {
            kind: {name: self.curve(order, kind) for name, order in self.orders.items()}
            for kind in kinds
        }

    @cached_property
    def score(self) -> RememberedScore:
        """The explained number of the images and of their covered copies."""
        return RememberedScore(self.network, self.target)

    @cached_property
    def _randomized(self) -> dict[tuple[int, int], Network]:
        return {}

    def randomized(self, stage: int, draw: int) -> Network:
        """Return the network with its top `stage` layers drawn anew, built once for all methods."""
        if (stage, draw) not in self._randomized:
            self._randomized[stage, draw] = drawn_anew(self.network, self.seed, stage, draw)
        return self._randomized[stage, draw]

    @cached_property
    def rival_infidelity(self) -> float:
        """Infidelity of the image itself as a map."""
        return float(
            infidelity(
                self.network,
                self.images,
                self.target,
                self.intensity,
                self.background,
                True,
                seed=self.seed,
                score=self.score,
            ).mean()
        )


class Judge:
    """Judges methods on one sample, and keeps the judgements where `kept` is given.

    Verdicts belong to the network, the digits and the `settings` of the methods, not to the images that are
    explained: what is on record is read, not computed again.
    """

    def __init__(
        self,
        sample: Sample,
        settings: Mapping[str, Any],
        kept: KeptResults | None = None,
        most_work: float = math.inf,
    ) -> None:
        self.sample = sample
        self.most_work = most_work
        self.kept = kept
        self.settings = {
            **settings,
            "seed": sample.seed,
            "draws": sample.draws,
            "stage_draws": sample.stage_draws,
            "digits": list(sample.names),
            "checks": CHECKS,
            "sha256": arrays_hash(sample.images.cpu().numpy()),
        }
        self.record: dict[str, Any] = (kept.read(RECORD, self.settings) if kept else None) or {}

    def knows(self, method: Method) -> bool:
        """Return whether the method's judgement is on record."""
        return method.name in self.record.get("methods", {})

    def work(self, method: Method) -> float:
        """Return the multiply-accumulates that judging the method takes, 0 where that is on record."""
        if self.knows(method):
            return 0.0
        return self.sample.maps * method.passes * self.sample.network.spec.macs

    def judges(self, method: Method) -> bool:
        """Return whether the method is judged: whether it takes at most `most_work`."""
        return self.work(method) <= self.most_work

    def __call__(self, method: Method) -> Judgement:
        """Return the method's judgement, from the record where it is there."""
        if not self.knows(method):
            self._add(method.name, judge(method, self.sample))
        entry = self.record["methods"][method.name]
        return Judgement(
            tuple(Verdict(**verdict) for verdict in entry["verdicts"]),
            entry["curves"],
            entry["randomization"],
        )

    @property
    def rivals(self) -> dict[str, dict[str, np.ndarray]]:
        """``kind -> order -> mean probability after each step`` of the random and the intensity order."""
        return self._shared()["rivals"]

    @property
    def counts(self) -> np.ndarray | None:
        """Pixels after each step of the curves, None for maps."""
        return self._shared()["counts"]

    def _shared(self) -> dict[str, Any]:
        if "rivals" not in self.record:
            curves = self.sample.rivals
            self.record["rivals"] = {
                kind: {name: curve.probability.mean(0) for name, curve in orders.items()}
                for kind, orders in curves.items()
            }
            self.record["counts"] = next(
                (curve.counts for orders in curves.values() for curve in orders.values()), None
            )
        return self.record

    def _add(self, name: str, judgement: Judgement) -> None:
        entry = {**vars(judgement), "verdicts": [vars(verdict) for verdict in judgement.verdicts]}
        self.record["methods"] = {**self.record.get("methods", {}), name: entry}
        if self.kept:
            self.kept.write(RECORD, self.settings, self._shared())


def judge(method: Method, sample: Sample) -> Judgement:
    """Check `method` on the sample's digits, one Verdict a check."""
    attributions = method(sample.network, sample.images, sample.target)
    order = ranking(attributions)
    curves = {kind: sample.curve(order, kind) for kind in sample.rivals}
    shuffled = randomization(
        method.rough(),
        sample.network,
        sample.images,
        sample.target,
        sample.foreground,
        attributions,
        sample.draws,
        sample.stage_draws,
        sample.seed,
        sample.randomized,
    )
    rows = (
        _completeness(method, sample, attributions),
        _blind(method, sample, attributions),
        *(_curve(kind, sample, curves.get(kind)) for kind in KINDS),
        _infidelity(method, sample, attributions),
        _sensitivity(method, sample),
        _randomization(method, sample, shuffled),
    )
    return Judgement(
        rows, {kind: one.probability.mean(0) for kind, one in curves.items()}, shuffled.stages
    )


def _completeness(method: Method, sample: Sample, attributions: Tensor) -> Verdict:
    if method.promise is None or not isinstance(method, BaselineMethod):
        return Verdict(
            "completeness", None, None, None, "the method does not promise that attributions add up"
        )
    worst = float(
        completeness(
            sample.network, sample.images, sample.target, attributions, method.baseline
        ).error.max()
    )
    return Verdict(
        "completeness",
        worst,
        method.promise,
        worst <= method.promise,
        "largest relative difference between the sum and the change of the score",
    )


def _blind(method: Method, sample: Sample, attributions: Tensor) -> Verdict:
    blind = torch.from_numpy(~reach(sample.network.spec, sample.target.layer))
    if not blind.any():
        return Verdict("blind pixels", None, 0.0, None, "every pixel can influence the score")
    if not method.pixelwise:
        return Verdict(
            "blind pixels",
            None,
            0.0,
            None,
            "exempt: windows and coarse maps spread over their neighbours",
        )
    largest = float(attributions[:, :, blind.to(attributions.device)].abs().max())
    return Verdict(
        "blind pixels",
        largest,
        0.0,
        largest == 0,
        "largest attribution where no pixel can have influence",
    )


def _curve(kind: str, sample: Sample, result: Curve | None) -> Verdict:
    if result is None:
        return Verdict(kind, None, None, None, "a map has no probability")
    rivals = {
        name: float(rival.mean_probability.mean()) for name, rival in sample.rivals[kind].items()
    }
    value = float(result.mean_probability.mean())
    at_most = kind == "deletion"
    threshold = min(rivals.values()) if at_most else max(rivals.values())
    return Verdict(
        kind,
        value,
        threshold,
        value <= threshold if at_most else value >= threshold,
        f"random order {rivals['random']:.3f}, intensity order {rivals['intensity']:.3f}",
        at_most,
    )


def _infidelity(method: Method, sample: Sample, attributions: Tensor) -> Verdict:
    value = float(
        infidelity(
            sample.network,
            sample.images,
            sample.target,
            attributions,
            sample.background,
            method.multiplied,
            seed=sample.seed,
            score=sample.score,
        ).mean()
    )
    return Verdict(
        "infidelity",
        value,
        sample.rival_infidelity,
        value <= sample.rival_infidelity,
        "share of the score's changes left unexplained; threshold: the image itself as a map",
    )


def _sensitivity(method: Method, sample: Sample) -> Verdict:
    part = slice(0, _SENSITIVE)
    value = float(
        settled_sensitivity(
            method.rough(),
            sample.network,
            sample.images[part],
            sample.target.part(part),
            sample.radius,
            SENSITIVITY,
            sample.seed,
        ).mean()
    )
    return Verdict(
        "sensitivity",
        value,
        SENSITIVITY,
        value <= SENSITIVITY,
        f"largest relative move under noise that cannot be seen (n = {len(sample.images[part])})",
    )


def _randomization(method: Method, sample: Sample, result: Randomization) -> Verdict:
    value = result.mean_correlation
    passed = abs(value) <= RANDOMIZATION
    note = f"signed rank correlation after all weights are drawn anew, {sample.draws} draws"
    if not passed and method.name in _EXPECTED:
        note += "; expected: this method restores the image more than it explains the network"
    return Verdict("randomisation", value, RANDOMIZATION, passed, note)


def per_image(method: Method, sample: Sample, attributions: Tensor) -> dict[str, np.ndarray]:
    """Return the metrics of the sample's single images, each (N,): completeness error, deletion, insertion."""
    metrics = {}
    if method.promise is not None and isinstance(method, BaselineMethod):
        metrics["completeness_error"] = completeness(
            sample.network, sample.images, sample.target, attributions, method.baseline
        ).error
    if sample.target.first is None:
        return metrics
    order = ranking(attributions)
    return metrics | {kind: sample.curve(order, kind).mean_probability for kind in KINDS}
