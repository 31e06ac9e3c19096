"""From a description to the PyTorch network."""

from .activations import (
    ActivationModule,
    Exponential,
    GeneralReLU,
    HardSigmoid,
    HardSigmoidKeras2,
    PReLU,
    as_float32,
)
from .distances import Distances
from .merging import Concatenate, Merge, Shared, aligned
from .network import Network, as_images, predicted_classes
from .noise import GaussianDropout, GaussianNoise, RandomChange
from .reshaping import Crop, KerasFlatten, Permute, Reshape, SamePool
from .scaling import (
    ActivityRegularization,
    BatchNorm,
    ChannelRescaling,
    GroupNorm,
    LayerNorm,
    Normalization,
    Rescaling,
    by_channel,
)

__all__ = [
    "ActivationModule",
    "ActivityRegularization",
    "BatchNorm",
    "ChannelRescaling",
    "Concatenate",
    "Crop",
    "Distances",
    "Exponential",
    "GaussianDropout",
    "GaussianNoise",
    "GeneralReLU",
    "GroupNorm",
    "HardSigmoid",
    "HardSigmoidKeras2",
    "KerasFlatten",
    "LayerNorm",
    "Merge",
    "Network",
    "Normalization",
    "PReLU",
    "Permute",
    "RandomChange",
    "Rescaling",
    "Reshape",
    "SamePool",
    "Shared",
    "aligned",
    "as_float32",
    "as_images",
    "by_channel",
    "predicted_classes",
]
