"""What devices can do: whether they compute in float64, and whether bfloat16 is faster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ..errors import UserError, nearest

WITHOUT_FLOAT64 = ("mps",)  # Apple's GPUs
PRECISIONS = ("32-true", "64-true", "bf16-mixed", "16-mixed")  # Lightning's names


class DeviceError(UserError):
    """A setting that the training device cannot work with."""


def has_float64(device: torch.device) -> bool:
    """Whether tensors on `device` may be float64."""
    return device.type not in WITHOUT_FLOAT64


def exact_sum(values: Tensor) -> float:
    """Return the sum in float64, on the host if the device has no float64."""
    if has_float64(values.device):
        return float(values.sum(dtype=torch.float64))
    return float(values.cpu().numpy().sum(dtype="float64"))


def gains_by_bfloat16(kind: str) -> bool:
    """Return whether devices of `kind` (cpu, cuda, ...) have instructions for bfloat16.

    Without them bfloat16 is slower than float32.

    Returns False if torch cannot tell (before 2.11, and for other devices).
    """
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    return kind == "cpu" and any(has for name, has in _cpu_capabilities().items() if "bf16" in name)


def _cpu_capabilities() -> Mapping[str, Any]:
    ask = getattr(torch.cpu, "get_capabilities", None)
    return {} if ask is None else ask()


def automatic_precision(accelerator: str) -> str:
    """Return the precision of ``auto``: bf16-mixed if faster on the accelerator, else 32-true."""
    return "bf16-mixed" if gains_by_bfloat16(_kind_of(accelerator)) else "32-true"


def _kind_of(accelerator: str) -> str:
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def precision_warning(device: torch.device, precision: str) -> str | None:
    """Return a warning if `precision` is bfloat16 and the device has no instructions for it."""
    if (
        not precision.startswith("bf16")
        or device.type not in ("cpu", "cuda")
        or gains_by_bfloat16(device.type)
    ):
        return None
    return (
        f"WARNING: this {device.type} has no instructions for bfloat16: trainer.precision "
        f"{precision} takes about "
        "twice as long as float32 here; use --trainer.precision 32-true, or auto"
    )


def check_precision(device: torch.device, precision: str) -> None:
    """Raise DeviceError if `precision` (Lightning's name) cannot work on `device`.

    Weights, their statistics and averages are float32 or float64.
    """
    if precision not in PRECISIONS:
        raise DeviceError(
            f"trainer.precision = {precision!r} cannot work: weights are kept in float32 or "
            f"float64; {nearest(precision, (*PRECISIONS, 'auto'))}"
        )
    if precision == "64-true" and not has_float64(device):
        raise DeviceError(
            f"trainer.precision = '64-true' cannot work on {device.type}, which has no float64; "
            "accepted: 32-true, bf16-mixed, or 64-true with trainer.accelerator cpu"
        )
