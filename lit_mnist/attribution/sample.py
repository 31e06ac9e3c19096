"""The digits on which methods are judged, with results that several checks share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from ..network import Network
from .curves import KINDS, STEPS, Curve, curve, intensity_ranking, random_ranking
from .method import Method
from .metrics import FIRST_NOISES, RememberedScore, infidelity
from .randomization import DRAWS, STAGED, drawn_anew, weighted_layers
from .targets import Target

SENSITIVITY_IMAGES = (
    10  # number of images of the sensitivity check: each costs three to ten further maps
)
_WITHOUT_GRADIENT = 1 / 3  # of a pass with its gradient, which works through each layer thrice


@dataclass(frozen=True)
class Sample:
    """Digits on which methods are judged: network inputs (N, C, H, W), their target, and
    references.

    `background` is the empty image (1, C, H, W). `ink` is the pixel value of a unit of input, which
    broadcasts over the images. `radius` is the noise of the sensitivity check in input units.
    `names` are the ids of the digits.
    """

    network: Network
    images: Tensor
    target: Target
    background: Tensor
    ink: Tensor
    radius: float
    seed: int = 0
    stage_draws: int = 0
    names: tuple[str, ...] = ()

    def passes(self, method: Method) -> float:
        """Return the cost of judging a method, in passes of single images with their gradient.

        These are the method's maps, its rough maps of the checks that compare many, and the curves.
        """
        images = len(self.images)
        stages = self.stage_draws * (len(weighted_layers(self.network)) - 1)
        rough = (
            images * DRAWS
            + min(images, STAGED) * stages
            + min(images, SENSITIVITY_IMAGES) * (1 + FIRST_NOISES)
        )
        points = 0 if self.target.first is None else images * len(KINDS) * (STEPS + 1)
        return images * method.passes + rough * method.rough().passes + points * _WITHOUT_GRADIENT

    @cached_property
    def foreground(self) -> Tensor:
        """Pixels that are not empty, bool (N, H, W)."""
        return (self.images != self.background.to(self.images)).any(1)

    @cached_property
    def intensity(self) -> Tensor:
        """The image itself as a map: ink above the background."""
        return (self.images - self.background.to(self.images)) * self.ink.to(self.images)

    @cached_property
    def orders(self) -> dict[str, Tensor]:
        """The two orders of pixels that a method must beat."""
        return {
            "random": random_ranking(self.images, self.seed),
            "intensity": intensity_ranking(
                self.images, self.background.to(self.images), self.ink.to(self.images)
            ),
        }

    def curve(self, order: Tensor, kind: str) -> Curve:
        """Return the deletion or insertion curve of an order of the pixels."""
        return curve(self.network, self.images, self.target, order, self.background, kind)

    @cached_property
    def rivals(self) -> dict[str, dict[str, Curve]]:
        """``kind -> order -> curve`` of random order and intensity order; empty for maps."""
        kinds = KINDS if self.target.first is not None else ()
        return {
            kind: {name: self.curve(order, kind) for name, order in self.orders.items()}
            for kind in kinds
        }

    @cached_property
    def score(self) -> RememberedScore:
        """The explained number of the images and of their occluded copies."""
        return RememberedScore(self.network, self.target)

    @cached_property
    def _randomized(self) -> dict[tuple[int, int], Network]:
        return {}

    def randomized(self, stage: int, draw: int) -> Network:
        """Return the network with random weights in its top `stage` layers, built once for all
        methods.
        """
        if (stage, draw) not in self._randomized:
            self._randomized[stage, draw] = drawn_anew(self.network, self.seed, stage, draw)
        return self._randomized[stage, draw]

    @cached_property
    def rival_infidelity(self) -> float:
        """Infidelity of the image itself as a map."""
        return float(
            infidelity(
                self.network,
                self.images,
                self.target,
                self.intensity,
                self.background,
                True,
                seed=self.seed,
                score=self.score,
            ).mean()
        )
