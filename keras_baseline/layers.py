"""The Keras layer of each layer type: one function a type, chosen by the layer's class."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

from lit_mnist import spec as s

from .custom import custom_activations, distances_layer


@dataclass(frozen=True)
class Factory:
    """Keras' layers with the settings that all of them take: a name and a type.

    Layers within layers need the type as well: they would cast to the global policy's, which Keras
    fixes at its first use.
    """

    keras: Any
    dtype: str

    def __call__(self, kind: str, layer: s.Layer, *arguments: Any, **settings: Any) -> Any:
        built = getattr(self.keras.layers, kind)(
            *arguments, name=layer.name, dtype=self.dtype, **settings
        )
        built.trainable = layer.trainable  # SpatialDropout2D takes no such argument
        return built

    def activation(self, layer: s.Activated | s.Activation) -> Any:
        """Return Keras' name, or a layer or function if Keras' activation of that name differs.

        Keras' function leaky_relu has the slope 0.2, its layer, as here, 0.3.
        """
        match layer.activation:
            case "leaky_relu":
                return self.keras.layers.LeakyReLU(
                    0.3 if layer.alpha is None else layer.alpha, dtype=self.dtype
                )
            case "elu" if layer.alpha is not None:
                return self.keras.layers.ELU(layer.alpha, dtype=self.dtype)
            case "gelu_tanh" | "hard_sigmoid_keras2":
                return custom_activations(self.keras)[layer.activation]
            case "hard_swish":
                return "hard_silu"
        return layer.activation

    def penalty(self, layer: s.Activated) -> Any:
        """Return the kernel's regulariser, or None."""
        return (
            self.keras.regularizers.L1L2(float(layer.l1), float(layer.l2))
            if layer.l1 or layer.l2
            else None
        )

    def weighted(self, layer: s.Activated, *regularizers: str) -> dict[str, Any]:
        """Return activation, bias and the regularisers under these names."""
        penalties = {name: self.penalty(layer) for name in regularizers}
        return {"activation": self.activation(layer), "use_bias": layer.use_bias, **penalties}


@singledispatch
def build(layer: s.Layer, make: Factory) -> Any:
    """Return the Keras layer."""
    raise TypeError(f"no Keras layer for a {type(layer).__name__}")


# ---- kernels


@build.register
def _(layer: s.Conv, make: Factory) -> Any:
    return make(
        "Conv2D",
        layer,
        layer.filters,
        layer.kernel,
        layer.stride,
        layer.padding,
        groups=layer.groups,
        dilation_rate=layer.dilation,
        **make.weighted(layer, "kernel_regularizer"),
    )


@build.register
def _(layer: s.DepthwiseConv, make: Factory) -> Any:
    return make(
        "DepthwiseConv2D",
        layer,
        layer.kernel,
        layer.stride,
        layer.padding,
        layer.multiplier,
        dilation_rate=layer.dilation,
        **make.weighted(layer, "depthwise_regularizer"),
    )


@build.register
def _(layer: s.SeparableConv, make: Factory) -> Any:
    return make(
        "SeparableConv2D",
        layer,
        layer.filters,
        layer.kernel,
        layer.stride,
        layer.padding,
        depth_multiplier=layer.multiplier,
        dilation_rate=layer.dilation,
        **make.weighted(layer, "depthwise_regularizer", "pointwise_regularizer"),
    )


@build.register
def _(layer: s.TransposedConv, make: Factory) -> Any:
    return make(
        "Conv2DTranspose",
        layer,
        layer.filters,
        layer.kernel,
        layer.stride,
        layer.padding,
        output_padding=layer.output_padding,
        dilation_rate=layer.dilation,
        **make.weighted(layer, "kernel_regularizer"),
    )


@build.register
def _(layer: s.Dense, make: Factory) -> Any:
    return make("Dense", layer, layer.units, **make.weighted(layer, "kernel_regularizer"))


@build.register
def _(layer: s.Distances, make: Factory) -> Any:
    kind = distances_layer(make.keras)
    return kind(layer.units, name=layer.name, dtype=make.dtype, trainable=layer.trainable)


# ---- shapes


@build.register
def _(layer: s.Pool, make: Factory) -> Any:
    kind = "MaxPooling2D" if layer.kind == "max" else "AveragePooling2D"
    return make(kind, layer, layer.size, layer.step, layer.padding)


@build.register
def _(layer: s.GlobalPool, make: Factory) -> Any:
    kind = "GlobalMaxPooling2D" if layer.kind == "max" else "GlobalAveragePooling2D"
    return make(kind, layer, keepdims=layer.keepdims)


@build.register
def _(layer: s.ZeroPad, make: Factory) -> Any:
    return make("ZeroPadding2D", layer, layer.padding)


@build.register
def _(layer: s.Cropping, make: Factory) -> Any:
    return make("Cropping2D", layer, layer.cropping)


@build.register
def _(layer: s.Upsampling, make: Factory) -> Any:
    return make("UpSampling2D", layer, layer.size, interpolation=layer.interpolation)


@build.register
def _(layer: s.Permute, make: Factory) -> Any:
    return make("Permute", layer, layer.dims)


@build.register
def _(layer: s.Flatten, make: Factory) -> Any:
    return make("Flatten", layer)


@build.register
def _(layer: s.Reshape, make: Factory) -> Any:
    return make("Reshape", layer, layer.shape)


# ---- scales, statistics, activations


@build.register
def _(layer: s.BatchNorm, make: Factory) -> Any:
    return make(
        "BatchNormalization",
        layer,
        momentum=layer.momentum,
        epsilon=layer.epsilon,
        center=layer.center,
        scale=layer.scale,
    )


@build.register
def _(layer: s.LayerNorm, make: Factory) -> Any:
    axis = list(layer.axis) if isinstance(layer.axis, tuple) else layer.axis
    return make(
        "LayerNormalization",
        layer,
        axis=axis,
        epsilon=layer.epsilon,
        center=layer.center,
        scale=layer.scale,
    )


@build.register
def _(layer: s.GroupNorm, make: Factory) -> Any:
    return make(
        "GroupNormalization",
        layer,
        groups=layer.groups,
        epsilon=layer.epsilon,
        center=layer.center,
        scale=layer.scale,
    )


@build.register
def _(layer: s.Normalization, make: Factory) -> Any:
    return make(
        "Normalization",
        layer,
        axis=layer.axis,
        mean=layer.mean,
        variance=layer.variance,
        invert=layer.invert,
    )


@build.register
def _(layer: s.Rescaling, make: Factory) -> Any:
    return make("Rescaling", layer, layer.factor, layer.offset)


@build.register
def _(layer: s.ActivityRegularization, make: Factory) -> Any:
    return make("ActivityRegularization", layer, layer.l1, layer.l2)


@build.register
def _(layer: s.Activation, make: Factory) -> Any:
    return make("Activation", layer, make.activation(layer))


@build.register
def _(layer: s.ReLU, make: Factory) -> Any:
    return make(
        "ReLU",
        layer,
        max_value=layer.maximum,
        negative_slope=layer.slope,
        threshold=layer.threshold,
    )


@build.register
def _(layer: s.PReLU, make: Factory) -> Any:
    return make("PReLU", layer, shared_axes=list(layer.shared_axes) or None)


# ---- training alone


@build.register
def _(layer: s.Dropout, make: Factory) -> Any:
    return make("SpatialDropout2D" if layer.spatial else "Dropout", layer, layer.rate)


@build.register
def _(layer: s.AlphaDropout, make: Factory) -> Any:
    return make("AlphaDropout", layer, layer.rate)


@build.register
def _(layer: s.GaussianDropout, make: Factory) -> Any:
    return make("GaussianDropout", layer, layer.rate)


@build.register
def _(layer: s.GaussianNoise, make: Factory) -> Any:
    return make("GaussianNoise", layer, layer.stddev)


@build.register
def _(layer: s.RandomFlip, make: Factory) -> Any:
    return make("RandomFlip", layer, layer.mode)


@build.register
def _(layer: s.RandomRotation, make: Factory) -> Any:
    return make("RandomRotation", layer, layer.factor, **_moving(layer))


@build.register
def _(layer: s.RandomTranslation, make: Factory) -> Any:
    return make(
        "RandomTranslation", layer, layer.height_factor, layer.width_factor, **_moving(layer)
    )


@build.register
def _(layer: s.RandomZoom, make: Factory) -> Any:
    return make("RandomZoom", layer, layer.height_factor, layer.width_factor, **_moving(layer))


@build.register
def _(layer: s.RandomContrast, make: Factory) -> Any:
    """Set both sides: Keras 3.15 sorts a pair, and reads a single number's lower side as 0."""
    keras_layer = make("RandomContrast", layer, layer.sides, value_range=layer.value_range)
    keras_layer.factor = layer.sides
    return keras_layer


def _moving(layer: s.Moving) -> dict[str, Any]:
    return {
        "fill_mode": layer.fill_mode,
        "fill_value": layer.fill_value,
        "interpolation": layer.interpolation,
    }


# ---- several inputs


@build.register
def _(layer: s.Merge, make: Factory) -> Any:
    return make(type(layer).__name__, layer)


@build.register
def _(layer: s.Concatenate, make: Factory) -> Any:
    return make("Concatenate", layer, axis=layer.axis)
