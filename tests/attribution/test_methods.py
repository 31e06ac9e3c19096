"""What holds for all attribution methods: completeness, no traces, the same alone and in company,
clear errors.
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_mnist.attribution import (
    LRP,
    METHODS,
    AttributionError,
    Conductance,
    Deconvolution,
    DeepLift,
    DeepLiftShap,
    FeatureAblation,
    GradCam,
    GuidedBackprop,
    Occlusion,
    Saliency,
    make_methods,
    resolve,
)
from lit_mnist.attribution.methods import Setting
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from tests.attribution.networks import (
    LINEAR,
    NARROW,
    TANH,
    VARIED,
    empty,
    pictures,
    setting,
    several,
)
from tests.attribution.test_gradients import _gap


def test_methods_that_promise_completeness_keep_it(cnn: Network) -> None:
    images = pictures(4, cnn.spec, seed=5)
    target = resolve(cnn, images, "predicted")
    methods = [
        method for method in make_methods("all", setting(cnn.spec)) if method.promise is not None
    ]
    assert {method.name for method in methods} == {
        "integrated_gradients",
        "deeplift",
        "deeplift_shap",
        "conductance",
    }
    for method in methods:
        assert _gap(cnn, images, target, method) <= method.promise, method.name


def test_all_methods_leave_network_images_and_random_numbers_alone(cnn: Network) -> None:
    images = pictures(3, cnn.spec)
    before, weights = (
        images.clone(),
        {name: tensor.clone() for name, tensor in cnn.state_dict().items()},
    )
    torch.manual_seed(5)
    # Captum draws from NumPy's global generator
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    for method in make_methods("all", setting(cnn.spec)):
        result = method(cnn, images, "predicted")
        assert (
            result.shape == images.shape
            and not result.requires_grad
            and torch.isfinite(result).all()
        ), method.name
    assert torch.equal(images, before) and not images.requires_grad
    assert all(torch.equal(tensor, weights[name]) for name, tensor in cnn.state_dict().items())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # noqa: NPY002
    _require_no_traces(cnn)


def _require_no_traces(network: Network) -> None:
    for module in network.modules():
        assert not any(
            len(getattr(module, hooks))
            for hooks in (
                "_forward_hooks",
                "_forward_pre_hooks",
                "_backward_hooks",
                "_backward_pre_hooks",
            )
        )
        assert not {"input", "output", "input_ref", "rule", "activations"} & set(vars(module))


def test_no_hook_is_left_after_an_error(cnn: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    images = pictures(2, cnn.spec)
    monkeypatch.setattr(torch.nn.Linear, "forward", lambda self, x: 1 / 0)
    target = resolve(cnn, images, "Conv2D_2/1")
    broken = type(target)(torch.ones(2, 10), ("x", "x"), first=torch.zeros(2, dtype=torch.long))
    for method in make_methods("all", setting(cnn.spec)):
        with pytest.raises(ZeroDivisionError):
            method(cnn, images, broken)
    _require_no_traces(cnn)


def test_an_image_is_explained_the_same_alone_and_in_company(cnn: Network) -> None:
    """In float64: in float32 another batch size rounds differently, which may flip a near tie of a
    max-pool.
    """
    network, images = copy.deepcopy(cnn).double(), pictures(4, cnn.spec).double()
    random = {
        "smoothgrad",
        "smoothgrad_squared",
        "gradient_shap",
    }  # their noise depends on the place in the batch
    for method in make_methods([name for name in METHODS if name not in random], setting(cnn.spec)):
        together, alone = method(network, images, 1)[3:4], method(network, images[3:4], 1)
        torch.testing.assert_close(together, alone, atol=1e-12, rtol=1e-9)


def test_random_methods_repeat_with_their_seed(cnn: Network) -> None:
    images = pictures(2, cnn.spec)
    for name in ("smoothgrad", "smoothgrad_squared", "gradient_shap"):
        settings_ = [
            Setting(empty(cnn.spec), several(cnn.spec), 0.3, seed=seed) for seed in (0, 0, 1)
        ]
        first, again, other = (METHODS[name](setting_)(cnn, images, 1) for setting_ in settings_)
        assert torch.equal(first, again) and not torch.equal(first, other)


def test_double_precision_is_followed(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec, seed=1).double().eval()
    for method in (
        Saliency(),
        DeepLift(empty(cnn_spec)),
        GradCam(),
        FeatureAblation(empty(cnn_spec)),
    ):
        assert method(network, pictures(1, cnn_spec), 0).dtype == torch.float64


@pytest.mark.parametrize(
    ("method", "spec", "words"),
    [
        (GuidedBackprop(), TANH, "guided_backprop.*ReLU alone.*ELU"),
        (Deconvolution(), LINEAR, "deconvolution.*no activation"),
        (LRP(), TANH, "lrp.*overlapping maximum.*'Pool'"),
        (DeepLift(empty(TANH)), TANH, "deeplift.*overlapping maximum.*'Pool'"),
        (DeepLift(empty(VARIED)), VARIED, "deeplift.*padded maximum.*'Overlapping'"),
        (DeepLiftShap(empty(LINEAR)), LINEAR, "deeplift_shap.*one image"),
        (GradCam(), LINEAR, "no layer before .* has maps of more than one position"),
        (GradCam("Last"), NARROW, "'Last' has one position.*accepted: First"),
        (Conductance(empty(NARROW), "Last"), NARROW, "'Last' has one position.*accepted: First"),
        (GradCam("Out"), TANH, "'Out' gives a vector.*accepted: Conv, Pool"),
        (GradCam("Convv"), TANH, "no layer 'Convv'.*did you mean 'Conv'"),
        (Occlusion(empty(TANH), window=9), TANH, "window 9.*accepted: 1 <= stride <= window <= 8"),
        (FeatureAblation(empty(TANH), block=0), TANH, "block of 0"),
    ],
)
def test_a_method_that_does_not_fit_says_so(method, spec: NetworkSpec, words: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){words}"):
        method(Network(spec).eval(), pictures(2, spec), 0)


@pytest.mark.parametrize(
    ("images", "target", "words"),
    [
        (torch.zeros(2, 1, 27, 28), 0, r"shape \(2, 1, 27, 28\).*\(N, 1, 28, 28\)"),
        (torch.zeros(0, 1, 28, 28), 0, "N above 0"),
        (torch.full((1, 1, 28, 28), torch.nan), 0, "NaN"),
        (torch.zeros(2, 1, 28, 28), 10, "no class 10; accepted: 0 to 9"),
        (torch.zeros(2, 1, 28, 28), [1, 2, 3], r"shape \(3,\).*one for each of 2"),
        (torch.zeros(2, 1, 28, 28), "predcted", "did you mean 'predicted'"),
        (torch.zeros(2, 1, 28, 28), "true", "true class of an image is unknown"),
        (torch.zeros(2, 1, 28, 28), "4-4", "compares class 4 with itself"),
        (torch.zeros(2, 1, 28, 28), "Conv2D_2/64", "accepted for Conv2D_2: 0 to 5"),
        (torch.zeros(2, 1, 28, 28), "Conv2D_2/1@11,0", "no such position"),
        (torch.zeros(2, 1, 28, 28), "Conv2D_2/x", "accepted: predicted, true"),
        (torch.zeros(2, 1, 28, 28), "Conv_2/1", "did you mean 'Conv2D_2'"),
    ],
)
def test_bad_images_and_targets_are_one_clear_error(
    images: Tensor, target: object, words: str, cnn: Network
) -> None:
    with pytest.raises(ValueError, match=words):
        Saliency()(cnn, images, target)


def test_a_layer_behind_the_target_has_no_gradient(cnn: Network) -> None:
    with pytest.raises(
        AttributionError, match="'Conv2D_3' has no gradient of 'Conv2D_2/1'.*Conv2D_1, Max_Pool_1"
    ):
        GradCam("Conv2D_3")(cnn, pictures(1, cnn.spec), "Conv2D_2/1")
    with pytest.raises(AttributionError, match="training mode"):
        Saliency()(Network(cnn.spec).train(), pictures(1, cnn.spec), 0)


def test_targets_name_what_they_explain(cnn: Network) -> None:
    images = pictures(3, cnn.spec)
    logits = cnn(images)
    best, second = logits.topk(2).indices.T
    target = resolve(cnn, images, "predicted-second")
    assert target.names == tuple(
        f"{a}-{b}" for a, b in zip(best.tolist(), second.tolist(), strict=True)
    )
    torch.testing.assert_close(
        (logits * target.directions).sum(1),
        logits.max(1).values - logits.gather(1, second[:, None])[:, 0],
    )
    assert resolve(cnn, images, "true", np.array([1, 2, 3])).names == ("1", "2", "3")
    assert len(target.repeated(2)) == 6 and target.part(slice(1, 3)).names == target.names[1:]
