"""Our side: the network, loss, penalty, optimiser and rates that training uses, one by one replaceable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from keras_baseline.recipe import Recipe

from ...network import Network, as_images, predicted_classes
from ...spec import LayerInfo, NetworkSpec
from ...spec.weights import flattened_image, from_torch
from ...training import optimizers, schedules
from ...training.losses import data_loss, penalty
from ...training.schedules import learning_rates
from ...training.slots import load_slots, named_scalars, named_slots
from .sides import Array, State, Weights


@dataclass
class Ours:
    """See `Side`. The parts are those of `LitClassifier`'s step; a planted fault replaces one of them."""

    network: Network
    optimizer: torch.optim.Optimizer | None = None
    schedule: schedules.Schedule | None = None
    loss: Callable[[Network, Tensor, Tensor], Tensor] = data_loss
    penalty: Callable[[Network], Tensor | None] = penalty
    table: Callable[[schedules.Schedule, int], list[float]] = learning_rates
    total_steps: int = 10_000
    step: int = 0
    _table: list[float] | None = None

    @property
    def spec(self) -> NetworkSpec:
        """The network's description."""
        return self.network.spec

    def structure(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Return layer name -> (output shape, parameters), counted on the modules."""
        shapes = {name: array.shape[1:] for name, array in self.layers(np.zeros((1, *self.spec.input_shape))).items()}
        return {name: (tuple(shape), _parameters(getattr(self.network, name))) for name, shape in shapes.items()}

    def layers(self, images: Array) -> dict[str, Array]:
        """Return every named module's output in evaluation, the last one's as probabilities."""
        found: dict[str, Tensor] = {}
        hooks = [getattr(self.network, name).register_forward_hook(
            lambda module, args, output, name=name: found.__setitem__(name, output)) for name in self.spec.names]
        try:
            self.network.eval()
            with torch.no_grad():
                logits = self.network(self._tensor(images))
                found[self.spec.output] = self.network.probabilities(logits)[:, -self.spec.units:]
        finally:
            for hook in hooks:
                hook.remove()
        return {name: _keras_layout(self.spec, self.spec[name], output.numpy()) for name, output in found.items()}

    def loss_and_gradients(self, images: Array, labels: Array) -> tuple[float, Weights]:
        """Return loss with penalty and its gradients, by the network's fast training order."""
        loss = self._backward(images, labels)
        gradients = {key: p.grad.numpy().copy() for key, p in self.network.named_parameters()}
        state = {key: gradients.get(key, np.zeros(value.shape)) for key, value in self.network.state_dict().items()}
        moved = {layer.name: layer.trainable for layer in self.spec.layers}
        found = from_torch(self.spec, state)
        return loss, {name: found[name] for name in found if name.split("/")[1] in moved[name.split("/")[0]]}

    def rates(self, steps: int) -> Array:
        """Return the learning rates that training sets before each update."""
        if self.schedule is None:
            return np.full(steps, float(self.optimizer.param_groups[0]["lr"]))
        if self._table is None or len(self._table) < steps:
            self._table = self.table(self.schedule, max(steps, self.total_steps))
        return np.array(self._table[:steps])

    def train_step(self, images: Array, labels: Array) -> float:
        """Set the step's rate, make one update and return the loss before it."""
        if self.schedule is not None:
            self.rates(self.step + 1)
            rate = self._table[self.step]
            for group in self.optimizer.param_groups:
                group["lr"] = rate
        loss = self._backward(images, labels)
        self.optimizer.step()
        self.step += 1
        return loss

    def evaluate(self, images: Array, labels: Array, batch_size: int) -> tuple[float, float]:
        """Return loss and accuracy of evaluation, weighted by batch size."""
        self.network.eval()
        total = correct = 0.0
        for start in range(0, len(labels), batch_size):
            part = slice(start, start + batch_size)
            with torch.no_grad():
                logits, answers = self.network(self._tensor(images[part])), torch.from_numpy(labels[part])
                loss = self._with_penalty(self.loss(self.network, logits, answers))
            total += float(loss) * len(answers)
            correct += float((predicted_classes(logits) == answers).sum())
        return total / len(labels), correct / len(labels)

    def state(self) -> State:
        """Return a copy of weights, slots and counts."""
        if self.optimizer is None:
            return State(self.network.named_weights())
        return State(self.network.named_weights(), named_slots(self.network, self.optimizer),
                     named_scalars(self.optimizer), self.step)

    def load(self, state: State) -> None:
        """Take over weights, slots and counts."""
        self.network.load_weights(state.weights)
        self.step = state.step
        if self.optimizer is not None:
            self.optimizer.state.clear()
            load_slots(self.network, self.optimizer, state.slots, state.scalars)

    def _tensor(self, images: Array) -> Tensor:
        return as_images(images).to(next(self.network.parameters()).dtype).contiguous(
            memory_format=torch.channels_last)

    def _with_penalty(self, loss: Tensor) -> Tensor:
        extra = self.penalty(self.network)
        return loss if extra is None else loss + extra

    def _backward(self, images: Array, labels: Array) -> float:
        self.network.train()
        self.network.zero_grad()
        logits = self.network.training_logits(self._tensor(images))
        loss = self._with_penalty(self.loss(self.network, logits, torch.from_numpy(labels)))
        loss.backward()
        return float(loss.detach())


def build_ours(recipe: Recipe, dtype: str, total_steps: int = 10_000) -> Ours:
    """Return our side of a recipe, at its initial weights, in ``float32`` or ``float64``."""
    network = Network(recipe.spec, recipe.seed).to(getattr(torch, dtype))
    settings = dict(recipe.optimizer.arguments)
    optimizer = getattr(optimizers, recipe.optimizer.name)(_groups(network, recipe.weight_decay), **settings)
    schedule = None
    if recipe.schedule is not None:
        schedule = getattr(schedules, recipe.schedule.name)(**recipe.schedule.arguments)
    return Ours(network, optimizer, schedule, total_steps=total_steps)


def _groups(network: Network, weight_decay: float) -> list[dict]:
    kernels = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    groups = [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return groups if weight_decay else [{"params": list(network.parameters())}]


def _parameters(module: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.state_dict().values())


def _keras_layout(spec: NetworkSpec, info: LayerInfo, output: Array) -> Array:
    """Bring a torch layer's output into Keras' order: channels last, and flattened likewise."""
    if output.ndim == 4:
        return output.transpose(0, 2, 3, 1)
    image = None if info.type in ("dense", "global_pool") else flattened_image(spec, info.name)
    if info.type == "flatten" and len(info.input_shape) == 3 and spec.flatten_order_is_free:
        image = info.input_shape
    if image is None:
        return output
    height, width, channels = image
    return output.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(output), -1)
