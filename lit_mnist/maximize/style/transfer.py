"""Neural style transfer: the content of one picture in the style of others (Gatys, Ecker, Bethge 2015)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.images import expanded
from ...network import as_images
from ...runs.model import Model
from ...spec import NetworkSpec
from ..ascent import Progress
from ..checks import MaximizeError, need_number, need_positive, need_whole
from ..objectives import total_variation
from .extractor import Extractor
from .losses import Targets, Weights, mean_gram
from .networks import balance_of, default_size, layers_for, open_network, parsed_layers
from .optimize import Descent, descend
from .pictures import Picture, luminance, matched, read_picture, recoloured

PARTS = ("total", "content", "style", "total_variation")
STARTS = ("content", "noise")


@dataclass(frozen=True)
class Settings:
    """How a picture is made; see `style_transfer`."""

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
                "content_weight and style_weight: one without the other; accepted: both, or neither for "
                "weights that balance the two"
            )
        if self.strength is not None and self.style_weight is not None:
            raise MaximizeError(
                f"strength = {self.strength!r} beside content_weight and style_weight; accepted: one or the other"
            )
        for name in ("strength", "content_weight", "style_weight", "tv_weight"):
            if getattr(self, name) is not None:
                need_number(name, getattr(self, name))
        need_positive("style_scale", self.style_scale)
        for name, least in (("steps", 1), ("snapshots", 0), ("seed", 0)):
            need_whole(name, getattr(self, name), least)
        if self.size is not None:
            need_whole("size", self.size)
        if self.start not in STARTS:
            raise MaximizeError(f"start = {self.start!r}; accepted: {', '.join(STARTS)}")


@dataclass(frozen=True)
class StyleTransfer:
    """A picture redrawn: all pictures uint8 (H, W, C), and the course of the losses.

    `losses` (evaluations, 4) are total (weighted), content, style (sum of the layers by their weights, as the
    source adds them up) and total variation, of each gradient evaluation; `before` and `after` are the unweighted
    losses by layer, of the start and of the result. `snapshots` (S, H, W, C) are the images of the evaluations
    `snapshot_steps`.
    """

    image: np.ndarray
    content: np.ndarray
    styles: tuple[np.ndarray, ...]
    snapshots: np.ndarray
    snapshot_steps: tuple[int, ...]
    losses: np.ndarray
    before: Mapping[str, float]
    after: Mapping[str, float]
    weights: Weights
    content_layer: str
    settings: Settings

    @cached_property
    def style_layers(self) -> tuple[str, ...]:
        """The layers that say style."""
        return tuple(self.weights.style)

    def _repr_png_(self) -> bytes:
        from ...figures.canvas import to_bytes
        from ...figures.style import sheet

        return to_bytes(sheet(self))


def style_transfer(
    content: Picture,
    style: Picture | Sequence[Picture],
    network: Model | str | Path = "vgg19",
    settings: Settings | None = None,
    *,
    standardize: str | None = None,
    progress: Progress | None = None,
    **changes: Any,
) -> StyleTransfer:
    """Return `content` redrawn in the style of one picture or several; files, or pixels 0 to 255 (H, W, C).

    Lowers ``a L_content + sum_l b_l L_style_l + tv_weight L_tv`` from the content picture: half the squared
    distance of `content_layer`'s activations, the squared distance of each style layer's Gram matrices over
    ``4 N^2 M^2``, and the mean length of the picture's gradient (pixels 0 to 1). With `content_weight` and
    `style_weight`, a is the one and b_l the other times the layer's weight, which add up to 1. Without, both
    losses are divided by what activations of zero would give (b_l by layer), and `strength` multiplies
    style, so that it means the same for every network and size.

    Args:
        content: the picture that is redrawn.
        style: pictures whose style is taken; a folder stands for the pictures in it.
        network: ``vgg19``, ``squeezenet``, a Keras file, a run or checkpoint, or an opened model.
        standardize: how a Keras file's pixels are scaled.
        progress: called with evaluations done and in all.
        settings: `Settings`: layers, weights, size, optimizer, steps, ...; `changes` are its fields by name.

    Raises MaximizeError, DataError, ModelError, WeightsError: each names the value and what is accepted.
    """
    chosen = replace(settings or Settings(), **changes)
    pictures = _style_pictures(style)
    fractions = _fractions(chosen, len(pictures))
    model = open_network(network, standardize)
    chosen = _completed(chosen, model.spec)
    return _Transfer(model, content, pictures, fractions, chosen).result(progress)


def _style_pictures(style: Picture | Sequence[Picture]) -> list[Picture]:
    several = [style] if isinstance(style, str | Path | np.ndarray) else list(style)
    pictures: list[Picture] = []
    for one in several:
        pictures += [one] if isinstance(one, np.ndarray) else expanded(str(one))
    if not pictures:
        raise MaximizeError("no style picture; accepted: one or more")
    return pictures


def _fractions(settings: Settings, count: int) -> list[float]:
    weights = [1.0] * count if settings.style_fractions is None else list(settings.style_fractions)
    for weight in weights:
        need_number("style_fractions", weight)
    if len(weights) != count or not sum(weights):
        raise MaximizeError(
            f"style_fractions = {weights}: cannot work for {count} style pictures; accepted: one number for each, "
            "not all 0"
        )
    return [weight / sum(weights) for weight in weights]


def _completed(settings: Settings, spec: NetworkSpec) -> Settings:
    """Return the settings with layers, their weights (adding up to 1), size and strength filled in."""
    content_layer, default = layers_for(spec)
    weights = _layer_weights(settings.style_layers, default)
    strength, tv_weight = balance_of(spec) if settings.style_weight is None else (None, 0.0)
    return replace(
        settings,
        content_layer=settings.content_layer or content_layer,
        style_layers={layer: weight / sum(weights.values()) for layer, weight in weights.items()},
        size=settings.size or default_size(spec),
        strength=strength if settings.strength is None else settings.strength,
        tv_weight=tv_weight if settings.tv_weight is None else settings.tv_weight,
    )


def _layer_weights(
    given: Mapping[str, float] | Sequence[str] | None, default: dict[str, float]
) -> dict[str, float]:
    if given is None:
        return default
    weights = dict(given) if isinstance(given, Mapping) else parsed_layers(given)
    for layer, weight in weights.items():
        need_number(f"weight of style layer {layer}", weight)
    if not sum(weights.values()):
        raise MaximizeError("style_layers: no layer of a weight above 0; accepted: at least one")
    return weights


class _Transfer:
    """One transfer: pictures read and brought to the network, targets, the descent, and its record."""

    def __init__(
        self,
        model: Model,
        content: Picture,
        styles: Sequence[Picture],
        fractions: Sequence[float],
        settings: Settings,
    ) -> None:
        self.settings = settings
        self.content_layer, default = layers_for(model.spec)
        self.content_layer = settings.content_layer or self.content_layer
        self.layer_weights = _layer_weights(settings.style_layers, default)
        self.names = tuple(dict.fromkeys((self.content_layer, *self.layer_weights)))
        self.content = read_picture(content, model, settings.size)
        area = self.content[..., 0].size * settings.style_scale**2
        self.styles = [read_picture(style, model, None, area) for style in styles]
        self.channels = model.spec.input_shape[2]
        if settings.keep_color and self.channels != 3:
            raise MaximizeError(
                f"keep_color: the network takes {self.channels} channel; accepted: for networks of colour pictures"
            )
        like = next(model.network.parameters())
        self.options = {"dtype": like.dtype, "device": like.device}
        self.extractor = Extractor(model, self.names, self.content.shape[:2])
        self.targets = self._targets(model, fractions)
        self.weights = self._weights()

    def _targets(self, model: Model, fractions: Sequence[float]) -> Targets:
        with torch.no_grad():
            content = self.extractor(self._start())[self.content_layer]
            grams: dict[str, list[Tensor]] = {layer: [] for layer in self.layer_weights}
            for style in self.styles:
                extractor = self.extractor
                if style.shape != self.content.shape:
                    extractor = Extractor(model, self.names, style.shape[:2])
                activations = extractor(self._expanded(self._tensor(self._style_pixels(style))))
                for layer, matrices in grams.items():
                    matrices.append(mean_gram(activations[layer]))
        return Targets(self.content_layer, content, grams, fractions)

    def _style_pixels(self, style: np.ndarray) -> np.ndarray:
        if not self.settings.keep_color:
            return style
        return matched(luminance(style), luminance(self.content))

    def _weights(self) -> Weights:
        settings = self.settings
        variation = settings.tv_weight or 0.0
        if settings.content_weight is not None and settings.style_weight is not None:
            by_layer = {
                layer: settings.style_weight * weight
                for layer, weight in self.layer_weights.items()
            }
            return Weights(settings.content_weight, by_layer, variation)
        content, styles = self.targets.scales()
        by_layer = {
            layer: (settings.strength or 0.0) * weight / (styles[layer] or 1.0)
            for layer, weight in self.layer_weights.items()
        }
        return Weights(1 / (content or 1.0), by_layer, variation)

    def _start(self) -> Tensor:
        """The content picture as the descent's variable: one channel, its brightness, where colour is kept."""
        pixels = luminance(self.content) if self.settings.keep_color else self.content
        return self._expanded(self._tensor(pixels))

    def _tensor(self, pixels: np.ndarray) -> Tensor:
        return as_images(pixels[None]).to(**self.options) / 255

    def _expanded(self, image: Tensor) -> Tensor:
        return image.expand(-1, self.channels, -1, -1)

    def _losses(self, image: Tensor) -> tuple[Tensor, ...]:
        content, styles = self.targets.losses(self.extractor(self._expanded(image)))
        weights = self.weights
        variation = total_variation(image)[0]
        style = _weighted(self.layer_weights, styles)
        total = weights.content * content + _weighted(weights.style, styles)
        return total + weights.total_variation * variation, content, style, variation

    def _first(self) -> Tensor:
        start = self._start()[:, :1] if self.settings.keep_color else self._start()
        if self.settings.start == "content":
            return start.contiguous()
        generator = torch.Generator().manual_seed(self.settings.seed)
        return torch.rand(start.shape, generator=generator).to(**self.options)

    def result(self, progress: Progress | None) -> StyleTransfer:
        settings = self.settings
        kept = snapshot_evaluations(settings.steps, settings.snapshots)
        first = self._first()
        descent = descend(
            self._losses, first, settings.steps, settings.optimizer, settings.step, kept, progress
        )
        return self._record(first, descent)

    def _record(self, first: Tensor, descent: Descent) -> StyleTransfer:
        best = first if descent.best is None else descent.best.clamp(0, 1)
        steps = tuple(descent.snapshots)
        snapshots = [self._picture(descent.snapshots[step]) for step in steps]
        image = self._picture(best)
        return StyleTransfer(
            image,
            as_uint8(self.content),
            tuple(map(as_uint8, self.styles)),
            np.stack(snapshots) if snapshots else np.empty((0, *image.shape), np.uint8),
            steps,
            np.array(descent.losses),
            self._by_layer(first),
            self._by_layer(best),
            self.weights,
            self.content_layer,
            self.settings,
        )

    def _picture(self, image: Tensor) -> np.ndarray:
        pixels = 255 * image[0].clamp(0, 1).permute(1, 2, 0).double().cpu().numpy()
        return as_uint8(recoloured(pixels, self.content) if self.settings.keep_color else pixels)

    def _by_layer(self, image: Tensor) -> dict[str, float]:
        with torch.no_grad():
            content, styles = self.targets.losses(self.extractor(self._expanded(image)))
        return {"content": float(content)} | {layer: float(loss) for layer, loss in styles.items()}


def _weighted(weights: Mapping[str, float], losses: Mapping[str, Tensor]) -> Tensor:
    return torch.stack([weights[layer] * loss for layer, loss in losses.items()]).sum()


def snapshot_evaluations(steps: int, count: int) -> tuple[int, ...]:
    """Return which of `steps` evaluations are kept: the first, the last, between them ever further apart."""
    if count < 2:
        return (steps - 1,) * min(count, 1)
    places = np.linspace(0, 1, count) ** 2 * (steps - 1)
    return tuple(sorted({round(place) for place in places}))


def as_uint8(pixels: np.ndarray) -> np.ndarray:
    """Return pixels 0 to 255 rounded to uint8."""
    return np.rint(np.asarray(pixels, np.float64).clip(0, 255)).astype(np.uint8)
