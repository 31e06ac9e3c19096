"""Blocks of optimiser steps, recorded once and replayed as one CUDA graph.

On a GPU a small network is bound by the launching of kernels: a step launches about a hundred,
which takes the host longer than the device. A graph launches all kernels of a block of steps at
once. It always reads the same memory, so images, labels, learning rates and weights of the average
are first copied to fixed places; what the steps give is written to fixed places too. A graph's
steps are those of `Step`, the same that run without it.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from ...data.module import Block
from ...errors import UserError, first_line
from ..steps import BlockRunner, Rate, Step, device_of, precision_of, run_steps
from ..sums import BlockResult, step_weights
from .capturable import CudaGraphs, adopt_state, make_capturable, not_capturable, obstacle, silence

Capture = Callable[
    [Callable[[], None]], Callable[[], None]
]  # a function -> what makes its launches again
_MOST = 8  # graphs kept; blocks of further forms run without


class GraphError(UserError):
    """Steps that cannot be captured although the configuration requires it."""


class GraphRunner(BlockRunner):
    """Replays blocks as graphs: of the forms that `prepare` was given, and of any form seen before.

    `capture` is a CudaGraphs; in tests a stand-in that runs the steps again. Where a capture fails,
    `give_up(why)` is called once and all blocks run without.
    """

    def __init__(
        self, step: Step, rate: Rate, capture: Capture, give_up: Callable[[str], None]
    ) -> None:
        super().__init__(step, rate, on_device=True)
        self._capture: Capture | None = capture
        self._give_up = give_up
        self._recordings: dict[Any, Recording] = {}
        self._seen: Counter[Any] = Counter()

    def __call__(self, block: Block, first: int) -> BlockResult:
        """Run the block's steps, replayed if their form is known."""
        recording = self.recording(block)
        if recording is None:
            return super().__call__(block, first)
        rates = self._rates(first, len(block))
        ema_weights = self._ema_weights(first, len(block))
        recording.fill(block, self._table(rates, ema_weights))
        recording.replay()
        self._keep_rate(rates)
        return recording.result

    def prepare(self, blocks: Sequence[Block]) -> None:
        """Record blocks of these forms, after a rehearsal on copies.

        Weights and random states are left unchanged.
        """
        start = time.perf_counter()
        if adopt_state(self.step.optimizer, self._rehearse(blocks)):
            for block in blocks:
                self._record(self._form(block), block)
        if device_of(self.step).type == "cuda":
            torch.cuda.synchronize()
        self.prepare_seconds = time.perf_counter() - start

    @property
    def recordings(self) -> int:
        """Number of forms that are replayed."""
        return len(self._recordings)

    def recording(self, block: Block) -> Recording | None:
        """Return what replays blocks of this form, or None.

        A form is recorded at its second block.
        """
        form = self._form(block)
        if form in self._recordings:
            return self._recordings[form]
        self._seen[form] += 1
        # a form's first block runs without: state that a first step makes must be there before a
        # capture
        return (
            self._record(form, block) if self._seen[form] > 1 and self.recordings < _MOST else None
        )

    def _form(self, block: Block) -> Any:
        """What a recording depends on: sizes, and the settings that are constants in it."""
        leave_out = {"params"} if self.rate(0) is None else {"params", "lr"}
        settings = tuple(
            tuple(
                (key, tuple(value) if isinstance(value, list) else value)
                for key, value in group.items()
                if key not in leave_out
            )
            for group in self.step.optimizer.param_groups
        )
        return block.sizes, block.start, settings

    def _record(self, form: Any, block: Block) -> Recording | None:
        if self._capture is None:
            return None
        scheduled = self.rate(0) is not None
        try:
            self._recordings[form] = Recording(self.step, block, scheduled, self._capture)
        except RuntimeError as error:
            self._capture = None
            self._recordings.clear()
            self._give_up(first_line(error))
        return self._recordings.get(form)

    def _rehearse(self, blocks: Sequence[Block]) -> torch.optim.Optimizer:
        """Run steps of every batch size on copies, so that libraries are loaded.

        Returns the copies' optimiser.
        """
        step = copy.deepcopy(self.step)
        device = device_of(self.step)
        silence(step.optimizer)
        rehearsal = BlockRunner(step, self.rate, on_device=True)
        with torch.random.fork_rng([device] if device.type == "cuda" else []), _aside(device):
            for block in blocks:
                images = block.images
                labels = block.labels
                for own, total in dict.fromkeys(block.sizes):
                    twice = torch.cat([images[:own]] * 2), torch.cat([labels[:own]] * 2)
                    rehearsal(Block(*twice, [(own, total)] * 2, start=block.start), 0)
        return step.optimizer


class Recording:
    """The recorded steps of one form of block; each replay overwrites `result`."""

    def __init__(self, step: Step, block: Block, scheduled: bool, capture: Capture) -> None:
        device = device_of(step)
        precision = precision_of(step)
        self._images = torch.empty_like(block.images)
        self._labels = torch.empty_like(block.labels)
        self._table = torch.zeros(2, len(block), dtype=precision, device=device)
        self.result = BlockResult(
            torch.zeros(len(block), dtype=precision, device=device),
            torch.zeros(4, dtype=torch.float64, device=device),
        )
        self._step = step
        self._sizes = block.sizes
        self._start = block.start
        self._scheduled = scheduled
        step_weights(block.sizes, device)  # kept from here on: a capture cannot copy from the host
        step.optimizer.zero_grad()
        self.replay = capture(self._run)

    def fill(self, block: Block, table: Tensor) -> None:
        """Copy a block's images, labels, rates and weights to the fixed places, without waiting."""
        block.gather(self._images, self._labels)
        self._table.copy_(table, non_blocking=True)

    def _run(self) -> None:
        batches = Block(self._images, self._labels, list(self._sizes), start=self._start)
        table = self._table
        count = len(self._sizes)
        rates = table[0].unbind() if self._scheduled else [None] * count
        ema_weights = table[1].unbind() if self._step.average is not None else [None] * count
        result = run_steps(self._step, batches, self._sizes, rates, ema_weights)
        self.result.losses.copy_(result.losses)
        # a device with graphs has float64, and adds up its sums by itself
        cast(Tensor, self.result.sums).copy_(cast(Tensor, result.sums))


def runner_for(
    step: Step, rate: Rate, graphs: bool | str, precision: str, say: Callable[[str], None]
) -> BlockRunner:
    """Return what runs the blocks: CUDA graphs if `graphs` allows them and they work.

    Prints the reason if "auto" cannot use them on a GPU; raises GraphError if True cannot.
    """
    device = device_of(step)
    on_device = device.type == "cuda" and make_capturable(step.optimizer)
    if graphs is False:
        return BlockRunner(step, rate, on_device)
    why = obstacle(device, step.world, precision) or (
        None if on_device else not_capturable(step.optimizer)
    )
    if why is None:
        return GraphRunner(
            step, rate, CudaGraphs(), lambda why: say(_warning(f"the capture failed ({why})"))
        )
    if graphs is True:
        raise _refused(why)
    if device.type == "cuda":
        say(_warning(why))
    return BlockRunner(step, rate, on_device)


def refuse_without_cuda(device: torch.device) -> None:
    """Raise GraphError if `device` is not a GPU, before anything is written."""
    if device.type != "cuda":
        raise _refused(cast(str, obstacle(device, 1, "32-true")))


def _refused(why: str) -> GraphError:
    return GraphError(f"model.cuda_graphs = True cannot work: {why}; accepted: auto, false")


def _warning(why: str) -> str:
    return f"WARNING: steps are not captured in CUDA graphs, training is slower: {why}"


@contextlib.contextmanager
def _aside(device: torch.device) -> Iterator[None]:
    """Run the block on a stream of its own, as a capture does."""
    if device.type != "cuda":
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream(device).wait_stream(stream)
