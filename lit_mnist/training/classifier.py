"""The LightningModule: a network with its optimiser, schedule and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from ..data.kmeans import ClusterFeatures, check_clusters
from ..data.module import Block, MNISTDataModule
from ..errors import UserError
from ..network import Network
from ..network.modes import evaluation_mode
from ..runs.pretrained import resolve
from ..spec import NetworkSpec
from ..spec.start import Start
from .averaging import Average
from .checkpoints import describe, place_states, portable_states
from .cuda.copies import HostCopies
from .cuda.graphs import runner_for
from .devices import precision_warning
from .distillation import Distillation, Teachers, open_teachers
from .epoch_metrics import EpochMetrics
from .evaluation import Evaluation
from .gradients import (
    BatchCollector,
    GradientSettings,
    give_back_settings,
    withhold_settings,
)
from .initial import load_initial_weights, start_from_clusters
from .lengths import images_per_pass, steps_per_epoch, total_steps
from .lightning_internals import attributes, bypass_ddp, count_logged_steps, count_steps
from .nan_watch import FiniteWatch
from .optimizers import RMSprop
from .rates import RunRates
from .reports import say
from .schedules import Schedule
from .settings import check_fit, check_range, check_sharing, optimizer_over
from .state import ResumeState
from .steplog import StepLog, write_metrics
from .steps import BlockRunner, Step
from .sums import Sums

# with this precision Lightning scales the loss, makes the updates and counts them
_LIGHTNING_COUNTS = "16-mixed"


class LitClassifier(L.LightningModule):
    """Trains a network described by a NetworkSpec.

    One `training_step` runs a whole block of optimiser steps (see `lit_mnist.data.module`), so
    that Lightning's cost per call is paid once a block; `trainer.global_step` still counts
    optimiser steps. A batch ``(images, labels)`` from any other loader is a block of one step. The
    step itself applies the Trainer's `gradient_clip_val`, `gradient_clip_algorithm` and
    `accumulate_grad_batches`.

    Args:
        network: input_shape, initializer and a list of layers (docs/train.md); or from (a Keras
            file, a run, a checkpoint), cut, then and frozen (docs/transfer.md).
        optimizer: one of lit_mnist.training.optimizers (Keras' rules) or any torch.optim class.
        schedule: learning rate by optimiser step, one of lit_mnist.training.schedules; or a class
            of torch.optim.lr_scheduler; null keeps the optimiser's own.
        schedule_interval: when a torch scheduler steps: epoch (the default, and for
            ReduceLROnPlateau the only one) or step.
        weight_decay: decoupled decay of kernels (not biases), for optimisers that decouple it.
        label_smoothing: fraction of the label spread over all classes.
        average_decay: decay of a moving average of the weights, for evaluation and checkpoints.
        distillation: trained networks whose answers are targets beside the labels (docs/train.md).
        initial_weights: a Keras file, run, checkpoint or .safetensors file, whose layers give
            theirs to layers of the same name.
        run_frozen_once: keep the outputs of frozen first layers for images without augmentation.
        seed: seed of the initial weights.
        cuda_graphs: replay blocks of steps as CUDA graphs, with the same bits: auto (on a GPU;
            prints the reason if they cannot be used), true (raises an error then), false.
    """

    def __init__(
        self,
        network: dict[str, Any],
        optimizer: OptimizerCallable = RMSprop,
        schedule: Schedule | LRSchedulerCallable | None = None,
        schedule_interval: Literal["epoch", "step"] | None = None,
        weight_decay: float = 0.0,
        label_smoothing: float = 0.0,
        average_decay: float | None = None,
        distillation: Distillation | None = None,
        initial_weights: str | None = None,
        run_frozen_once: bool = True,
        seed: int = 1,
        cuda_graphs: bool | Literal["auto"] = "auto",
    ) -> None:
        super().__init__()
        check_range(
            weight_decay=(weight_decay, 0, float("inf")),
            label_smoothing=(label_smoothing, 0, 1),
            average_decay=(average_decay or 0.0, 0, 1),
        )
        self.automatic_optimization = False
        network, initial_weights = resolve(network, initial_weights)
        spec = network if isinstance(network, NetworkSpec) else NetworkSpec.from_dict(network)
        self.network = Network(spec, seed)
        self.start: Start | None = None
        if initial_weights is not None:
            self.start = load_initial_weights(self.network, initial_weights)
        self.optimizer_callable = optimizer
        self.schedule = schedule
        self.seed = seed
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.distillation = distillation
        self.teachers: Teachers | None = None
        self.cuda_graphs: bool | Literal["auto"] = cuda_graphs
        self.run_frozen_once = run_frozen_once
        self.rates = RunRates(schedule, schedule_interval)
        self.average = Average(self.network, average_decay) if average_decay else None
        self.example_input_array = torch.zeros(1, spec.input_shape[2], *spec.input_shape[:2])
        self.sums = Sums()
        self.evaluation = Evaluation(spec.classes)
        self.watch = FiniteWatch()
        self.host_copies = HostCopies()
        self.step_log = StepLog(self.sums, self.host_copies)
        self.resume_state = ResumeState(self.sums, self.step_log)
        self.gradient_settings = GradientSettings()
        self.runner: BlockRunner | None = None
        self._epoch_metrics = EpochMetrics(self.sums, self.rates, self.resume_state)

    @property
    def spec(self) -> NetworkSpec:
        """The network's description."""
        return self.network.spec

    @property
    def resting_value(self) -> str | None:
        """Name of the last frozen layer, whose outputs training may keep; or None.

        Teachers need the images themselves.
        """
        keep = self.run_frozen_once and self.distillation is None
        return self.spec.resting_value if keep else None

    def resting_values(self, images: Tensor) -> Tensor:
        """Return the outputs of layer `resting_value` for images (N, C, H, W)."""
        name = self.resting_value
        if name is None:
            raise UserError("this network has no frozen first layers")
        with evaluation_mode(self.network), torch.no_grad():
            return self.network.layer_values(images, name)[name]

    def forward(self, images: Tensor) -> Tensor:  # (N, C, H, W) -> (N, classes)
        return self.network(images)

    # ---- set-up

    def configure_callbacks(self) -> list[Callback]:
        """Return the schedule's callback, and take over the Trainer's gradient settings.

        The Trainer would refuse them with manual optimisation.
        """
        self.gradient_settings = withhold_settings(self.trainer)
        return self.schedule_callbacks

    @property
    def schedule_callbacks(self) -> list[Callback]:
        """The callbacks that step the schedule: one for ReduceLROnPlateau, none for any other."""
        return [self.rates.plateau] if self.rates.plateau else []

    def setup(self, stage: str) -> None:
        """Check the settings, open the teachers, and at the start of a new run load clusters as
        weights if there are any.

        Programs that make their own Trainer are checked here too.
        """
        check_fit(self.trainer, self.cuda_graphs)
        if stage == "fit":
            data = attributes(self.trainer).datamodule
            self.open_teachers(data if isinstance(data, MNISTDataModule) else None)
            notes = () if self.teachers is None else self.teachers.notes
            for note in notes if self.trainer.is_global_zero else ():
                say(note)
        if stage == "fit" and self.trainer.ckpt_path is None and self.trainer.global_step == 0:
            data = attributes(self.trainer).datamodule
            features = getattr(data, "features", None)
            check_clusters(self.start, features)
            if isinstance(features, ClusterFeatures):
                start_from_clusters(self.network, self.start, data.prepared, features)
                if self.average is not None:
                    self.average = Average(self.network, self.average.decay)

    def open_teachers(self, data: MNISTDataModule | None) -> None:
        """Open the teachers of a student that learns from `data`, unless they are open."""
        if self.distillation is not None and self.teachers is None:
            self.teachers = open_teachers(self.distillation, self.spec, data)

    def teardown(self, stage: str) -> None:
        """Give the Trainer its gradient settings back, and close the teachers."""
        self.teachers = None
        if self.runner is not None:
            self.runner.step.teachers = None
        give_back_settings(self.trainer, self.gradient_settings)

    def configure_optimizers(self) -> Any:
        """Return the optimiser.

        With weight decay it has two groups: kernels, which decay, and the rest.
        """
        optimizer = optimizer_over(self.network, self.optimizer_callable, self.weight_decay)
        return self.rates.with_scheduler(optimizer)

    def on_fit_start(self) -> None:
        """Bring average and teachers to the network's device, and check that several processes can
        train.
        """
        if warning := precision_warning(self.device, str(self.trainer.precision)):
            say(warning)
        if self.average is not None:
            self.average.follow()
        if self.teachers is not None:
            self.teachers.to(next(self.network.parameters()))
        if self.trainer.world_size > 1:
            check_sharing(self.network, self.trainer.world_size)
            bypass_ddp(self.trainer, self)

    def on_train_start(self) -> None:
        """Prepare to run blocks, and restore the random generators of a resumed run."""
        self.rates.start(self.total_steps, self.steps_per_epoch)
        self.collector = BatchCollector(self.gradient_settings.accumulate)
        self.runner = self._make_runner()
        self.watch.start(self.runner, self._optimizer.optimizer, self.host_copies)
        samples = getattr(self.trainer.train_dataloader, "samples", None)
        if samples is not None:
            with self.trainer.precision_plugin.train_step_context():
                self.runner.prepare(samples())
        self.resume_state.start(self.trainer)

    @property
    def _optimizer(self) -> LightningOptimizer:
        return cast(LightningOptimizer, self.optimizers())

    def _make_runner(self) -> BlockRunner:
        optimizer = self._optimizer
        precision = str(self.trainer.precision)
        step = Step(
            self.network,
            optimizer.optimizer,
            self.average,
            self.label_smoothing,
            self.trainer.world_size,
            self.gradient_settings.clipping,
            images_per_pass(self.trainer, self.gradient_settings.accumulate),
            self.teachers,
        )
        if precision == _LIGHTNING_COUNTS:
            # Lightning calls `on_before_optimizer_step` once gradients are unscaled
            step.optimizer = cast(torch.optim.Optimizer, optimizer)
            step.backward = self.manual_backward
            step.clipping = None
        return runner_for(step, self.rates.at, self.cuda_graphs, precision, say)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch."""
        return steps_per_epoch(self.trainer, self.gradient_settings.accumulate)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of the whole fit."""
        return total_steps(self.trainer, self.steps_per_epoch)

    # ---- training

    def training_step(self, batch: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Run the block's optimiser steps without waiting for a GPU."""
        block = self.collector.add(batch, self.trainer.is_last_batch)
        first = self.global_step
        steps = 0 if block is None else len(block)
        self.host_copies.deliver()
        if block is not None:
            self._run(block, first)
        if self.trainer.precision == _LIGHTNING_COUNTS:
            count_logged_steps(self.trainer, steps)
        else:
            count_steps(self.trainer, steps)
        self.step_log.add(self.trainer, steps, self.rates.before(self.global_step))

    def _run(self, block: Block, first: int) -> None:
        self.watch.before(block, first)
        result = cast(BlockRunner, self.runner)(block, first)
        self.sums.add(result.sums)
        self.watch.after(result.losses, first)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Clip the gradients if Lightning makes the updates."""
        clipping = self.gradient_settings.clipping
        if clipping is not None:
            clipping(self.network.parameters())

    def on_train_epoch_start(self) -> None:
        """Start the epoch's sums."""
        self.sums.reset()
        self._epoch_metrics.reset()

    @property
    def epoch_metrics(self) -> dict[str, float]:
        """All metrics of the epoch that has just ended; every process must ask.

        Lightning calls callbacks before the module, so callbacks ask here.
        """
        return self._epoch_metrics.compute(self.trainer)

    @property
    def validated_now(self) -> bool:
        """Whether the present epoch was validated."""
        return self._epoch_metrics.validated(self.trainer)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training metrics; ``train/loss`` includes the penalty, as Keras' does.

        They go to the loggers before a checkpoint is saved, so that a resumed run lacks no row.
        """
        self.host_copies.deliver(wait=True)
        metrics = {
            key: value for key, value in self.epoch_metrics.items() if not key.startswith("val/")
        }
        self.log_dict(metrics, logger=False)
        write_metrics(self.trainer, metrics | {"epoch": self.current_epoch}, self.global_step)

    # ---- evaluation

    def validation_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the validation metrics."""
        self.evaluation.add(self.network, Block.of(block))

    def test_step(self, block: Block | tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Add a batch to the test metrics."""
        self.evaluation.add(self.network, Block.of(block))

    def predict_step(self, block: Block | tuple[Tensor, Tensor] | Tensor, batch_idx: int) -> Tensor:
        """Return class probabilities (N, classes)."""
        images = block if isinstance(block, Tensor) else Block.of(block).images
        return self.network.probabilities(self.network(images).float())

    def on_validation_epoch_start(self) -> None:
        """Start the metrics; evaluate the averaged weights if there are any."""
        self._start_evaluation()

    def on_test_epoch_start(self) -> None:
        """Start the metrics."""
        self._start_evaluation()

    def on_validation_epoch_end(self) -> None:
        """Log ``val/loss`` and ``val/acc``; put the training weights back."""
        self.resume_state.validated = self._end_evaluation("val")
        self.resume_state.validated_in = self.current_epoch

    def on_test_epoch_end(self) -> None:
        """Log ``test/loss``, ``test/acc``, ``test/correct`` and the accuracy of each class."""
        self._end_evaluation("test")

    def on_validation_end(self) -> None:
        """Free the logits, which callbacks have read by now."""
        self.evaluation.logits = None

    def on_test_end(self) -> None:
        """Free the logits."""
        self.evaluation.logits = None

    def _start_evaluation(self) -> None:
        self.evaluation.reset()
        self._swap_average()

    def _end_evaluation(self, stage: str) -> dict[str, float]:
        metrics, self.confusion = self.evaluation.compute(stage, self.trainer.world_size)
        self.log_dict(
            {key: torch.tensor(value, dtype=torch.float32) for key, value in metrics.items()}
        )
        self._swap_average()
        return metrics

    def _swap_average(self) -> None:
        """Exchange weights and average during fit; tested checkpoints hold the average already."""
        if self.average is not None and self.trainer.state.fn == "fit":
            self.average.swap()

    # ---- checkpoints

    @classmethod
    def load_from_checkpoint(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        checkpoint_path: str | Path,
        map_location: Any = None,
        hparams_file: Any = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        **settings: Any,
    ) -> LitClassifier:
        """Return a checkpoint's network with its training settings, which `settings` override.

        Reads what this program writes, and nothing that carries code. Checkpoints trained from
        Python hold only network and seed. With `strict` False, weights may be missing. Raises
        ModelError naming file and reason.
        """
        from .reopen import classifier_from_checkpoint, refuse_options

        refuse_options(hparams_file=hparams_file, weights_only=weights_only)
        return classifier_from_checkpoint(
            cls, checkpoint_path, map_location, settings, strict is not False
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state for resuming. Averaged weights take the weights' place; both are kept."""
        if self.average is not None:
            checkpoint["state_dict"], checkpoint["trained_state"] = self.average.states(
                checkpoint["state_dict"]
            )
        portable_states(checkpoint.get("callbacks", {}))
        describe(checkpoint, self.trainer, self)
        self.resume_state.save(checkpoint, self.trainer)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore weights, averages, sums and positions if training is resumed."""
        place_states(checkpoint.get("callbacks", {}), attributes(self.trainer).callbacks)
        if self.trainer.state.fn != "fit":
            return
        if self.average is not None and "trained_state" in checkpoint:
            self.average.restore(checkpoint)
        self.resume_state.load(checkpoint, self.trainer, self.device)
