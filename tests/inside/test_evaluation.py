"""The confusion matrix and the mistakes of a network, against counting one by one."""

from __future__ import annotations

import numpy as np
import pytest

from lit_mnist.errors import UserError
from lit_mnist.inside.evaluation import evaluate
from lit_mnist.inside.passes import class_probabilities
from tests.networks import tiny_model


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)


def test_mistakes_are_counted_and_sorted(pixels: np.ndarray) -> None:
    model = tiny_model()
    labels = np.arange(40) % 10
    result = evaluate(model, pixels, labels, most=7)
    probabilities = class_probabilities(model, pixels)
    guesses = probabilities.argmax(1)
    assert set(result.wrong) == {i for i in range(40) if guesses[i] != labels[i]}
    assert len(result.wrong) > 20
    assert (np.diff(result.confidence) <= 0).all()
    for position, predicted, confidence, true in zip(
        result.wrong, result.predicted, result.confidence, result.true_probability, strict=True
    ):
        assert predicted == guesses[position]
        assert confidence == pytest.approx(probabilities[position].max(), rel=1e-5)
        assert true == pytest.approx(probabilities[position, labels[position]], rel=1e-5)
    for true, guess in np.ndindex(10, 10):
        expected = sum(labels[i] == true and guesses[i] == guess for i in range(40))
        assert result.confusion[true, guess] == expected
    assert (result.images, result.correct) == (40, 40 - len(result.wrong))


@pytest.mark.parametrize(
    "labels, message",
    [(np.full(40, -1), "have no labels"), (np.full(40, 10), "label 10: .* accepted: 0 to 9")],
)
def test_labels_that_the_network_cannot_give(
    pixels: np.ndarray, labels: np.ndarray, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        evaluate(tiny_model(), pixels, labels)
