"""The frozen part of a network, run once over images that nothing distorts: the training stays the
same.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
import numpy as np
import pytest
import torch

from lit_mnist.data import features
from lit_mnist.data.augment import Augmentation
from lit_mnist.data.module import MNISTDataModule
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.optimizers import Adam

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers|.*LeafSpec|.*logging interval"
)
LAYERS = [
    {"type": "conv", "name": "stem", "filters": 3, "stride": 2, "activation": "relu"},
    {"type": "batch_norm", "name": "norm"},
    {"type": "conv", "name": "side", "filters": 3, "padding": "same"},
    {"type": "add", "name": "mixed", "inputs": ["norm", "side"]},
    {"type": "pool", "name": "pool"},
    {"type": "flatten", "name": "flat"},
    {"type": "dropout", "name": "drop", "rate": 0.3},
    {"type": "dense", "name": "hidden", "units": 8, "activation": "relu"},
    {"type": "dense", "name": "out", "units": 10, "activation": "softmax"},
]
NETWORK = {"layers": LAYERS, "frozen": ["stem", "norm", "side"]}


def changed(index: int, entry: dict) -> dict:
    return NETWORK | {"layers": [*LAYERS[:index], entry, *LAYERS[index + 1 :]]}


@pytest.mark.parametrize(
    ("network", "value"),
    [
        (NETWORK, "flat"),
        ({"layers": LAYERS}, None),
        (NETWORK | {"frozen": ["stem"]}, "stem"),
        (NETWORK | {"frozen": ["stem", "norm"]}, "norm"),
        (NETWORK | {"frozen": ["norm", "side"]}, None),  # what stands before them moves
        (NETWORK | {"frozen": ["stem", "side"]}, "stem"),  # norm's statistics move
        (NETWORK | {"frozen": "*"}, "flat"),  # the dropout still acts
        (changed(0, LAYERS[0] | {"inputs": ["input"]}), "flat"),
        (changed(3, LAYERS[3] | {"inputs": ["stem", "side"]}) | {"frozen": ["stem", "norm"]}, None),
    ],
)
def test_up_to_where_all_rests(network: dict, value: str | None) -> None:
    assert NetworkSpec.from_dict(network).resting_value == value


def test_a_pass_from_a_value_on_is_the_whole_pass() -> None:
    network = Network(NetworkSpec.from_dict(NETWORK)).double().eval()
    images = torch.rand(5, 1, 28, 28, dtype=torch.float64)
    values = network.layer_values(images, "flat")["flat"]
    assert torch.equal(network.logits_from("flat", values), network(images))
    assert torch.equal(network.training_logits(values, "flat"), network(images))


def trained(augment: Augmentation | None = None, **settings: object) -> tuple[LitClassifier, dict]:
    L.seed_everything(3)
    module = LitClassifier(NETWORK, lambda groups: Adam(groups), **settings)
    data = MNISTDataModule("digits", batch_size=50, standardize="unit", augment=augment)
    trainer = L.Trainer(
        max_epochs=2,
        precision="64-true",
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    with counted_images(module) as counts:
        trainer.fit(module, data)
    return module, counts | {"val/loss": float(trainer.callback_metrics["val/loss"])}


@contextmanager
def counted_images(module: LitClassifier) -> Iterator[dict]:
    counts = {"stem": 0}

    def count(layer: object, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        counts["stem"] += len(output)

    handle = module.network.stem.conv.register_forward_hook(count)
    yield counts
    handle.remove()


def test_equal_to_running_it_each_time() -> None:
    once, counts = trained()
    always, others = trained(run_frozen_once=False)
    assert counts["stem"] == 1437  # each training and validation image of the digits once
    assert others["stem"] == 2 * 1437
    theirs = always.network.named_weights()
    for name, array in once.network.named_weights().items():
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-13, err_msg=name)
    assert counts["val/loss"] == pytest.approx(others["val/loss"], abs=1e-12)
    start = Network(once.spec, seed=1).named_weights()
    assert (once.network.named_weights()["hidden/kernel"] != start["hidden/kernel"]).any()


def test_distorted_images_are_run_each_time() -> None:
    _, counts = trained(Augmentation(shift=1.0))
    validation = 144
    assert counts["stem"] == 2 * (1437 - validation) + validation


def test_in_a_mapped_file(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setattr(features, "memory_bytes", lambda: 1)
    monkeypatch.setattr(features, "cache_folder", lambda: tmp_path)
    mapped, counts = trained()
    assert counts["stem"] == 1437
    assert (tmp_path / "features").is_dir()
    always, _ = trained(run_frozen_once=False)
    theirs = always.network.named_weights()
    for name, array in mapped.network.named_weights().items():
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-13, err_msg=name)


def test_a_stale_value_would_be_noticed() -> None:
    """The comparison can fail: features of other frozen weights train other heads."""
    module, _ = trained()
    other = copy.deepcopy(module.network)
    with torch.no_grad():
        other.stem.conv.weight.mul_(1.01)
    images = torch.rand(2, 1, 28, 28, dtype=torch.float64)
    values = (network.layer_values(images, "flat")["flat"] for network in (module.network, other))
    assert not torch.allclose(*values, atol=1e-13)
