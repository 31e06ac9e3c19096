"""What a CUDA graph can capture: devices, optimisers and their preparation, and the capture."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..optimizers import KerasOptimizer

# initial values of optimisers' states that are not 0
_STARTS = {"u_product": 1.0, "mu_product": 1.0}
_START_KNOWN = (
    KerasOptimizer,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.RMSprop,
    torch.optim.Adadelta,
)


class CudaGraphs:
    """Captures functions as CUDA graphs that share memory, since only one runs at a time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        """Record the kernels that `run` launches, and return a function that launches them."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            run()
        return graph.replay


def obstacle(device: torch.device, world: int, precision: str) -> str | None:
    """Return why steps cannot be captured on this device and in this precision, or None."""
    if device.type != "cuda":
        return f"training runs on {device.type}, and graphs need a CUDA device"
    if world > 1:
        return f"{world} processes exchange gradients in every step"
    if precision == "16-mixed":
        return "the gradient scaler of precision 16-mixed waits for the device in every step"
    return None


def not_capturable(optimizer: torch.optim.Optimizer) -> str:
    """Return the message that the optimiser cannot be captured, and which can."""
    return (
        f"{type(optimizer).__name__} cannot be captured; the optimisers of "
        "lit_mnist.training.optimizers can, and "
        "those of torch.optim that have an argument `capturable`"
    )


def make_capturable(optimizer: torch.optim.Optimizer) -> bool:
    """Have the optimiser keep its counters on the device; return whether it can."""
    if isinstance(optimizer, KerasOptimizer):
        return True
    if not all("capturable" in group for group in getattr(optimizer, "param_groups", [{}])):
        return False
    for group in optimizer.param_groups:
        group["capturable"] = True
        for p in group["params"]:
            if isinstance(step := optimizer.state.get(p, {}).get("step"), Tensor):
                optimizer.state[p]["step"] = step.to(p.device)
    silence(optimizer)
    return True


def silence(optimizer: torch.optim.Optimizer) -> None:
    """Suppress torch's warning about capturable steps outside of graphs."""
    optimizer._warned_capturable_if_run_uncaptured = True


def adopt_state(optimizer: torch.optim.Optimizer, rehearsed: torch.optim.Optimizer) -> bool:
    """Give a new optimiser the state that its first step would create.

    Returns whether it has a state now.
    """
    if optimizer.state:
        return True
    kept = [value for state in rehearsed.state.values() for value in state.values()]
    if not isinstance(optimizer, _START_KNOWN) or not all(
        isinstance(value, Tensor) for value in kept
    ):
        return False
    for group, copied in zip(optimizer.param_groups, rehearsed.param_groups, strict=True):
        for p, other in zip(group["params"], copied["params"], strict=True):
            for name, value in rehearsed.state.get(other, {}).items():
                optimizer.state[p][name] = torch.full_like(value, _STARTS.get(name, 0.0))
    return True
