"""The image that a network looks at, where the file says (28, 28, 1), (28, 28), or 784 values in a row."""

from __future__ import annotations

import math

from .chain import Chain
from .errors import KerasFileError
from .layers import target_shape

Shape = tuple[int, ...]

CHANNELS = (1, 3)  # grey, colour: what image files can give
LARGEST_SIDE = 4096
_VALUE_BY_VALUE = ("Rescaling", "Dropout", "Activation", "ReLU", "LeakyReLU", "ELU")
_ACCEPTED = (f"(height, width, 1 or 3) up to {LARGEST_SIDE} a side, (height, width), "
             "or (n,) with n a square or three squares")


def input_image(chain: Chain) -> tuple[Shape, bool]:
    """Return the image's (height, width, channels), and whether it must be flattened before the first layer.

    A grey image may come without its channel axis, or flat; flat ones take the shape that the network
    itself gives them (Reshape), else a square's. Raises KerasFileError where that cannot be.
    """
    shape = chain.input_shape
    if shape is None:
        raise KerasFileError(f"the file does not say the shape of its input; accepted: {_ACCEPTED}")
    if not all(type(size) is int and 0 < size <= LARGEST_SIDE**2 for size in shape):
        raise KerasFileError(f"the input has the shape {shape}; accepted: whole numbers, {_ACCEPTED}")
    if len(shape) == 3:
        return _checked(shape, shape), False
    first = next((layer for layer in chain.layers if layer.kind not in _VALUE_BY_VALUE), None)
    reshaped = target_shape(first, shape) if first is not None and first.kind == "Reshape" else ()
    if len(shape) == 2:
        if first is not None and first.kind not in ("Flatten", "Reshape"):
            raise KerasFileError(f"{first} works on the rows of a {shape} input; accepted: Flatten or Reshape first")
        return _checked((*shape, 1), shape), False
    if len(shape) == 1:
        return (_checked(reshaped, shape), False) if len(reshaped) == 3 else (_checked(_square(shape[0]), shape), True)
    raise KerasFileError(f"the input has the shape {shape}; accepted: {_ACCEPTED}")


def _square(size: int) -> Shape:
    for channels in CHANNELS:
        side = math.isqrt(size // channels)
        if side * side * channels == size:
            return side, side, channels
    return ()


def _checked(image: Shape, shape: Shape) -> Shape:
    if len(image) != 3 or image[2] not in CHANNELS or max(image) > LARGEST_SIDE:
        raise KerasFileError(f"the input has the shape {shape}; accepted: {_ACCEPTED}")
    return image
