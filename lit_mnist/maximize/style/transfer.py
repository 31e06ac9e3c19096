"""Neural style transfer: the content of one picture in the style of others (Gatys, Ecker, Bethge
2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.images import expanded
from ...network import as_images
from ...runs.model import Model
from ..ascent import Progress
from ..checks import MaximizeError
from ..objectives import total_variation
from .extractor import Extractor
from .losses import Targets, Weights, mean_gram
from .networks import layers_for, open_network
from .optimize import Descent, descend
from .pictures import Picture, luminance, matched, read_picture, recoloured
from .record import StyleTransfer
from .settings import Settings, completed, fractions_for, layer_weights


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
    """Return `content` redrawn in the style of one picture or several; files, or pixels 0 to 255
    (H, W, C).

    Lowers ``a L_content + sum_l b_l L_style_l + tv_weight L_tv`` from the content picture: half the
    squared distance of `content_layer`'s activations, the squared distance of each style layer's
    Gram matrices over ``4 N^2 M^2``, and the mean length of the picture's gradient (pixels 0 to 1).
    With `content_weight` and `style_weight`, a is the one and b_l the other times the layer's
    weight, which add up to 1. Without, both losses are divided by what activations of zero would
    give (b_l by layer), and `strength` multiplies style, so that it means the same for every
    network and size.

    Args:
        content: the picture that is redrawn.
        style: pictures whose style is taken; a folder stands for the pictures in it.
        network: ``vgg19``, ``squeezenet``, a Keras file, a run or checkpoint, or an opened model.
        standardize: how a Keras file's pixels are scaled.
        progress: called with evaluations done and in all.
        settings: `Settings`: layers, weights, size, optimizer, steps, ...; `changes` are its fields
            by name.

    Raises MaximizeError, DataError, ModelError, WeightsError: each names the value and what is
    accepted.
    """
    chosen = replace(settings or Settings(), **changes)
    pictures = _style_pictures(style)
    fractions = fractions_for(chosen, len(pictures))
    model = open_network(network, standardize)
    chosen = completed(chosen, model.spec)
    return _Transfer(model, content, pictures, fractions, chosen).result(progress)


def _style_pictures(style: Picture | Sequence[Picture]) -> list[Picture]:
    several = [style] if isinstance(style, str | Path | np.ndarray) else list(style)
    pictures: list[Picture] = []
    for one in several:
        pictures += [one] if isinstance(one, np.ndarray) else expanded(str(one))
    if not pictures:
        raise MaximizeError("no style picture; accepted: one or more")
    return pictures


class _Transfer:
    """One transfer: pictures as the network's input, targets, the descent and its record."""

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
        self.layer_weights = layer_weights(settings.style_layers, default)
        self.names = tuple(dict.fromkeys((self.content_layer, *self.layer_weights)))
        self.content = read_picture(content, model, settings.size)
        area = self.content[..., 0].size * settings.style_scale**2
        self.styles = [read_picture(style, model, None, area) for style in styles]
        self.channels = model.spec.input_shape[2]
        if settings.keep_color and self.channels != 3:
            raise MaximizeError(
                f"keep_color: the network takes {self.channels} channel; accepted: for networks "
                "of colour pictures"
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
        """Return the picture that the descent changes: only its brightness if colour is kept."""
        pixels = luminance(self.content) if self.settings.keep_color else self.content
        return self._expanded(self._tensor(pixels))

    def _tensor(self, pixels: np.ndarray) -> Tensor:
        return as_images(pixels[None]).to(**self.options) / 255

    def _expanded(self, image: Tensor) -> Tensor:
        return image.expand(-1, self.channels, -1, -1)

    def _losses(self, image: Tensor) -> tuple[Tensor, ...]:
        content, styles = self.targets.losses(self.extractor(self._expanded(image)))
        weights = self.weights
        smooth = weights.total_variation > 0  # otherwise it is measured alone
        variation = total_variation(image if smooth else image.detach())[0]
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
    """Return the evaluations that are kept, of `steps`: the first, the last, and others at growing
    distances.
    """
    if count < 2:
        return (steps - 1,) * min(count, 1)
    positions = np.linspace(0, 1, count) ** 2 * (steps - 1)
    return tuple(sorted({round(position) for position in positions}))


def as_uint8(pixels: np.ndarray) -> np.ndarray:
    """Return pixels 0 to 255 rounded to uint8."""
    return np.rint(np.asarray(pixels, np.float64).clip(0, 255)).astype(np.uint8)
