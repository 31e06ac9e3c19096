"""Records of an explanation: arrays and names that files, pictures, TensorBoard and the report
show.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """One check of one method: value, threshold and result.

    `passed` is None if the check does not apply, and `note` holds the reason. `at_most` says on
    which side of the threshold the check passes.
    """

    check: str
    value: float | None
    threshold: float | None
    passed: bool | None
    note: str
    at_most: bool = True


@dataclass(frozen=True)
class Judgement:
    """Results of one method's checks on the verdict digits.

    `curves` holds the mean probability after each step of ``deletion`` and ``insertion``;
    `randomization` the mean rank correlation after randomising one more layer, from the top, each
    time.
    """

    verdicts: tuple[Verdict, ...]
    curves: dict[str, np.ndarray]
    randomization: np.ndarray


@dataclass(frozen=True)
class Attribution:
    """Maps of one method for all explained images: `values` (n, C, H, W), float32; `seconds` to
    compute them.

    `metrics` holds numbers for each image, (n,): ``completeness_error``, ``deletion``,
    ``insertion`` where they apply. `verdicts`, `curves` and `randomization` are about the method on
    the verdict digits, as in `Judgement`.
    """

    method: str
    target: str
    values: np.ndarray
    seconds: float
    metrics: dict[str, np.ndarray] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    curves: dict[str, np.ndarray] = field(default_factory=dict)
    randomization: np.ndarray | None = None

    @property
    def passed(self) -> bool | None:
        """Whether every check that applies passed; None if none applies."""
        applied = [verdict.passed for verdict in self.verdicts if verdict.passed is not None]
        return all(applied) if applied else None

    def map(self, image: int) -> np.ndarray:
        """Return one image's map, channels summed, (H, W)."""
        return self.values[image].sum(0)


@dataclass(frozen=True)
class Explanation:
    """The maps of several methods for the same images and target.

    `pixels` are (n, H, W) or (n, H, W, C), 0 to 255; `labels` (n,) are -1 where unknown;
    `probabilities` are (n, classes). `targets` names the explained class or map of each image.
    `skipped` holds the reason for each method that does not apply. For a difference of two classes,
    `contrast` holds the maps of both classes and the difference, (3, n, H, W), by
    `contrast_method`. `rivals` holds the deletion and insertion curves of the verdict digits for
    random order and intensity order, `counts` the number of pixels after each step, and `layers`
    the layers of `Attribution.randomization`.
    """

    names: tuple[str, ...]
    pixels: np.ndarray
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    target: str
    targets: tuple[str, ...]
    attributions: tuple[Attribution, ...]
    baseline: str
    layer: str | None
    seed: int
    verdict_digits: int
    class_names: tuple[str, ...] = ()
    skipped: dict[str, str] = field(default_factory=dict)
    contrast: np.ndarray | None = None
    contrast_method: str | None = None
    rivals: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    counts: np.ndarray | None = None
    layers: tuple[str, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods, in order."""
        return tuple(attribution.method for attribution in self.attributions)

    def caption(self, image: int) -> str:
        """Return which image this is and the network's answer, in a few words."""
        label = int(self.labels[image])
        guess = int(self.predicted[image])
        name = self.class_names[guess] if guess < len(self.class_names) else str(guess)
        true = "" if label < 0 or label == guess else f", is {self._name(label)}"
        return f"{self.names[image]}\n{name} {self.probabilities[image, guess]:.0%}{true}"

    def _name(self, number: int) -> str:
        return self.class_names[number] if number < len(self.class_names) else str(number)

    def _repr_png_(self) -> bytes:
        from ..figures.attribution import methods_figure
        from ..figures.canvas import to_bytes

        return to_bytes(methods_figure(self))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name, as in the NPZ file: ``saliency`` (n, C, H, W), ``pixels``,
        ...
        """
        arrays = {a.method: a.values for a in self.attributions}
        arrays |= {
            f"{a.method}/{name}": values
            for a in self.attributions
            for name, values in a.metrics.items()
        }
        arrays |= {
            "pixels": self.pixels,
            "labels": self.labels,
            "predicted": self.predicted,
            "probabilities": self.probabilities,
            "names": np.array(self.names),
        }
        return arrays if self.contrast is None else arrays | {"contrast": self.contrast}

    def summary(self) -> dict[str, object]:
        """Return the content of the JSON file: images, and metrics and verdicts of each method."""
        return {
            "target": self.target,
            "baseline": self.baseline,
            "layer": self.layer,
            "seed": self.seed,
            "verdict_digits": self.verdict_digits,
            "skipped": self.skipped,
            "layers": self.layers,
            "rivals": self.rivals,
            "counts": self.counts,
            "images": [
                {
                    "image": name,
                    "label": int(label) if label >= 0 else None,
                    "predicted": int(guess),
                    "probability": float(row[guess]),
                    "target": target,
                }
                for name, label, guess, row, target in zip(
                    self.names,
                    self.labels,
                    self.predicted,
                    self.probabilities,
                    self.targets,
                    strict=True,
                )
            ],
            "methods": {a.method: _method_summary(a) for a in self.attributions},
        }


def _method_summary(attribution: Attribution) -> dict[str, object]:
    return {
        "passed": attribution.passed,
        "seconds": round(attribution.seconds, 4),
        "per_image": dict(attribution.metrics),
        "curves": attribution.curves,
        "randomization": attribution.randomization,
        "verdicts": [
            {
                "check": v.check,
                "value": v.value,
                "threshold": v.threshold,
                "passed": v.passed,
                "note": v.note,
            }
            for v in attribution.verdicts
        ],
    }
