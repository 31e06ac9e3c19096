"""Asynchronous copies from a GPU to the host, with callbacks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Callback = Callable[[Tensor], None]


class Event(Protocol):
    """Signals that a copy is complete: `torch.cuda.Event`, or a stand-in."""

    def query(self) -> bool: ...

    def synchronize(self) -> None: ...


class _Copy(NamedTuple):
    values: Tensor  # on the host, complete once `event` has happened
    event: Event
    callback: Callback


class HostCopies:
    """Copies tensors to the host in the order of `start`, and calls back when a copy is complete.

    Only CUDA has the events and the pinned memory that this takes: from other devices a copy is
    made at once. `start_copy(tensor)` starts a copy and returns it with its event; tests hand in a
    stand-in.
    """

    def __init__(self, start_copy: Callable[[Tensor], tuple[Tensor, Event]] | None = None) -> None:
        self._start_copy = start_copy
        self._copies = deque[_Copy]()

    def start(self, values: Tensor, callback: Callback) -> None:
        """Copy `values`, and call `callback` with the copy at once or in a later `deliver`."""
        start_copy = self._start_copy or (_copy_from_cuda if values.device.type == "cuda" else None)
        if start_copy is None:
            callback(values.cpu())
        else:
            self._copies.append(_Copy(*start_copy(values), callback))

    def deliver(self, wait: bool = False) -> None:
        """Call the callbacks of complete copies; with `wait`, of all copies."""
        while self._copies and (wait or self._copies[0].event.query()):
            copy = self._copies.popleft()
            copy.event.synchronize()
            copy.callback(copy.values)


def _copy_from_cuda(values: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    on_host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    on_host.copy_(values, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return on_host, event
