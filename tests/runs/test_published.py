"""VGG19 and SqueezeNet by name: torchvision's and Keras' files read, downloads from a server on
this machine.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lit_mnist.data.download import Digest
from lit_mnist.data.pretrained import WeightsError
from lit_mnist.keras_files import KerasFileError
from lit_mnist.maximize.style import open_network
from lit_mnist.network import Network
from lit_mnist.runs import published
from lit_mnist.runs.model import ModelError
from lit_mnist.runs.published import (
    PUBLISHED,
    keras_weights,
    open_published,
    open_published_file,
    torchvision_weights,
)
from lit_mnist.spec import NetworkSpec, imagenet
from tests.data.server import Server, serving
from tests.keras_files.conftest import needs_keras
from tests.maximize.style_networks import WIDTH, keras_vgg19

IMAGE = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 3, 64, 64))).float()


@pytest.fixture(scope="module")
def keras() -> Any:
    from keras_baseline.backend import load_keras

    return load_keras()


def narrow_vgg19() -> NetworkSpec:
    return imagenet.vgg19((64, 64, 3), WIDTH)


def narrow_torchvision() -> torch.nn.Module:
    """torchvision's VGG19 with a sixteenth of the filters."""
    from torchvision.models import vgg

    torch.manual_seed(0)
    filters = [one if one == "M" else round(one * WIDTH) for one in vgg.cfgs["E"]]
    return torch.nn.ModuleDict({"features": vgg.make_layers(filters)}).eval()


def test_torchvisions_vgg19_gives_the_same_activations(tmp_path: Path) -> None:
    theirs = narrow_torchvision()
    torch.save(theirs.state_dict(), tmp_path / "vgg19.pth")
    network = Network(narrow_vgg19()).eval()
    network.load_weights(torchvision_weights(tmp_path / "vgg19.pth", network.spec))
    with torch.no_grad():
        value = network.layer_values(IMAGE, "block5_pool")["block5_pool"]
        expected = theirs["features"](IMAGE)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-7)


def test_torchvisions_squeezenet_gives_the_same_logits(tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    theirs = squeezenet1_1(weights=None).eval()
    torch.save(theirs.state_dict(), tmp_path / "squeezenet.pth")
    network = Network(imagenet.squeezenet((64, 64, 3))).eval()
    assert network.spec.parameters == sum(each.numel() for each in theirs.parameters())
    network.load_weights(torchvision_weights(tmp_path / "squeezenet.pth", network.spec))
    with torch.no_grad():
        torch.testing.assert_close(network(IMAGE), theirs(IMAGE), rtol=1e-5, atol=1e-6)


def test_a_state_dict_that_lacks_a_layer_or_is_none_is_named(tmp_path: Path) -> None:
    state = narrow_torchvision().state_dict()
    path = tmp_path / "vgg19.pth"
    for key in ("features.34.weight", "features.34.bias"):
        state.pop(key)
    torch.save(state, path)
    with pytest.raises(
        ModelError, match=r"vgg19\.pth: 15 convolutions; lacks layer 'block5_conv4'"
    ):
        torchvision_weights(path, narrow_vgg19())
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ModelError, match=r"vgg19\.pth: not a state dict of torchvision's network"):
        torchvision_weights(path, narrow_vgg19())
    torch.save({f"{key}x": value for key, value in state.items()}, path)
    with pytest.raises(ModelError, match="0 convolutions"):
        torchvision_weights(path, narrow_vgg19())


@needs_keras
def test_keras_vgg19_gives_the_same_activations_and_a_lacking_layer_is_named(
    keras: Any, tmp_path: Path
) -> None:
    model = keras_vgg19(keras, WIDTH, 64)
    model.save_weights(tmp_path / "vgg19.weights.h5")
    network = Network(narrow_vgg19()).eval()
    network.load_weights(keras_weights(tmp_path / "vgg19.weights.h5", network.spec))
    names = ("block1_conv1", "block3_conv1", "block5_conv2")
    with torch.no_grad():
        ours = network.layer_values(IMAGE, *names)
    theirs = keras.Model(model.inputs, [model.get_layer(name).output for name in names])(
        IMAGE.permute(0, 2, 3, 1).numpy()
    )
    for name, expected in zip(names, theirs, strict=True):
        difference = np.abs(ours[name].permute(0, 2, 3, 1).numpy() - expected).max()
        assert difference <= 1e-5 * np.abs(expected).max(), name
    part = keras.Model(model.inputs, model.get_layer("block5_conv3").output)
    for name in ("part.weights.h5", "part.h5"):  # the store of Keras 3, and the one by layer names
        (part.save_weights if "weights" in name else part.save)(tmp_path / name)
        with pytest.raises(KerasFileError, match=rf"{name}: .*no weights of layer 'block5_conv4'"):
            keras_weights(tmp_path / name, network.spec)


def test_squeezenet_is_the_network_of_its_keras_file() -> None:
    import os

    from lit_mnist.keras_files import read_keras

    file = Path(os.environ.get("LIT_MNIST_DATA", "absent")) / "keras/squeezenet1_1_imagenet.keras"
    if not file.is_file():
        pytest.skip("needs the file in $LIT_MNIST_DATA/keras")
    stored = read_keras(file).spec
    ours = imagenet.squeezenet()
    assert [(info.name, info.output_shape, info.weights) for info in ours.table] == [
        (info.name, info.output_shape, info.weights) for info in stored.table
    ]
    assert ours.sources == stored.sources


def test_addresses_are_the_publishers_own() -> None:
    from torchvision.models import SqueezeNet1_1_Weights, VGG19_Weights

    addresses = {file.address for network in PUBLISHED.values() for file, _ in network.files}
    assert {VGG19_Weights.DEFAULT.url, SqueezeNet1_1_Weights.DEFAULT.url} <= addresses


@needs_keras
def test_keras_address_and_sum_are_keras_own(keras: Any) -> None:
    import inspect

    from keras.src.applications import vgg19

    (file, _), *_ = PUBLISHED["vgg19"].files
    assert file.address == vgg19.WEIGHTS_PATH_NO_TOP
    assert file.digest.value in inspect.getsource(vgg19)


@pytest.fixture
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KERAS_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


def served(monkeypatch: pytest.MonkeyPatch, address: str, digest: str) -> None:
    """Let VGG19 be narrow, and torchvision's file of it lie at `address` alone."""
    network = PUBLISHED["vgg19"]
    file, scaling = network.files[1]
    file = replace(file, address=f"{address}/{file.name}", digest=Digest("sha256", digest))
    changed = replace(network, build=narrow_vgg19, files=((file, scaling),))
    monkeypatch.setitem(published.PUBLISHED, "vgg19", changed)


@pytest.mark.usefixtures("_home")
def test_a_network_by_name_is_downloaded_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    theirs = narrow_torchvision()
    torch.save(theirs.state_dict(), tmp_path / "vgg19.pth")
    Server.content = (tmp_path / "vgg19.pth").read_bytes()
    with serving() as address:
        digest = hashlib.sha256(Server.content).hexdigest()
        served(monkeypatch, f"{address}/whole", digest[:8])
        model = open_published("vgg19")
    assert model.standardizer.kind == "imagenet"  # torchvision's scaling for torchvision's weights
    again = open_published("vgg19", download=False)
    for name, array in model.network.named_weights().items():
        assert np.array_equal(array, again.network.named_weights()[name])


def test_a_published_file_is_known_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The files hold weights alone: what network they belong to, only their names say."""
    served(monkeypatch, "http://127.0.0.1:9", "0")
    path = tmp_path / "vgg19-dcbb9e9d.pth"
    torch.save(narrow_torchvision().state_dict(), path)
    model = open_network(path)
    assert model.spec == narrow_vgg19() and model.standardizer.kind == "imagenet"
    assert open_published_file(tmp_path / "other.pth") is None


@pytest.mark.usefixtures("_home")
def test_without_weights_and_connection_the_ways_out_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served(monkeypatch, "http://127.0.0.1:9", "0")
    with pytest.raises(WeightsError) as caught:
        open_published("vgg19")
    message = str(caught.value)
    words = ("127.0.0.1:9", "no connection", "ways out", "by hand", str(tmp_path / "TORCH_HOME"))
    assert all(word in message for word in words), message
    with pytest.raises(WeightsError, match="download is off"):
        open_published("vgg19", download=False)
