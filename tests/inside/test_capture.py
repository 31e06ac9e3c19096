"""Captured activations: equal to torchvision's and Keras' for every network, mode and type; hooks
never stay.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from lit_mnist import capture
from lit_mnist.inside.capture import CaptureError, points, select
from lit_mnist.inside.lint import LintError
from lit_mnist.network import BatchNorm, Network, SamePool
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.spec import NetworkSpec
from tests.conftest import DIGIT_CONFIGS
from tests.networks import specs

DTYPES = (torch.float32, torch.float64, torch.bfloat16)


def inputs(spec: NetworkSpec, dtype: torch.dtype = torch.float32, count: int = 2) -> Tensor:
    height, width, channels = spec.input_shape
    return torch.randn(
        count, channels, height, width, generator=torch.Generator().manual_seed(3)
    ).to(dtype)


def extractor(network: Network) -> nn.Module:
    """Torchvision's answer: every layer by name, and the convolution or dense module where it has
    an activation.
    """
    nodes = {name: name for name in network.spec.names}
    nodes |= {
        f"{info.name}.{info.type}": f"{info.name}:pre"
        for info in network.spec.table
        if info.type in ("conv", "dense")
    }
    wrapped = copy.copy(network)  # torchvision takes a bare module's "_1" for its own numbering
    wrapped._modules = {
        name: module
        if isinstance(module, nn.Sequential)
        else nn.Sequential(OrderedDict(bare=module))
        for name, module in network._modules.items()
    }
    return create_feature_extractor(
        wrapped, nodes, tracer_kwargs={"leaf_modules": [BatchNorm, SamePool]}
    )


def assert_equal_everywhere(network: Network, dtypes: tuple[torch.dtype, ...] = DTYPES) -> None:
    for dtype in dtypes:
        network = network.to(dtype)
        theirs = extractor(network)
        for training in (False, True):
            for grad in (False, True):
                compare(
                    network.train(training),
                    theirs.train(training),
                    inputs(network.spec, dtype),
                    grad,
                )


def compare(network: Network, theirs: nn.Module, x: Tensor, grad: bool) -> None:
    with torch.set_grad_enabled(grad):
        torch.manual_seed(5)  # the same dropout for both
        with capture(network, ["*", "*:pre"]) as maps:
            network(x)
        torch.manual_seed(5)
        for name, value in theirs(x).items():
            assert torch.equal(maps[name], value), name
            assert (maps[name].dtype, maps[name].device) == (value.dtype, value.device), name
            assert maps[name].requires_grad == value.requires_grad, name


@pytest.mark.parametrize("config", DIGIT_CONFIGS, ids=lambda path: path.stem)
def test_equals_torchvision_on_every_config(config: Path) -> None:
    assert_equal_everywhere(Network(spec_of_config(config)))


@settings(max_examples=25, deadline=None)
@given(specs())
def test_equals_torchvision_on_random_networks(spec: NetworkSpec) -> None:
    assert_equal_everywhere(Network(spec), DTYPES[:1])


def test_a_swapped_name_is_noticed(cnn_spec: NetworkSpec) -> None:
    """The comparison itself must be able to fail: torchvision's layers under each other's names."""
    network = Network(cnn_spec)
    swapped = create_feature_extractor(
        network, {"Max_Pool_1": "Conv2D_1", "Conv2D_1": "Max_Pool_1"}
    )
    with pytest.raises(AssertionError):
        compare(network, swapped, inputs(cnn_spec), False)


@pytest.mark.keras
def test_equals_keras_submodel(cnn_spec: NetworkSpec) -> None:
    """Every layer of the default network against a Keras model that ends at the layer of that name,
    in float64.
    """
    pytest.importorskip("tensorflow")
    from keras_baseline.backend import load_keras
    from keras_baseline.model import build_model, set_weights

    keras, network = load_keras(), Network(cnn_spec).double().eval()
    model = build_model(cnn_spec, "float64")
    set_weights(model, cnn_spec, network.named_weights())
    x = inputs(cnn_spec, torch.float64)
    names = [*cnn_spec.names[:-1], cnn_spec.names[-1] + ":probabilities"]
    with torch.no_grad(), capture(network, names) as maps:
        network(x)
    for name in names:
        ends_there = keras.Model(model.inputs[0], model.get_layer(name.partition(":")[0]).output)
        theirs = np.asarray(ends_there(x.permute(0, 2, 3, 1).numpy()))
        ours = as_keras(cnn_spec, name, maps[name]).numpy()
        # both in float64, where sums of 1,152 terms differ by some 1e-14
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12, err_msg=name)


def as_keras(spec: NetworkSpec, name: str, tensor: Tensor) -> Tensor:
    """Channels last; a flattened image is channels first in torch, so its order is turned too."""
    if tensor.dim() == 4:
        return tensor.permute(0, 2, 3, 1)
    if name == "Flatten":
        height, width, channels = spec[name].input_shape
        return tensor.view(-1, channels, height, width).permute(0, 2, 3, 1).flatten(1)
    return tensor


def test_globs_and_order(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    assert select(network, ["Max_Pool_1", "Conv*"]) == (
        "Conv2D_1",
        "Max_Pool_1",
        "Conv2D_2",
        "Conv2D_3",
    )
    assert select(network, "Conv2D_1:*") == ("Conv2D_1:pre",)
    assert select(network, "*") == cnn_spec.names
    assert {*select(network, "*"), *select(network, "*:*")} == set(points(network))


@pytest.mark.parametrize(
    "name, told",
    [
        ("Conv2D_7", "did you mean 'Conv2D_"),
        ("conv2d_1", "Conv2D_1"),
        ("Max_Pool_1:pre", "no activation"),
        ("Conv2D_1:post", "no layer 'Conv2D_1:post'"),
        ("Nothing*", "Accepted"),
    ],
)
def test_unknown_names(cnn_spec: NetworkSpec, name: str, told: str) -> None:
    with (
        pytest.raises(CaptureError, match=name.replace("*", r"\*")) as error,
        capture(Network(cnn_spec), [name]),
    ):
        pass
    assert told in str(error.value)


def test_what_was_not_captured_says_so(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    with pytest.raises(CaptureError, match="no layer named"), capture(network, []):
        pass
    with capture(network, ["Conv2D_1"]) as maps:
        network.training_logits(inputs(cnn_spec))
    assert "Conv2D_1" not in maps and not len(maps)
    with pytest.raises(CaptureError, match="training_logits"):
        _ = maps["Conv2D_1"]
    with pytest.raises(CaptureError, match="was not asked for"):
        _ = maps["Conv2D_2"]


def test_gradients_reach_the_captured_tensors(cnn_spec: NetworkSpec) -> None:
    network, x = Network(cnn_spec).double(), inputs(cnn_spec, torch.float64)
    with capture(network, ["Conv2D_2", "Conv2D_2:pre"]) as maps:
        logits = network(x)
    after, before = torch.autograd.grad(
        logits[:, 3].sum(), [maps["Conv2D_2"], maps["Conv2D_2:pre"]]
    )
    assert after.abs().sum() > 0
    assert torch.equal(before, after * (maps["Conv2D_2:pre"] > 0))  # ReLU's derivative


def test_clone_guards_against_later_in_place_operations(cnn_spec: NetworkSpec) -> None:
    network, x = Network(cnn_spec), inputs(cnn_spec)
    network.Max_Pool_1.register_forward_pre_hook(lambda module, args: (args[0].mul_(0),))
    with torch.no_grad(), capture(network, ["Conv2D_1"]) as safe:
        network(x)
    assert safe["Conv2D_1"].abs().sum() > 0
    with torch.no_grad(), capture(network, ["Conv2D_1"], clone=False) as bare:
        network(x)
    assert bare["Conv2D_1"].abs().sum() == 0  # which is what `clone` is for


def hooks(network: nn.Module) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) + len(module._backward_hooks)
        for module in network.modules()
    )


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_no_hook_remains(cnn_spec: NetworkSpec, error: type[BaseException] | None) -> None:
    network = Network(cnn_spec)
    try:
        with capture(network, ["*", "*:*"]):
            assert hooks(network) == len(points(network)) == 14
            network(inputs(cnn_spec))
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt) as caught:
        assert type(caught) is error
    assert hooks(network) == 0


def test_no_hook_remains_where_the_network_fails(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    with pytest.raises(RuntimeError), capture(network, "*"):
        network(torch.zeros(1, 3, 28, 28))
    assert hooks(network) == 0


def test_no_hook_remains_where_hooking_fails(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    del network.Dense_2.activation
    with pytest.raises(AttributeError), capture(network, ["*", "*:pre"]):
        pass
    assert hooks(network) == 0


def test_a_hook_left_behind_is_counted(cnn_spec: NetworkSpec) -> None:
    """The check above must be able to fail."""
    network = Network(cnn_spec)
    network.Conv2D_2.register_forward_hook(lambda *_: None)
    assert hooks(network) == 1


def test_an_in_place_activation_is_refused(cnn_spec: NetworkSpec) -> None:
    network = Network(cnn_spec)
    network.Conv2D_2.activation = nn.ReLU(inplace=True)
    with pytest.raises(LintError, match="Conv2D_2.activation"), capture(network, ["Conv2D_1"]):
        pass


def test_capturing_changes_nothing(cnn_spec: NetworkSpec) -> None:
    network, x = Network(cnn_spec).eval(), inputs(cnn_spec)
    before = copy.deepcopy(network.state_dict())
    plain = network(x)
    with capture(network, ["*", "*:*"]) as maps:
        logits = network(x)
    assert torch.equal(plain, logits) and torch.equal(maps["Dense_2"], logits)
    assert torch.equal(maps["Dense_2:probabilities"], logits.softmax(-1))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not network.training
