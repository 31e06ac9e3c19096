"""The PyTorch network of a NetworkSpec.

Every layer is a submodule of the spec's name whose output is what Keras' layer of that name gives:
``network.Conv2D_1`` ends in its activation, ``network.Conv2D_1.conv`` stands before it. Softmax or
sigmoid of the last layer is left to the loss and to `probabilities`: networks return logits.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import spec as s
from .spec.weights import Weights, flattened_image, from_torch, initial_weights, to_torch


class Network(nn.Module):
    """Feed-forward network: images (N, C, H, W) in, logits (N, classes) out.

    `seed` draws the initial weights that both frameworks share (`lit_mnist.spec.weights`).
    """

    def __init__(self, spec: s.NetworkSpec, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        for layer, info in zip(spec.layers, spec.table, strict=True):
            self.add_module(layer.name, _module(layer, info, spec))
        self.load_weights(initial_weights(spec, seed))
        self.to(memory_format=torch.channels_last)  # the same numbers; on a CPU in half the time

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, classes)
        for name in self.spec.names:
            x = getattr(self, name)(x)
        return x

    def training_logits(self, x: Tensor) -> Tensor:
        """Return the same logits as `forward`, with each max-pool moved before its convolution's activation.

        Maximum and a monotone activation commute, so the activation works on a quarter of the values.
        For training steps only: named layers are not called as modules, so hooks do not fire.
        """
        for step in self._training_steps():
            x = step(x)
        return x

    def _training_steps(self) -> Iterator[Callable[[Tensor], Tensor]]:
        layers = [*self.spec.layers, None]
        late: list[nn.Module] = []
        for layer, following in zip(layers, layers[1:], strict=False):
            module = getattr(self, layer.name)
            if isinstance(layer, s.Conv) and isinstance(following, s.Pool) and following.kind == "max":
                *before, activation = module
                yield from before
                late = [activation]
            else:
                yield module
                yield from late
                late = []

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return class probabilities (N, classes): the last layer's sigmoid, else softmax.

        One unit is the logit of class 1 of two, whether or not a sigmoid follows it.
        """
        if self.spec.outputs == 1:
            return torch.cat([-logits, logits], -1).sigmoid()
        return logits.sigmoid() if self.spec.output_activation == "sigmoid" else logits.softmax(-1)

    def load_weights(self, weights: Weights) -> None:
        """Load weights in Keras' names and layout; raise SpecError where they do not fit the spec."""
        state = {key: torch.from_numpy(array.copy()) for key, array in to_torch(self.spec, weights).items()}
        self.load_state_dict(state)

    def named_weights(self) -> Weights:
        """Return a copy of the weights in Keras' names and layout, as arrays."""
        state = {key: tensor.detach().cpu().numpy() for key, tensor in self.state_dict().items()}
        return {name: array.copy() for name, array in from_torch(self.spec, state).items()}


def predicted_classes(logits: Tensor) -> Tensor:  # (N, units) -> (N,)
    """Return the class of the highest logit; of one unit, class 1 where its logit is above 0."""
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def _module(layer: s.Layer, info: s.LayerInfo, spec: s.NetworkSpec) -> nn.Module:
    shape, is_output = info.input_shape, layer is spec.layers[-1]
    match layer:
        case s.Conv():
            padding, pad = _conv_padding(layer, shape)
            conv = nn.Conv2d(shape[2], layer.filters, layer.kernel, layer.stride, padding, bias=layer.use_bias)
            return _named(**pad, conv=conv, activation=_activation(layer, is_output))
        case s.Dense():
            dense = nn.Linear(shape[0], layer.units, layer.use_bias)
            return _named(dense=dense, activation=_activation(layer, is_output))
        case s.Pool(padding="same"):
            return _named(pool=SamePool(layer.kind, layer.size, layer.step,
                                        s.same_padding(shape, layer.size, layer.step)))
        case s.Pool():
            return _named(pool=(nn.MaxPool2d if layer.kind == "max" else nn.AvgPool2d)(layer.size, layer.step))
        case s.GlobalPool():
            return _named(pool=(nn.AdaptiveMaxPool2d if layer.kind == "max" else nn.AdaptiveAvgPool2d)(1),
                          flatten=nn.Flatten())
        case s.ZeroPad():
            return _named(pad=_zero_pad(layer.padding))
        case s.Dropout():
            return _named(dropout=(nn.Dropout2d if layer.spatial else nn.Dropout)(layer.rate))
        case s.BatchNorm():
            return BatchNorm(shape[-1], layer.momentum, layer.epsilon, layer.center, layer.scale)
        case s.Rescaling():
            return Rescaling(layer.factor, layer.offset)
        case s.Flatten():
            return _named(flatten=nn.Flatten())
        case s.Reshape():
            image = shape if len(shape) == 3 else flattened_image(spec, layer.name)
            return _named(reshape=Reshape(image, layer.shape))
        case s.Activation():
            return _named(activation=_activation(layer, is_output))
    raise TypeError(f"no module for a {type(layer).__name__} layer")


def _named(**modules: nn.Module) -> nn.Sequential:
    """Even single modules are wrapped: torchvision's feature extractor mistakes a bare `Max_Pool_2` for another."""
    return nn.Sequential(OrderedDict(modules))


def _activation(layer: s.Conv | s.Dense | s.Activation, is_output: bool) -> nn.Module:
    """One module per use, never in place: what hooks and attribution methods need."""
    match layer.activation:
        case "relu":
            return nn.ReLU(inplace=False)
        case "elu":
            return nn.ELU(1.0 if layer.alpha is None else layer.alpha)
        case "leaky_relu":
            return nn.LeakyReLU(as_float32(0.3 if layer.alpha is None else layer.alpha))
        case "tanh":
            return nn.Tanh()
        case "sigmoid" if not is_output:
            return nn.Sigmoid()
    return nn.Identity()


def as_float32(value: float) -> float:
    """Round as Keras' TensorFlow backend does: it passes Python floats through float32, in float64 mode too."""
    return torch.tensor(value, dtype=torch.float32).item()


def _conv_padding(layer: s.Conv, shape: s.Shape) -> tuple[tuple[int, int], dict[str, nn.Module]]:
    """Split 'same' padding into what the convolution does itself and, where uneven, a module before it."""
    if layer.padding == "valid":
        return (0, 0), {}
    rows, columns = s.same_padding(shape, layer.kernel, layer.stride)
    if rows[0] == rows[1] and columns[0] == columns[1]:
        return (rows[0], columns[0]), {}
    return (0, 0), {"pad": _zero_pad((rows, columns))}


def _zero_pad(padding: tuple[tuple[int, int], ...]) -> nn.ZeroPad2d:
    (top, bottom), (left, right) = padding
    return nn.ZeroPad2d((left, right, top, bottom))


class SamePool(nn.Module):
    """Pooling with TensorFlow's 'same' padding, which no window's maximum or average counts."""

    def __init__(self, kind: str, size: tuple[int, int], stride: tuple[int, int],
                 padding: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.kind, self.size, self.stride = kind, size, stride
        (top, bottom), (left, right) = padding
        self.padding = (left, right, top, bottom)

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, C, ceil(H / stride), ceil(W / stride))
        if self.kind == "max":
            return F.max_pool2d(F.pad(x, self.padding, value=-torch.inf), self.size, self.stride)
        share = F.avg_pool2d(F.pad(torch.ones_like(x[:1, :1]), self.padding), self.size, self.stride)
        return F.avg_pool2d(F.pad(x, self.padding), self.size, self.stride) / share


class BatchNorm(nn.Module):
    """Batch normalisation by Keras' rule: running statistics move by 1 - momentum, with the biased variance."""

    def __init__(self, channels: int, momentum: float, epsilon: float, center: bool, scale: bool) -> None:
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        self.weight = nn.Parameter(torch.ones(channels)) if scale else None
        self.bias = nn.Parameter(torch.zeros(channels)) if center else None
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:  # (N, C, ...) -> the same
        if self.training:
            axes = (0, 2, 3) if x.dim() == 4 else (0,)
            with torch.no_grad():
                variance, mean = torch.var_mean(x, axes, correction=0)
                self.running_mean.lerp_(mean, 1 - self.momentum)
                self.running_var.lerp_(variance, 1 - self.momentum)
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.epsilon)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.epsilon)


class Rescaling(nn.Module):
    """``x * factor + offset``."""

    def __init__(self, factor: float, offset: float) -> None:
        super().__init__()
        self.factor, self.offset = as_float32(factor), as_float32(offset)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor + self.offset


class Reshape(nn.Module):
    """Reshape rows first, channels last, as Keras does, whatever comes in: an image, one flattened, or a vector.

    `image` is the (H, W, C) of the image that comes in, flattened channels first or not; None for a vector.
    """

    def __init__(self, image: s.Shape | None, shape: s.Shape) -> None:
        super().__init__()
        self.image, self.shape = image, shape

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) or (N, D) -> (N, channels, height, width)
        if self.image is not None:
            height, width, channels = self.image
            x = x.reshape(-1, channels, height, width).permute(0, 2, 3, 1)
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2)

    def undo(self, y: Tensor) -> Tensor:  # what came in, images unflattened: (N, C, H, W), or (N, D)
        """Return the input of which `y` is the output."""
        y = y.permute(0, 2, 3, 1)
        return y.flatten(1) if self.image is None else y.reshape(-1, *self.image).permute(0, 3, 1, 2)


def as_images(pixels: np.ndarray) -> Tensor:
    """Return arrays (N, H, W) or (N, H, W, C) as a tensor (N, C, H, W) of the same type."""
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    return images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)
