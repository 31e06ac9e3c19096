"""PyTorch's side: training's own step and learning rates; faults can replace each part."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from keras_baseline.recipe import Recipe

from ...data.module import Batch
from ...inside.capture import capture
from ...inside.passes import evaluation
from ...network import Network, as_images, predicted_classes
from ...spec import LayerInfo, NetworkSpec
from ...spec.weights import flattened_output, from_torch
from ...training import optimizers, schedules
from ...training.gradients import Clipping
from ...training.schedules import Schedule, learning_rates
from ...training.settings import optimizer_over
from ...training.slots import load_slots, named_scalars, named_slots
from ...training.steps import Step
from ...training.sums import StepResult
from .sides import Array, State, Weights


@dataclass
class TorchSide:
    """See `Side`. A planted fault replaces `table` or a part of `step`, the step of training."""

    step: Step
    schedule: Schedule | None = None
    table: Callable[[Schedule, int], list[float]] = learning_rates
    total_steps: int = 10_000
    steps_made: int = 0
    _rates: list[float] | None = None

    @property
    def network(self) -> Network:
        """The network that the step trains."""
        return self.step.network

    @property
    def spec(self) -> NetworkSpec:
        """The network's description."""
        return self.network.spec

    def structure(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Return layer name -> (output shape, parameters), counted on the modules."""
        shapes = {
            name: array.shape[1:]
            for name, array in self.layers(np.zeros((1, *self.spec.input_shape))).items()
        }
        return {
            name: (tuple(shape), _parameters(getattr(self.network, name)))
            for name, shape in shapes.items()
        }

    def layers(self, images: Array) -> dict[str, Array]:
        """Return all modules' outputs in evaluation, in Keras' layout, ending in probabilities."""
        return layer_outputs(self.network, images)

    def loss_and_gradients(self, images: Array, labels: Array) -> tuple[float, Weights]:
        """Return loss with penalty and its gradients, by the network's fast training order."""
        self.network.train()
        loss = _with_penalty(self.step.compute_gradients(self._batch(images, labels)))
        gradients = {
            key: p.grad.numpy().copy()
            for key, p in self.network.named_parameters()
            if p.grad is not None
        }
        self.network.zero_grad()  # the step finds none, and leaves none
        state = {
            key: gradients.get(key, np.zeros(value.shape))
            for key, value in self.network.state_dict().items()
        }
        moved = {layer.name: layer.trainable_weights for layer in self.spec.layers}
        weights = from_torch(self.spec, state)
        return loss, {
            name: weights[name]
            for name in weights
            if name.split("/")[1] in moved[name.split("/")[0]]
        }

    def rates(self, steps: int) -> Array:
        """Return the learning rates that training sets before each update."""
        if self.schedule is None:
            return np.full(steps, float(self.step.optimizer.param_groups[0]["lr"]))
        return np.array(self._table(self.schedule, steps)[:steps])

    def train_step(self, images: Array, labels: Array) -> float:
        """Make one update, at the step's own rate, and return the loss before it."""
        rate = (
            None
            if self.schedule is None
            else self._table(self.schedule, self.steps_made + 1)[self.steps_made]
        )
        self.network.train()
        result = self.step(self._batch(images, labels), rate, None)
        self.steps_made += 1
        return _with_penalty(result)

    def evaluate(self, images: Array, labels: Array, batch_size: int) -> tuple[float, float]:
        """Return loss and accuracy of evaluation, weighted by batch size."""
        self.network.eval()
        total = correct = 0.0
        for start in range(0, len(labels), batch_size):
            batch = self._batch(
                *(values[start : start + batch_size] for values in (images, labels))
            )
            with torch.no_grad():
                logits = self.network(batch.images)
                loss = self.step.loss(self.network, logits, batch.labels)
                result = StepResult(
                    loss, self.step.penalty(self.network), logits, batch.labels, batch.total
                )
            total += _with_penalty(result) * batch.total
            correct += float((predicted_classes(logits) == batch.labels).sum())
        return total / len(labels), correct / len(labels)

    def state(self) -> State:
        """Return a copy of weights, slots and counts."""
        optimizer = self.step.optimizer
        return State(
            self.network.named_weights(),
            named_slots(self.network, optimizer),
            named_scalars(optimizer),
            self.steps_made,
        )

    def load(self, state: State) -> None:
        """Take over weights, slots and counts."""
        self.network.load_weights(state.weights)
        self.steps_made = state.step
        self.step.optimizer.state.clear()
        load_slots(self.network, self.step.optimizer, state.slots, state.scalars)

    def _table(self, schedule: Schedule, steps: int) -> list[float]:
        if self._rates is None or len(self._rates) < steps:
            self._rates = self.table(schedule, max(steps, self.total_steps))
        return self._rates

    def _batch(self, images: Array, labels: Array) -> Batch:
        tensor = as_images(images).to(next(self.network.parameters()).dtype)
        return Batch(
            tensor.contiguous(memory_format=torch.channels_last),
            torch.from_numpy(labels),
            len(labels),
        )


def build_torch_side(recipe: Recipe, dtype: str, total_steps: int = 10_000) -> TorchSide:
    """Return our side of a recipe, at its initial weights, in ``float32`` or ``float64``."""
    network = Network(recipe.spec, recipe.seed).to(getattr(torch, dtype))
    settings = dict(recipe.optimizer.arguments)
    optimizer = optimizer_over(
        network,
        lambda groups: getattr(optimizers, recipe.optimizer.name)(groups, **settings),
        recipe.weight_decay,
    )
    schedule = None
    if recipe.schedule is not None:
        schedule = getattr(schedules, recipe.schedule.name)(**recipe.schedule.arguments)
    clipping = (
        None
        if recipe.clipping is None
        else Clipping(recipe.clipping.value, recipe.clipping.algorithm)
    )
    return TorchSide(Step(network, optimizer, clipping=clipping), schedule, total_steps=total_steps)


def layer_outputs(network: Network, images: Array) -> dict[str, Array]:
    """Return every layer's output in evaluation, in Keras' layout; the last as probabilities."""
    spec = network.spec
    pixels = as_images(images).to(next(network.parameters()).dtype)
    with evaluation(network), capture(network, spec.names, clone=False) as captured:
        logits = network(pixels.contiguous(memory_format=torch.channels_last))
        probabilities = network.probabilities(logits)[:, -spec.units :]
    outputs = dict(captured) | {spec.output: probabilities}
    return {
        name: _keras_layout(spec, spec[name], output.numpy()) for name, output in outputs.items()
    }


def _with_penalty(result: StepResult) -> float:
    return float(result.loss if result.penalty is None else result.loss + result.penalty)


def _parameters(module: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.state_dict().values())


def _keras_layout(spec: NetworkSpec, info: LayerInfo, output: Array) -> Array:
    """Bring a torch layer's output into Keras' order: channels last, and flattened likewise."""
    if output.ndim == 4:
        return output.transpose(0, 2, 3, 1)
    image = flattened_output(spec, info.name)
    if image is None:
        return output
    height, width, channels = image
    return (
        output.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(output), -1)
    )
