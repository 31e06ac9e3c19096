"""Verdicts on methods: checks with a value and a threshold each.

Definitions, and reasons for the thresholds, are in ``docs/explain.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..inside.kept import KeptResults, arrays_hash
from .curves import KINDS, Curve, ranking
from .gradients import ROUGH_STEPS
from .method import BaselineMethod, Method
from .metrics import (
    FIRST_NOISES,
    NOISES,
    completeness,
    infidelity,
    settled_sensitivity,
)
from .placement import reach
from .randomization import (
    DRAWS,
    STAGED,
    Randomization,
    randomization,
)
from .records import Judgement, Verdict
from .sample import SENSITIVITY_IMAGES, Sample

RECORD = "verdicts"  # the name under which they are kept
# how the checks are made: verdicts by other numbers are other verdicts, and are not read
CHECKS = {"noises": [FIRST_NOISES, NOISES], "staged": STAGED, "rough steps": ROUGH_STEPS}
RANDOMIZATION = 0.15  # |rho| of a map with itself after randomisation of all weights
SENSITIVITY = 1.0  # a map that changes by more than its own length is noise
_EXPECTED = ("guided_backprop", "deconvolution", "guided_grad_cam")


class Judge:
    """Judges methods on one sample, and keeps the judgements if there is `kept`.

    Verdicts belong to the network, the digits and the `settings` of the methods, not to the
    explained images: kept verdicts are read, not computed again.
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
            "draws": DRAWS,
            "stage_draws": sample.stage_draws,
            "digits": list(sample.names),
            "checks": CHECKS,
            "sha256": arrays_hash(sample.images.cpu().numpy()),
        }
        self.record: dict[str, Any] = (kept.read(RECORD, self.settings) if kept else None) or {}

    def knows(self, method: Method) -> bool:
        """Return whether a judgement of the method is kept."""
        return method.name in self.record.get("methods", {})

    def work(self, method: Method) -> float:
        """Return the multiply-accumulates that judging the method needs; 0 if its judgement is
        kept.
        """
        if self.knows(method):
            return 0.0
        return self.sample.passes(method) * self.sample.network.spec.macs

    def judges(self, method: Method) -> bool:
        """Return whether the method is judged: whether that needs at most `most_work`."""
        return self.work(method) <= self.most_work

    def __call__(self, method: Method) -> Judgement:
        """Return the judgement of the method, kept or new."""
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
        """``kind -> order -> mean probability after each step`` of random order and intensity
        order.
        """
        return self._shared()["rivals"]

    @property
    def counts(self) -> np.ndarray | None:
        """Number of pixels after each step of the curves; None for maps."""
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
    """Check `method` on the sample's digits; each check gives one Verdict."""
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
        DRAWS,
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
        "fraction of the score's changes that is not explained; threshold: the image itself as a "
        "map",
    )


def _sensitivity(method: Method, sample: Sample) -> Verdict:
    part = slice(0, SENSITIVITY_IMAGES)
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
    note = f"signed rank correlation after all weights are randomised, {DRAWS} draws"
    if not passed and method.name in _EXPECTED:
        note += "; expected: this method restores the image more than it explains the network"
    return Verdict("randomisation", value, RANDOMIZATION, passed, note)


def per_image(method: Method, sample: Sample, attributions: Tensor) -> dict[str, np.ndarray]:
    """Return the metrics of each image of the sample, (N,): completeness error, deletion,
    insertion.
    """
    metrics = {}
    if method.promise is not None and isinstance(method, BaselineMethod):
        metrics["completeness_error"] = completeness(
            sample.network, sample.images, sample.target, attributions, method.baseline
        ).error
    if sample.target.first is None:
        return metrics
    order = ranking(attributions)
    return metrics | {kind: sample.curve(order, kind).mean_probability for kind in KINDS}
