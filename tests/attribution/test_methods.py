"""Attribution methods against closed forms, against each other, and against what they must never do."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from captum import attr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lit_mnist.attribution import (
    LRP,
    METHODS,
    AttributionError,
    Baseline,
    Conductance,
    Deconvolution,
    DeepLift,
    DeepLiftShap,
    FeatureAblation,
    GradCam,
    GuidedBackprop,
    InputXGradient,
    IntegratedGradients,
    Method,
    Occlusion,
    Saliency,
    SmoothGrad,
    Target,
    completeness,
    make_methods,
    project,
    project_map,
    reach,
    resolve,
)
from lit_mnist.attribution import deeplift as deeplift_module
from lit_mnist.attribution.methods import Setting
from lit_mnist.attribution.placement import place
from lit_mnist.inside.capture import capture
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from tests.networks import specs

LINEAR = NetworkSpec.from_dict(
    {
        "layers": [
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense", "units": 10, "activation": "softmax"},
        ]
    }
)
SMALL = NetworkSpec.from_dict(
    {
        "layers": [  # the default network's geometry with few maps
            {"type": "conv", "name": "Conv2D_1", "filters": 4, "activation": "relu"},
            {"type": "pool", "name": "Max_Pool_1"},
            {"type": "conv", "name": "Conv2D_2", "filters": 6, "activation": "relu"},
            {"type": "pool", "name": "Max_Pool_2"},
            {"type": "conv", "name": "Conv2D_3", "filters": 8, "activation": "relu"},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense_1", "units": 20, "activation": "relu"},
            {"type": "dense", "name": "Dense_2", "units": 10, "activation": "softmax"},
        ]
    }
)
NARROW = NetworkSpec.from_dict(
    {
        "input_shape": [5, 5, 1],
        "layers": [  # the last convolution is 1 x 1
            {"type": "conv", "name": "First", "filters": 4, "activation": "relu"},
            {"type": "conv", "name": "Last", "filters": 6, "activation": "relu"},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense", "units": 3, "activation": "softmax"},
        ],
    }
)
VARIED = NetworkSpec.from_dict(
    {
        "input_shape": [12, 12, 1],
        "layers": [
            {"type": "rescaling", "name": "Scale", "factor": 0.5, "offset": 0.1},
            {"type": "zero_pad", "name": "Pad", "padding": [[1, 0], [2, 1]]},
            {
                "type": "conv",
                "name": "Conv_1",
                "filters": 4,
                "kernel": 3,
                "stride": 2,
                "activation": "relu",
            },
            {"type": "batch_norm", "name": "Norm"},
            {
                "type": "pool",
                "name": "Overlapping",
                "kind": "max",
                "size": 3,
                "stride": 1,
                "padding": "same",
            },
            {
                "type": "conv",
                "name": "Conv_2",
                "filters": 6,
                "kernel": 2,
                "padding": "same",
                "activation": "relu",
            },
            {"type": "pool", "name": "Mean", "kind": "average", "size": 2},
            {"type": "dropout", "name": "Drop", "rate": 0.3},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Hidden", "units": 18, "activation": "relu"},
            {"type": "reshape", "name": "Image", "shape": [3, 3, 2]},
            {"type": "pool", "name": "Unpadded", "kind": "max", "size": 2, "stride": 1},
            {"type": "global_pool", "name": "Global", "kind": "max"},
            {"type": "dense", "name": "Out", "units": 4, "activation": "softmax"},
        ],
    }
)
TANH = NetworkSpec.from_dict(
    {
        "input_shape": [8, 8, 1],
        "layers": [
            {"type": "conv", "name": "Conv", "filters": 3, "activation": "elu"},
            {"type": "pool", "name": "Pool", "size": 3, "stride": 2},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Out", "units": 3, "activation": "softmax"},
        ],
    }
)


def lively(network: Network, seed: int = 0) -> Network:
    """Give biases and running statistics values that matter: initial ones are zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if "weight" not in name:
                noise = torch.rand(tensor.shape, generator=generator, dtype=torch.float64).to(
                    tensor
                )
                tensor.add_(0.3 * (noise if "var" in name else noise - 0.5))
    return network.eval()


def pictures(n: int, spec: NetworkSpec, seed: int = 0) -> Tensor:
    """Sparse images: most pixels are the background -0.4, as in standardised digits."""
    height, width, channels = spec.input_shape
    generator = torch.Generator().manual_seed(seed)
    ink = torch.rand(n, channels, height, width, generator=generator)
    return torch.where(ink > 0.6, 3 * ink, torch.tensor(-0.4))


def empty(spec: NetworkSpec, value: float = -0.4) -> Baseline:
    height, width, channels = spec.input_shape
    return Baseline("empty", torch.full((1, channels, height, width), value))


def several(spec: NetworkSpec) -> Baseline:
    return Baseline("digits", pictures(4, spec, seed=99))


def setting(spec: NetworkSpec) -> Setting:
    return Setting(empty(spec), several(spec), noise=0.3)


@pytest.fixture(scope="module")
def cnn() -> Network:
    return lively(Network(SMALL, seed=3))


def test_linear_model_gives_closed_forms() -> None:
    network = lively(Network(LINEAR, seed=1)).double()
    images, baseline = pictures(5, LINEAR).double(), empty(LINEAR)
    weights = network.Dense.dense.weight.detach()[[3, 1, 4, 1, 5]].view(5, 1, 28, 28)
    moved = weights * (images + 0.4)
    expected = {
        Saliency(): weights.abs(),
        InputXGradient(): weights * images,
        IntegratedGradients(baseline): moved,
        DeepLift(baseline): moved,
        FeatureAblation(baseline): moved,
        Occlusion(baseline, window=1, stride=1): moved,
        Occlusion(baseline, window=3, stride=1): _windowed(moved, 3),
        LRP(): weights * images,
    }
    for method, wanted in expected.items():
        found = method(network, images, [3, 1, 4, 1, 5])
        torch.testing.assert_close(
            found, wanted, atol=1e-6, rtol=0, msg=lambda m, name=method.name: f"{name}: {m}"
        )


def _windowed(values: Tensor, size: int) -> Tensor:
    """Mean, over the windows that cover a pixel, of the sum in the window."""
    sums = torch.nn.functional.conv2d(values, values.new_ones(1, 1, size, size))
    cover = values.new_ones(1, 1, size, size)
    back = torch.nn.functional.conv_transpose2d
    return back(sums, cover) / back(torch.ones_like(sums), cover)


def test_difference_of_two_classes_is_the_difference_of_their_maps() -> None:
    network, images = lively(Network(LINEAR, seed=1)).double(), pictures(3, LINEAR).double()
    for method in (
        InputXGradient(),
        IntegratedGradients(empty(LINEAR)),
        DeepLift(empty(LINEAR)),
        LRP(),
    ):
        torch.testing.assert_close(
            method(network, images, "4-9"),
            method(network, images, 4) - method(network, images, 9),
            atol=1e-6,
            rtol=0,
        )


def test_deeplift_closes_and_would_not_without_tensors_apart(
    cnn: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the baseline must vary: with a constant one both pools of a pair choose the same place, and nothing shows
    images, baseline = pictures(16, cnn.spec), Baseline("digit", pictures(1, cnn.spec, seed=50))
    target = resolve(cnn, images, "predicted")
    assert _gap(cnn, images, target, DeepLift(baseline)) <= 1e-4
    monkeypatch.setattr(deeplift_module.Apart, "forward", lambda self, x: x)
    assert (
        _gap(cnn, images, target, DeepLift(baseline)) > 0.05
    )  # Captum 0.9's hooks meet on one tensor


def _gap(network: Network, images: Tensor, target: Target, method: Method) -> float:
    """Largest completeness error relative to the largest change: random images leave some changes near zero."""
    found = completeness(network, images, target, method(network, images, target), method.baseline)
    return float((np.abs(found.total - found.change) / np.abs(found.change).max()).max())


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


def test_integrated_gradients_spend_more_nodes_on_images_that_do_not_close(cnn: Network) -> None:
    images, baseline = pictures(8, cnn.spec, seed=7), empty(cnn.spec)
    target = resolve(cnn, images, "predicted")
    once, again = (
        completeness(cnn, images, target, method(cnn, images, target), baseline).error
        for method in (
            IntegratedGradients(baseline, 20, None),
            IntegratedGradients(baseline, 20, 0.01),
        )
    )
    late = once > 0.01
    assert late.any() and not late.all()
    assert (again[~late] == once[~late]).all() and again[late].mean() < once[late].mean() / 2


def test_integrated_gradients_average_over_baselines(cnn: Network) -> None:
    images, digits = pictures(2, cnn.spec), several(cnn.spec)
    single = [
        IntegratedGradients(Baseline("one", digits.references[i : i + 1]), 50, None)(cnn, images, 3)
        for i in range(len(digits))
    ]
    torch.testing.assert_close(
        IntegratedGradients(digits, 50, None)(cnn, images, 3), torch.stack(single).mean(0)
    )


@pytest.mark.parametrize("spec", ["cnn", "varied"])
def test_deconvolution_equals_the_explicit_pass(spec: str, cnn: Network) -> None:
    network = cnn if spec == "cnn" else lively(Network(VARIED, seed=2))
    images = pictures(8, network.spec)
    target = resolve(network, images, "predicted")
    by_gradient = Deconvolution()(network, images, target)
    assert by_gradient.abs().max() > 1e-3
    by_hand = project(network, images, network.spec.names[-1], target.directions)
    torch.testing.assert_close(by_hand, by_gradient, atol=1e-6, rtol=0)


def test_projecting_one_map_keeps_its_strongest_activation(cnn: Network) -> None:
    images = pictures(3, cnn.spec)
    found = project_map(cnn, images, "Conv2D_2", 5)
    with torch.no_grad(), capture(cnn, "Conv2D_2") as maps:
        cnn(images)
    flat = maps["Conv2D_2"][:, 5].flatten(1)
    torch.testing.assert_close(found.values, flat.max(1).values)
    row, column = found.positions[0].tolist()
    assert row * 11 + column == int(flat[0].argmax())
    alone = project_map(cnn, images[:1], "Conv2D_2", 5, (row, column))
    torch.testing.assert_close(alone.pixels, found.pixels[:1])
    outside = torch.ones(28, 28, dtype=torch.bool)
    outside[2 * row : 2 * row + 8, 2 * column : 2 * column + 8] = (
        False  # the unit's receptive field
    )
    assert not found.pixels[0, 0][outside].any() and found.pixels[0].any()


def test_blind_pixels_get_exactly_nothing(cnn: Network, cnn_spec: NetworkSpec) -> None:
    blind = ~reach(cnn_spec)
    assert blind[26:].all() and blind[:, 26:].all() and not blind[:26, :26].any()
    assert (reach(cnn.spec) == reach(cnn_spec)).all()
    images = torch.rand(
        3, 1, 28, 28, generator=torch.Generator().manual_seed(0)
    )  # no pixel is empty
    for method in make_methods("all", setting(cnn.spec)):
        found = method(cnn, images, "predicted")[:, :, torch.from_numpy(blind)]
        assert (found == 0).all() if method.pixelwise else True, method.name
        assert (
            method.name != "occlusion" or found.any()
        )  # a window's score goes to all pixels under it


@pytest.mark.parametrize("count", [1, 3])
def test_rounding_gives_no_pixel_a_share(count: int, cnn_spec: NetworkSpec) -> None:
    """Without evaluations of one size, blind pixels of the default network get up to 1e-7 instead of 0."""
    network, images = lively(Network(cnn_spec, seed=3)), torch.rand(count, 1, 28, 28)
    found = FeatureAblation(empty(cnn_spec))(network, images, 0)
    assert not found[:, :, torch.from_numpy(~reach(cnn_spec))].any() and found.any()


@settings(max_examples=25, deadline=None)
@given(spec=specs(), seed=st.integers(0, 100))
def test_reach_says_which_pixels_have_a_gradient(spec: NetworkSpec, seed: int) -> None:
    network = Network(spec, seed).double().eval()
    height, width, channels = spec.input_shape
    images = torch.rand(2, channels, height, width, dtype=torch.float64, requires_grad=True)
    gradient = torch.autograd.grad(network(images).square().sum(), images)[0]
    assert not gradient[:, :, torch.from_numpy(~reach(spec))].any()


def test_lrp_without_biases_is_input_times_gradient(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec, seed=4).double().eval()  # fresh networks have zero biases
    images = pictures(4, cnn_spec).double()
    torch.testing.assert_close(
        LRP()(network, images, 2), InputXGradient()(network, images, 2), atol=1e-6, rtol=1e-4
    )
    torch.testing.assert_close(
        LRP()(network, images, "4-9"),
        InputXGradient()(network, images, "4-9"),
        atol=1e-6,
        rtol=1e-4,
    )


def test_neuron_targets_equal_captums_neuron_methods(cnn: Network) -> None:
    images = pictures(2, cnn.spec)
    by_hand = attr.NeuronGradient(cnn, cnn.Conv2D_2).attribute(
        images.clone().requires_grad_(), (5, 1, 2)
    )
    torch.testing.assert_close(Saliency()(cnn, images, "Conv2D_2/5@1,2"), by_hand.abs())
    mean = DeepLift(empty(cnn.spec))(cnn, images, "Conv2D_2/5")
    target = resolve(cnn, images, "Conv2D_2/5")
    assert completeness(cnn, images, target, mean, empty(cnn.spec)).error.max() <= 1e-4


def test_grad_cam_is_captums_placed_by_receptive_fields(cnn: Network) -> None:
    images = pictures(2, cnn.spec)
    maps = attr.LayerGradCam(cnn, cnn.Conv2D_1).attribute(images, 3, relu_attributions=True)
    found = GradCam("Conv2D_1")(cnn, images, 3)
    torch.testing.assert_close(
        found[:, :, 1:27, 1:27], maps.detach()
    )  # unit (0, 0) sees pixels 0 to 2
    assert GradCam()(cnn, images, 3).shape == (2, 1, 28, 28)


def test_maps_of_one_position_are_passed_over() -> None:
    network = lively(Network(NARROW, seed=1))
    images = pictures(2, NARROW)
    for method, named in (
        (GradCam(), GradCam("First")),
        (Conductance(empty(NARROW)), Conductance(empty(NARROW), "First")),
    ):
        found = method(network, images, 0)
        assert torch.equal(found, named(network, images, 0)) and found.std() > 0


def test_placing_keeps_values_at_centres_and_sums(cnn: Network) -> None:
    maps = torch.rand(2, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    info = cnn.spec["Conv2D_3"]  # fields of 18 pixels, every 4: centres 8.5, 12.5, 16.5
    found = place(maps, info, (28, 28))
    torch.testing.assert_close(
        found[:, :, 12, 12], (maps * _tent(12)[:, None] * _tent(12)).sum((2, 3))
    )
    assert torch.equal(found[:, :, 0, 0], maps[:, :, 0, 0]) and torch.equal(
        found[:, :, 27, 27], maps[:, :, 2, 2]
    )
    torch.testing.assert_close(
        place(maps, info, (28, 28), keep_sum=True).sum((2, 3)), maps.sum((2, 3))
    )


def _tent(pixel: int) -> Tensor:
    """Linear interpolation between centres 8.5, 12.5 and 16.5, by hand."""
    return torch.tensor([max(0.0, 1 - abs(pixel - centre) / 4) for centre in (8.5, 12.5, 16.5)])


def test_conductance_of_every_layer_adds_up_to_the_change(cnn: Network) -> None:
    images, baseline = pictures(3, cnn.spec), empty(cnn.spec)
    target = resolve(cnn, images, "predicted")
    change = completeness(cnn, images, target, images, baseline).change
    for layer in ("Conv2D_1", "Max_Pool_2", "Dense_1"):
        units = Conductance(baseline, steps=200).units(cnn, images, target, layer)
        np.testing.assert_allclose(units.flatten(1).sum(1).numpy(), change, rtol=0.05)


def test_all_methods_leave_network_images_and_random_numbers_alone(cnn: Network) -> None:
    images = pictures(3, cnn.spec)
    before, weights = (
        images.clone(),
        {name: tensor.clone() for name, tensor in cnn.state_dict().items()},
    )
    torch.manual_seed(5)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - Captum draws from it
    for method in make_methods("all", setting(cnn.spec)):
        found = method(cnn, images, "predicted")
        assert (
            found.shape == images.shape and not found.requires_grad and torch.isfinite(found).all()
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
    """In float64: in float32 another batch size rounds differently, which may flip a near tie of a max-pool."""
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


def test_smoothgrad_without_noise_is_saliency(cnn: Network) -> None:
    images = pictures(2, cnn.spec)
    plain = Saliency()(cnn, images, 1)
    torch.testing.assert_close(SmoothGrad(1e-12, samples=3)(cnn, images, 1), plain)
    torch.testing.assert_close(SmoothGrad(1e-12, samples=3, squared=True)(cnn, images, 1), plain**2)


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
