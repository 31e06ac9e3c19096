"""Picture files of every kind that people have: deep, fractional, transparent, framed, turned,
blank, broken.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.data import DataError
from lit_mnist.data.images import read_images
from lit_mnist.data.pictures import open_picture, picture


def seven(side: int = 90) -> np.ndarray:
    """Ink 0 to 1 (side, side) of a seven: two strokes."""
    ink = np.zeros((side, side))
    ink[side // 5 : side // 4, side // 3 : 2 * side // 3] = 1
    ink[side // 4 : 4 * side // 5, 3 * side // 5 : 2 * side // 3] = 1
    return ink


def read(path: Path) -> np.ndarray:
    return read_images([str(path)]).pixels[0]


@pytest.fixture
def plain(tmp_path: Path) -> np.ndarray:
    """What the seven becomes from an ordinary file."""
    Image.fromarray(np.uint8(255 * (1 - seven()))).save(tmp_path / "plain.png")
    return read(tmp_path / "plain.png")


def close(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).mean() < 1 and one.max() > 200)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_pixels_are_scaled_by_the_bits_that_hold_them(
    tmp_path: Path, plain: np.ndarray, bits: int
) -> None:
    paper = (2**bits - 1) * (1 - seven())
    Image.fromarray(paper.astype(np.uint16)).save(tmp_path / "deep.png")
    assert close(read(tmp_path / "deep.png"), plain)
    assert np.asarray(open_picture(tmp_path / "deep.png", "L")).max() == 255


@pytest.mark.parametrize("full", [1.0, 255.0, 65535.0])
def test_pixels_that_are_fractions(tmp_path: Path, plain: np.ndarray, full: float) -> None:
    Image.fromarray((full * (1 - seven())).astype(np.float32)).save(tmp_path / "float.tiff")
    assert close(read(tmp_path / "float.tiff"), plain)


@pytest.mark.parametrize("level", [0, 255])
def test_ink_of_either_colour_on_transparent_paper(
    tmp_path: Path, plain: np.ndarray, level: int
) -> None:
    rgba = np.zeros((90, 90, 4), np.uint8)
    rgba[..., :3] = level
    rgba[..., 3] = 255 * seven()
    Image.fromarray(rgba).save(tmp_path / "clear.png")
    assert close(read(tmp_path / "clear.png"), plain)


def test_a_digit_in_a_frame_is_read(tmp_path: Path) -> None:
    framed = np.uint8(255 * (1 - seven(200)))
    framed[:4] = framed[-4:] = 0
    framed[:, :4] = framed[:, -4:] = 0
    Image.fromarray(framed).save(tmp_path / "framed.png")
    pixels = read(tmp_path / "framed.png")
    assert np.isfinite(pixels).all() and pixels.max() > 200


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    image = Image.fromarray(np.uint8(255 * (1 - seven())))
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(np.asarray(open_picture(tmp_path / "turned.png", "L")), np.asarray(image))


def test_a_folder_stands_for_its_pictures(tmp_path: Path, plain: np.ndarray) -> None:
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "within").mkdir()
    Image.fromarray(np.uint8(255 * (1 - seven()))).save(tmp_path / "within" / "B.JPG", quality=95)
    images = read_images([str(tmp_path)])
    assert [Path(name).name for name in images.names] == ["plain.png", "B.JPG"] and len(
        images.pixels
    ) == 2
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"none.*a folder without pictures.*\.jpg"):
        read_images([str(tmp_path / "none")])


def test_pictures_that_cannot_be_read(tmp_path: Path) -> None:
    """Each is one error that names the file and its reason."""
    Image.new("L", (28, 28), 0).save(tmp_path / "black.png")
    Image.new("L", (28, 28), 255).save(tmp_path / "white.png")
    Image.fromarray(np.full((40, 40), np.nan, np.float32)).save(tmp_path / "nan.tiff")
    Image.fromarray(np.full((40, 40), -3, np.float32)).save(tmp_path / "below.tiff")
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "empty.png").write_bytes(b"")
    Image.new("RGB", (64, 64), "red").save(tmp_path / "whole.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:300])
    for name, words in (
        ("black.png", "nothing but background"),
        ("white.png", "nothing but background"),
        ("nan.tiff", "NaN"),
        ("below.tiff", "-3 to -3"),
        ("phone.heic", "HEIC.*pillow-heif"),
        ("empty.png", "an empty file"),
        ("cut.jpg", "not a readable image"),
    ):
        with pytest.raises(DataError, match=f"{name}.*{words}"):
            read(tmp_path / name)


def test_grey_and_colour_files_take_the_networks_form(tmp_path: Path) -> None:
    Image.new("RGB", (50, 40), (200, 100, 10)).save(tmp_path / "a.png")
    assert (
        picture(tmp_path / "a.png", (10, 12, 3)).tolist()
        == np.full((10, 12, 3), (200, 100, 10)).tolist()
    )
    assert (
        picture(tmp_path / "a.png", (10, 12, 1)) == 120
    ).all()  # 0.299 200 + 0.587 100 + 0.114 10
    images = read_images([str(tmp_path / "a.png")], input_shape=(10, 12, 3))
    assert (
        images.pixels.shape == (1, 10, 12, 3) and images.adapted == "image files resized to 10 x 12"
    )


def test_other_data_sets_files_are_laid_light_on_dark(tmp_path: Path) -> None:
    Image.fromarray(np.uint8(255 * (1 - seven()))).save(tmp_path / "a.png")
    images = read_images([str(tmp_path / "a.png")], "fashion_mnist")
    assert images.pixels[0].max() > 200 and images.pixels[0][0].max() == 0
    assert images.adapted == "image files laid light on dark into 28 x 28, aspect kept"


def test_dark_ink_on_a_white_sheet_in_transparent_surroundings(tmp_path: Path) -> None:
    """The opaque part is mostly white, yet its ink is dark."""
    pixels = np.zeros((40, 40, 4), np.uint8)
    pixels[8:32, 8:32] = 255
    pixels[12:28, 18:22] = (0, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "sheet.png")
    grey = np.asarray(open_picture(tmp_path / "sheet.png", "L"))
    assert grey[0, 0] == grey[10, 10] == 255
    assert grey[20, 20] == 0
