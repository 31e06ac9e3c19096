"""What training minimises: the data loss, from logits, and the penalty of the regularisers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..network import Network, as_float32
from ..spec.weights import penalties, torch_name


def data_loss(
    network: Network,
    logits: Tensor,
    labels: Tensor,
    label_smoothing: float = 0.0,
    total: int | None = None,
) -> Tensor:
    """Return the mean loss of logits (N, classes) against labels (N,), as a scalar.

    Softmax and linear outputs: cross-entropy from logits, unclipped. Sigmoid outputs, and a single
    unit of two classes: binary cross-entropy averaged over units (Keras' BinaryCrossentropy).
    `total` replaces N as the divisor where the batch is one process's part of a larger one.
    """
    logits = in_full_precision(logits)
    if network.spec.output_activation == "sigmoid" or logits.shape[1] == 1:
        target = labels[:, None] if logits.shape[1] == 1 else F.one_hot(labels, logits.shape[1])
        smooth = target.to(logits) * (1 - label_smoothing) + 0.5 * label_smoothing
        loss = F.binary_cross_entropy_with_logits(logits, smooth, reduction="sum") / logits.shape[1]
    else:
        loss = F.cross_entropy(logits, labels, reduction="sum", label_smoothing=label_smoothing)
    return loss / (len(labels) if total is None else total)


def in_full_precision(logits: Tensor) -> Tensor:
    """Return logits as float32, or float64 if they are: losses are not computed in less."""
    return logits if logits.dtype == torch.float64 else logits.float()


def penalty(network: Network) -> Tensor | None:
    """Return the sum of ``l1 * sum(|w|) + l2 * sum(w^2)`` over kernels (Keras' rule), or None.

    Activity regularisation adds what its layers gave in the last pass.
    """
    terms = []
    for name, l1, l2 in penalties(network.spec):
        kernel = network.get_parameter(torch_name(network.spec, name))
        terms += [as_float32(l1) * kernel.abs().sum()] if l1 else []
        terms += [as_float32(l2) * kernel.square().sum()] if l2 else []
    terms += activity_penalties(network)
    return torch.stack(terms).sum() if terms else None


def activity_penalties(network: Network) -> list[Tensor]:
    """Return the penalties of activity-regularising layers in the last pass."""
    return [layer.penalty for layer in network.activity_layers]
