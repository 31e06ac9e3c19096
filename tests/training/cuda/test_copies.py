"""Asynchronous copies to the host: called back when complete, in order, or waited for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lit_mnist.training.cuda.copies import HostCopies


class Later:
    """An event that happens when the test says so."""

    happened = False

    def query(self) -> bool:
        return self.happened

    def synchronize(self) -> None:
        self.happened = True


def test_callbacks_come_when_copies_are_complete_and_in_order() -> None:
    events, received = [Later(), Later()], []
    pending = iter(events)
    copies = HostCopies(lambda values: (values.clone(), next(pending)))
    for number in range(2):
        copies.start(torch.tensor(number), lambda values: received.append(int(values)))
    copies.deliver()
    assert received == []
    events[1].happened = True
    copies.deliver()
    assert received == []  # the first is not complete yet
    events[0].happened = True
    copies.deliver()
    assert received == [0, 1]


def test_waiting_delivers_all() -> None:
    received: list[int] = []
    copies = HostCopies(lambda values: (values, Later()))
    copies.start(torch.tensor(7), lambda values: received.append(int(values)))
    copies.deliver(wait=True)
    assert received == [7]


def test_what_is_on_the_host_is_delivered_at_once() -> None:
    received: list[int] = []
    HostCopies().start(torch.tensor(7), lambda values: received.append(int(values)))
    assert received == [7]


def test_from_a_device_without_cudas_events_a_copy_is_made_at_once() -> None:
    received: list[Tensor] = []
    with pytest.raises(
        NotImplementedError, match="meta"
    ):  # it was read at once: a meta tensor holds nothing
        HostCopies().start(torch.empty(3, device="meta"), received.append)
