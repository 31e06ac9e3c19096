"""Pictures for style transfer: reading, resizing, and removal and restoration of colour."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ...data.images import is_id, read_images
from ...data.pictures import open_picture, quiet
from ...files import expand
from ...runs.model import Model
from ..checks import MaximizeError

Picture = str | Path | np.ndarray

# of red, green and blue: brightness, and two differences of colour (NTSC's YIQ)
_YIQ = np.array(
    [
        [0.299, 0.587, 0.114],
        [0.59590059, -0.27455667, -0.32134392],
        [0.21153661, -0.52273617, 0.31119955],
    ]
)


def read_picture(
    picture: Picture, model: Model, size: int | None, area: float | None = None
) -> np.ndarray:
    """Return a picture as pixels 0 to 255, float32 (H, W, C), with the number of channels that the
    network takes.

    Its longer side becomes `size`, or its area `area` pixels; the aspect ratio stays. Ids such as
    test:19, and pictures for a grey network, are read in the form of the network's data set. Raises
    DataError, which names the file, and MaximizeError for an array that is not a picture.
    """
    pixels = _pixels(picture, model)
    height, width = pixels.shape[:2]
    if area is not None:
        factor = math.sqrt(area / (height * width))
    else:
        factor = 1.0 if size is None else size / max(height, width)
    return resized(pixels, (max(1, round(factor * height)), max(1, round(factor * width))))


def _pixels(picture: Picture, model: Model) -> np.ndarray:
    channels = model.spec.input_shape[2]
    if isinstance(picture, np.ndarray):
        return _checked(picture, channels)
    name = str(picture)
    if is_id(name) or channels == 1:
        height, width, _ = model.spec.input_shape
        images = read_images([name], model.dataset, model.data_root, (height, width, channels))
        return images.pixels[0].reshape(height, width, channels)
    with quiet():
        return np.asarray(open_picture(expand(name), "RGB"), np.float32)


def _checked(picture: np.ndarray, channels: int) -> np.ndarray:
    pixels = np.asarray(picture, np.float32)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or not pixels.size or pixels.shape[2] not in (1, channels):
        shapes = "(H, W)" if channels == 1 else f"(H, W) or (H, W, {channels})"
        raise MaximizeError(
            f"picture of shape {picture.shape}; accepted: {shapes}, pixels 0 to 255"
        )
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 255):
        raise MaximizeError(
            f"picture with values from {pixels.min():g} to {pixels.max():g}; accepted: pixels 0 "
            "to 255"
        )
    return np.broadcast_to(pixels, (*pixels.shape[:2], channels))


def resized(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return pixels (H, W, C) resized to `size` (height, width), with antialiasing, in 0 to 255."""
    from PIL import Image

    if pixels.shape[:2] == size:
        return np.array(pixels, np.float32)
    channels = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(channel)).resize(
                (size[1], size[0]), Image.Resampling.LANCZOS
            )
        )
        for channel in np.asarray(pixels, np.float32).transpose(2, 0, 1)
    ]
    return np.stack(channels, -1).clip(0, 255)


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Return the brightness (H, W, 1) of pixels (H, W, 3)."""
    return pixels @ _YIQ[0, :, None].astype(pixels.dtype)


def matched(style: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return `style` with the mean and deviation of `content`, both brightness, 0 to 255.

    Gatys et al. 2016 (arXiv:1606.05897), section 5.2.
    """
    deviation = style.std() or 1.0
    return ((style - style.mean()) * (content.std() / deviation) + content.mean()).clip(0, 255)


def recoloured(brightness: np.ndarray, content: np.ndarray) -> np.ndarray:
    """Return pixels (H, W, 3) with another brightness (H, W, 1) and the colours of `content` (H, W,
    3).
    """
    yiq = content @ _YIQ.T
    yiq[..., :1] = brightness
    return (yiq @ np.linalg.inv(_YIQ).T).clip(0, 255)
