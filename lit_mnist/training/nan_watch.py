"""Detection of NaN and infinity: cheap during training, exact about where they first arose."""

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
    """A copy of network, optimiser and random generators."""

    weights: list[Tensor]
    optimizer: dict[str, Any]
    random: dict[str, Any]


class NonFiniteError(UserError):
    """Training met NaN or infinity; nothing later than the last good state was saved."""


class FiniteWatch:
    """Keeps the first step with a non-finite loss on the device, and reads it every `every` steps.

    Network and optimiser are copied whenever all losses were finite (a few megabytes at most). The
    steps since the copy can then be repeated, slowly, to name the first bad value.
    """

    def __init__(self, every: int = 250) -> None:
        self.every = every
        self.forget()

    def start(
        self, runner: BlockRunner, optimizer: torch.optim.Optimizer, copies: HostCopies
    ) -> None:
        """Watch the blocks of `runner`; `copies` brings the first bad step to the host."""
        self._runner = runner
        self._optimizer = optimizer
        self._host_copies = copies
        self.forget()

    def forget(self) -> None:
        """Drop all blocks and copies."""
        self._first: Tensor | None = None
        self._blocks: list[tuple[Block, int]] = []
        self._saved: Saved | None = None
        self._pending: tuple[Saved, int] | None = (
            None  # what was saved when the flag was read, and blocks before
        )
        self._steps = 0

    def before(self, block: Block, first: int) -> None:
        """Remember a block before it runs; `first` is the number of its first step."""
        if self._saved is None:
            self._saved = self._save()
        self._blocks.append((block, first))

    def after(self, losses: Tensor, first: int) -> None:
        """Check the block's losses (k,), without waiting for a GPU.

        Raises NonFiniteError once a loss is known to be NaN or infinite.
        """
        self._count_bad(losses, first)
        if self._world > 1:  # all processes read it after the same step
            if self._steps >= self.every or losses.device.type == "cpu":
                self._raise_for(self._first_bad(weights_too=False))
        elif losses.device.type == "cpu":  # costs nothing
            self._raise_for(self._first_bad(weights_too=False))
        elif self._steps >= self.every:
            self._host_copies.start(self.ask(), lambda flag: self._raise_for(self._read_flag(flag)))

    def check(self) -> None:
        """Raise NonFiniteError, naming step and place, if a loss or a weight is NaN or infinite.

        Waits for the device.
        """
        if self._first is None:
            return
        self._host_copies.deliver(wait=True)
        self._raise_for(self._first_bad(weights_too=True))

    def ask(self) -> Tensor:
        """Return, on the device, the first step (from 0) with a non-finite loss here, else NEVER.

        Network and optimiser are copied; the copy is good if the value turns out to be NEVER.
        """
        self._pending = (self._save(), len(self._blocks))
        self._steps = 0
        return self._flag()

    @property
    def _network(self) -> nn.Module:
        return self._runner.step.network

    @property
    def _world(self) -> int:
        return self._runner.step.world

    def _count_bad(self, losses: Tensor, first: int) -> None:
        bad = ~losses.isfinite()
        steps = torch.arange(first, first + len(losses), device=bad.device)
        lowest = torch.where(bad, steps, NEVER).min()
        self._first = lowest if self._first is None else torch.minimum(self._first, lowest)
        self._steps += len(losses)

    def _flag(self) -> Tensor:
        """Return the first bad step by losses and weights.

        A step may spoil weights although its loss is finite.
        """
        assert self._first is not None
        bad_weights = ~torch.stack(
            [p.detach().isfinite().all() for p in self._network.parameters()]
        ).all()
        block, first = self._blocks[-1]
        return torch.minimum(self._first, torch.where(bad_weights, first + len(block) - 1, NEVER))

    def _read_flag(self, flag: Tensor) -> int | None:
        """Return the first bad step, or None; then the copy that `ask` made is good."""
        if (step := int(flag)) < NEVER:
            return step
        if self._pending is not None:
            self._saved, before = self._pending
            self._blocks = self._blocks[before:]
            self._pending = None
        return None

    def _first_bad(self, weights_too: bool) -> int | None:
        """Return the first bad step of any process, or None; waits for the device.

        Without `weights_too`, bad weights show in the next step's loss.
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
                f"training met NaN or infinity at step {step + 1}; first seen at "
                f"{self._first_problem()}. Nothing later than the last good state was saved; a "
                "smaller learning rate may help"
            )

    def _first_problem(self) -> str:
        """Repeat the steps since the last good copy, and return the first bad value's place.

        Network and optimiser are then restored from the copy.
        """
        blocks = self._blocks
        saved = self._saved
        assert saved is not None
        _restore(saved, self._network, self._optimizer)
        place = self._repeat_steps(blocks) or "all values were finite when the steps were repeated"
        _restore(saved, self._network, self._optimizer)
        self.forget()
        return place

    def _repeat_steps(self, blocks: list[tuple[Block, int]]) -> str | None:
        with _recording_problems(self._network) as problems:
            for block, first in blocks:
                for offset, batch in enumerate(block):
                    if not batch.images.isfinite().all():
                        problems.append("an input image")
                    self._runner.repeat(batch, first + offset)
                    problems += [
                        f"the updated weights {name}"
                        for name, p in self._network.named_parameters()
                        if not p.detach().isfinite().all()
                    ]
                    if problems:
                        return f"step {first + offset + 1}: {problems[0]}"
        return None

    def _save(self) -> Saved:
        return Saved(
            [tensor.detach().clone() for tensor in self._network.state_dict().values()],
            copy.deepcopy(self._optimizer.state_dict()),
            random_states(),
        )


@contextmanager
def _recording_problems(network: nn.Module) -> Iterator[list[str]]:
    """Yield a list of all outputs and gradients that are not finite, in order."""
    problems: list[str] = []

    def output(name: str) -> Callable:
        return lambda module, inputs, result: (
            None
            if result.detach().isfinite().all()
            else problems.append(f"the output of layer {name}")
        )

    def gradient(name: str) -> Callable:
        return lambda grad: (
            None if grad.isfinite().all() else problems.append(f"the gradient of {name}")
        )

    leaves = [
        (name, module) for name, module in network.named_modules() if not list(module.children())
    ]
    handles = [module.register_forward_hook(output(name)) for name, module in leaves]
    handles += [p.register_hook(gradient(name)) for name, p in network.named_parameters()]
    try:
        yield problems
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _restore(saved: Saved, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for tensor, saved_tensor in zip(network.state_dict().values(), saved.weights, strict=True):
        tensor.copy_(saved_tensor)
    optimizer.load_state_dict(copy.deepcopy(saved.optimizer))
    restore_random_states(saved.random)
