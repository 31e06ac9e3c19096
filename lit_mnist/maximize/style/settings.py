"""Settings of a style transfer: checks, and defaults for a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ...errors import nearest
from ...spec import NetworkSpec
from ..checks import MaximizeError, need_number, need_positive, need_whole
from .networks import balance_of, default_size, layers_for, parsed_layers
from .optimize import OPTIMIZERS

STARTS = ("content", "noise")


@dataclass(frozen=True)
class Settings:
    """Settings of a style transfer; see `style_transfer`."""

    content_layer: str | None = None
    style_layers: Mapping[str, float] | Sequence[str] | None = None
    strength: float | None = None
    content_weight: float | None = None
    style_weight: float | None = None
    tv_weight: float | None = None
    style_fractions: Sequence[float] | None = None
    size: int | None = None
    style_scale: float = 1.0
    keep_color: bool = False
    start: str = "content"
    seed: int = 0
    optimizer: str = "lbfgs"
    steps: int = 300
    step: float = 0.02
    snapshots: int = 12

    def __post_init__(self) -> None:
        if (self.content_weight is None) != (self.style_weight is None):
            raise MaximizeError(
                "content_weight and style_weight: only one of the two; accepted: both, or neither "
                "for weights that balance the two"
            )
        if self.strength is not None and self.style_weight is not None:
            raise MaximizeError(
                f"strength = {self.strength!r} beside content_weight and style_weight; accepted: "
                "one or the other"
            )
        for name in ("strength", "content_weight", "style_weight", "tv_weight"):
            if getattr(self, name) is not None:
                need_number(name, getattr(self, name))
        need_positive("style_scale", self.style_scale)
        need_positive("step", self.step)
        for name, least in (("steps", 1), ("snapshots", 0), ("seed", 0)):
            need_whole(name, getattr(self, name), least)
        if self.size is not None:
            need_whole("size", self.size)
        if self.optimizer not in OPTIMIZERS:
            raise MaximizeError(
                f"optimizer {self.optimizer!r}: unknown; {nearest(self.optimizer, OPTIMIZERS)}"
            )
        if self.start not in STARTS:
            raise MaximizeError(f"start = {self.start!r}; accepted: {', '.join(STARTS)}")


def fractions_for(settings: Settings, count: int) -> list[float]:
    """Return the weights of `count` style pictures, which add up to 1; raise MaximizeError."""
    weights = [1.0] * count if settings.style_fractions is None else list(settings.style_fractions)
    for weight in weights:
        need_number("style_fractions", weight)
    if len(weights) != count or not sum(weights):
        raise MaximizeError(
            f"style_fractions = {weights}: cannot work for {count} style pictures; accepted: one "
            "number for each, not all 0"
        )
    return [weight / sum(weights) for weight in weights]


def completed(settings: Settings, spec: NetworkSpec) -> Settings:
    """Return the settings with layers, their weights (which add up to 1), size and strength filled
    in.
    """
    content_layer, default = layers_for(spec)
    weights = layer_weights(settings.style_layers, default)
    strength, tv_weight = balance_of(spec) if settings.style_weight is None else (None, 0.0)
    return replace(
        settings,
        content_layer=settings.content_layer or content_layer,
        style_layers={layer: weight / sum(weights.values()) for layer, weight in weights.items()},
        size=settings.size or default_size(spec),
        strength=strength if settings.strength is None else settings.strength,
        tv_weight=tv_weight if settings.tv_weight is None else settings.tv_weight,
    )


def layer_weights(
    given: Mapping[str, float] | Sequence[str] | None, default: dict[str, float]
) -> dict[str, float]:
    """Return the style layers and their weights, given or default; raise MaximizeError."""
    if given is None:
        return default
    weights = dict(given) if isinstance(given, Mapping) else parsed_layers(given)
    for layer, weight in weights.items():
        need_number(f"weight of style layer {layer}", weight)
    if not sum(weights.values()):
        raise MaximizeError("style_layers: no layer has a weight above 0; accepted: at least one")
    return weights
