"""Labels drawn as one collection show what matplotlib's texts show, at the same places."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from lit_mnist.figures.canvas import new_figure, to_bytes, to_rgb
from lit_mnist.figures.labels import add_labels

LABELS = ["train:47303\n48.4", "1", "", "left\n0.12"]
PLACES = np.array([(0.1, 0.1), (0.6, 0.15), (0.3, 0.5), (0.2, 0.7)])


def drawn(as_texts: bool) -> tuple[Figure, np.ndarray]:
    """The figure, and where it is dark."""
    figure = new_figure(3, 2)
    axes = figure.subplots()
    axes.set_axis_off()
    if as_texts:
        for label, (x, y) in zip(LABELS, PLACES, strict=True):
            axes.text(x, y, label, fontsize=14, linespacing=1.1, va="bottom")
    else:
        add_labels(axes, LABELS, PLACES, 14)
    return figure, to_rgb(figure)[..., 0] < 128


def near(dark: np.ndarray, pixels: int = 2) -> np.ndarray:
    """Where something dark is at most `pixels` away."""
    steps = range(-pixels, pixels + 1)
    return np.any([np.roll(dark, (down, right), (0, 1)) for down in steps for right in steps], 0)


def test_labels_cover_the_same_pixels_as_texts() -> None:
    (_, labels), (_, texts) = drawn(False), drawn(True)
    assert labels.sum() == pytest.approx(texts.sum(), rel=0.15) and texts.sum() > 500
    assert near(texts)[labels].mean() > 0.97 and near(labels)[texts].mean() > 0.97
    assert near(np.roll(texts, 9, 1))[labels].mean() < 0.8  # the comparison can fail


def test_labels_are_in_svgs_too() -> None:
    with_labels, without = (to_bytes(figure, "svg") for figure in (drawn(False)[0], Figure()))
    assert with_labels.count(b"<path") > without.count(b"<path")
