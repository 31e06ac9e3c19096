"""Results on record, as the live page shows them, are those of the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from lit_mnist.data import load_dataset
from lit_mnist.inside.kept import kept_results
from lit_mnist.live.records import records
from lit_mnist.maximize.maximization import Settings, maximize_maps
from lit_mnist.maximize.quality import training_references
from lit_mnist.report.preferred import preferred_cards
from lit_mnist.runs.model import Model, open_model, save_model
from tests.networks import tiny_model

LAYER = "Conv2D_1"
ASCENT = Settings(steps=3, restarts=2)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A tiny network with a map that nothing raises, and preferred images of its maps on record."""
    silent = tiny_model()
    silent.network.get_parameter(f"{LAYER}.conv.weight").data[1] = 0
    silent.network.get_parameter(f"{LAYER}.conv.bias").data[1] = -1
    save_model(silent, tmp_path / "net.ckpt")
    model = open_model(tmp_path / "net.ckpt")
    maximize_maps(model, LAYER, settings=ASCENT, kept=kept_results(model))
    return model


def test_preferred_images_are_compared_with_the_training_images(model: Model) -> None:
    pixels = load_dataset("digits").train_images
    data = training_references(model, [LAYER], pixels)[LAYER]
    expected = preferred_cards(maximize_maps(model, LAYER, settings=ASCENT, data=data))
    cards = records(model).preferred[LAYER]["cards"]
    assert cards == expected
    assert cards[0]["ratio"] is not None and cards[1]["outcome"] == "silent: unreachable"
