"""Grey pictures of handwriting in MNIST's form: paper, ink, components, strokes; no network."""

from .digit import Digit, is_mnist, read_digit, read_digits
from .no_digit import doubt
from .strokes import Strokes

__all__ = ["Digit", "Strokes", "doubt", "is_mnist", "read_digit", "read_digits"]
