"""Small data sets in the formats that people have them in."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image


def idx_bytes(array: np.ndarray) -> bytes:
    """Return an IDX file of images (n, H, W) or labels (n,)."""
    magic = {3: 2051, 1: 2049}[array.ndim]
    return (
        struct.pack(f">{1 + array.ndim}i", magic, *array.shape) + array.astype(np.uint8).tobytes()
    )


def bars(
    n: int, side: int = 12, seed: int = 0, colour: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 pictures of a lying (class 0) or standing (class 1) bar, and their labels."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    images = generator.integers(0, 40, (n, side, side), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        start = generator.integers(1, side - 4)
        (image if label == 0 else image.T)[start : start + 3, 1:-1] = 230
    return (np.stack([images, images // 2, 255 - images], 3) if colour else images), labels


def write_folder(
    root: Path,
    n: int = 20,
    names: tuple[str, str] = ("lying", "standing"),
    seed: int = 0,
    size: tuple[int, int] = (12, 12),
) -> Path:
    """Write `n` colour pictures as CLASS/NUMBER.png and return the folder."""
    images, labels = bars(n, seed=seed, colour=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / names[label] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).resize(size, Image.Resampling.NEAREST).save(path)
    return root
