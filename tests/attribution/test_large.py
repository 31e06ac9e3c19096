"""What attribution does less of where networks and images are large."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from lit_mnist.attribution import explanation, gradients
from lit_mnist.attribution.cam import Conductance
from lit_mnist.attribution.explanation import explain
from lit_mnist.attribution.gradients import IntegratedGradients, SmoothGrad
from lit_mnist.attribution.methods import make_methods, make_setting
from lit_mnist.attribution.perturbation import FeatureAblation, Occlusion, copies_at_a_time
from lit_mnist.attribution.randomization import weighted_layers
from lit_mnist.attribution.sample import Sample
from lit_mnist.attribution.targets import EVALUATIONS, at_a_time, resolve
from lit_mnist.data.images import Images
from lit_mnist.figures.attribution import curves_figure, methods_figure
from lit_mnist.inside import passes
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from tests.networks import model_of

from .networks import empty

SPEC = {
    "input_shape": [16, 16, 1],
    "layers": [
        {"type": "conv", "name": "A", "filters": 3, "activation": "relu"},
        {"type": "conv", "name": "B", "filters": 3, "activation": "relu"},
        {"type": "flatten", "name": "F"},
        {"type": "dense", "name": "Out", "units": 3, "activation": "softmax"},
    ],
}
QUICK = ("saliency", "input_x_gradient")


def images_of(count: int = 2, side: int = 16) -> Images:
    pixels = np.random.default_rng(0).uniform(0, 255, (count, side, side)).astype(np.float32)
    return Images(pixels, np.full(count, -1), tuple(f"{number}.png" for number in range(count)))


def test_batches_fit_the_memory(cnn_spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same maps, but for rounding, where only three images go through at a time."""
    assert at_a_time(Network(cnn_spec)) == EVALUATIONS
    spec = NetworkSpec.from_dict(SPEC)
    network = Network(spec, 1).double().eval()
    images = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(1)).double()
    methods = (
        IntegratedGradients(empty(spec)),
        Conductance(empty(spec)),
        Occlusion(empty(spec)),
        FeatureAblation(empty(spec), 4),
    )
    whole = [method(network, images, 0) for method in methods]
    seen = []
    monkeypatch.setattr(passes, "VALUES", 3 * sum(math.prod(i.output_shape) for i in spec.table))
    few = at_a_time(network)
    assert few == 3
    hook = network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    for method, expected in zip(methods, whole, strict=True):
        torch.testing.assert_close(method(network, images, 0), expected, rtol=1e-9, atol=1e-12)
    SmoothGrad(0.1)(network, images, 0)
    hook.remove()
    assert seen and max(seen) <= few


def test_covered_copies_come_in_larger_batches_on_a_gpu(
    cnn_spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the number of launches is the time; on a CPU it is the number of copies."""
    network = Network(cnn_spec)
    assert copies_at_a_time(network, torch.device("cuda")) == EVALUATIONS // 4
    assert 1 < copies_at_a_time(network, torch.device("cpu")) < EVALUATIONS // 4
    values = sum(math.prod(info.output_shape) for info in cnn_spec.table)
    monkeypatch.setattr(passes, "VALUES", 40 * values)
    assert {copies_at_a_time(network, torch.device(name)) for name in ("cpu", "cuda")} == {10}


def test_second_tries_are_as_many_as_the_work_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = NetworkSpec.from_dict(SPEC)
    network = Network(spec, 1).eval()
    seen: list[int] = []
    network.A.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    method = IntegratedGradients(empty(spec), tolerance=0.0)
    images = torch.rand(1, 1, 16, 16)
    method(network, images, 0)
    assert sum(seen) > 200 * (1 + 2 + 4 + 8 + 16 + 32 + 64)
    seen.clear()
    monkeypatch.setattr(gradients, "MOST_WORK", 7 * 200 * spec.macs)
    method(network, images, 0)
    assert 200 * (1 + 2 + 4) < sum(seen) < 200 * (1 + 2 + 4 + 1)


@pytest.mark.parametrize(("side", "window", "block"), [(28, 4, 1), (32, 4, 1), (224, 32, 8)])
def test_windows_grow_with_the_images(side: int, window: int, block: int) -> None:
    spec = NetworkSpec.from_dict(SPEC | {"input_shape": [side, side, 1]})
    setting = make_setting(model_of(spec, 0))
    occlusion, ablation = make_methods(("occlusion", "feature_ablation"), setting)
    assert isinstance(occlusion, Occlusion) and isinstance(ablation, FeatureAblation)
    assert (occlusion.window, occlusion.stride, ablation.block) == (window, window // 2, block)


def test_large_networks_are_judged_less_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(NetworkSpec.from_dict(SPEC), 1)
    methods = (*QUICK, "occlusion")
    usual = explain(model, images_of(), methods)
    assert all(one.verdicts and len(one.randomization) == 3 for one in usual.attributions)
    # two images without draws of single stages: 1 + 3 + 4 maps each, and 42 points of curves
    work = model.spec.macs * 2 * (8 + 42 / 3)
    monkeypatch.setattr(explanation, "MOST_WORK", work)
    monkeypatch.setattr(explanation, "MOST_OF_ONE", 1.5 * work)
    less = explain(model, images_of(), methods)
    assert [bool(one.verdicts) for one in less.attributions] == [True, True, False]
    assert all(len(one.randomization) == 1 for one in less.attributions[:2])
    curves_figure(less).draw_without_rendering()
    asked = explain(model, images_of(), methods, verdict_digits=2)
    assert all(one.verdicts for one in asked.attributions)


def test_the_estimated_work_counts_rough_maps_and_curves() -> None:
    spec = NetworkSpec.from_dict(SPEC)
    network = Network(spec, 1).eval()
    images = torch.rand(3, 1, 16, 16)
    nothing = torch.zeros(1, 1, 16, 16)
    target = resolve(network, images, 0)
    sample = Sample(network, images, target, nothing, nothing + 1, 0.1)
    method = IntegratedGradients(empty(spec))
    shown, rough, points = 3 * 100, 3 * (3 + 4) * 10, 3 * 42
    assert sample.passes(method) == pytest.approx(shown + rough + points / 3)
    of_map = replace(sample, target=replace(target, first=None))
    assert of_map.passes(method) == shown + rough  # a map has no curves
    layers = len(weighted_layers(network))
    staged = replace(sample, stage_draws=2)
    assert staged.passes(method) - sample.passes(method) == pytest.approx(3 * 2 * (layers - 1) * 10)


def test_captions_show_the_last_part_of_a_path() -> None:
    """A column is narrow: a whole path would cover the names of the methods."""
    model = model_of(NetworkSpec.from_dict(SPEC), 1)
    images = images_of(1)
    images = Images(images.pixels, images.labels, ("/a/long/way/to/cat.1.png",))
    figure = methods_figure(explain(model, images, QUICK, verdict_digits=0))
    texts = [text.get_text() for axes in figure.axes for text in (axes.title, *axes.texts)]
    assert any("cat.1.png" in text for text in texts)
    assert not any("/a/long" in text for text in texts)
