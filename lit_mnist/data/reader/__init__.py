"""Grey pictures of handwriting to MNIST's form: paper, ink, components, stroke width, 28 x 28; no network needed."""

from .digit import Digit, is_mnist, read_digit, read_digits
from .no_digit import doubt
from .strokes import Strokes

__all__ = ["Digit", "Strokes", "doubt", "is_mnist", "read_digit", "read_digits"]
