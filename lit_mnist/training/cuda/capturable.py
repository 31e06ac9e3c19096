"""What a CUDA graph can capture: which devices and optimisers, how they are made ready, and the capture itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..optimizers import KerasOptimizer

# optimisers whose first step finds zeros, or these values
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
    """Captures functions as CUDA graphs, which share their memory: they never run at the same time."""

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[[], None]) -> Callable[[], None]:
        """Record what `run` launches, without executing it; return what launches it."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            run()
        return graph.replay


def obstacle(device: torch.device, world: int, precision: str) -> str | None:
    """Return in words why steps cannot be captured on this device and in this precision, or None."""
    if device.type != "cuda":
        return f"training runs on {device.type}, and graphs need a CUDA device"
    if world > 1:
        return f"{world} processes exchange gradients in every step"
    if precision == "16-mixed":
        return "the gradient scaler of precision 16-mixed waits for the device in every step"
    return None


def not_capturable(optimizer: torch.optim.Optimizer) -> str:
    """Return in words that the optimiser cannot be captured, and which can."""
    return (
        f"{type(optimizer).__name__} cannot be captured; the optimisers of lit_mnist.training.optimizers can, and "
        "those of torch.optim that have an argument `capturable`"
    )


def make_capturable(optimizer: torch.optim.Optimizer) -> bool:
    """Have the optimiser keep all that it counts on the device; return whether it can."""
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
    """Have torch not warn of capturable steps that run outside of graphs: some do."""
    optimizer._warned_capturable_if_run_uncaptured = True


def adopt_state(optimizer: torch.optim.Optimizer, rehearsed: torch.optim.Optimizer) -> bool:
    """Give a fresh optimiser the state that its first step would find; return whether it has state now."""
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
