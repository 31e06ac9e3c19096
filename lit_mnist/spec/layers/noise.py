"""Layers that act only in training: noise, dropout, changes of the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ..layer import Layer, Shape, is_number
from ..windows import Window

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
FLIPS = ("horizontal", "vertical", "horizontal_and_vertical")
Factor = float | tuple[float, float]  # one number stands for [-factor, factor]


@dataclass(frozen=True)
class Stochastic(Layer):
    """A layer that draws random numbers in training and passes its input on in evaluation."""


@dataclass(frozen=True)
class WithRate(Stochastic):
    """Noise of a `rate`."""

    rate: float = field(kw_only=True)

    def check(self) -> None:
        if not (is_number(self.rate) and 0 <= self.rate < 1):
            raise self.fail("rate", self.rate, "accepted: 0 <= rate < 1")


@dataclass(frozen=True)
class Dropout(WithRate):
    """Inverted dropout of single values, or of whole maps where `spatial`."""

    spatial: bool = field(default=False, kw_only=True)
    type: ClassVar[str] = "dropout"

    def output_shape(self, shape: Shape) -> Shape:
        if self.spatial:
            self._need_image(shape)
        return shape


@dataclass(frozen=True)
class GaussianDropout(WithRate):
    """Values times normal noise of mean 1 and deviation ``sqrt(rate / (1 - rate))``."""

    type: ClassVar[str] = "gaussian_dropout"


@dataclass(frozen=True)
class AlphaDropout(WithRate):
    """Dropout that keeps mean and variance of SELU's outputs.

    Source: Klambauer et al. 2017, arXiv:1706.02515.
    """

    type: ClassVar[str] = "alpha_dropout"


@dataclass(frozen=True)
class GaussianNoise(Stochastic):
    """Normal noise of deviation `stddev` added."""

    stddev: float = field(kw_only=True)
    type: ClassVar[str] = "gaussian_noise"

    def check(self) -> None:
        self._need_factors(stddev=self.stddev)


@dataclass(frozen=True)
class OnImages(Stochastic):
    """A random change of each image."""

    def output_shape(self, shape: Shape) -> Shape:
        self._need_image(shape)
        return shape

    def window(self, shape: Shape) -> Window:
        """Return the window of evaluation, in which images pass unchanged."""
        return Window()

    def _need_range(self, key: str, value: object, low: float = -1.0, high: float = 1.0) -> None:
        ends = value if isinstance(value, tuple) else (value,)
        if not (len(ends) in (1, 2) and all(is_number(end) and low <= end <= high for end in ends)):
            raise self.fail(
                key, value, f"accepted: a number from {low:g} to {high:g}, or [lowest, highest]"
            )


def ends(factor: Factor) -> tuple[float, float]:
    """Return lowest and highest value of a factor."""
    if isinstance(factor, tuple):
        return min(factor), max(factor)
    return -abs(factor), abs(factor)


@dataclass(frozen=True)
class RandomFlip(OnImages):
    """Mirrors every second image; with both directions in `mode`, in both at once."""

    mode: str = field(default="horizontal_and_vertical", kw_only=True)
    type: ClassVar[str] = "random_flip"

    def check(self) -> None:
        self._need_choice("mode", self.mode, FLIPS)


@dataclass(frozen=True)
class Moving(OnImages):
    """A change of an image's geometry; `fill_mode` fills the borders."""

    fill_mode: str = field(default="reflect", kw_only=True)
    fill_value: float = field(default=0.0, kw_only=True)
    interpolation: str = field(default="bilinear", kw_only=True)

    def check(self) -> None:
        self._need_choice("fill_mode", self.fill_mode, FILL_MODES)
        self._need_choice("interpolation", self.interpolation, ("bilinear", "nearest"))
        self._need_numbers(fill_value=self.fill_value)


@dataclass(frozen=True)
class RandomRotation(Moving):
    """A rotation about the centre, by a fraction of a full turn."""

    factor: Factor = field(kw_only=True)
    type: ClassVar[str] = "random_rotation"

    def check(self) -> None:
        super().check()
        self._need_range("factor", self.factor)


@dataclass(frozen=True)
class RandomTranslation(Moving):
    """A shift by fractions of height and width."""

    height_factor: Factor = field(kw_only=True)
    width_factor: Factor = field(kw_only=True)
    type: ClassVar[str] = "random_translation"

    def check(self) -> None:
        super().check()
        self._need_range("height_factor", self.height_factor)
        self._need_range("width_factor", self.width_factor)


@dataclass(frozen=True)
class RandomZoom(Moving):
    """A zoom about the centre: negative factors enlarge, positive shrink.

    `width_factor` null follows the height.
    """

    height_factor: Factor = field(kw_only=True)
    width_factor: Factor | None = field(default=None, kw_only=True)
    type: ClassVar[str] = "random_zoom"

    def check(self) -> None:
        super().check()
        self._need_range("height_factor", self.height_factor, -0.999)
        if self.width_factor is not None:
            self._need_range("width_factor", self.width_factor, -0.999)


@dataclass(frozen=True)
class RandomContrast(OnImages):
    """Multiplies each channel's distance from its mean, and clips.

    The multiplier is between ``1 - lower`` and ``1 + upper``; `factor` is [lower, upper], or one
    number for both.
    """

    factor: float | tuple[float, float] = field(kw_only=True)
    value_range: tuple[float, float] = field(default=(0.0, 255.0), kw_only=True)
    type: ClassVar[str] = "random_contrast"

    @property
    def sides(self) -> tuple[float, float]:
        """Lower and upper."""
        return self.factor if isinstance(self.factor, tuple) else (self.factor, self.factor)

    def check(self) -> None:
        self._need_range("factor", self.factor, 0.0)
        if not (
            isinstance(self.value_range, tuple)
            and len(self.value_range) == 2
            and all(map(is_number, self.value_range))
            and self.value_range[0] < self.value_range[1]
        ):
            raise self.fail("value_range", self.value_range, "accepted: [lowest, highest]")
