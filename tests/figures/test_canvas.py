"""The shared base of all pictures: any number of images, any values, files that repeat, no global
state.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from lit_mnist.figures import canvas


@pytest.mark.parametrize("count, columns", [(1, 8), (8, 8), (13, 8), (5, 3)])
@pytest.mark.parametrize("labels", [True, False])
def test_grids_of_any_size(count: int, columns: int, labels: bool) -> None:
    images = np.random.default_rng(0).random((count, 4, 6))
    figure = canvas.grid_figure(
        images, columns, [str(number) for number in range(count)] if labels else None, (0, 1)
    )
    pixels = canvas.to_rgb(figure)
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    grid = figure.axes[0]
    assert len(grid.images) == count and len(grid.texts) == count * labels
    places = [image.get_extent() for image in grid.images]
    assert len({(left, top) for left, _, _, top in places}) == count  # none hides another


@pytest.mark.parametrize("values", [0.0, 3.0, -2.0, np.nan, np.inf, 1e30])
@pytest.mark.parametrize("signed", [True, False])
def test_constant_and_odd_images_are_drawn(values: float, signed: bool) -> None:
    image = np.full((3, 3), values)
    for limits in (None, (canvas.signed_range if signed else canvas.value_range)(image)):
        canvas.to_rgb(canvas.grid_figure([image, np.zeros((3, 3))], limits=limits, signed=signed))


def test_ranges() -> None:
    assert canvas.value_range(np.array([1.0, np.nan, 3.0])) == (1, 3)
    assert canvas.value_range(np.zeros(3)) == (0, 1)
    assert canvas.value_range(np.full(3, 5.0)) == (0, 5)
    assert canvas.value_range(np.full(3, np.nan)) == (0, 1)
    assert canvas.signed_range(np.array([-2.0, 1.0, np.inf])) == (-2, 2)
    assert canvas.signed_range(np.zeros(3)) == (-1, 1)


def colours(image: np.ndarray, signed: bool) -> np.ndarray:
    """The colours in which a grid shows the values of a small image, one for each."""
    (drawn,) = canvas.image_grid(canvas.new_figure(2, 2).subplots(), [image], signed=signed)
    return drawn.to_rgba(image)[..., :3]


def test_signed_scale_is_white_at_zero() -> None:
    negative, zero, positive = colours(np.array([[-0.5, 0.0, 2.0]]), True)[0]
    assert zero.min() > 0.95
    assert negative[2] > negative[0] and positive[0] > positive[2]


def test_files_repeat_and_appear_whole(tmp_path: Path) -> None:
    for suffix in ("png", "svg"):
        first, second = (
            canvas.save(
                canvas.grid_figure([np.eye(3)], labels=["0"]), tmp_path / f"{name}.{suffix}"
            )
            for name in "ab"
        )
        assert first.read_bytes() == second.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "a.svg", "b.png", "b.svg"}
    with Image.open(tmp_path / "a.png") as image:
        again = canvas.to_rgb(canvas.grid_figure([np.eye(3)], labels=["0"]))
        assert np.array_equal(np.asarray(image.convert("RGB")), again)


def test_what_cannot_work(tmp_path: Path) -> None:
    with pytest.raises(canvas.FigureError, match="'jpg'.*png, svg"):
        canvas.save(canvas.new_figure(1, 1), tmp_path / "a.jpg")
    with pytest.raises(canvas.FigureError, match="did you mean 'magma'"):
        canvas.colormap("magna")
    with pytest.raises(canvas.FigureError, match="no image"):
        canvas.grid_figure([])


def test_no_global_state() -> None:
    before = dict(matplotlib.rcParams)
    canvas.to_bytes(canvas.grid_figure([np.eye(3)]), "svg")
    assert dict(matplotlib.rcParams) == before


def test_pyplot_is_never_imported() -> None:
    """In a process of its own: other libraries import pyplot here."""
    code = (
        "import sys, pkgutil, importlib, lit_mnist.figures as f\n"
        "from lit_mnist.figures import canvas, evaluation, filters, maps, statistics\n"
        "canvas.to_rgb(evaluation.confusion_matrix([[1, 0], [2, 3]], ['a', 'b']))\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_shown_pixels() -> None:
    assert canvas.shown(np.full((2, 2), 300.0)).max() == 1
    assert canvas.shown(np.zeros((2, 2, 1))).shape == (2, 2)
    assert canvas.shown(np.zeros((2, 2, 3))).shape == (2, 2, 3)


@pytest.mark.parametrize("limits", [(0, 1), None], ids=["colour bar", "no colour bar"])
def test_a_png_is_what_matplotlib_writes(limits: tuple[float, float] | None) -> None:
    images = np.random.default_rng(0).random((10, 9, 9))
    labels = ["a\nb"] * 10
    drawn, expected = (
        canvas.grid_figure(images, labels=labels, limits=limits, title="grid") for _ in range(2)
    )
    buffer = io.BytesIO()
    expected.savefig(buffer, format="png", metadata={"Software": None})
    assert canvas.to_bytes(drawn) == buffer.getvalue()
