"""Figures on their way from a device: handed on when they have come, in order, or waited for."""

from __future__ import annotations

import torch

from lit_mnist.training.cuda.copies import Arrivals


class Later:
    """An event that happens when told."""

    happened = False

    def query(self) -> bool:
        return self.happened

    def synchronize(self) -> None:
        self.happened = True


def test_figures_are_handed_on_when_they_have_come_and_in_order() -> None:
    events, got = [Later(), Later()], []
    pending = iter(events)
    arrivals = Arrivals(lambda values: (values.clone(), next(pending)))
    for number in range(2):
        arrivals.send(torch.tensor(number), lambda values: got.append(int(values)))
    arrivals.hand_on()
    assert got == []
    events[1].happened = True
    arrivals.hand_on()
    assert got == []  # the first has not come yet
    events[0].happened = True
    arrivals.hand_on()
    assert got == [0, 1]


def test_waiting_hands_on_all() -> None:
    got: list[int] = []
    arrivals = Arrivals(lambda values: (values, Later()))
    arrivals.send(torch.tensor(7), lambda values: got.append(int(values)))
    arrivals.hand_on(wait=True)
    assert got == [7]


def test_what_is_on_the_host_is_handed_on_at_once() -> None:
    got: list[int] = []
    Arrivals().send(torch.tensor(7), lambda values: got.append(int(values)))
    assert got == [7]
