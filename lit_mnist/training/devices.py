"""What devices can do: whether they compute in float64, and which settings they cannot work with."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import UserError

WITHOUT_FLOAT64 = ("mps",)  # Apple's GPUs


class DeviceError(UserError):
    """A setting that the training device cannot work with."""


def has_float64(device: torch.device) -> bool:
    """Whether tensors on `device` may be float64."""
    return device.type not in WITHOUT_FLOAT64


def exact_sum(values: Tensor) -> float:
    """Return the sum in float64: on the device, or on the host where the device has no float64."""
    if has_float64(values.device):
        return float(values.sum(dtype=torch.float64))
    return float(values.cpu().numpy().sum(dtype="float64"))


def check_precision(device: torch.device, precision: str) -> None:
    """Raise DeviceError where `precision` (Lightning's name) needs float64 and `device` has none."""
    if precision == "64-true" and not has_float64(device):
        raise DeviceError(f"trainer.precision = '64-true' cannot work on {device.type}, which has no float64; "
                          "accepted: 32-true, bf16-mixed, or 64-true with trainer.accelerator cpu")
