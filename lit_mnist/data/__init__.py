"""Files to arrays (checked), standardisation and its inverse, splits, permutations; NumPy only but for `module`."""

from .datasets import DATASETS, Dataset, default_root, load_dataset
from .idx import DataError
from .prepare import DataOptions, Part, Prepared, permutation, prepare
from .standardize import STANDARDIZATIONS, Standardizer

__all__ = ["DATASETS", "STANDARDIZATIONS", "DataError", "DataOptions", "Dataset", "Part", "Prepared", "Standardizer",
           "default_root", "load_dataset", "permutation", "prepare"]
