"""The fixed digits that TensorBoard's pictures and statistics are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...data.prepare import Part
from ...network import as_images


class FixedDigits:
    """The fixed digits: first those that are drawn, then those for statistics."""

    def __init__(
        self,
        part: Part,
        drawn: list[int],
        statistics: int,
        invert: Any,
        module: Any,
        class_names: Sequence[str],
    ) -> None:
        chosen = [*drawn, *range(min(statistics, len(part)))]
        self.inputs = network_inputs(part, chosen, module)
        self.labels = torch.from_numpy(part.labels[chosen]).to(self.inputs.device)
        self.statistics = slice(len(drawn), None)
        self.pixels = invert(part.images[drawn])
        self.names = [f"{part.labels[i]}_{part.id(i).replace(':', '_')}" for i in drawn]
        self._class_names = class_names
        self._captions = [f"{part.id(i)} is {class_names[part.labels[i]]}" for i in drawn]

    def caption(self, digit: int, probabilities: Tensor) -> str:
        """Return the id of drawn digit number `digit`, its label and the network's answer."""
        probability, guess = probabilities[digit].max(0)
        name = self._class_names[int(guess)]
        return f"{self._captions[digit]}, seen as {name} ({float(probability):.1%})"


def first_of_each_class(labels: np.ndarray, count: int) -> list[int]:
    """Return the positions of `count` images, of different classes as far as possible."""
    firsts = sorted(np.unique(labels, return_index=True)[1].tolist())
    others = [i for i in range(min(len(labels), count + len(firsts))) if i not in firsts]
    return [*firsts, *others][:count]


def network_inputs(part: Part, chosen: Sequence[int], module: Any) -> Tensor:
    """Return the images at positions `chosen` as inputs of the module's network."""
    return as_images(part.images[list(chosen)]).to(next(module.network.parameters()))
