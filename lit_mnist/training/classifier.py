"""The LightningModule: a network, its optimiser and schedule, and the sums that become its metrics."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassConfusionMatrix

from ..data.module import Batch, Block
from ..errors import UserError
from ..network import BatchNorm, Network
from ..spec import NetworkSpec
from .averaging import Average
from .finite import FiniteWatch, NonFiniteError
from .losses import data_loss, penalty
from .optimizers import KerasOptimizer, RMSprop
from .schedules import Schedule
from .state import fit_epoch_end, gather, random_states, restore_random_states
from .steps import StepResult, Sums, learning_rates, reduce_gradients


class TrainingError(UserError):
    """Settings that cannot be trained with."""


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
    """

    def __init__(self, network: dict[str, Any], optimizer: OptimizerCallable = RMSprop,
                 schedule: Schedule | None = None, weight_decay: float = 0.0, label_smoothing: float = 0.0,
                 average_decay: float | None = None, initial_weights: str | None = None, seed: int = 1) -> None:
        super().__init__()
        _check(weight_decay=(weight_decay, 0, float("inf")), label_smoothing=(label_smoothing, 0, 1),
               average_decay=(average_decay or 0.0, 0, 1))
        self.automatic_optimization = False
        spec = network if isinstance(network, NetworkSpec) else NetworkSpec.from_dict(network)
        self.network = Network(spec, seed).to(memory_format=torch.channels_last)
        if initial_weights is not None:
            from .initial import load_initial_weights

            load_initial_weights(self.network, initial_weights)
        self.optimizer_callable, self.schedule, self.seed = optimizer, schedule, seed
        self.weight_decay, self.label_smoothing = weight_decay, label_smoothing
        self.average = Average(self.network, average_decay) if average_decay else None
        self.example_input_array = torch.zeros(1, spec.input_shape[2], *spec.input_shape[:2])
        self.sums = Sums()
        self.val_metrics, self.test_metrics = (_metrics(spec.classes, stage) for stage in ("val", "test"))
        self.eval_sums = Sums()
        self.watch = FiniteWatch()
        self._rates: list[float] | None = None
        self._unlogged = 0  # steps since the loggers were last sent figures
        self._validated: dict[str, float] = {}  # the last validation's figures
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
        """Return the optimiser over two groups: kernels, which decay, and all the rest, which does not."""
        kernels = [p for p in self.network.parameters() if p.dim() > 1]
        others = [p for p in self.network.parameters() if p.dim() <= 1]
        if not self.weight_decay:
            return self.optimizer_callable(list(self.network.parameters()))
        optimizer = self.optimizer_callable([{"params": kernels, "weight_decay": self.weight_decay},
                                             {"params": others, "weight_decay": 0.0}])
        if not _decouples(optimizer):
            raise TrainingError(f"model.weight_decay = {self.weight_decay!r}: {type(optimizer).__name__} would add it "
                                "to the gradient; accepted: torch.optim.AdamW or an optimiser of "
                                "lit_mnist.training.optimizers, or l2 on the layers")
        return optimizer

    def on_fit_start(self) -> None:
        """Work out every step's learning rate once."""
        self._rates = None if self.schedule is None else learning_rates(self.schedule, self.total_steps)
        self.watch.forget()
        if self.average is not None:
            self.average.follow()
        if self.trainer.world_size > 1:
            self._share()

    def _share(self) -> None:
        """Train beside other processes: `reduce_gradients` adds up, so DDP's own has nothing to do."""
        if any(isinstance(module, BatchNorm) for module in self.network.modules()):
            raise TrainingError(f"trainer.devices: {self.trainer.world_size} processes cannot train batch_norm layers, "
                                "each would normalise by its own share of the batch; accepted: one process")
        self.trainer.strategy.model = self

    def on_train_start(self) -> None:
        """Put the random generators where a resumed run left them; nothing draws from here to the next step."""
        if self._fresh_epoch:
            self.trainer.fit_loop.restarting = False  # nothing of the epoch that has ended is left to do
        if self._random is not None:
            restore_random_states(self._random)
        self._fresh_epoch, self._random = False, None

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
        if self._rates is not None:
            return self._rates[min(step, len(self._rates) - 1)]
        return float(self.trainer.optimizers[0].param_groups[0]["lr"])

    def training_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Run the block's optimiser steps."""
        steps = block if isinstance(block, Block) else [Batch(*block, len(block[1]))]
        optimizer = self.optimizers()
        scaled = self.trainer.precision == "16-mixed"
        plain = optimizer.optimizer
        first = self.global_step
        self.watch.before(steps, first, self.network, plain)
        results = [self._step(batch, first + offset, optimizer if scaled else plain)
                   for offset, batch in enumerate(steps)]
        self.sums.add(results)
        self.watch.after([result.loss for result in results], first)
        if not scaled:  # the plain optimiser's steps pass Lightning by: count them
            self._count_steps(len(steps))
        if self.watch.due:
            self.refuse_non_finite()
        self._log_interval(len(steps))

    def refuse_non_finite(self) -> None:
        """Raise NonFiniteError, naming step and place, where a loss or a weight has become NaN or infinite."""
        first = self.watch.first_bad(self.network, self.trainer.world_size)
        if first is None:
            return
        place = self.watch.find(self.network, self.optimizers().optimizer, lambda batch, number: self._step(
            batch, number, self.optimizers().optimizer))
        raise NonFiniteError(f"training met NaN or infinity at step {first + 1}; first seen at {place}. Nothing later "
                             "than the last good state was saved; a smaller learning rate may help")

    def _step(self, batch: Batch, step: int, optimizer: torch.optim.Optimizer) -> StepResult:
        if self._rates is not None:
            _set_rate(optimizer, self._rates[min(step, len(self._rates) - 1)])
        logits = self.network.training_logits(batch.images)
        loss = data_loss(self.network, logits, batch.labels, self.label_smoothing, batch.total)
        extra = penalty(self.network)
        total = loss if extra is None else loss + extra / self.trainer.world_size
        self.manual_backward(total) if self.trainer.precision == "16-mixed" else total.backward()
        if self.trainer.world_size > 1:
            reduce_gradients(self.network)
        optimizer.step()
        optimizer.zero_grad()
        if torch.is_autocast_enabled(self.device.type):
            torch.clear_autocast_cache()  # else the next step would see this step's weights in low precision
        if self.average is not None:
            self.average.update()
        return StepResult(loss.detach(), None if extra is None else extra.detach(), logits.detach(), batch.labels,
                          batch.total)

    def _count_steps(self, steps: int) -> None:
        progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
        for counter in (progress.total, progress.current):
            counter.ready += steps
            counter.completed += steps
        self.trainer.fit_loop.epoch_loop._batches_that_stepped += steps - 1  # the loggers' step; Lightning adds one

    def on_train_epoch_start(self) -> None:
        """Start the epoch's sums."""
        self.sums.reset()
        self._epoch_figures = None

    @property
    def epoch_figures(self) -> dict[str, float]:
        """All figures of the epoch that has just ended: ``train/...``, ``val/...``, ``lr``, ``step``.

        Lightning calls callbacks before the module, so they ask here; every process must.
        """
        if self._epoch_figures is None:
            trained = {f"train/{key}": value for key, value in self.sums.figures(self.trainer.world_size).items()}
            others = self._validated | {key: float(value) for key, value in self.trainer.callback_metrics.items()}
            place = {"lr": self.rate_at(self.global_step), "step": float(self.global_step)}
            self._epoch_figures = others | trained | place
        return self._epoch_figures

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training figures; ``train/loss`` includes the regularisers' share, as Keras' does.

        The loggers are sent them at once, before a checkpoint is saved: a resumed run then lacks no row.
        """
        figures = {key: value for key, value in self.epoch_figures.items() if not key.startswith("val/")}
        self.log_dict(figures, logger=False)
        for logger in self.loggers:
            logger.log_metrics(figures | {"epoch": self.current_epoch}, self.global_step)

    def _log_interval(self, steps: int) -> None:
        """Send the figures of the last steps to the loggers, when `trainer.log_every_n_steps` have gathered."""
        self._unlogged += steps
        if self._unlogged < self.trainer.log_every_n_steps or not self.loggers:
            return
        self._unlogged = 0
        interval = self.sums.interval(self.trainer.world_size)
        figures = {f"step/{key}": value for key, value in interval.items() if key in ("loss", "acc")}
        for logger in self.loggers:
            logger.log_metrics(figures | {"lr": self.rate_at(self.global_step)}, self.global_step)

    # ---- evaluation

    def validation_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the validation figures."""
        self._evaluate(block, self.val_metrics)

    def test_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the test figures."""
        self._evaluate(block, self.test_metrics)

    def predict_step(self, block: Block | tuple[Tensor, Tensor] | Tensor, batch_idx: int) -> Tensor:
        """Return class probabilities (N, classes)."""
        images = block if isinstance(block, Tensor) else block[0] if isinstance(block, tuple) else block.images
        return self.network.probabilities(self.network(images).float())

    def _evaluate(self, block: Block | tuple[Tensor, Tensor], metrics: MetricCollection) -> None:
        for batch in block if isinstance(block, Block) else [Batch(*block, len(block[1]))]:
            logits = self.network(batch.images).float()
            metrics.update(logits.argmax(1), batch.labels)
            self.eval_sums.add([StepResult(data_loss(self.network, logits, batch.labels), penalty(self.network),
                                           logits, batch.labels, batch.total)])

    def on_validation_epoch_start(self) -> None:
        """Start the figures, with the averaged weights where there are any."""
        self._start_evaluation(self.val_metrics)

    def on_test_epoch_start(self) -> None:
        """Start the figures."""
        self._start_evaluation(self.test_metrics)

    def on_validation_epoch_end(self) -> None:
        """Log ``val/loss`` and ``val/acc``; put the training weights back."""
        self._end_evaluation("val", self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log ``test/loss``, ``test/acc``, ``test/correct`` and the accuracy of each class."""
        self._end_evaluation("test", self.test_metrics)

    def _start_evaluation(self, metrics: MetricCollection) -> None:
        metrics.reset()
        self.eval_sums.reset()
        if self.average is not None and self.trainer.state.fn == "fit":
            self.average.swap()

    def _end_evaluation(self, stage: str, metrics: MetricCollection) -> None:
        figures = self.eval_sums.figures(self.trainer.world_size)
        values = metrics.compute()
        logged = {f"{stage}/loss": figures["loss"], f"{stage}/acc": values["acc"]}
        if stage == "test":
            logged |= {"test/correct": figures["correct"], "test/images": figures["images"]}
            logged |= {f"test/acc_class_{i}": value for i, value in enumerate(values["class_acc"])}
        self.confusion = values["confusion_matrix"].cpu()
        self.log_dict({key: torch.as_tensor(value, dtype=torch.float32) for key, value in logged.items()})
        if stage == "val":
            self._validated = {key: float(value) for key, value in logged.items()}
        if self.average is not None and self.trainer.state.fn == "fit":
            self.average.swap()

    # ---- checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what going on takes; put averaged weights, where there are any, in the weights' place and keep both."""
        if self.average is not None:
            checkpoint["state_dict"], checkpoint["trained_state"] = self.average.states(checkpoint["state_dict"])
        own = {"sums": self.sums.state(), "random": random_states()}
        checkpoint["training"] = {
            "processes": gather(own, self.trainer.world_size), "unlogged": self._unlogged,
            "validated": self._validated, "stopped": self.trainer.should_stop}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Where training goes on: take weights, averages, sums and positions back to their places."""
        if self.trainer.state.fn != "fit":
            return
        if self.average is not None and "trained_state" in checkpoint:
            self.average.restore(checkpoint)
        self._fresh_epoch = fit_epoch_end(checkpoint["loops"]["fit_loop"])
        if (kept := checkpoint.get("training")) is not None:
            self._resume(kept)

    def _resume(self, kept: dict[str, Any]) -> None:
        processes = kept["processes"]
        self._unlogged, self._validated = kept["unlogged"], kept["validated"]
        self.trainer.should_stop = kept["stopped"]
        if len(processes) == self.trainer.world_size:
            self._random = processes[self.trainer.global_rank]["random"]
        if not self._fresh_epoch:
            self.sums.restore([process["sums"] for process in processes], self.trainer.global_rank,
                              self.trainer.world_size, self.device)


def _metrics(classes: int, stage: str) -> MetricCollection:
    return MetricCollection({
        "acc": MulticlassAccuracy(classes, average="micro"),
        "class_acc": MulticlassAccuracy(classes, average=None),
        "confusion_matrix": MulticlassConfusionMatrix(classes),
    }, compute_groups=True)


def _check(**values: tuple[float, float, float]) -> None:
    for key, (value, low, high) in values.items():
        if not low <= value < high:
            raise TrainingError(f"model.{key} = {value!r} cannot work; accepted: {low} <= {key} < {high}")


def _decouples(optimizer: torch.optim.Optimizer) -> bool:
    return (isinstance(optimizer, torch.optim.AdamW | KerasOptimizer)
            or all(group.get("decoupled_weight_decay") for group in optimizer.param_groups))


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


