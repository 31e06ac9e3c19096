"""The PyTorch code of each layer type, as people write it: one function a type, chosen by the
layer's class.

Modules are those of `lit_mnist.network.build`, named as the layer; a layer without weights becomes
a function of `torch.nn.functional`. Each expression names its input ``{x}``.
"""

# importing these registers the functions of their layer types in `code`
from . import activations, kernels, noise, scaling, shapes  # noqa: F401
from .calls import Call, Code, code
from .kernels import same_sides
from .merging import merged

__all__ = ["Call", "Code", "code", "merged", "same_sides"]
