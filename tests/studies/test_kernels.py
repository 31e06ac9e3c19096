"""Hand-made filters: equal to SciPy's correlation and to the source's loop; learnt ones find their
like.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.signal import correlate2d

from lit_mnist.errors import UserError
from lit_mnist.studies.kernels import (
    KERNELS,
    Kernel,
    apply,
    different,
    max_pool,
    read_kernel,
    read_photograph,
    resemblances,
    scaled_to,
)

GREY = np.random.default_rng(0).uniform(0, 255, (13, 18))


def by_loop(grey: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The source's loop: each pixel but the margin, its neighbours times the weights, clipped."""
    height, width = grey.shape
    result = np.zeros((height - 2, width - 2))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            total = (grey[y - 1 : y + 2, x - 1 : x + 2] * weights).sum()
            result[y - 1, x - 1] = min(max(total, 0), 255)
    return result


@pytest.mark.parametrize("name", [*KERNELS, "vertical", "horizontal", "1,2,3;4,5,6;7,8,-9.5"])
def test_a_response_is_the_clipped_correlation(name: str) -> None:
    kernel = read_kernel(name)
    response = apply(GREY, kernel).response
    expected = np.clip(correlate2d(GREY, kernel.weights, mode="valid"), 0, 255)
    np.testing.assert_array_equal(response, expected)
    np.testing.assert_allclose(response, by_loop(GREY, kernel.weights), rtol=0, atol=1e-10)


def test_names_say_what_a_kernel_responds_to() -> None:
    stripe = np.zeros((9, 9))
    stripe[:, 5:] = 255
    for name, other in (("vertical", "horizontal"), ("sobel_x", "sobel_y")):
        assert apply(stripe, read_kernel(name)).response.max() == 255
        assert apply(stripe, read_kernel(other)).response.max() == 0
        assert apply(stripe.T, read_kernel(other)).response.max() == 255


def test_max_pooling_keeps_the_largest_of_each_cell() -> None:
    image = np.arange(35.0).reshape(5, 7)
    np.testing.assert_array_equal(max_pool(image, 2), [[8, 10, 12], [22, 24, 26]])
    np.testing.assert_array_equal(max_pool(image, 1), image)


def test_photographs(tmp_path: Path) -> None:
    assert read_photograph("china.jpg").shape == (427, 640)
    path = tmp_path / "grey.png"
    Image.fromarray(GREY.astype(np.uint8)).save(path)
    np.testing.assert_allclose(read_photograph(str(path)), np.floor(GREY), atol=1e-9)


def test_a_learnt_filter_finds_its_like() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, (3, 1, 3, 3))
    planted = np.stack([0.3 * np.array(KERNELS["sobel_x"]), -0.1 * np.array(KERNELS["emboss"])])
    kernels = noise + np.concatenate([planted, np.zeros((1, 3, 3))])[:, None]
    pairs = {pair.map: pair for pair in resemblances(kernels, "Conv2D_1")}
    assert (pairs[0].hand_made.name, pairs[1].hand_made.name) == ("sobel_x", "minus emboss")
    assert pairs[0].correlation > 0.99
    assert pairs[1].correlation < -0.99
    cosine = np.corrcoef(np.ravel(kernels[0, 0]), np.ravel(KERNELS["sobel_x"]))[0, 1]
    assert pairs[0].correlation == pytest.approx(cosine, abs=0.01)  # Sobel's mean is zero
    scaled = scaled_to(pairs[0].learnt, pairs[0].hand_made)
    np.testing.assert_allclose(scaled.weights, KERNELS["sobel_x"], atol=0.1)
    assert len(different([pairs[0], pairs[0]], 2)) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soble_x", "did you mean 'sobel_x'"),
        ("1,2;3,4", "three rows of three numbers"),
        ("1,2,3;4,5,x;7,8,9", "three rows of three numbers"),
        ("1,2,nan;4,5,6;7,8,9", "three rows of three numbers"),
    ],
)
def test_bad_kernels(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        read_kernel(text)


def test_bad_pictures(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_photograph(str(tmp_path / "none.jpg"))
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(UserError, match="text.jpg"):
        read_photograph(str(tmp_path / "text.jpg"))
    Image.new("L", (2, 9)).save(tmp_path / "small.png")
    with pytest.raises(UserError, match="smaller than the kernel"):
        read_photograph(str(tmp_path / "small.png"))
    with pytest.raises(UserError, match="--pool 12"):
        apply(GREY, Kernel("k", np.eye(3)), 12)
    with pytest.raises(UserError, match="kernels of 5 x 5"):
        resemblances(np.zeros((1, 1, 5, 5)), "Conv2D_1")
