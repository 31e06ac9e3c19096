"""Random affine and elastic distortion of batches; an epoch's random numbers are drawn at once.

NumPy draws them from (seed, epoch), so that images are the same on every device and for any number
of processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import nearest, need_number
from .elastic import control_points, displacement
from .idx import DataError

FILL_MODES = ("background", "constant", "nearest", "reflect", "wrap")
_LIMITS = {
    "rotation": 180.0,
    "scale": 0.99,
    "shear": 0.99,
    "shift": 14.0,
    "elastic": 14.0,
    "width_shift": math.inf,
    "height_shift": math.inf,
    "shear_angle": 89.0,
    "zoom": 0.99,
    "fill_value": 255.0,
}


@dataclass(frozen=True)
class Augmentation:
    """Half widths of uniform distributions, and how borders are filled.

    rotation in degrees, scale and shear as fractions, shift in pixels. elastic is no half width but
    the standard deviation, in pixels, of smooth displacements (`elastic`); their control points are
    elastic_spacing pixels apart, 1 or more. In the terms of Keras' ImageDataGenerator: width_shift
    and height_shift as a fraction of the side below 1, in pixels from 1; shear_angle in degrees
    (Keras' shear_range); zoom as a fraction, each axis on its own; horizontal_flip and
    vertical_flip with probability one half; fill_mode nearest, reflect, wrap, or constant with
    fill_value (0 to 255). The fill_mode background blends into the empty picture.
    """

    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    elastic_spacing: float = 7.0
    width_shift: float = 0.0
    height_shift: float = 0.0
    shear_angle: float = 0.0
    zoom: float = 0.0
    horizontal_flip: bool = False
    vertical_flip: bool = False
    fill_mode: str = "background"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        for key, limit in _LIMITS.items():
            need_number(f"data.augment.{key}", getattr(self, key), most=limit, error=DataError)
        need_number("data.augment.elastic_spacing", self.elastic_spacing, least=1, error=DataError)
        if self.fill_mode not in FILL_MODES:
            raise DataError(
                f"data.augment.fill_mode: unknown {self.fill_mode!r}; "
                f"{nearest(str(self.fill_mode), FILL_MODES)}"
            )

    def __bool__(self) -> bool:
        affine = (self.rotation, self.scale, self.shear, self.shift, self.elastic)
        return any(affine) or self._in_keras_terms

    @property
    def _in_keras_terms(self) -> bool:
        return any(
            (
                self.width_shift,
                self.height_shift,
                self.shear_angle,
                self.zoom,
                self.horizontal_flip,
                self.vertical_flip,
            )
        )

    def draw(self, seed: int, epoch: int, n: int, height: int, width: int) -> Tensor:
        """Return one matrix (n, 2, 3) an image, for `affine_grid`: output to input coordinates."""
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, 7])))
        angle, scale, shear, right, down = generator.uniform(-1, 1, (5, n))
        angle = angle * math.radians(self.rotation)
        zoom = 1 / (1 + scale * self.scale)
        cos = np.cos(angle) * zoom
        sin = np.sin(angle) * zoom
        shear = shear * self.shear
        matrix = np.stack(
            [
                cos,
                cos * shear - sin,
                right * (2 * self.shift / width),
                sin,
                sin * shear + cos,
                down * (2 * self.shift / height),
            ],
            axis=1,
        ).reshape(n, 2, 3)
        if width != height:  # rotation and shear are in pixels, and the sides differ
            matrix[:, 0, 1] *= height / width
            matrix[:, 1, 0] *= width / height
        if self._in_keras_terms:
            matrix = _product(matrix, self._keras_matrices(seed, epoch, n, height, width))
        return torch.from_numpy(matrix.astype(np.float32))

    def draw_elastic(self, seed: int, epoch: int, n: int, height: int, width: int) -> Tensor | None:
        """Return each image's control points (n, 2, rows, columns) in pixels, x first, or None."""
        if not self.elastic:
            return None
        points = control_points(seed, epoch, n, (height, width), self.elastic_spacing)
        return points * self.elastic

    def _keras_matrices(self, seed: int, epoch: int, n: int, height: int, width: int) -> np.ndarray:
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, epoch, 8])))
        right, down, shear, zoom_x, zoom_y = generator.uniform(-1, 1, (5, n))
        flipped = (
            generator.random((2, n)) < np.array([[self.horizontal_flip], [self.vertical_flip]]) / 2
        )
        flip_x, flip_y = np.where(flipped, -1.0, 1.0)
        return keras_matrices(
            right * _pixels(self.width_shift, width),
            down * _pixels(self.height_shift, height),
            shear * self.shear_angle,
            1 + zoom_x * self.zoom,
            1 + zoom_y * self.zoom,
            flip_x,
            flip_y,
            (height, width),
        )


def keras_matrices(
    right: np.ndarray,
    down: np.ndarray,
    shear: np.ndarray,
    zoom_x: np.ndarray,
    zoom_y: np.ndarray,
    flip_x: np.ndarray,
    flip_y: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Return matrices (n, 2, 3) for `affine_grid`.

    They compose shift, shear, zoom and flip as Keras' ImageDataGenerator does. Shifts in pixels,
    `shear` in degrees, flips -1 or 1, `size` (rows, columns). Keras' rule: an output pixel's place
    from the centre goes through flip, zoom, ``[[1, -sin], [0, cos]]`` and shift to a place in the
    input.
    """
    shear = np.deg2rad(shear)
    x = flip_x * zoom_x
    y = flip_y * zoom_y
    height, width = size
    zero = np.zeros_like(x)
    return np.stack(
        [
            x,
            -np.sin(shear) * y * (height / width),
            right * (2 / width),
            zero,
            np.cos(shear) * y,
            down * (2 / height),
        ],
        axis=1,
    ).reshape(len(x), 2, 3)


def _pixels(shift: float, side: int) -> float:
    return shift * side if shift < 1 else shift


def _product(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the matrices (n, 2, 3) of `second`, then `first`."""
    linear = first[:, :, :2] @ second[:, :, :2]
    moved = first[:, :, :2] @ second[:, :, 2:] + first[:, :, 2:]
    return np.concatenate([linear, moved], axis=2)


def distort(
    images: Tensor,
    matrices: Tensor,
    background: Tensor,
    fill_mode: str = "background",
    points: Tensor | None = None,
) -> Tensor:
    """Return images (n, C, H, W) moved by `matrices` (n, 2, 3), bilinear.

    `fill_mode` fills the borders. `points` are the control points of `Augmentation.draw_elastic`:
    each place in the input is displaced by them. `background` (1, C, H, W) is the standardised
    empty image, or that of the constant. In the mode ``background`` it is subtracted before and
    added after, so that with per-pixel standardisation the distortion acts on ink, not on the
    scaler's pattern. The others are Keras' modes, by SciPy's rules: ``constant`` begins right
    beyond the outermost pixels, ``wrap`` lets first and last pixel coincide.
    """
    grid = F.affine_grid(matrices.to(images.dtype), list(images.shape), align_corners=False)
    if points is not None:
        grid = grid + displacement(points.to(images.dtype), (images.shape[2], images.shape[3]))
    if fill_mode == "background":
        return F.grid_sample(images - background, grid, align_corners=False) + background
    if fill_mode == "reflect":
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    side = torch.tensor([images.shape[3], images.shape[2]], dtype=grid.dtype, device=grid.device)
    places = ((grid + 1) * side - 1) / 2  # in pixels, the first at 0
    slack = 1e-4  # of a pixel, for the rounding of places on the edge
    outside = (places < -slack) | (places > side - 1 + slack)
    if fill_mode == "wrap":
        places = torch.where(outside, places.remainder(side - 1), places)
        grid = (2 * places + 1) / side - 1
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if fill_mode == "constant":
        return torch.where(outside.any(-1).unsqueeze(1), background, moved)
    return moved
