"""Networks built on a file, and weights taken over by layer name: what is taken, what is drawn,
what is refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from lit_mnist.keras_files import write_keras
from lit_mnist.network import Network
from lit_mnist.runs.model import open_model, save_model
from lit_mnist.runs.pretrained import PretrainedError, resolve
from lit_mnist.spec import NetworkSpec, SpecError
from lit_mnist.spec.start import WeightsError
from lit_mnist.spec.weights import initial_weights
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.initial import load_initial_weights, save_initial_weights
from tests.conftest import Run
from tests.networks import tiny_model

BASE = NetworkSpec.from_dict(
    {
        "input_shape": [32, 32, 1],
        "layers": [
            {"type": "conv", "name": "stem", "filters": 3, "stride": 2, "activation": "relu"},
            {"type": "batch_norm", "name": "norm"},
            {"type": "conv", "name": "side", "filters": 3, "padding": "same"},
            {"type": "add", "name": "mixed", "inputs": ["norm", "side"]},
            {"type": "global_pool", "name": "pooled"},
            {"type": "dense", "name": "probs", "units": 5, "activation": "softmax"},
        ],
    }
)
HEAD = {"type": "dense", "name": "Output", "units": 10, "activation": "softmax"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    weights = initial_weights(BASE, 7)
    weights["norm/moving_mean"] = np.array([0.1, -0.2, 0.3], np.float32)
    return write_keras(tmp_path / "base.keras", BASE, weights)


def built(file: Path, **values: object) -> dict:
    return {"from": str(file), "cut": "pooled", "then": [HEAD], "frozen": "*"} | values


def test_a_network_built_on_a_file(file: Path) -> None:
    classifier = LitClassifier(built(file))
    spec = classifier.spec
    assert spec.names == ("stem", "norm", "side", "mixed", "pooled", "Output")
    assert [layer.name for layer in spec.layers if not layer.trainable] == ["stem", "norm", "side"]
    weights = classifier.network.named_weights()
    assert np.array_equal(weights["norm/moving_mean"], np.array([0.1, -0.2, 0.3], np.float32))
    assert np.array_equal(weights["stem/kernel"], initial_weights(BASE, 7)["stem/kernel"])
    assert classifier.start is not None
    outcomes = {layer.layer: layer.outcome for layer in classifier.start.layers}
    taken = dict.fromkeys(("stem", "norm", "side"), "taken")
    assert outcomes == taken | {"Output": "drawn", "probs": "left"}
    text = classifier.start.text()
    assert "taken: 3 layers" in text
    assert "Output  40  (the source has no layer of that name)" in text


def test_the_cut_drops_what_it_does_not_need(file: Path) -> None:
    network, _ = resolve(built(file, cut="norm", then=[{"type": "flatten", "name": "f"}, HEAD]))
    assert [entry["name"] for entry in network["layers"]] == ["stem", "norm", "f", "Output"]


def test_the_input_is_rebuilt(file: Path) -> None:
    network, source = resolve(built(file, input_shape=[60, 40, 1]))
    spec = NetworkSpec.from_dict(network)
    assert spec["stem"].output_shape == (29, 19, 3)
    assert load_initial_weights(Network(spec), str(source)).of("taken")


@pytest.mark.keras
@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own, of NumPy's new rule
def test_a_file_without_a_head_is_built_on(tmp_path: Path) -> None:
    """Keras' include_top=False: the file ends in images."""
    from keras_baseline.backend import load_keras

    keras = load_keras()
    entrance = keras.Input((20, 20, 3))
    value = keras.layers.Conv2D(4, 3, name="a")(entrance)
    keras.Model(entrance, keras.layers.Conv2D(4, 3, name="b")(value)).save(tmp_path / "top.keras")
    network, _ = resolve(
        built(tmp_path / "top.keras", cut="b", then=[{"type": "flatten", "name": "f"}, HEAD])
    )
    assert [entry["name"] for entry in network["layers"]] == ["a", "b", "f", "Output"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cut": "mixd"}, "cut = 'mixd' is no layer; did you mean 'mixed'"),
        ({"cut": None}, "then needs cut"),
        ({"frozen": "block*"}, "'block\\*' matches no layer with weights"),
        ({"frozn": "*"}, "unknown key 'frozn' beside 'from'; did you mean 'frozen'"),
        ({"then": "Output"}, "then = 'Output' cannot work; accepted: a list"),
        ({"from": "no.keras"}, "no.keras: no such file; accepted: a Keras file"),
        ({"from": "Inception"}, "did you mean 'InceptionV3'"),
        ({"from": 3}, "from = 3 cannot work"),
        ({"then": [HEAD | {"name": "stem"}]}, "'stem' appears twice"),
    ],
)
def test_what_cannot_be_built(file: Path, values: dict, message: str) -> None:
    with pytest.raises((SpecError, PretrainedError), match=message):
        resolve(built(file, **values))


def test_an_input_that_the_weights_do_not_fit(tmp_path: Path) -> None:
    spec = NetworkSpec.from_dict(
        {"input_shape": [9, 9, 1], "layers": [{"type": "flatten", "name": "f"}, HEAD]}
    )
    file = write_keras(tmp_path / "dense.keras", spec, initial_weights(spec, 1))
    with pytest.raises(
        SpecError, match="'Output/kernel' has shape .81, 10. in the file, .121, 10."
    ):
        resolve({"from": str(file), "input_shape": [11, 11, 1]})


# ---- weights by layer name


def small(*layers: dict) -> Network:
    return Network(NetworkSpec.from_dict({"input_shape": [32, 32, 1], "layers": list(layers)}))


STEM = {"type": "conv", "name": "stem", "filters": 3, "stride": 2}
POOL = {"type": "global_pool", "name": "pool"}


@pytest.mark.parametrize("kind", ["keras", "h5", "ckpt", "safetensors"])
def test_every_kind_of_source(kind: str, tmp_path: Path) -> None:
    model = tiny_model()
    path = tmp_path / f"source.{kind}"
    if kind == "ckpt":
        save_model(model, path)
    elif kind == "safetensors":
        save_initial_weights(model.network, path)
    else:
        write_keras(path, model.spec, model.network.named_weights())
    network = Network(model.spec, seed=99)
    start = load_initial_weights(network, path)
    assert not start.of("drawn") and not start.of("left")
    theirs = model.network.named_weights()
    assert all(np.array_equal(a, theirs[name]) for name, a in network.named_weights().items())


def test_shapes_that_differ_are_refused(file: Path) -> None:
    with pytest.raises(WeightsError, match="layer 'stem' has weights kernel 3 x 3 x 1 x 3.* 1 x 4"):
        load_initial_weights(small(STEM | {"filters": 4}, POOL, HEAD), file)


def test_a_frozen_layer_must_be_in_the_file(file: Path) -> None:
    frozen = {"type": "conv", "name": "extra", "filters": 2, "trainable": False}
    with pytest.raises(WeightsError, match="lacks layer 'extra', which is frozen.*it has stem"):
        load_initial_weights(small(STEM, frozen, POOL, HEAD), file)


def test_nothing_in_common_is_refused(file: Path) -> None:
    with pytest.raises(WeightsError, match="has none of this network's layers"):
        load_initial_weights(small(STEM | {"name": "other"}, POOL, HEAD), file)


def test_damaged_safetensors(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(PretrainedError, match="not a safetensors file"):
        load_initial_weights(small(STEM, POOL, HEAD), tmp_path / "x.safetensors")


# ---- as a configuration


def test_a_run_needs_the_file_no_more(file: Path, run_cli: Run, tmp_path: Path) -> None:
    config = tmp_path / "transfer.yaml"
    data = {"dataset": "digits", "standardize": "unit", "batch_size": 128}
    trainer = {"max_epochs": 2, "enable_progress_bar": False}
    config.write_text(
        yaml.safe_dump({"model": {"network": built(file)}, "data": data, "trainer": trainer})
    )
    code, out, _ = run_cli("summary", "--config", config, "--json")
    assert code == 0 and json.loads(out)["trainable_parameters"] == 40
    options = ["--config", config, "--runs_dir", tmp_path / "runs", "--json"]
    code, out, err = run_cli("fit", *options)
    assert code == 0 and "taken: 3 layers" in err, err
    run = Path(json.loads(out)["run"])
    assert "stem" in (run / "initial_weights.txt").read_text()
    recorded = yaml.safe_load((run / "config.yaml").read_text())["model"]
    assert "from" not in recorded["network"]
    file.unlink()
    assert open_model(run).spec.names[-1] == "Output"
    code, out, err = run_cli("test", "--ckpt_path", run, "--json")
    assert code == 0 and "test/acc" in json.loads(out), err
    longer = ["--ckpt_path", run, "--trainer.max_epochs", 3, "--json"]
    code, out, err = run_cli("fit", *longer)
    assert code == 0 and json.loads(out)["epochs"] == 3, err


def test_one_value_of_one_layer_of_a_built_network(
    file: Path, run_cli: Run, tmp_path: Path
) -> None:
    config = tmp_path / "transfer.yaml"
    config.write_text(
        yaml.safe_dump({"model": {"network": built(file)}, "data": {"dataset": "digits"}})
    )
    flags = ["--model.network.layers.stem.trainable", "true", "--trainer.fast_dev_run", "true"]
    code, _, err = run_cli("fit", "--config", config, *flags)
    assert code == 0, err
    code, _, err = run_cli("fit", "--config", config, "--model.network.cut", "nowhere")
    assert code == 2 and "cut = 'nowhere' is no layer" in err
