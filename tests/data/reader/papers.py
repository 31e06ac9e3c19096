"""Synthetic papers: a digit of MNIST drawn on shaded, ruled, noisy paper, on a desk, moved within
its frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image
from scipy import ndimage

SIZE = 140  # pixels of a paper's side
INK, BLANK, LINE, DESK = 25.0, 235.0, 110.0, 60.0
Paper = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def paper(
    digit: np.ndarray, generator: np.random.Generator, blank: np.ndarray | float = BLANK
) -> np.ndarray:
    """Draw a digit (28, 28), 70 pixels high, somewhere on `blank` paper (140, 140)."""
    strokes = ndimage.zoom(digit / 255, 98 / 28, order=1).clip(0, 1)
    top, left = generator.integers(0, SIZE - 98 + 1, 2)
    ink = np.zeros((SIZE, SIZE))
    ink[top : top + 98, left : left + 98] = strokes
    page = np.full((SIZE, SIZE), blank) if np.isscalar(blank) else np.array(blank)
    return page * (1 - ink) + np.minimum(page, INK) * ink


def shaded(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Paper that loses 90 of 255 grey levels from corner to corner."""
    ramp = np.linspace(0, 45, SIZE)
    return paper(digit, generator) - np.add.outer(ramp, ramp)


def ruled(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Paper with a grey line every 18 pixels."""
    page = np.full((SIZE, SIZE), BLANK)
    page[generator.integers(18) :: 18] = LINE
    return paper(digit, generator, page)


def squared(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Paper with grey lines both ways, a little askew."""
    y, x = np.mgrid[:SIZE, :SIZE]
    down, across = y - 0.03 * x + generator.uniform(0, 18), x + 0.03 * y + generator.uniform(0, 18)
    page = np.where((down % 18 < 1.5) | (across % 18 < 1.5), LINE + 40, BLANK)
    return paper(digit, generator, page)


def noisy(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Grain of deviation 12."""
    return (paper(digit, generator) + generator.normal(0, 12, (SIZE, SIZE))).clip(0, 255)


def specked(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A speck of 8 pixels in a corner."""
    page = paper(digit, generator)
    page[3:5, 3:7] = INK
    return page


def on_desk(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Paper that lies on a dark desk."""
    return np.pad(paper(digit, generator), SIZE // 5, constant_values=DESK)


def on_white_desk(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """A dark board with a light digit, on a light wall."""
    return 255 - on_desk(digit, generator)


def moved(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """28 x 28, white on black, moved by 3 pixels each way."""
    return np.roll(digit, generator.choice([-3, 3], 2), (0, 1)).astype(float)


def filling(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """28 x 28, white on black, enlarged until the digit touches the frame."""
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    part = digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size = [max(1, round(28 * side / max(part.shape))) for side in part.shape]
    large = np.asarray(Image.fromarray(part).resize(size[::-1], Image.Resampling.BICUBIC), float)
    margins = [28 - side for side in size]
    return np.pad(large, [(margin // 2, margin - margin // 2) for margin in margins])


def grainy(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """28 x 28, white on black, with grain of deviation 12 on all of it."""
    return (digit + np.abs(generator.normal(0, 12, digit.shape))).clip(0, 255)


def everything(digit: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Ruled and shaded, with grain."""
    ramp = np.linspace(0, 30, SIZE)
    return (
        ruled(digit, generator) - np.add.outer(ramp, ramp) + generator.normal(0, 8, (SIZE, SIZE))
    ).clip(0, 255)


PAPERS: tuple[Paper, ...] = (
    paper,
    shaded,
    ruled,
    squared,
    noisy,
    specked,
    on_desk,
    on_white_desk,
    moved,
    filling,
    grainy,
    everything,
)
