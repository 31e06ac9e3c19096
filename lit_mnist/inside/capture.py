"""Activations by name, captured by forward hooks that are always removed afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from functools import partial

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..errors import SUMMARY, UserError, listed, nearest
from ..network import Network, Shared
from ..spec import Activated, Activation, PReLU, ReLU
from .lint import require_capturable

PRE = ":pre"
PROBABILITIES = ":probabilities"
WITH_ACTIVATION = (
    Activated,
    Activation,
    ReLU,
    PReLU,
)  # layers with a value before their activation


class CaptureError(UserError):
    """A name that cannot be captured or was not captured."""


class Captured(Mapping[str, Tensor]):
    """Maps names to tensors of the last forward pass, in the order of the network's layers."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._tensors: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name in self._tensors:
            return self._tensors[name]
        if name in self.names:
            raise CaptureError(
                f"{name!r}: nothing captured; call the network itself inside the block "
                "(its training_logits calls no layer as a module)"
            )
        raise CaptureError(f"{name!r} was not asked for; {nearest(name, self.names, SUMMARY)}")

    def __contains__(self, name: object) -> bool:
        return name in self._tensors

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.names if name in self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


@contextmanager
def capture(network: Network, names: str | Sequence[str], clone: bool = True) -> Iterator[Captured]:
    """Capture the named activations of each forward pass made inside the block.

        with capture(model.network, ["Conv2D_1", "Max_Pool_1"]) as maps:
            logits = model.network(x)
        maps["Conv2D_1"]  # (N, 32, 26, 26)

    `names` are names or globs (``Conv2D_*``, ``*``, ``*:pre``) of what `points` lists: ``NAME`` is
    a layer's output, after its activation, as in Keras; ``NAME:pre`` is the value before the
    activation (convolutions, dense and activation layers; equal to ``NAME`` where that is linear;
    other layers have none). The last layer's ``NAME`` is the logits, since softmax is left to the
    loss; Keras' value of that layer is ``NAME:probabilities``.

    Tensors keep shape (N, C, H, W) or (N, units), dtype, device and gradient: those captured under
    autograd lie on the path to the output, so ``torch.autograd.grad(logits.sum(), maps[...])``
    works. With `clone`, the network continues with a copy, so that no in-place operation can change
    the captured tensor; without it, nothing is copied. A further forward pass replaces the tensors.

    Raises CaptureError for an unknown name, with the nearest match, and LintError for a network on
    which captured values would be wrong (`lit_mnist.inside.lint`).
    """
    selected = select(network, names)
    require_capturable(network)
    captured = Captured(selected)
    with ExitStack() as hooks:
        for name in selected:
            hooks.callback(_hook(network, name, captured, clone).remove)
        yield captured


def points(network: Network) -> tuple[str, ...]:
    """Return all names that can be captured, in the order of the layers."""
    names: list[str] = []
    for layer in network.spec.layers:
        if isinstance(network.spec.layer(layer.name), WITH_ACTIVATION):
            names.append(layer.name + PRE)
        names.append(layer.name)
    return (*names, network.spec.output + PROBABILITIES)


def select(network: Network, names: str | Sequence[str]) -> tuple[str, ...]:
    """Expand names and globs to names, in the order of the layers; raise CaptureError without a
    match.

    A glob without a colon matches only outputs of layers: ``Conv*`` does not match
    ``Conv2D_1:pre``.
    """
    accepted = points(network)
    patterns = (names,) if isinstance(names, str) else tuple(names)
    if not patterns:
        raise CaptureError(f"no layer named; accepted: {listed(accepted, SUMMARY)}")
    matched: set[str] = set()
    for pattern in patterns:
        matches = [
            name
            for name in accepted
            if fnmatchcase(name, pattern) and (":" in pattern) == (":" in name)
        ]
        if not matches:
            raise CaptureError(_unknown(network, pattern, accepted))
        matched.update(matches)
    return tuple(name for name in accepted if name in matched)


def _unknown(network: Network, name: str, accepted: Sequence[str]) -> str:
    layer = name.removesuffix(PRE)
    if name.endswith(PRE) and layer in network.spec.names:
        others = listed([each for each in accepted if each.endswith(PRE)], SUMMARY)
        return (
            f"{name!r}: a {network.spec[layer].type} layer has no activation, and no value before "
            f"it; accepted: {layer!r}, or {others}"
        )
    return f"no layer {name!r} in this network; {nearest(name, accepted, SUMMARY)}"


def _hook(network: Network, name: str, captured: Captured, clone: bool) -> RemovableHandle:
    layer, _, kind = name.partition(":")
    if f":{kind}" == PRE:
        module = getattr(network, layer)
        activation = (module.twin if isinstance(module, Shared) else module).get_submodule(
            "activation"
        )
        return activation.register_forward_pre_hook(
            partial(_take_input, captured._tensors, name, clone)
        )
    if f":{kind}" == PROBABILITIES:
        return network.register_forward_hook(partial(_take_probabilities, captured._tensors, name))
    return getattr(network, layer).register_forward_hook(
        partial(_take_output, captured._tensors, name, clone)
    )


def _take_output(
    store: dict[str, Tensor],
    name: str,
    clone: bool,
    module: nn.Module,
    inputs: tuple,
    output: Tensor,
) -> Tensor | None:
    """Store the original, which is on the path of the gradient, and pass on a copy."""
    store[name] = output
    return output.clone() if clone else None


def _take_input(
    store: dict[str, Tensor], name: str, clone: bool, module: nn.Module, inputs: tuple[Tensor, ...]
) -> tuple[Tensor] | None:
    store[name] = inputs[0]
    return (inputs[0].clone(),) if clone else None


def _take_probabilities(
    store: dict[str, Tensor], name: str, network: Network, inputs: tuple, output: Tensor
) -> None:
    store[name] = network.probabilities(output)
