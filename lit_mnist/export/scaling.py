"""The code of ``preprocess``, which scales pixels as in training, to the same bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..data import Standardizer
from ..spec import Shape
from .forward import torch_shape
from .reflow import reflow

_IN_CODE = 4  # numbers that a line of code holds at most; more are stored in a file


def scaling_tensors(standardizer: Standardizer) -> dict[str, Tensor]:
    """Return mean and scale where they are too long for the code, as float64."""
    moments = {"mean": standardizer.mean, "scale": standardizer.scale}
    return {
        word: torch.from_numpy(np.array(values, np.float64, order="C"))
        for word, values in moments.items()
        if values.size > _IN_CODE
    }


def preprocess(standardizer: Standardizer, shape: Shape) -> list[str]:
    """Return the lines of the function, after those of its constants."""
    texts = {"mean": standardizer.mean, "scale": standardizer.scale}
    constants: list[str] = []
    for word, values in texts.items():
        if _IN_CODE >= values.size > 1:
            tensor = f"torch.tensor({values.tolist()}, dtype=torch.float64)"
            constants += reflow(f"{word.upper()} = ", tensor)
    blank = ["", ""] if constants else []
    axes = "N, {}, {}" if shape[2] == 1 else "N, {}, {}, {}"
    pixels = f"({axes.format(*shape)}), 0 to 255"
    images = f"(N, {', '.join(map(str, torch_shape(shape)))})"
    return [
        *constants,
        *blank,
        "def preprocess(pixels: Tensor) -> Tensor:",
        f'    """Scale pixels as in training: {pixels}, to {images}."""',
        *_body(standardizer, shape),
    ]


def _body(standardizer: Standardizer, shape: Shape) -> list[str]:
    mean = _text("mean", standardizer.mean)
    scale = _text("scale", standardizer.scale)
    last = "x.float().unsqueeze(1)" if shape[2] == 1 else "x.float().permute(0, 3, 1, 2)"
    pixels = "x" if standardizer.bgr else "pixels.double()"
    formula = pixels if mean == "0" else f"{pixels} - {mean}"
    if scale != "1":
        formula = f"{formula} / {scale}" if mean == "0" else f"({formula}) / {scale}"
    flip = "    x = pixels.double().flip(-1)  # the network takes blue, green, red"
    lines = [flip] if standardizer.bgr else []
    if formula != "x":
        lines += reflow("x = ", formula, 4)
    if standardizer.clip is not None:
        lines.append(f"    x = x.clamp(-{standardizer.clip}, {standardizer.clip})")
    return [*lines, f"    return {last}"]


def _text(word: str, values: np.ndarray) -> str:
    if values.size > _IN_CODE:
        return f'SCALING["{word}"]'
    if values.size > 1:
        return word.upper()
    return repr(float(values)).removesuffix(".0")
