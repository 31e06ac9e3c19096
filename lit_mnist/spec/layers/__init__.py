"""The layers that a network can be described with, by type."""

from ..layer import Layer
from .activations import Activation, ReLU
from .convolutions import Conv, Dense, DepthwiseConv, Scanning, SeparableConv, TransposedConv, scan
from .merges import Add, Average, Concatenate, Maximum, Merge, Minimum, Multiply, Shared, Subtract
from .noise import (
    FILL_MODES,
    FLIPS,
    AlphaDropout,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    Moving,
    RandomContrast,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Stochastic,
    ends,
)
from .normalizations import (
    ActivityRegularization,
    BatchNorm,
    GroupNorm,
    LayerNorm,
    Normalization,
    PReLU,
    Rescaling,
)
from .shapes import (
    INTERPOLATIONS,
    POOL_KINDS,
    Cropping,
    Flatten,
    GlobalPool,
    Permute,
    Pool,
    Reshape,
    Upsampling,
    ZeroPad,
)

LAYER_TYPES: dict[str, type[Layer]] = {
    cls.type: cls
    for cls in (
        Conv, DepthwiseConv, SeparableConv, TransposedConv, Dense,
        Pool, GlobalPool, ZeroPad, Cropping, Upsampling, Permute, Flatten, Reshape,
        BatchNorm, LayerNorm, GroupNorm, Normalization, Rescaling,
        Activation, ReLU, PReLU,
        Dropout, GaussianDropout, AlphaDropout, GaussianNoise, ActivityRegularization,
        RandomFlip, RandomRotation, RandomTranslation, RandomZoom, RandomContrast,
        Add, Subtract, Multiply, Average, Maximum, Minimum, Concatenate, Shared,
    )
}

CONVOLUTIONS = ("conv", "depthwise_conv", "separable_conv", "transposed_conv")
# types whose value shows nothing that the layer before it does not (noise rests in evaluation)
SAME_VALUES = ("flatten", "reshape", "activity_regularization",
               *(kind for kind, cls in LAYER_TYPES.items() if issubclass(cls, Stochastic)))

__all__ = [
    "CONVOLUTIONS", "FILL_MODES", "FLIPS", "INTERPOLATIONS", "LAYER_TYPES", "POOL_KINDS", "SAME_VALUES",
    "Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average", "BatchNorm", "Concatenate",
    "Conv", "Cropping", "Dense", "DepthwiseConv", "Dropout", "Flatten", "GaussianDropout", "GaussianNoise",
    "GlobalPool", "GroupNorm", "LayerNorm", "Maximum", "Merge", "Minimum", "Moving", "Multiply",
    "Normalization", "PReLU", "Permute", "Pool", "RandomContrast", "RandomFlip", "RandomRotation",
    "RandomTranslation", "RandomZoom", "ReLU", "Rescaling", "Reshape", "Scanning", "SeparableConv", "Shared",
    "Stochastic", "Subtract", "TransposedConv", "Upsampling", "ZeroPad", "ends", "scan",
]
