"""The watch over NaN and infinity: cheap while all is well, exact about where trouble began."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..data.module import Block
from ..errors import UserError
from .cuda.copies import HostCopies
from .state import random_states, restore_random_states
from .steps import BlockRunner

NEVER = 2**62


class Saved(NamedTuple):
    """Network, optimiser and random generators at one moment."""

    weights: list[Tensor]
    optimizer: dict[str, Any]
    random: dict[str, Any]


class NonFiniteError(UserError):
    """Training met NaN or infinity; nothing later than the last good state was saved."""


class FiniteWatch:
    """Keeps, on the device, the first step whose loss is not finite, and reads it every `every` steps at least.

    Network and optimiser are copied as often (a few megabytes at most), whenever the flag was read and all was well,
    so that the steps since can be made again, slowly, to name the first place where a value went wrong.
    """

    def __init__(self, every: int = 250) -> None:
        self.every = every
        self.forget()

    def start(
        self, runner: BlockRunner, optimizer: torch.optim.Optimizer, copies: HostCopies
    ) -> None:
        """Watch the blocks that `runner` will run; the flag is copied to the host by `copies`."""
        self._runner = runner
        self._optimizer = optimizer
        self._host_copies = copies
        self.forget()

    def forget(self) -> None:
        """Start anew."""
        self._first: Tensor | None = None
        self._blocks: list[tuple[Block, int]] = []
        self._saved: Saved | None = None
        self._asked: tuple[Saved, int] | None = (
            None  # what was saved when the flag was read, and blocks before
        )
        self._steps = 0

    def before(self, block: Block, first: int) -> None:
        """Take in a block of steps, the first of which is number `first`, before it runs."""
        if self._saved is None:
            self._saved = self._save()
        self._blocks.append((block, first))

    def after(self, losses: Tensor, first: int) -> None:
        """Take in the block's losses (k,); on a GPU this does not wait for the device.

        Raises NonFiniteError where a loss is known to have become NaN or infinite.
        """
        self._note(losses, first)
        if self._world > 1:  # all processes read it after the same step
            if self._steps >= self.every or losses.device.type == "cpu":
                self._raise_for(self._first_bad(weights_too=False))
        elif losses.device.type == "cpu":  # costs nothing
            self._raise_for(self._first_bad(weights_too=False))
        elif self._steps >= self.every:
            self._host_copies.start(self.ask(), lambda flag: self._raise_for(self._answer(flag)))

    def check(self) -> None:
        """Raise NonFiniteError, naming step and place, where a loss or a weight has become NaN or infinite.

        Waits for the device.
        """
        if self._first is None:
            return
        self._host_copies.deliver(wait=True)
        self._raise_for(self._first_bad(weights_too=True))

    def ask(self) -> Tensor:
        """Return, on the device, the first step (from 0) with a bad loss in this process, else NEVER.

        Network and optimiser are saved: they are good if the answer, when it is read, is NEVER.
        """
        self._asked = (self._save(), len(self._blocks))
        self._steps = 0
        return self._flag()

    @property
    def _network(self) -> nn.Module:
        return self._runner.step.network

    @property
    def _world(self) -> int:
        return self._runner.step.world

    def _note(self, losses: Tensor, first: int) -> None:
        bad = ~losses.isfinite()
        steps = torch.arange(first, first + len(losses), device=bad.device)
        lowest = torch.where(bad, steps, NEVER).min()
        self._first = lowest if self._first is None else torch.minimum(self._first, lowest)
        self._steps += len(losses)

    def _flag(self) -> Tensor:
        """Return the first step with a bad loss; weights count too, which a step may spoil with a finite loss."""
        assert self._first is not None
        spoilt = ~torch.stack(
            [p.detach().isfinite().all() for p in self._network.parameters()]
        ).all()
        block, first = self._blocks[-1]
        return torch.minimum(self._first, torch.where(spoilt, first + len(block) - 1, NEVER))

    def _answer(self, flag: Tensor) -> int | None:
        """Return the first bad step that the flag names, or None; then what `ask` saved is good."""
        if (step := int(flag)) < NEVER:
            return step
        if self._asked is not None:
            self._saved, before = self._asked
            self._blocks = self._blocks[before:]
            self._asked = None
        return None

    def _first_bad(self, weights_too: bool) -> int | None:
        """Return the first step with a bad loss in any process, or None; waits for the device.

        Where weights are not looked at, the next step's loss will tell.
        """
        if self._first is None:
            return None
        first = self._flag() if weights_too else self._first.clone()
        if self._world > 1:
            dist.all_reduce(first, dist.ReduceOp.MIN)
        if (step := int(first)) < NEVER:
            return step
        if self._steps >= self.every:
            self.forget()
        return None

    def _raise_for(self, step: int | None) -> None:
        if step is not None:
            raise NonFiniteError(
                f"training met NaN or infinity at step {step + 1}; first seen at {self._find()}. "
                "Nothing later than the last good state was saved; a smaller learning rate may help"
            )

    def _find(self) -> str:
        """Make the steps since the last good state again; say what went wrong first, and where.

        Afterwards network and optimiser are as they were in that state.
        """
        blocks = self._blocks
        saved = self._saved
        assert saved is not None
        _restore(saved, self._network, self._optimizer)
        place = self._repeat(blocks) or "nothing went wrong when the steps were made again"
        _restore(saved, self._network, self._optimizer)
        self.forget()
        return place

    def _repeat(self, blocks: list[tuple[Block, int]]) -> str | None:
        with _listening(self._network) as heard:
            for block, first in blocks:
                for offset, batch in enumerate(block):
                    if not batch.images.isfinite().all():
                        heard.append("an input image")
                    self._runner.repeat(batch, first + offset)
                    heard += [
                        f"the updated weights {name}"
                        for name, p in self._network.named_parameters()
                        if not p.detach().isfinite().all()
                    ]
                    if heard:
                        return f"step {first + offset + 1}: {heard[0]}"
        return None

    def _save(self) -> Saved:
        return Saved(
            [tensor.detach().clone() for tensor in self._network.state_dict().values()],
            copy.deepcopy(self._optimizer.state_dict()),
            random_states(),
        )


@contextmanager
def _listening(network: nn.Module) -> Iterator[list[str]]:
    """Hear of every output and gradient that is not finite, in the order in which they arise."""
    heard: list[str] = []

    def output(name: str) -> Callable:
        return lambda module, given, result: (
            None
            if result.detach().isfinite().all()
            else heard.append(f"the output of layer {name}")
        )

    def gradient(name: str) -> Callable:
        return lambda grad: (
            None if grad.isfinite().all() else heard.append(f"the gradient of {name}")
        )

    leaves = [
        (name, module) for name, module in network.named_modules() if not list(module.children())
    ]
    handles = [module.register_forward_hook(output(name)) for name, module in leaves]
    handles += [p.register_hook(gradient(name)) for name, p in network.named_parameters()]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _restore(saved: Saved, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for tensor, kept in zip(network.state_dict().values(), saved.weights, strict=True):
        tensor.copy_(kept)
    optimizer.load_state_dict(copy.deepcopy(saved.optimizer))
    restore_random_states(saved.random)
