"""Layer-wise relevance propagation, for networks whose layers have a rule."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import ClassVar

from captum import attr
from captum.attr._utils.lrp_rules import EpsilonRule
from torch import Tensor, nn

from ..network import Network
from .deeplift import require_known_pools
from .method import Method, flat_modules, require_chain, require_rules, watched
from .targets import Target, units


class _Head(nn.Module):
    """The explained number as a layer with a rule, so that each output starts with its own part.

    Captum starts with the gradient times the number, which is right for one class but wrong for a
    difference.
    """

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target = target

    def forward(self, activations: Tensor) -> Tensor:
        return (units(activations, self.target.position) * self.target.directions).sum(1)


def _ruled(network: Network, target: Target, epsilon: float) -> nn.Sequential:
    """Copy the network's modules, each with a rule, since Captum's LRP changes modules and does not
    restore them.
    """
    modules = [
        copy.deepcopy(module)
        for _, module in flat_modules(network, target.layer)
        if not isinstance(module, nn.Identity | nn.Dropout2d)
    ]
    for module in (head := _Head(target), *modules):
        if not isinstance(module, nn.ReLU | nn.Tanh | nn.Dropout):
            module.rule = EpsilonRule(epsilon)  # pyright: ignore[reportArgumentType]
    return nn.Sequential(*modules, head).eval()


@dataclass(frozen=True)
class LRP(Method):
    """The score, divided among the inputs of each layer by the epsilon rule (Bach et al. 2015, PLoS
    ONE 10(7)).

    Biases keep their part, so the sum equals the score only without biases: completeness is not
    promised.
    """

    epsilon: float = 1e-9
    name: ClassVar[str] = "lrp"

    def check(self, network: Network, target: Target) -> None:
        require_chain(network, self.name, target.layer)
        require_known_pools(network, self.name, target.layer)
        require_rules(network, self.name, (nn.ReLU, nn.Tanh, nn.MaxPool2d), target.layer)

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        return attr.LRP(_ruled(network, target, self.epsilon)).attribute(watched(images))
