"""Layers that scale and shift: by constants, by learned weights, by statistics."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..layer import Layer, Shape, is_number

Constants = float | tuple[float, ...]  # one number, or one for each channel


def _each(constants: Constants | None) -> tuple[float | None, ...]:
    return constants if isinstance(constants, tuple) else (constants,)


def _need_epsilon(layer: Layer, epsilon: object) -> None:
    if not (is_number(epsilon) and epsilon > 0):
        raise layer.fail("epsilon", epsilon, "accepted: a number above 0")


@dataclass(frozen=True)
class Rescaling(Layer):
    """``x * factor + offset``, each one number, or one for each channel."""

    factor: Constants = field(kw_only=True)
    offset: Constants = field(default=0.0, kw_only=True)
    type: ClassVar[str] = "rescaling"

    def check(self) -> None:
        self._need_numbers(factor=self.factor, offset=self.offset)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_channels("factor", self.factor, shape)
        self._need_channels("offset", self.offset, shape)
        return shape

    @property
    def per_channel(self) -> bool:
        """Whether a constant differs by channel."""
        return isinstance(self.factor, tuple) or isinstance(self.offset, tuple)


class Scaled(Layer):
    """What normalisations with learned scale and shift share."""

    epsilon: float
    center: bool
    scale: bool

    def check(self) -> None:
        _need_epsilon(self, self.epsilon)
        self._need_flags(center=self.center, scale=self.scale)

    def learned(self, shape: Shape) -> dict[str, Shape]:
        """Return the shapes of gamma and beta, if the layer has them."""
        return {
            name: shape for name, used in (("gamma", self.scale), ("beta", self.center)) if used
        }


@dataclass(frozen=True)
class BatchNorm(Scaled):
    """Batch normalisation over channels; Keras' momentum is the fraction of the old value."""

    momentum: float = field(default=0.99, kw_only=True)
    epsilon: float = field(default=1e-3, kw_only=True)
    center: bool = field(default=True, kw_only=True)
    scale: bool = field(default=True, kw_only=True)
    type: ClassVar[str] = "batch_norm"

    def check(self) -> None:
        if not (is_number(self.momentum) and 0 <= self.momentum < 1):
            raise self.fail("momentum", self.momentum, "accepted: 0 <= momentum < 1")
        super().check()

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return self.learned(shape[-1:]) | {
            name: shape[-1:] for name in ("moving_mean", "moving_variance")
        }


@dataclass(frozen=True)
class LayerNorm(Scaled):
    """Normalises each image by itself, over the channels of each position or over all axes.

    `axis` is -1 for channels.
    """

    epsilon: float = field(default=1e-3, kw_only=True)
    center: bool = field(default=True, kw_only=True)
    scale: bool = field(default=True, kw_only=True)
    axis: int | tuple[int, ...] = field(default=-1, kw_only=True)
    type: ClassVar[str] = "layer_norm"

    def axes(self, shape: Shape) -> tuple[int, ...]:
        """Return the normalised axes, the batch's being 0. Raises SpecError for other axes."""
        rank = len(shape)
        own_axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        axes = tuple(
            sorted(axis + rank + 1 if axis < 0 else axis for axis in own_axes if type(axis) is int)
        )
        if len(axes) < len(own_axes) or axes not in ((rank,), tuple(range(1, rank + 1))):
            raise self.fail(
                "axis",
                self.axis,
                f"accepted: -1 (the channels), or {list(range(1, rank + 1))} (all axes)",
            )
        return axes

    def output_shape(self, shape: Shape) -> Shape:
        self.axes(shape)
        return shape

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return self.learned(tuple(shape[axis - 1] for axis in self.axes(shape)))

    def mixes_positions(self, shape: Shape) -> bool:
        return len(self.axes(shape)) > 1


@dataclass(frozen=True)
class GroupNorm(Scaled):
    """Normalises each image by itself, over all positions of each group of channels.

    `groups` -1 makes each channel a group.
    """

    epsilon: float = field(default=1e-3, kw_only=True)
    center: bool = field(default=True, kw_only=True)
    scale: bool = field(default=True, kw_only=True)
    groups: int = field(default=32, kw_only=True)
    type: ClassVar[str] = "group_norm"

    def output_shape(self, shape: Shape) -> Shape:
        if (
            type(self.groups) is not int
            or self.groups == 0
            or self.groups < -1
            or shape[-1] % self.groups
        ):
            raise self.fail(
                "groups", self.groups, f"accepted: a divisor of its {shape[-1]} channels, or -1"
            )
        return shape

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return self.learned(shape[-1:])

    def mixes_positions(self, shape: Shape) -> bool:
        return len(shape) == 3


@dataclass(frozen=True)
class Normalization(Layer):
    """``(x - mean) / max(sqrt(variance), 1e-7)`` by stored statistics; `invert` goes back.

    `mean` and `variance` are constants, one number or one for each channel; without them they are
    weights of the network (with Keras' count of images) that training does not change: one for each
    channel with `axis` -1, one for all with null.
    """

    mean: Constants | None = field(default=None, kw_only=True)
    variance: Constants | None = field(default=None, kw_only=True)
    axis: int | None = field(default=-1, kw_only=True)
    invert: bool = field(default=False, kw_only=True)
    type: ClassVar[str] = "normalization"

    def check(self) -> None:
        if (self.mean is None) != (self.variance is None):
            raise self.fail(
                "variance", self.variance, f"with mean = {self.mean!r}; accepted: both or none"
            )
        if self.mean is not None:
            self._need_numbers(mean=self.mean, variance=self.variance)
            if any(is_number(value) and value < 0 for value in _each(self.variance)):
                raise self.fail("variance", self.variance, "accepted: 0 or above")
        if self.axis not in (-1, None):
            raise self.fail(
                "axis", self.axis, "accepted: -1 (each channel), null (all values together)"
            )
        self._need_flags(invert=self.invert)

    def output_shape(self, shape: Shape) -> Shape:
        self._need_channels("mean", self.mean, shape)
        self._need_channels("variance", self.variance, shape)
        return shape

    def weights(self, shape: Shape) -> dict[str, Shape]:
        if self.mean is not None:
            return {}
        statistics = () if self.axis is None else shape[-1:]
        return {"mean": statistics, "variance": statistics, "count": ()}


@dataclass(frozen=True)
class ActivityRegularization(Layer):
    """Passes values on; adds ``l1 * sum(|x|) + l2 * sum(x^2)``, a mean over images, to the loss."""

    l1: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)
    type: ClassVar[str] = "activity_regularization"

    def check(self) -> None:
        self._need_factors(l1=self.l1, l2=self.l2)

    @property
    def regularized(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class PReLU(Layer):
    """``x`` above zero, ``alpha * x`` below, with a learned slope for each value.

    The slopes are shared along `shared_axes` (1: rows, 2: columns, 3: channels).
    """

    shared_axes: tuple[int, ...] = field(default=(), kw_only=True)
    type: ClassVar[str] = "prelu"

    def output_shape(self, shape: Shape) -> Shape:
        if not all(type(axis) is int and 1 <= axis <= len(shape) for axis in self.shared_axes):
            raise self.fail(
                "shared_axes", self.shared_axes, f"accepted: axes from 1 to {len(shape)}"
            )
        return shape

    def weights(self, shape: Shape) -> dict[str, Shape]:
        return {
            "alpha": tuple(
                1 if axis in self.shared_axes else size for axis, size in enumerate(shape, 1)
            )
        }
