"""The optimiser over a network's weights, of which only kernels decay, and checks of settings."""

from __future__ import annotations

from typing import Literal

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import nn

from ..errors import UserError
from ..network import BatchNorm, Network
from .cuda.graphs import refuse_without_cuda
from .devices import check_precision
from .gradients import settings_of
from .optimizers import KerasOptimizer


class TrainingError(UserError):
    """Training settings that cannot work."""


def trained_parameters(network: Network) -> list[nn.Parameter]:
    """Return the parameters that are not frozen. Raises TrainingError if there are none."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise TrainingError(
            "model.network: all layers with weights have trainable = False, so there is nothing "
            "to train; accepted: at least one that is trained"
        )
    return parameters


def decay_groups(network: Network) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the trained parameters that weight decay shrinks (kernels), and the others."""
    parameters = trained_parameters(network)
    return [p for p in parameters if p.dim() > 1], [p for p in parameters if p.dim() <= 1]


def optimizer_over(
    network: Network, make: OptimizerCallable, weight_decay: float
) -> torch.optim.Optimizer:
    """Return the optimiser, over two groups where `weight_decay` is above 0.

    Raises TrainingError if the optimiser would add the decay to the gradient.
    """
    if not weight_decay:
        return make(trained_parameters(network))
    kernels, others = decay_groups(network)
    optimizer = make(
        [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    )
    if not _decouples(optimizer):
        raise TrainingError(
            f"model.weight_decay = {weight_decay!r}: {type(optimizer).__name__} would add it "
            "to the gradient; accepted: torch.optim.AdamW or an optimiser of "
            "lit_mnist.training.optimizers, or l2 on the layers"
        )
    return optimizer


def check_fit(trainer: L.Trainer, cuda_graphs: bool | Literal["auto"]) -> None:
    """Raise UserError for settings that cannot work on the device, before anything is written."""
    device = trainer.strategy.root_device
    check_precision(device, str(trainer.precision))
    _ = settings_of(trainer).clipping
    if cuda_graphs is True:
        refuse_without_cuda(device)


def check_range(**values: tuple[float, float, float]) -> None:
    """Raise TrainingError if a value of ``(value, low, high)`` is not in [low, high)."""
    for key, (value, low, high) in values.items():
        if not low <= value < high:
            raise TrainingError(
                f"model.{key} = {value!r} cannot work; accepted: {low} <= {key} < {high}"
            )


def check_sharing(network: Network, processes: int) -> None:
    """Raise TrainingError if several processes cannot train the network."""
    if any(isinstance(module, BatchNorm) for module in network.modules()):
        raise TrainingError(
            f"trainer.devices: {processes} processes cannot train batch_norm layers, each would "
            "normalise by its own part of the batch; accepted: one process"
        )


def _decouples(optimizer: torch.optim.Optimizer) -> bool:
    return isinstance(optimizer, torch.optim.AdamW | KerasOptimizer) or all(
        group.get("decoupled_weight_decay") for group in optimizer.param_groups
    )
