"""The LightningModule: a network, its optimiser and schedule, and the sums that become its metrics."""

from __future__ import annotations

from typing import Any, Literal

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor

from ..data.module import Block
from ..network import Network
from ..spec import NetworkSpec
from .averaging import Average
from .callbacks import say
from .checkpoints import place_states, portable_states
from .cuda.copies import Arrivals
from .cuda.graphs import Blocks, blocks_for
from .evaluation import Evaluation
from .nan_watch import FiniteWatch, NonFiniteError
from .optimizers import RMSprop
from .schedules import Schedule
from .settings import check_range, check_sharing, optimizer_over
from .state import fit_epoch_end, gather, plain_groups, random_states, restore_random_states
from .steplog import StepLog, write
from .steps import Step, Sums, learning_rates


class LitClassifier(L.LightningModule):
    """Trains a network described by a NetworkSpec.

    One `training_step` runs a whole block of optimiser steps (see `lit_mnist.data.module`), so that
    Lightning's cost per call is paid once a block; `trainer.global_step` counts optimiser steps all
    the same. A plain ``(images, labels)`` batch from any other loader is a block of one step.

    Args:
        network: the network: input_shape, initializer and a list of layers (see docs/train.md).
        optimizer: one of lit_mnist.training.optimizers (Keras' rules) or any torch.optim class.
        schedule: learning rate by optimiser step; null keeps the optimiser's own.
        weight_decay: decoupled decay of kernels (biases excluded), for optimisers that decouple it.
        label_smoothing: share of the label spread over all classes.
        average_decay: decay of a moving average of the weights, which evaluation and checkpoints then use.
        initial_weights: a .safetensors file to start from instead of drawing weights.
        seed: seed of the initial weights.
        cuda_graphs: replay blocks of steps as CUDA graphs: auto (on a GPU, saying so where it cannot be), true
            (an error where it cannot be), false. The weights are the same bits either way.
    """

    def __init__(self, network: dict[str, Any], optimizer: OptimizerCallable = RMSprop,
                 schedule: Schedule | None = None, weight_decay: float = 0.0, label_smoothing: float = 0.0,
                 average_decay: float | None = None, initial_weights: str | None = None, seed: int = 1,
                 cuda_graphs: bool | Literal["auto"] = "auto") -> None:
        super().__init__()
        check_range(weight_decay=(weight_decay, 0, float("inf")), label_smoothing=(label_smoothing, 0, 1),
                    average_decay=(average_decay or 0.0, 0, 1))
        self.automatic_optimization = False
        spec = network if isinstance(network, NetworkSpec) else NetworkSpec.from_dict(network)
        self.network = Network(spec, seed)
        if initial_weights is not None:
            from .initial import load_initial_weights

            load_initial_weights(self.network, initial_weights)
        self.optimizer_callable, self.schedule, self.seed = optimizer, schedule, seed
        self.weight_decay, self.label_smoothing = weight_decay, label_smoothing
        self.cuda_graphs = cuda_graphs
        self.average = Average(self.network, average_decay) if average_decay else None
        self.example_input_array = torch.zeros(1, spec.input_shape[2], *spec.input_shape[:2])
        self.sums, self.evaluation = Sums(), Evaluation(spec.classes)
        self.watch, self.arrivals = FiniteWatch(), Arrivals()
        self.log_steps = StepLog(self.sums, self.arrivals)
        self.blocks: Blocks | None = None
        self._rates: list[float] | None = None
        self._validated: dict[str, float] = {}  # the last validation's figures, and the epoch that it was made in
        self._validated_in: int | None = None
        self._random: dict[str, Any] | None = None  # where a resumed run's generators stood
        self._fresh_epoch = False  # whether a resumed run starts with a new epoch
        self._epoch_figures: dict[str, float] | None = None

    @property
    def spec(self) -> NetworkSpec:
        """The network's description."""
        return self.network.spec

    def forward(self, images: Tensor) -> Tensor:  # (N, C, H, W) -> (N, classes)
        return self.network(images)

    # ---- optimisation

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimiser; with weight decay, over two groups: kernels, which decay, and all the rest."""
        return optimizer_over(self.network, self.optimizer_callable, self.weight_decay)

    def on_fit_start(self) -> None:
        """Work out every step's learning rate once."""
        self._rates = None if self.schedule is None else learning_rates(self.schedule, self.total_steps)
        self.watch.forget()
        if self.average is not None:
            self.average.follow()
        if self.trainer.world_size > 1:
            check_sharing(self.network, self.trainer.world_size)
            self.trainer.strategy.model = self  # `reduce_gradients` adds up: DDP's own wrapper has nothing to do

    def on_train_start(self) -> None:
        """Make ready to run blocks; put the random generators where a resumed run left them."""
        self.blocks = self._blocks()
        if hasattr(loader := self.trainer.train_dataloader, "samples"):
            with self.trainer.precision_plugin.train_step_context():
                self.blocks.prepare(loader.samples())
        if self._fresh_epoch:
            self.trainer.fit_loop.restarting = False  # nothing of the epoch that has ended is left to do
        if self._random is not None:  # nothing draws from here to the next step
            restore_random_states(self._random)
        self._fresh_epoch, self._random = False, None

    def _blocks(self) -> Blocks:
        optimizer, precision = self.optimizers(), str(self.trainer.precision)
        step = Step(self.network, optimizer.optimizer, self.average, self.label_smoothing, self.trainer.world_size)
        if precision == "16-mixed":  # Lightning scales the loss, and counts the steps
            step.optimizer, step.backward = optimizer, self.manual_backward
        return blocks_for(step, self._scheduled_rate, self.cuda_graphs, precision, say)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole fit."""
        trainer = self.trainer
        if trainer.max_steps > 0:
            return trainer.max_steps
        per_epoch = getattr(trainer.datamodule, "steps_per_epoch", None)
        return (per_epoch or trainer.num_training_batches) * max(trainer.max_epochs or 1, 1)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of the update that follows `step` updates."""
        rate = self._scheduled_rate(step)
        return float(self.trainer.optimizers[0].param_groups[0]["lr"]) if rate is None else rate

    def _scheduled_rate(self, step: int) -> float | None:
        return None if self._rates is None else self._rates[min(step, len(self._rates) - 1)]

    def training_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Run the block's optimiser steps; on a GPU this does not wait for the device."""
        block, first = _block(block), self.global_step
        self.arrivals.hand_on()
        self.watch.before(block, first, self.network, self.optimizers().optimizer)
        result = self.blocks(block, first)
        self.sums.add(result.sums)
        self.watch.after(result.losses, first)
        if self.trainer.precision != "16-mixed":  # the plain optimiser's steps pass Lightning by: count them
            self._count_steps(len(block))
        if self.watch.due:
            self._look_for_non_finite()
        self.log_steps.add(self.trainer, len(block), self.rate_at(self.global_step))

    def _look_for_non_finite(self) -> None:
        if self.device.type == "cpu" or self.trainer.world_size > 1:
            self._refuse(self.watch.first_bad(None, self.trainer.world_size))
        else:
            self.arrivals.send(self.watch.ask(self.network, self.optimizers().optimizer),
                               lambda flag: self._refuse(self.watch.answer(flag)))

    def refuse_non_finite(self) -> None:
        """Raise NonFiniteError, naming step and place, where a loss or a weight has become NaN or infinite.

        Waits for all figures that are on their way from the device.
        """
        self.arrivals.hand_on(wait=True)
        self._refuse(self.watch.first_bad(self.network, self.trainer.world_size))

    def _refuse(self, first: int | None) -> None:
        if first is None:
            return
        step, shares = self.blocks.step, self.average
        place = self.watch.find(self.network, self.optimizers().optimizer, lambda batch, number: step(
            batch, self._scheduled_rate(number), None if shares is None else shares.share(number)))
        raise NonFiniteError(f"training met NaN or infinity at step {first + 1}; first seen at {place}. Nothing later "
                             "than the last good state was saved; a smaller learning rate may help")

    def _count_steps(self, steps: int) -> None:
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for counter in (progress.total, progress.current):
            counter.ready += steps
            counter.completed += steps
        self.trainer.fit_loop.epoch_loop._batches_that_stepped += steps - 1  # the loggers' step; Lightning adds one

    # ---- figures

    def on_train_epoch_start(self) -> None:
        """Start the epoch's sums."""
        self.sums.reset()
        self._epoch_figures = None

    @property
    def epoch_figures(self) -> dict[str, float]:
        """All figures of the epoch that has just ended: ``train/...``, ``lr``, ``step``, ``val/...`` where validated.

        Lightning calls callbacks before the module, so they ask here; every process must.
        """
        if self._epoch_figures is None:
            trained = {f"train/{key}": value for key, value in self.sums.figures(self.trainer.world_size).items()}
            others = self._validated | {key: float(value) for key, value in self.trainer.callback_metrics.items()}
            if not self.validated_now:
                others = {key: value for key, value in others.items() if not key.startswith("val/")}
            place = {"lr": self.rate_at(self.global_step), "step": float(self.global_step)}
            self._epoch_figures = others | trained | place
        return self._epoch_figures

    @property
    def validated_now(self) -> bool:
        """Whether the present epoch was validated."""
        return self._validated_in == self.current_epoch

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training figures; ``train/loss`` includes the regularisers' share, as Keras' does.

        The loggers are sent them at once, before a checkpoint is saved: a resumed run then lacks no row.
        """
        self.arrivals.hand_on(wait=True)
        figures = {key: value for key, value in self.epoch_figures.items() if not key.startswith("val/")}
        self.log_dict(figures, logger=False)
        write(self.trainer, figures | {"epoch": self.current_epoch}, self.global_step)

    # ---- evaluation

    def validation_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the validation figures."""
        self.evaluation.add(self.network, _block(block))

    def test_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the test figures."""
        self.evaluation.add(self.network, _block(block))

    def predict_step(self, block: Block | tuple[Tensor, Tensor] | Tensor, batch_idx: int) -> Tensor:
        """Return class probabilities (N, classes)."""
        images = block if isinstance(block, Tensor) else block[0] if isinstance(block, tuple) else block.images
        return self.network.probabilities(self.network(images).float())

    def on_validation_epoch_start(self) -> None:
        """Start the figures, with the averaged weights where there are any."""
        self._start_evaluation()

    def on_test_epoch_start(self) -> None:
        """Start the figures."""
        self._start_evaluation()

    def on_validation_epoch_end(self) -> None:
        """Log ``val/loss`` and ``val/acc``; put the training weights back."""
        self._validated, self._validated_in = self._end_evaluation("val"), self.current_epoch

    def on_test_epoch_end(self) -> None:
        """Log ``test/loss``, ``test/acc``, ``test/correct`` and the accuracy of each class."""
        self._end_evaluation("test")

    def _start_evaluation(self) -> None:
        self.evaluation.reset()
        if self.average is not None and self.trainer.state.fn == "fit":
            self.average.swap()

    def _end_evaluation(self, stage: str) -> dict[str, float]:
        found, self.confusion = self.evaluation.figures(stage, self.trainer.world_size)
        self.log_dict({key: torch.tensor(value, dtype=torch.float32) for key, value in found.items()})
        if self.average is not None and self.trainer.state.fn == "fit":
            self.average.swap()
        return found

    # ---- checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what going on takes; put averaged weights, where there are any, in the weights' place and keep both."""
        if self.average is not None:
            checkpoint["state_dict"], checkpoint["trained_state"] = self.average.states(checkpoint["state_dict"])
        plain_groups(checkpoint.get("optimizer_states", []))
        portable_states(checkpoint.get("callbacks", {}))
        own = {"sums": self.sums.state(), "random": random_states()}
        checkpoint["training"] = {
            "processes": gather(own, self.trainer.world_size), "unlogged": self.log_steps.unlogged,
            "validated": self._validated, "validated_in": self._validated_in, "stopped": self.trainer.should_stop}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where training goes on: take weights, averages, sums and positions back to their places."""
        place_states(checkpoint.get("callbacks", {}), self.trainer.callbacks)
        if self.trainer.state.fn != "fit":
            return
        if self.average is not None and "trained_state" in checkpoint:
            self.average.restore(checkpoint)
        self._fresh_epoch = fit_epoch_end(checkpoint["loops"]["fit_loop"])
        if (kept := checkpoint.get("training")) is not None:
            self._resume(kept)

    def _resume(self, kept: dict[str, Any]) -> None:
        processes = kept["processes"]
        self.log_steps.unlogged, self._validated = kept["unlogged"], kept["validated"]
        self._validated_in = kept.get("validated_in")
        self.trainer.should_stop = kept["stopped"]
        if len(processes) == self.trainer.world_size:
            self._random = processes[self.trainer.global_rank]["random"]
        if not self._fresh_epoch:
            self.sums.restore([process["sums"] for process in processes], self.trainer.global_rank,
                              self.trainer.world_size, self.device)


def _block(batch: Block | tuple[Tensor, Tensor]) -> Block:
    """Take another loader's batch as a block of one step."""
    return batch if isinstance(batch, Block) else Block(*batch, [(len(batch[1]), len(batch[1]))])
