"""Figures on their way from a GPU: handed on when they have arrived, so that nobody waits for the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

Receiver = Callable[[Tensor], None]


class _Parcel(NamedTuple):
    values: Tensor  # on the host, whole once `event` has happened
    event: Any
    receive: Receiver


class Arrivals:
    """Copies tensors to the host in the order of `send`; what is on the host already is handed on at once.

    `copy(tensor)` starts a copy and returns it with an event that `query`s and `synchronize`s.
    """

    def __init__(self, copy: Callable[[Tensor], tuple[Tensor, Any]] | None = None) -> None:
        self._copy, self._parcels = copy or _start_copy, deque[_Parcel]()

    def send(self, values: Tensor, receive: Receiver) -> None:
        """Have `receive(values)` called on the host: at once, or by a later `hand_on`."""
        if values.device.type == "cpu" and self._copy is _start_copy:
            receive(values)
        else:
            self._parcels.append(_Parcel(*self._copy(values), receive))

    def hand_on(self, wait: bool = False) -> None:
        """Hand on what has arrived, or all, waiting for it."""
        while self._parcels and (wait or self._parcels[0].event.query()):
            parcel = self._parcels.popleft()
            parcel.event.synchronize()
            parcel.receive(parcel.values)


def _start_copy(values: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    there = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    there.copy_(values, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return there, event
