"""A network of several outputs: each can give the answer of an opened model."""

from __future__ import annotations

import pytest
import torch

from lit_mnist.spec import NetworkSpec, SpecError
from tests.networks import LAYERS, model_of


def test_another_output_gives_the_answer() -> None:
    side = {
        "type": "dense",
        "name": "Side",
        "units": 3,
        "activation": "sigmoid",
        "inputs": ["Flatten"],
    }
    model = model_of(
        NetworkSpec.from_dict({"layers": [*LAYERS, side], "outputs": ["Dense_1", "Side"]})
    )
    other, images = model.with_output("Side"), torch.rand(2, 1, 28, 28)
    assert other.network(images).shape == (2, 3) and other.class_names == ("0", "1", "2")
    both = model.network.layer_values(images, "Dense_1", "Side")
    assert torch.equal(other.network.probabilities(other.network(images)), both["Side"])
    assert torch.equal(other.with_output("Dense_1").network(images), both["Dense_1"])
    with pytest.raises(SpecError, match="did you mean 'Side'"):
        model.with_output("Sides")
