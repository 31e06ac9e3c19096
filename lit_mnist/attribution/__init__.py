"""Attribution: which pixels made the network decide, and how far to believe each method. Nothing
here draws.

    from lit_mnist import open_model
    from lit_mnist.attribution import IntegratedGradients, make_baseline

    model = open_model("runs/cnn")
    maps = IntegratedGradients(make_baseline("empty", model))(model.network, images, "predicted")

Every method has the form ``method(network, images, target) -> attributions``; `explain` runs many
on the same images and judges them.
"""

from .baselines import BASELINES, Baseline, background, make_baseline
from .cam import Conductance, GradCam, GuidedGradCam
from .curves import curve, intensity_ranking, random_ranking, ranking
from .deeplift import DeepLift, DeepLiftShap
from .explanation import explain, interesting
from .gradients import GradientShap, InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from .method import Method
from .methods import METHODS, make_methods, make_setting
from .metrics import completeness, infidelity, sensitivity, settled_sensitivity
from .perturbation import FeatureAblation, Occlusion
from .placement import reach
from .records import Attribution, Explanation, Verdict
from .rectified import Deconvolution, GuidedBackprop
from .relevance import LRP
from .targets import AttributionError, Target, resolve
from .zeiler import project, project_map

__all__ = [
    "BASELINES",
    "LRP",
    "METHODS",
    "Attribution",
    "AttributionError",
    "Baseline",
    "Conductance",
    "Deconvolution",
    "DeepLift",
    "DeepLiftShap",
    "Explanation",
    "FeatureAblation",
    "GradCam",
    "GradientShap",
    "GuidedBackprop",
    "GuidedGradCam",
    "InputXGradient",
    "IntegratedGradients",
    "Method",
    "Occlusion",
    "Saliency",
    "SmoothGrad",
    "Target",
    "Verdict",
    "background",
    "completeness",
    "curve",
    "explain",
    "infidelity",
    "intensity_ranking",
    "interesting",
    "make_baseline",
    "make_methods",
    "make_setting",
    "project",
    "project_map",
    "random_ranking",
    "ranking",
    "reach",
    "resolve",
    "sensitivity",
    "settled_sensitivity",
]
