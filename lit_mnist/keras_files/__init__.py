"""Keras files read and written with h5py only: no TensorFlow, no unpickling, no execution."""

from .errors import KerasFileError
from .reading import KerasFile, read_keras, read_weights
from .slots import OptimizerState
from .writing import write_keras

__all__ = [
    "KerasFile",
    "KerasFileError",
    "OptimizerState",
    "read_keras",
    "read_weights",
    "write_keras",
]
