"""DeepLift, and the rewriting of a network that Captum's tensor hooks need for correct results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from torch import Tensor, nn

from ..network import Network, SamePool
from .method import (
    BaselineMethod,
    captum,
    flat_modules,
    pair,
    require_chain,
    require_rules,
    watched,
)
from .scores import Score
from .targets import AttributionError, Target, units

_WORK = 4  # the rules keep several tensors for each activation, so batches are smaller


class Apart(nn.Module):
    """Returns the same values in a new tensor."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clone()


class Unrolled(Score):
    """A Score whose network is a flat sequence of the same modules, with a separate tensor after
    each.

    Captum 0.9 attaches DeepLift's rules to the tensors between modules. Where a ReLU feeds a
    max-pool, both rules meet on one tensor, and the ReLU's rule is applied to the pool's gradient
    before the pool's own: attributions are then wrong by up to half. A copy between the two
    separates them.
    """

    def __init__(self, network: Network, target: Target) -> None:
        super().__init__(network, target)
        del (
            self.network
        )  # registered only once, since Captum would otherwise attach its hooks twice
        self.sequence = nn.Sequential(
            *(
                module
                for _, part in flat_modules(network, target.layer)
                for module in (part, Apart())
            )
        )

    def outputs(self, images: Tensor) -> Tensor:
        return units(self.sequence(images), self.position)


@contextmanager
def unrolled(network: Network, target: Target) -> Iterator[Unrolled]:
    """Yield an Unrolled network for one call of Captum, and remove what a failed call leaves on the
    modules.
    """
    score = Unrolled(network, target).eval()
    try:
        with captum():
            yield score
    finally:
        for module in score.sequence:
            for leftover in ("input", "output"):
                vars(module).pop(leftover, None)


# modules that Captum's rescale rule knows; others would silently count as linear
_RULED = (nn.ReLU, nn.ELU, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.MaxPool2d)


def require_rescale_rules(network: Network, method: str, until: str | None = None) -> None:
    """Raise AttributionError, with the module's name, for a network that DeepLift's rescale rule
    cannot handle.
    """
    require_chain(network, method, until)
    require_known_pools(network, method, until)
    require_rules(network, method, _RULED, until)


def require_known_pools(network: Network, method: str, until: str | None = None) -> None:
    """Raise AttributionError for maximum pools that Captum's rule gets wrong or does not know.

    Its rule writes each maximum back to one position, so windows must not overlap. Padded and
    global maximum pools have no rule and would silently count as linear.
    """
    for name, module in flat_modules(network, until):
        what = _pool_without_rule(module)
        if what is not None:
            raise AttributionError(
                f"method {method!r} has no rule for the {what} of layer {name!r}; accepted: "
                "maximum pools that do not overlap, with padding 'valid', or another method"
            )


def _pool_without_rule(module: nn.Module) -> str | None:
    if isinstance(module, nn.AdaptiveMaxPool2d):
        return "global maximum"
    if isinstance(module, SamePool) and module.kind == "max":
        return "padded maximum"
    if isinstance(module, nn.MaxPool2d):
        pairs = zip(pair(module.stride), pair(module.kernel_size), strict=True)
        if any(stride < size for stride, size in pairs):
            return "overlapping maximum"
    return None


@dataclass(frozen=True)
class DeepLift(BaselineMethod):
    """Differences from a baseline, propagated back by the rescale rule (Shrikumar et al. 2017,
    arXiv:1704.02685).

    The result is the mean over several baselines.
    """

    name: ClassVar[str] = "deeplift"
    promise: ClassVar[float] = 1e-4

    @property
    def passes(self) -> float:
        return 4.0

    @property
    def evaluations(self) -> int:
        return 2 * _WORK

    def check(self, network: Network, target: Target) -> None:
        require_rescale_rules(network, self.name, target.layer)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        with unrolled(network, target) as score:
            method = attr.DeepLift(score)
            return self.baseline.mean(
                images,
                lambda start: method.attribute(
                    watched(images), start, additional_forward_args=(target.directions,)
                ).detach(),
            )


@dataclass(frozen=True)
class DeepLiftShap(BaselineMethod):
    """DeepLift averaged over a distribution of baselines (Lundberg & Lee 2017,
    arXiv:1705.07874).
    """

    name: ClassVar[str] = "deeplift_shap"
    promise: ClassVar[float] = 1e-4

    @property
    def passes(self) -> float:
        return 10.0 * len(self.baseline)

    @property
    def evaluations(self) -> int:
        return 2 * len(self.baseline) * _WORK

    def check(self, network: Network, target: Target) -> None:
        require_rescale_rules(network, self.name, target.layer)
        if len(self.baseline) < 2:
            raise AttributionError(
                f"method {self.name!r}: baseline {self.baseline.name!r} is one image; accepted: a "
                "distribution such as digits, or the method deeplift"
            )

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        with unrolled(network, target) as score:
            return (
                attr.DeepLiftShap(score)
                .attribute(
                    watched(images),
                    self.baseline.shared(images),
                    additional_forward_args=(target.directions,),
                )
                .detach()
            )
