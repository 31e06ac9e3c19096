"""Digits on papers of many kinds come out as MNIST's; MNIST's own images come out as they went
in.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lit_mnist.data import DataError, Dataset
from lit_mnist.data.images import read_images
from lit_mnist.data.reader import is_mnist, read_digit
from lit_mnist.runs.model import Model

from .papers import PAPERS, Paper, paper

ENOUGH = 95  # of 100; the network of one epoch reads 98 of these digits as they are


def right(model: Model, pixels: list[np.ndarray] | np.ndarray, labels: np.ndarray) -> int:
    """How many images the network reads right."""
    with torch.no_grad():
        outputs = model.network(model.tensor(np.stack(pixels).astype(np.float32)))
    return int((outputs.argmax(1).numpy() == labels).sum())


@pytest.mark.mnist
@pytest.mark.parametrize("kind", PAPERS, ids=lambda kind: kind.__name__)
def test_digits_are_read_on_paper(kind: Paper, mnist: Dataset, trained: Model) -> None:
    generator = np.random.default_rng(1)
    pixels = [read_digit(kind(digit, generator)).pixels for digit in mnist.test_images[:100]]
    assert right(trained, pixels, mnist.test_labels[:100]) >= ENOUGH


@pytest.mark.mnist
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_camera_held_sideways_says_so(
    orientation: int, mnist: Dataset, trained: Model, tmp_path: Path
) -> None:
    """EXIF 2.32, tag 274: the picture is stored turned or mirrored."""
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    generator, names = np.random.default_rng(1), []
    for number, digit in enumerate(mnist.test_images[:20]):
        picture = Image.fromarray(paper(digit, generator).astype(np.uint8)).transpose(
            undo[orientation]
        )
        exif = Image.Exif()
        exif[274] = orientation
        names.append(str(tmp_path / f"{number}.png"))
        picture.save(names[-1], exif=exif)
    assert right(trained, read_images(names).pixels, mnist.test_labels[:20]) >= 19


def unchanged(images: np.ndarray) -> int:
    return sum(is_mnist(image.astype(float)) for image in images)


@pytest.mark.mnist
def test_images_of_mnist_are_known(mnist: Dataset) -> None:
    assert unchanged(mnist.train_images[::10]) == 6_000
    assert unchanged(mnist.test_images[::10]) == 1_000


@pytest.mark.slow
@pytest.mark.mnist
def test_all_images_of_mnist_saved_as_files_stay_what_they_are(
    mnist: Dataset, tmp_path: Path
) -> None:
    images = np.concatenate([mnist.train_images, mnist.test_images])
    assert len(images) == 70_000
    names = [str(tmp_path / f"{number}.png") for number in range(len(images))]
    for name, image in zip(names, images, strict=True):
        Image.fromarray(image).save(name)
    read = read_images(names).pixels
    assert np.array_equal(read, images)


@pytest.mark.mnist
def test_an_image_of_mnist_saved_as_a_file_stays_what_it_is(mnist: Dataset, tmp_path: Path) -> None:
    Image.fromarray(mnist.test_images[7]).save(tmp_path / "seven.png")
    assert (read_images([str(tmp_path / "seven.png")]).pixels[0] == mnist.test_images[7]).all()


@pytest.mark.mnist
def test_an_inverted_image_of_mnist_has_the_same_digit(mnist: Dataset, trained: Model) -> None:
    pixels = [read_digit(255.0 - digit).pixels for digit in mnist.test_images[:100]]
    assert right(trained, pixels, mnist.test_labels[:100]) >= ENOUGH


def bar(height: int, width: int, size: int = 120) -> np.ndarray:
    """A dark upright bar on white paper."""
    grey = np.full((size, size), 255.0)
    top, left = (size - height) // 2, (size - width) // 2
    grey[top : top + height, left : left + width] = 0
    return grey


@pytest.mark.parametrize("width", [1, 3, 8, 20])
def test_strokes_get_the_width_of_mnist_in_its_box(width: int) -> None:
    pixels = read_digit(bar(80, width)).pixels
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    assert 20 <= rows[-1] - rows[0] + 1 <= 21  # 20 long; the outermost rows may be covered in part
    assert 1.7 <= pixels.sum(1).max() / 255 <= 3.0  # pixels across
    assert columns.mean() == pytest.approx(13.5, abs=0.6)


@pytest.mark.parametrize(
    "grey",
    [np.full((50, 50), 255.0), np.zeros((28, 28)), np.full((8, 200), 128.0)],
    ids=["white", "black", "strip"],
)
def test_a_picture_of_nothing_is_refused(grey: np.ndarray) -> None:
    with pytest.raises(DataError, match="nothing but background"):
        read_digit(grey)


def test_a_blank_noisy_page_is_refused() -> None:
    noise = np.random.default_rng(0).normal(200, 8, (200, 150))
    with pytest.raises(DataError, match="nothing but background"):
        read_digit(noise.clip(0, 255))


@pytest.mark.parametrize("shape", [(1, 1), (7, 200), (200, 7)])
def test_a_picture_too_small_for_a_digit_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(
        DataError, match=f"{shape[1]} x {shape[0]} pixels; accepted: at least 8 x 8"
    ):
        read_digit(np.zeros(shape))
