"""Several networks trained as one (`torch.func`): seconds of a step beside those of one network
after another.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, stack_module_state, vmap

from lit_mnist.network import Network
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.spec import NetworkSpec

from .measure import Report, interleaved, ratios

_CONFIGS = Path(__file__).parent.parent / "configs"
_CASES = {"mlp": ("studies/mlp_l2.yaml", 500), "cnn": ("cnn.yaml", 64)}  # and images of a batch
_NETWORKS = 5
_RATE = 0.01
_STEPS = 4

Batch = tuple[Tensor, Tensor]


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time steps of five networks that differ in seed (batches of their own) or in numbers (one
    batch for all).
    """
    rows = []
    for name, (config, size) in _CASES.items():
        spec = _without_dropout(spec_of_config(_CONFIGS / config))
        cases = _cases(spec, 8 if quick else size, device)
        timings = interleaved(cases, rounds)
        times = ratios(timings, "one after another")
        for case, timing in timings.items():
            row = {"network": name, "batch": size, "case": case, "seconds": timing}
            rows.append(row | {"gain": 1 / times[case]})
    notes = (
        f"{_NETWORKS} networks, {_STEPS} steps each, cross-entropy, plain gradient descent, "
        f"without dropout, on {device}; gain: time of one after another over that of the case."
    )
    return Report("Networks trained as one", rows, notes, rounds)


def _without_dropout(spec: NetworkSpec) -> NetworkSpec:
    return replace(spec, layers=tuple(layer for layer in spec.layers if layer.type != "dropout"))


def _cases(spec: NetworkSpec, size: int, device: str) -> dict[str, Callable[[], None]]:
    networks = [Network(spec, seed).to(device) for seed in range(_NETWORKS)]
    height, width, channels = spec.input_shape
    images = torch.rand(_NETWORKS, size, channels, height, width, device=device)
    labels = torch.randint(0, spec.classes, (_NETWORKS, size), device=device)
    batches = list(zip(images, labels, strict=True))
    return {
        "one after another": _synchronised(device, lambda: _in_turn(networks, batches)),
        "stacked, own batches": _synchronised(device, _stacked(networks, (images, labels), 0)),
        "stacked, one batch": _synchronised(device, _stacked(networks, batches[0], None)),
    }


def _synchronised(device: str, steps: Callable[[], None]) -> Callable[[], None]:
    def case() -> None:
        for _ in range(_STEPS):
            steps()
        if device == "cuda":
            torch.cuda.synchronize()

    return case


def _in_turn(networks: list[Network], batches: list[Batch]) -> None:
    for network, (images, labels) in zip(networks, batches, strict=True):
        parameters = list(network.parameters())
        loss = F.cross_entropy(network(images), labels)
        _descend(parameters, torch.autograd.grad(loss, parameters))


def _stacked(networks: list[Network], batch: Batch, batch_axis: int | None) -> Callable[[], None]:
    parameters, buffers = stack_module_state([copy.deepcopy(network) for network in networks])
    base = networks[0]

    def loss(
        weights: dict[str, Tensor], others: dict[str, Tensor], images: Tensor, labels: Tensor
    ) -> Tensor:
        return F.cross_entropy(functional_call(base, (weights, others), (images,)), labels)

    gradients = vmap(grad(loss), in_dims=(0, 0, batch_axis, batch_axis))

    def step() -> None:
        computed = gradients(parameters, buffers, *batch)
        _descend(list(parameters.values()), [computed[name] for name in parameters])

    return step


@torch.no_grad()
def _descend(parameters: list[Tensor], gradients: list[Tensor] | tuple[Tensor, ...]) -> None:
    torch._foreach_add_(parameters, list(gradients), alpha=-_RATE)
