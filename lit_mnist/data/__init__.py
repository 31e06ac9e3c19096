"""Data as checked arrays: standardisation and its inverse, splits, permutations.

Only `module` needs more than NumPy.
"""

from .dataset import Dataset, default_root
from .datasets import load_dataset
from .idx import DataError
from .options import DATASETS, GOOD_ACCURACY, DataOptions
from .prepare import Part, Prepared, permutation, prepare
from .standardize import STANDARDIZATIONS, Standardizer

__all__ = [
    "DATASETS",
    "GOOD_ACCURACY",
    "STANDARDIZATIONS",
    "DataError",
    "DataOptions",
    "Dataset",
    "Part",
    "Prepared",
    "Standardizer",
    "default_root",
    "load_dataset",
    "permutation",
    "prepare",
]
