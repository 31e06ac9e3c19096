"""Randomisation of weights from the top layer down, to test whether a map depends on what the
network learned.

After Adebayo et al. (2018, arXiv:1810.03292): a method whose maps do not change describes the
image, not the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..network import Network
from ..spec.weights import initial_weights
from .method import Method
from .targets import Target

DRAWS = 3
# number of images for the stages before the last, which are only drawn, not judged
STAGED = 10


@dataclass(frozen=True)
class Randomization:
    """Signed Spearman correlations with the trained network's map over foreground pixels, each
    (draws, N).

    In stage k, the top k + 1 layers have random weights, down to `layers[k]`; in the last stage all
    have. Images without two foreground pixels, and maps that are constant there, count as 0.
    """

    method: str
    layers: tuple[str, ...]
    correlations: tuple[np.ndarray, ...]

    @property
    def stages(self) -> np.ndarray:
        """Mean over images and draws, stage by stage."""
        return np.array([stage.mean() for stage in self.correlations])

    @property
    def mean_correlation(self) -> float:
        """Mean over images and draws with random weights in all layers; its magnitude counts."""
        return float(self.correlations[-1].mean())


def randomize(network: Network, layers: int, seed: int) -> Network:
    """Return a copy of the network whose top `layers` layers with weights have the initial weights
    of `seed`.
    """
    names = weighted_layers(network)[:layers]
    fresh = initial_weights(network.spec, seed)
    weights = network.named_weights()
    weights |= {name: array for name, array in fresh.items() if name.split("/")[0] in names}
    copy = Network(network.spec)
    copy.load_weights(weights)
    like = next(network.parameters(), torch.zeros(()))
    return copy.to(like.device, like.dtype).eval()


def weighted_layers(network: Network) -> tuple[str, ...]:
    """Return the layers that have weights, from the top down."""
    return tuple(info.name for info in reversed(network.spec.table) if info.weights)


def randomization(
    method: Method,
    network: Network,
    images: Tensor,
    target: Target,
    foreground: Tensor,
    original: Tensor | None = None,
    draws: int = DRAWS,
    stage_draws: int = 0,
    seed: int = 0,
    networks: Callable[[int, int], Network] | None = None,
) -> Randomization:
    """Compare the method's maps before and after drawing all weights anew, `draws` times.

    `foreground` is bool (N, H, W). With `stage_draws` the stages before, from the top layer down,
    are measured too, on the first ten images, each with so many draws. `original` saves computing
    the trained network's maps again, `networks` (stage, draw -> network) building the same networks
    for every method.
    """
    networks = networks or partial(drawn_anew, network, seed)
    layers = weighted_layers(network)
    before = ranks(method(network, images, target) if original is None else original, foreground)

    def correlation(stage: int, draw: int) -> np.ndarray:
        part = slice(None if stage == len(layers) else STAGED)
        maps = method(networks(stage, draw), images[part], target.part(part))
        after = ranks(maps, foreground[part])
        return np.array([float(a @ b) for a, b in zip(before[part], after, strict=True)])

    planned = {stage: stage_draws for stage in range(1, len(layers)) if stage_draws} | {
        len(layers): draws
    }
    return Randomization(
        method.name,
        tuple(layers[stage - 1] for stage in planned),
        tuple(
            np.stack([correlation(stage, draw) for draw in range(count)])
            for stage, count in planned.items()
        ),
    )


def drawn_anew(network: Network, seed: int, stage: int, draw: int) -> Network:
    """Return draw number `draw` of the network with random weights in its top `stage` layers."""
    return randomize(
        network, stage, 1_000_003 * (seed + 1) + draw
    )  # far from the seeds of training


def ranks(attributions: Tensor, foreground: Tensor) -> list[np.ndarray]:
    """Return each image's ranks over foreground pixels, centred, with length one; zeros if all are
    tied.

    Background pixels are left out: nearly all methods are silent there, and the ties would make the
    correlation of unrelated maps large.
    """
    maps = attributions.sum(1).double().cpu().numpy()
    return [
        _unit(_mean_ranks(image[mask]))
        for image, mask in zip(maps, foreground.cpu().numpy(), strict=True)
    ]


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    """Return the ranks of `values` (n,), 1 to n; equal values have the mean of their ranks.

    ``scipy.stats.rankdata`` gives the same, but takes more than a second to import.
    """
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (counts.cumsum() - (counts - 1) / 2)[place]


def _unit(ranked: np.ndarray) -> np.ndarray:
    centred = ranked - ranked.mean() if len(ranked) else ranked
    length = np.linalg.norm(centred)
    return centred / length if length > 0 else np.zeros_like(centred)
