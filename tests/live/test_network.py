"""The page's network against PyTorch, layer by layer: every layer type, shipped configurations,
random networks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from lit_mnist.data import Standardizer
from lit_mnist.errors import UserError
from lit_mnist.live.network import MAX_MACS, MAX_PARAMETERS, check_size
from lit_mnist.network import Network
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.spec import LAYER_TYPES, NetworkSpec
from tests.conftest import CONFIGS
from tests.networks import graphs, specs
from tests.parity.layer_types import IN_FLOAT32, NETWORKS

from .lab import Lab, carried, differences, disturbed, some_image

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::ResourceWarning")]
TOLERANCE = 1e-4  # of a layer's largest value
LAYERS = NETWORKS | IN_FLOAT32
QUICK = ("cnn", "mlp", "shallow", "fashion_dense")
RANDOM = settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module")
def lab(chromium) -> Lab:
    return Lab.opened(chromium)


def check(lab: Lab, network: Network) -> None:
    image = some_image(network.spec)
    actual = differences(lab, network, image)
    assert max(actual.values()) < TOLERANCE, actual
    result = lab.run(network, image)
    with torch.no_grad():
        logits = network(image[None])
        probabilities = network.probabilities(logits)[0]
    largest = max(1.0, float(logits.abs().max()))
    assert np.abs(np.array(result["logits"]) - logits[0].numpy()).max() < TOLERANCE * largest
    assert np.abs(np.array(result["probabilities"]) - probabilities.numpy()).max() < TOLERANCE


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_type(lab: Lab, name: str) -> None:
    check(lab, disturbed(NetworkSpec.from_dict(LAYERS[name])))


def test_no_layer_type_is_left_out() -> None:
    used = {entry["type"] for network in LAYERS.values() for entry in network["layers"]}
    assert used == set(LAYER_TYPES)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[] if path.stem in QUICK else pytest.mark.slow)
        for path in CONFIGS
    ],
)
def test_shipped_configurations(lab: Lab, path: Path) -> None:
    check(lab, disturbed(spec_of_config(path)))


@RANDOM
@given(spec=specs())
def test_random_chains(lab: Lab, spec: NetworkSpec) -> None:
    check(lab, disturbed(spec))


@RANDOM
@given(spec=graphs())
def test_random_graphs(lab: Lab, spec: NetworkSpec) -> None:
    check(lab, disturbed(spec))


ENDS = {
    "softmax then average": [
        {"type": "conv", "name": "Scores", "filters": 4, "activation": "softmax"},
        {"type": "global_pool", "name": "Mean"},
    ],
    "one unit": [
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "One", "units": 1, "activation": "sigmoid"},
    ],
    "sigmoid then flatten": [
        {"type": "conv", "name": "Scores", "filters": 3, "kernel": [6, 5], "activation": "sigmoid"},
        {"type": "flatten", "name": "Flatten"},
    ],
}


@pytest.mark.parametrize("name", ENDS)
def test_logits_and_probabilities_of_other_ends(lab: Lab, name: str) -> None:
    check(lab, disturbed(NetworkSpec.from_dict({"input_shape": [6, 5, 3], "layers": ENDS[name]})))


def test_a_changed_weight_is_noticed(lab: Lab) -> None:
    """The comparison can fail: one weight of PyTorch's side is changed after the page has taken
    it.
    """
    network = disturbed(NetworkSpec.from_dict(LAYERS["kernels"]))
    image = some_image(network.spec)
    result = lab.run(network, image)
    with torch.no_grad():
        network.get_parameter("Dilated.conv.weight")[0, 0, 0, 0] += 0.5
        value = network.layer_values(image[None], "Dilated")["Dilated"][0].permute(1, 2, 0)
    gap = np.abs(np.array(result["values"]["Dilated"]) - value.numpy().ravel()).max()
    assert gap > TOLERANCE * float(value.abs().max())


@pytest.mark.parametrize("map_number", [0, 4])
def test_a_maps_kernels_are_its_weights(lab: Lab, map_number: int) -> None:
    layers = [
        {"type": "conv", "name": "Conv", "filters": 5, "kernel": [3, 2]},
        {"type": "flatten", "name": "Flatten"},
        {"type": "dense", "name": "Dense", "units": 2},
    ]
    network = disturbed(NetworkSpec.from_dict({"input_shape": [6, 5, 3], "layers": layers}))
    shown = lab.call("kernels", *carried(network), "Conv", map_number)
    weight = network.get_parameter("Conv.conv.weight").detach().numpy()[map_number]
    assert [(rows, columns) for rows, columns, _ in shown] == [(3, 2)] * 3
    for (_, _, values), kernel in zip(shown, weight, strict=True):
        np.testing.assert_array_equal(np.array(values, "<f4"), kernel.ravel())


LARGE = [
    ({"type": "dense", "name": "Wide", "units": MAX_PARAMETERS // 700}, "parameters"),
    ({"type": "dense", "name": "Fine", "units": 10}, None),
]


@pytest.mark.parametrize(("entry", "problem"), LARGE)
def test_too_many_parameters_are_refused(entry: dict, problem: str | None) -> None:
    spec = NetworkSpec.from_dict({"layers": [{"type": "flatten", "name": "Flatten"}, entry]})
    if problem is None:
        check_size(spec)
    else:
        with pytest.raises(UserError, match=f"{problem}.*accepted: up to {MAX_PARAMETERS:,}"):
            check_size(spec)


def test_too_much_work_and_inputs_that_no_picture_fills_are_refused() -> None:
    end = [{"type": "global_pool", "name": "Mean"}]
    conv = {"type": "conv", "name": "Conv", "filters": 64, "kernel": 9, "padding": "same"}
    heavy = {"input_shape": [224, 224, 3], "layers": [conv, *end]}
    with pytest.raises(UserError, match=f"accepted: up to {MAX_MACS:,}"):
        check_size(NetworkSpec.from_dict(heavy))
    with pytest.raises(UserError, match="2 channels"):
        check_size(NetworkSpec.from_dict({"input_shape": [8, 8, 2], "layers": [conv, *end]}))


def test_a_standardizer_of_each_shape_is_applied(chromium) -> None:
    """Means and scales of single numbers, channels, pixels; clipping; blue before red."""
    from lit_mnist.live.bundle import bundle
    from lit_mnist.live.page import module

    script = bundle(
        lambda path: (
            'import { standardized } from "./network/network.js";\nwindow.scaled = standardized;\n'
            if path == "scaling.js"
            else module(path)
        ),
        "scaling.js",
    )
    chromium.get("about:blank")
    chromium.execute_script(script)
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3)).astype(np.uint8)
    for kind, clip in (
        ("unit", None), ("per_pixel", 1.5), ("per_channel", None), ("caffe", None), ("global", 0.5),
    ):  # fmt: skip
        standardizer = Standardizer.fit(kind, images, clip)
        scaling = {
            "mean": standardizer.mean.ravel().tolist(),
            "scale": standardizer.scale.ravel().tolist(),
            "clip": clip,
            "bgr": standardizer.bgr,
        }
        got = chromium.execute_script(
            "return [...scaled(...arguments)]", images[0].ravel().tolist(), scaling, 3
        )
        expected = standardizer.apply(images[:1].astype(np.float32))[0].ravel()
        assert np.abs(np.array(got) - expected).max() < 1e-6, kind
