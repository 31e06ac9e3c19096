"""The watch over NaN and infinity: cheap while all is well, exact about where trouble began."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..errors import UserError
from .state import random_states, restore_random_states

NEVER = 2**62


class NonFiniteError(UserError):
    """Training met NaN or infinity; nothing later than the last good state was saved."""


class FiniteWatch:
    """Notes on the device the first step whose loss is not finite; the flag is read every `every` steps at least.

    Network and optimiser are copied as often (a few megabytes at most), when the flag was read and all was well,
    so that the steps since can be made again, slowly, to name the first place where a value went wrong.
    """

    def __init__(self, every: int = 250) -> None:
        self.every = every
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._first: Tensor | None = None
        self._blocks: list[tuple[Any, int]] = []
        self._copies: tuple[Any, ...] | None = None
        self._asked: tuple[tuple[Any, ...], int] | None = None  # copies when the flag was sent off, and blocks before
        self._steps = 0

    def before(self, block: Any, first: int, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        """Take in a block of steps, the first of which is number `first`, before it runs."""
        if self._copies is None:
            self._copies = _copies(network, optimizer)
        self._blocks.append((block, first))

    def after(self, losses: Tensor, first: int) -> None:
        """Take in the block's losses (k,); does not wait for the device."""
        bad = ~losses.isfinite()
        steps = torch.arange(first, first + len(losses), device=bad.device)
        lowest = torch.where(bad, steps, NEVER).min()
        self._first = lowest if self._first is None else torch.minimum(self._first, lowest)
        self._steps += len(losses)

    @property
    def due(self) -> bool:
        """Whether the flag should be read: at once on the CPU, where that costs nothing."""
        return self._first is not None and (self._first.device.type == "cpu" or self._steps >= self.every)

    def flag(self, network: nn.Module) -> Tensor:
        """Return, on the device, the first step (from 0) with a bad loss in this process, else NEVER.

        Weights count too: a step may spoil them although its own loss was finite.
        """
        spoilt = ~torch.stack([p.detach().isfinite().all() for p in network.parameters()]).all()
        last = self._blocks[-1][1] + len(self._blocks[-1][0]) - 1
        return torch.minimum(self._first, torch.where(spoilt, last, NEVER))

    def ask(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> Tensor:
        """Return the flag, to be read by `answer` when it has come: training goes on meanwhile."""
        self._asked, self._steps = (_copies(network, optimizer), len(self._blocks)), 0
        return self.flag(network)

    def answer(self, flag: Tensor) -> int | None:
        """Return the first bad step that the flag tells of, or None; then the copies made by `ask` are good."""
        if (found := int(flag)) < NEVER:
            return found
        if self._asked is not None:
            self._copies, before = self._asked
            self._blocks, self._asked = self._blocks[before:], None
        return None

    def first_bad(self, network: nn.Module | None, world: int = 1) -> int | None:
        """Return the first step (from 0) with a bad loss, in any process, or None; waits for the device.

        Without the network its weights are not looked at: the next step's loss will tell.
        """
        if self._first is None:
            return None
        first = self._first.clone() if network is None else self.flag(network)
        if world > 1:
            dist.all_reduce(first, dist.ReduceOp.MIN)
        if (found := int(first)) < NEVER:
            return found
        if self._steps >= self.every:
            self.forget()
        return None

    def find(self, network: nn.Module, optimizer: torch.optim.Optimizer, step: Callable[[Any, int], Any]) -> str:
        """Make the steps since the copies again by `step(batch, number)`; say what went wrong first, and where.

        Afterwards network and optimiser are as they were in the copies.
        """
        blocks, copies = self._blocks, self._copies
        _put_back(copies, network, optimizer)
        place = "nothing went wrong when the steps were made again"
        with _listening(network) as heard:
            for block, first in blocks:
                for offset, batch in enumerate(block):
                    if not batch.images.isfinite().all():
                        heard.append("an input image")
                    step(batch, first + offset)
                    spoilt = [name for name, p in network.named_parameters() if not p.detach().isfinite().all()]
                    heard += [f"the updated weights {name}" for name in spoilt]
                    if heard:
                        place = f"step {first + offset + 1}: {heard[0]}"
                        break
                if heard:
                    break
        _put_back(copies, network, optimizer)
        self.forget()
        return place


@contextmanager
def _listening(network: nn.Module) -> Iterator[list[str]]:
    """Hear of every output and gradient that is not finite, in the order in which they arise."""
    heard: list[str] = []

    def output(name: str) -> Callable:
        return lambda module, given, result: None if result.detach().isfinite().all() else heard.append(
            f"the output of layer {name}")

    def gradient(name: str) -> Callable:
        return lambda grad: None if grad.isfinite().all() else heard.append(f"the gradient of {name}")

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(output(name)) for name, module in leaves]
    handles += [p.register_hook(gradient(name)) for name, p in network.named_parameters()]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def _copies(network: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, ...]:
    return ([tensor.detach().clone() for tensor in network.state_dict().values()],
            copy.deepcopy(optimizer.state_dict()), random_states())


@torch.no_grad()
def _put_back(copies: tuple[Any, ...], network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    weights, state, random = copies
    for tensor, kept in zip(network.state_dict().values(), weights, strict=True):
        tensor.copy_(kept)
    optimizer.load_state_dict(copy.deepcopy(state))
    restore_random_states(random)
