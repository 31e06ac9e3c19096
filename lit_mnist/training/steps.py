"""One optimiser step, and the plain loop that runs a block of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.module import Batch, Block
from ..network import Network
from .averaging import Average
from .distillation import Teachers
from .gradients import Clipping, reduce_gradients
from .losses import activity_penalties, data_loss, penalty
from .sums import BlockResult, Sizes, StepResult, summed

Scalars = Sequence[
    float | Tensor | None
]  # one a step: plain numbers, or 0-dim tensors on the device
Rate = Callable[
    [int], float | None
]  # the learning rate after that many updates; None: the optimiser's own


@dataclass
class Step:
    """One optimiser step on one batch.

    All its state is in its fields, so that a deep copy can rehearse without side effects. With
    rates and weights of the average as tensors on the device, it does not wait for the device. A
    batch of more than `images_per_pass` images takes several passes, whose gradients are
    accumulated. With `teachers` the loss compares with their answers too; batches must then start
    from images.
    """

    network: Network
    optimizer: torch.optim.Optimizer
    average: Average | None = None
    label_smoothing: float = 0.0
    world: int = 1
    clipping: Clipping | None = None
    images_per_pass: int | None = None
    teachers: Teachers | None = None
    loss: Callable[..., Tensor] = data_loss
    penalty: Callable[[Network], Tensor | None] = penalty
    backward: Callable[[Tensor], None] = Tensor.backward

    def __call__(
        self, batch: Batch, rate: float | Tensor | None, ema_weight: float | Tensor | None
    ) -> StepResult:
        """Forward, backward, update, average; `rate` None leaves the optimiser's own."""
        if rate is not None:
            set_rate(self.optimizer, rate)
        result = self.compute_gradients(batch)
        if self.world > 1:
            reduce_gradients(self.network)
        if self.clipping is not None:
            self.clipping(self.network.parameters())
        self.optimizer.step()
        self.optimizer.zero_grad()
        if torch.is_autocast_enabled(batch.images.device.type):
            # else the next step would see this step's weights in low precision
            torch.clear_autocast_cache()
        if self.average is not None and ema_weight is not None:
            self.average.update(ema_weight)
        return result

    def compute_gradients(self, batch: Batch) -> StepResult:
        """Add the gradients of loss and penalty to those of the parameters."""
        size = self.images_per_pass or max(len(batch.labels), 1)
        parts = zip(batch.images.split(size), batch.labels.split(size), strict=True)
        passes = [self._pass(*part, batch, first=number == 0) for number, part in enumerate(parts)]
        losses, penalties, logits = zip(*passes, strict=True)
        penalties = [value for value in penalties if value is not None]
        return StepResult(
            _sum(losses),
            _sum(penalties) if penalties else None,
            logits[0] if len(logits) == 1 else torch.cat(logits),
            batch.labels,
            batch.total,
        )

    def _pass(
        self, images: Tensor, labels: Tensor, batch: Batch, first: bool
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Forward and backward of some of a batch's images."""
        logits = self.network.training_logits(images, batch.start)
        loss = self.loss(self.network, logits, labels, self.label_smoothing, batch.total)
        if self.teachers is not None:
            loss = self.teachers.loss(loss, logits, images, batch.total)
        penalty = self._pass_penalty(len(labels), len(batch.labels), first)
        self.backward(loss if penalty is None else loss + penalty / self.world)
        return loss.detach(), None if penalty is None else penalty.detach(), logits.detach()

    def _pass_penalty(self, images: int, batch_size: int, first: bool) -> Tensor | None:
        """Return the penalty of a pass.

        Weights count in the `first` pass, activities by the fraction of the batch.
        """
        if images == batch_size:
            return self.penalty(self.network)
        for layer in self.network.activity_layers:
            layer.penalty = layer.penalty * (images / batch_size)
        if first:
            return self.penalty(self.network)
        activities = activity_penalties(self.network)
        return _sum(activities) if activities else None


def _sum(values: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    return values[0] if len(values) == 1 else torch.stack(values).sum()


def run_steps(
    step: Step, batches: Iterable[Batch], sizes: Sizes, rates: Scalars, ema_weights: Scalars
) -> BlockResult:
    """Run one step per batch and sum up the results."""
    results = [step(*arguments) for arguments in zip(batches, rates, ema_weights, strict=True)]
    return summed(results, sizes)


class BlockRunner:
    """Runs blocks of steps, one step after another.

    `rate(step)` is the learning rate after `step` updates, or None for the optimiser's own.
    `on_device`: rates and weights of the average are tensors on the device, as in a CUDA graph, so
    that both ways give the same bits.
    """

    prepare_seconds = 0.0

    def __init__(self, step: Step, rate: Rate, on_device: bool = False) -> None:
        self.step = step
        self.rate = rate
        self.on_device = on_device

    def __call__(self, block: Block, first: int) -> BlockResult:
        """Run the block's steps; `first` updates came before them."""
        rates = self._rates(first, len(block))
        ema_weights = self._ema_weights(first, len(block))
        table = None
        if self.on_device:
            table = self._table(rates, ema_weights).to(device_of(self.step), non_blocking=True)
        try:
            return run_steps(
                self.step, block, block.sizes, _row(rates, table, 0), _row(ema_weights, table, 1)
            )
        finally:
            self._keep_rate(rates)

    def prepare(self, blocks: Sequence[Block]) -> None:
        """Prepare for blocks of these forms."""

    def repeat(self, batch: Batch, number: int) -> None:
        """Repeat step `number` (from 0) on this batch."""
        self.step(batch, self._rates(number, 1)[0], self._ema_weights(number, 1)[0])

    def _rates(self, first: int, count: int) -> list[float | None]:
        return [self.rate(number) for number in range(first, first + count)]

    def _ema_weights(self, first: int, count: int) -> list[float | None]:
        average = self.step.average
        return [
            None if average is None else average.ema_weight(number)
            for number in range(first, first + count)
        ]

    def _table(self, rates: Sequence[float | None], ema_weights: Sequence[float | None]) -> Tensor:
        """Return both on the host, (2, k), in the parameters' precision."""
        rows = [[0.0 if value is None else value for value in row] for row in (rates, ema_weights)]
        return torch.tensor(rows, dtype=precision_of(self.step))

    def _keep_rate(self, rates: Sequence[float | None]) -> None:
        """Leave a plain number in the optimiser, so that checkpoints are the same on any device."""
        if rates[-1] is not None:
            set_rate(self.step.optimizer, rates[-1])


def set_rate(optimizer: torch.optim.Optimizer, rate: float | Tensor) -> None:
    """Set the learning rate of all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def device_of(step: Step) -> torch.device:
    """Return the device of the network's parameters."""
    return next(step.network.parameters()).device


def precision_of(step: Step) -> torch.dtype:
    """Return the precision of losses and rates: float64 if the parameters have it, else float32."""
    return (
        torch.float64 if next(step.network.parameters()).dtype == torch.float64 else torch.float32
    )


def _row(values: list[float | None], table: Tensor | None, row: int) -> Scalars:
    return values if table is None or values[0] is None else table[row].unbind()
