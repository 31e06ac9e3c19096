"""Grey pictures of handwriting to MNIST's form: paper, ink, components, stroke width, 28 x 28; no network needed."""

from .digit import Digit, is_mnist, read_digit

__all__ = ["Digit", "is_mnist", "read_digit"]
