"""Picture files of any common kind as 8 bits: deep pixels scaled, transparency filled, upright."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import first_line
from ..spec import Shape
from .idx import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
    ".heic",
    ".heif",
)
_LARGEST = 50_000_000  # pixels; more than any photograph of a digit
_HEIC = (b"heic", b"heix", b"heif", b"mif1", b"msf1", b"hevc")
_DEPTHS = (8, 10, 12, 14, 16, 24, 32)  # bits that cameras and scanners give


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's warnings about sizes, which `open_picture` checks, and metadata.

    Not thread-safe.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def picture(path: Path, shape: Shape) -> np.ndarray:
    """Return a picture file as uint8, resized with antialiasing to (H, W) grey or (H, W, 3).

    Raises DataError naming the file and what is wrong with it.
    """
    from PIL import Image

    opened = open_picture(path, "L" if shape[2] == 1 else "RGB", (shape[1], shape[0]))
    if opened.size != (shape[1], shape[0]):
        opened = opened.resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.asarray(opened)


def missing_picture(path: str | Path) -> DataError:
    """Return the error for a picture that is not there."""
    return DataError(
        f"image {str(path)!r}: no such file; accepted: an image file, or an id such as test:19"
    )


def open_picture(path: Path, mode: str, smallest: tuple[int, int] | None = None) -> Picture:
    """Return a picture in `mode`, ``L`` or ``RGB``, upright and opaque.

    With `smallest`, a JPEG may be decoded at a lower resolution, but not below it. Deeper pixels
    are scaled from the smallest of 8, 10, 12, 14, 16, ... bits that holds them, fractions up to 1
    by 255. Transparent pictures get a black background if their ink is light, else a white one.
    Raises DataError naming the file.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not path.is_file():
        raise missing_picture(path)
    _register_heic()
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _LARGEST:
                raise DataError(
                    f"{opened.width} x {opened.height} pixels; accepted: up to {_LARGEST} pixels"
                )
            if smallest is not None:
                opened.draft(mode, smallest)
            return _on_paper(_eight_bits(ImageOps.exif_transpose(opened))).convert(mode)
    except DataError as error:
        raise DataError(f"image {str(path)!r}: {error}") from None
    except UnidentifiedImageError as error:
        raise DataError(f"image {str(path)!r}: not a readable image ({_kind(path)})") from error
    except Exception as error:  # Pillow's decoders raise whatever the damage leads to
        reason = first_line(error)
        raise DataError(f"image {str(path)!r}: not a readable image ({reason})") from error


def _register_heic() -> None:
    try:
        # an optional package
        from pillow_heif import register_heif_opener  # pyright: ignore[reportMissingImports]
    except ImportError:
        return
    register_heif_opener()


def _kind(path: Path) -> str:
    """Describe a file that Pillow cannot open."""
    start = path.read_bytes()[:12]
    if start[4:8] == b"ftyp" and start[8:12] in _HEIC:
        return (
            "HEIC, a telephone's format; ways out: pip install pillow-heif, or save it as JPEG or "
            "PNG"
        )
    return "an empty file" if not start else "of no format that Pillow knows"


def _eight_bits(opened: Picture) -> Picture:
    from PIL import Image

    if not opened.mode.startswith(("I", "F")):
        return opened
    values = np.asarray(opened, np.float64)
    if not np.isfinite(values).all():
        raise DataError("its pixels hold NaN or infinite values")
    low = float(values.min())
    high = float(values.max())
    if low < 0:
        raise DataError(f"its pixels reach from {low:g} to {high:g}; accepted: 0 or above")
    if opened.mode == "F" and high <= 1:
        full = 1.0
    else:
        full = next((2.0**bits - 1 for bits in _DEPTHS if high < 2**bits), high)
    return Image.fromarray(np.rint(values * (255 / full)).astype(np.uint8))


def _on_paper(opened: Picture) -> Picture:
    from PIL import Image

    if "A" not in opened.getbands() and "transparency" not in opened.info:
        return opened
    rgba = opened.convert("RGBA")
    opacity = np.asarray(rgba.getchannel("A"), np.float64)
    grey = np.asarray(rgba.convert("RGB").convert("L"))
    # dark ink may come with white paper, so ink is light only if hardly anything is dark
    light = opacity.min() < 255 and opacity[grey < 128].sum() <= 0.02 * opacity.sum()
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "black" if light else "white"), rgba)
