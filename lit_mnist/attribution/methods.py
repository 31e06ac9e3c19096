"""All methods by name, each set up with the baselines, the noise and the layer that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..data import Dataset
from ..errors import nearest
from ..runs.model import Model
from .baselines import Baseline, input_noise, make_baseline
from .cam import Conductance, GradCam, GuidedGradCam
from .deeplift import DeepLift, DeepLiftShap
from .gradients import (
    GradientShap,
    InputXGradient,
    IntegratedGradients,
    Saliency,
    SmoothGrad,
    SmoothGradMemory,
)
from .method import Method
from .perturbation import FeatureAblation, Occlusion
from .rectified import Deconvolution, GuidedBackprop
from .relevance import LRP
from .targets import AttributionError


@dataclass(frozen=True)
class Setting:
    """The settings from which methods are built.

    `baseline` is the single reference (or the several that are averaged), `digits` the distribution
    of GradientShap and DeepLiftShap, `noise` a standard deviation in input units, `layer` the layer
    of Grad-CAM and conductance (None: the last convolution with more than one position). `size` is
    the shorter side of the images: windows and blocks of pixels grow with it.
    """

    baseline: Baseline
    digits: Baseline | None
    noise: float
    layer: str | None = None
    seed: int = 0
    size: int = 28

    def distribution(self, method: str) -> Baseline:
        """Return the distribution of baselines. Raises AttributionError without a data set."""
        if self.digits is None:
            raise AttributionError(
                f"method {method!r} needs random training digits as baselines, and the data set "
                "is missing; accepted: any other method"
            )
        return self.digits


METHODS: dict[str, Callable[[Setting], Method]] = {
    "saliency": lambda s: Saliency(),
    "input_x_gradient": lambda s: InputXGradient(),
    "integrated_gradients": lambda s: IntegratedGradients(s.baseline),
    "smoothgrad": lambda s: SmoothGrad(s.noise, seed=s.seed),
    "smoothgrad_squared": lambda s: SmoothGrad(s.noise, squared=True, seed=s.seed),
    "gradient_shap": lambda s: GradientShap(s.distribution("gradient_shap"), seed=s.seed),
    "deeplift": lambda s: DeepLift(s.baseline),
    "deeplift_shap": lambda s: DeepLiftShap(s.distribution("deeplift_shap")),
    "lrp": lambda s: LRP(),
    "guided_backprop": lambda s: GuidedBackprop(),
    "deconvolution": lambda s: Deconvolution(),
    "grad_cam": lambda s: GradCam(s.layer),
    "guided_grad_cam": lambda s: GuidedGradCam(s.layer),
    "conductance": lambda s: Conductance(s.baseline, s.layer),
    "occlusion": lambda s: Occlusion(s.baseline, max(4, s.size // 7), max(2, s.size // 14)),
    "feature_ablation": lambda s: FeatureAblation(s.baseline, max(1, s.size // 28)),
}


def make_setting(
    model: Model,
    dataset: Dataset | None = None,
    baseline: str = "empty",
    layer: str | None = None,
    seed: int = 0,
) -> Setting:
    """Return the setting for a model; without `dataset` there are no digits to compare with."""
    usable = dataset is not None and model.spec.input_shape == (*dataset.train_images.shape[1:], 1)
    digits = make_baseline("digits", model, dataset, seed) if usable else None
    if layer is not None:
        _ = model.spec[layer]  # report an unknown name at once
    return Setting(
        make_baseline(baseline, model, dataset, seed),
        digits,
        input_noise(model),
        layer,
        seed,
        min(model.spec.input_shape[:2]),
    )


def make_methods(names: str | Sequence[str], setting: Setting) -> tuple[Method, ...]:
    """Return the named methods; raise AttributionError for an unknown name. ``all`` stands for
    all.
    """
    names = [names] if isinstance(names, str) else list(names)
    if names == ["all"]:
        names = [
            name for name in METHODS if setting.digits is not None or not name.endswith("_shap")
        ]
    for name in names:
        if name not in METHODS:
            raise AttributionError(f"method {name!r}: unknown; {nearest(name, METHODS)}, or all")
    if not names:
        raise AttributionError(f"no method named; accepted: all, {', '.join(METHODS)}")
    memory = SmoothGradMemory() if set(names) >= {"smoothgrad", "smoothgrad_squared"} else None
    methods = (METHODS[name](setting) for name in dict.fromkeys(names))
    return tuple(
        replace(method, memory=memory) if isinstance(method, SmoothGrad) else method
        for method in methods
    )
