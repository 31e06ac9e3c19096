"""Keras' side: the baseline's compiled model, stepped by the function that its `fit` runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from keras_baseline.backend import load_keras
from keras_baseline.model import get_weights, layer_tensors, set_weights, variables
from keras_baseline.recipe import Recipe
from keras_baseline.training import compiled_model, targets

from ...training.slots import trainable_names
from .sides import Array, State, Weights


@contextmanager
def floatx(dtype: str) -> Iterator[None]:
    """Make `dtype` Keras' default inside the block, which losses, metrics and rates follow."""
    config = load_keras().config
    before = config.floatx()
    config.set_floatx(dtype)
    try:
        yield
    finally:
        config.set_floatx(before)


class KerasSide:
    """See `Side`. Build and use it inside ``floatx(dtype)``."""

    def __init__(self, recipe: Recipe, dtype: str) -> None:
        self.keras = load_keras()
        import tensorflow as tf

        self.recipe = recipe
        self.spec = recipe.spec
        self.dtype = dtype
        self.model = compiled_model(recipe, dtype)
        self.model.optimizer.build(self.model.trainable_variables)
        self._tensors = layer_tensors(self.model, self.spec)
        self._trained = [
            variables(self.model, self.spec)[name] for name in trainable_names(self.spec)
        ]
        self._every_layer = self.keras.Model(self.model.inputs[0], list(self._tensors.values()))
        self._forward = tf.function(
            lambda x: self._every_layer(x, training=False), reduce_retracing=True
        )
        self._gradients = tf.function(self._loss_and_gradients, reduce_retracing=True)

    @cached_property
    def in_float32(self) -> KerasSide:
        """The same network in float32; use it inside ``floatx("float32")``."""
        return KerasSide(self.recipe, "float32")

    def structure(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Return layer name -> (output shape, parameters) as Keras counts them."""
        counts = {layer.name: layer.count_params() for layer in self.model.layers}
        return {
            name: (tuple(tensor.shape[1:]), counts.get(name, 0))
            for name, tensor in self._tensors.items()
        }

    def layers(self, images: Array) -> dict[str, Array]:
        """Return every layer's output in evaluation."""
        outputs = self._forward(self._cast(images))
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return {name: output.numpy() for name, output in zip(self._tensors, outputs, strict=True)}

    def loss_and_gradients(self, images: Array, labels: Array) -> tuple[float, Weights]:
        """Return Keras' training loss (regularisers included) and its gradients."""
        loss, gradients = self._gradients(self._cast(images), targets(self.recipe, labels))
        return float(loss), {
            name: gradient.numpy()
            for name, gradient in zip(trainable_names(self.spec), gradients, strict=True)
        }

    def rates(self, steps: int) -> Array:
        """Return the rates of Keras' schedule, asked once per step as its optimiser does."""
        rate = self.model.optimizer._learning_rate
        if not isinstance(rate, self.keras.optimizers.schedules.LearningRateSchedule):
            return np.full(steps, float(rate.numpy()))
        import tensorflow as tf

        if isinstance(
            rate, self.keras.optimizers.schedules.InverseTimeDecay
        ):  # exact arithmetic: all at once
            return rate(tf.range(steps)).numpy().astype(np.float64)
        return np.array([float(rate(step)) for step in range(steps)])

    def train_step(self, images: Array, labels: Array) -> float:
        """Make one update by the compiled training function and return the loss before it."""
        self.model.reset_metrics()
        logs = self.model.train_on_batch(
            self._cast(images), targets(self.recipe, labels), return_dict=True
        )
        return float(logs["loss"])

    def evaluate(self, images: Array, labels: Array, batch_size: int) -> tuple[float, float]:
        """Return loss and accuracy by Keras' own `evaluate`."""
        logs = self.model.evaluate(
            self._cast(images),
            targets(self.recipe, labels),
            batch_size=batch_size,
            verbose=0,
            return_dict=True,
        )
        return logs["loss"], logs["accuracy"]

    def state(self) -> State:
        """Return a copy of weights, slots and counts."""
        slots: dict[str, Weights] = {}
        for (slot, name), variable in self._slot_variables().items():
            slots.setdefault(slot, {})[name] = variable.numpy()
        step = int(self.model.optimizer.iterations.numpy())
        return State(get_weights(self.model, self.spec), slots, self._scalars(step), step)

    def load(self, state: State) -> None:
        """Take over weights, slots and counts."""
        set_weights(self.model, self.spec, state.weights)
        self.model.optimizer.iterations.assign(state.step)
        for (slot, name), variable in self._slot_variables().items():
            arrays = state.slots.get(slot, {})
            variable.assign(arrays.get(name, np.zeros(variable.shape)))
        if hasattr(self.model.optimizer, "_u_product"):
            self.model.optimizer._u_product.assign(state.scalars.get("u_product", 1.0))

    def _cast(self, images: Array) -> Array:
        return images.astype(self.dtype)

    def _loss_and_gradients(self, images: Any, labels: Any) -> tuple[Any, list]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = self.model.compute_loss(images, labels, self.model(images, training=True))
        return loss, tape.gradient(loss, [v.value for v in self._trained])

    def _slot_variables(self) -> dict[tuple[str, str], Any]:
        """Return (slot, weight) -> variable; Keras names it ``<path of the weight>_<slot>``."""
        variables = {}
        by_name = {variable.name: variable for variable in self.model.optimizer.variables}
        for name, weight in zip(trainable_names(self.spec), self._trained, strict=True):
            stem = weight.path.replace("/", "_")
            for slot in ("velocity", "momentum", "average_gradient", "norm"):
                if f"{stem}_{slot}" in by_name:
                    variables[slot, name] = by_name[f"{stem}_{slot}"]
        return variables

    def _scalars(self, step: int) -> dict[str, float]:
        if self.recipe.optimizer.name in (
            "RMSprop",
            "SGD",
        ):  # ours count no steps: their rules need none
            return {}
        product = getattr(self.model.optimizer, "_u_product", None)
        return {"iteration": float(step)} | (
            {} if product is None else {"u_product": float(product.numpy())}
        )
