"""Names of layers, and of the groups that hold their weights."""

from __future__ import annotations

import pytest

from lit_mnist.keras_files.names import group_names, layer_names, snake_case
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec, SpecError, is_layer_name
from tests.keras_files.files import SPEC


def test_names() -> None:
    names = [
        "Conv2D_1",
        "conv2d-1",
        "conv2d_1",
        "block/conv",
        "block conv",
        "1st",
        "train",
        "",
        "état",
    ]
    assert layer_names(names) == {
        "Conv2D_1": "Conv2D_1",
        "conv2d-1": "conv2d_1_2",
        "conv2d_1": "conv2d_1",
        "block/conv": "block_conv",
        "block conv": "block_conv_2",
        "1st": "layer_1st",
        "train": "layer_train",
        "": "layer_",
        "état": "layer__tat",
    }
    assert all(is_layer_name(name) for name in layer_names(names).values())


def test_no_layer_may_take_a_name_that_networks_have_already() -> None:
    taken = [
        name for name in dir(Network(SPEC)) if not name.startswith("_") and name not in SPEC.names
    ]
    assert len(taken) > 50
    assert [name for name in taken if is_layer_name(name)] == []
    with pytest.raises(SpecError, match="layer name 'float' cannot work"):
        NetworkSpec.from_dict({"layers": [{"type": "flatten", "name": "float"}]})


def test_group_names() -> None:
    """Keras 3's own examples, and TensorFlow 2.12's count in twos."""
    kinds = ("Conv2D", "LeakyReLU", "ELU", "GlobalAveragePooling2D", "BatchNormalization")
    assert list(map(snake_case, kinds)) == [
        "conv2d",
        "leaky_re_lu",
        "elu",
        "global_average_pooling2d",
        "batch_normalization",
    ]
    assert group_names(["Conv2D", "Dense", "Conv2D"]) == ["conv2d", "dense", "conv2d_1"]
    present = ["conv2d_10", "conv2d", "conv2d_2", "dense", "conv2d_transpose"]
    assert group_names(["Conv2D", "Conv2D", "Conv2D"], present) == [
        "conv2d",
        "conv2d_2",
        "conv2d_10",
    ]
