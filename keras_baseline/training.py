"""Training by Keras' own `fit`: its optimiser, schedule, loss and loop, on our order of batches."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lit_mnist.data import Part, Prepared, permutation
from lit_mnist.data.kmeans import LAYERS, check_clusters
from lit_mnist.data.prepare import channels_last
from lit_mnist.environment import tensorflow_is_hidden
from lit_mnist.files import expand
from lit_mnist.spec import NetworkSpec
from lit_mnist.spec.start import Start, start_from
from lit_mnist.spec.weights import Weights, initial_weights

from .backend import load_keras
from .model import build_model, set_weights
from .recipe import Component, Recipe, RecipeError


def build_optimizer(recipe: Recipe) -> Any:
    """Return Keras' optimiser with the recipe's arguments and schedule.

    Raises RecipeError for bad arguments.
    """
    keras = load_keras()
    arguments = dict(recipe.optimizer.arguments)
    if recipe.weight_decay:
        arguments["weight_decay"] = recipe.weight_decay
    if recipe.clipping is not None:
        arguments |= recipe.clipping.arguments
    if recipe.schedule is not None:
        arguments["learning_rate"] = _schedule(keras, recipe.schedule)
    return _build(getattr(keras.optimizers, recipe.optimizer.name), arguments, "model.optimizer")


def compiled_model(recipe: Recipe, dtype: str = "float32", weights: Weights | None = None) -> Any:
    """Return the model as `fit` trains it: initial weights, optimiser, loss, accuracy.

    `weights` replace those of `starting_weights`.
    """
    keras = load_keras()
    if len(recipe.spec.kept) > 1:
        raise RecipeError(
            f"model.network.outputs = {list(recipe.spec.kept)}: the Keras baseline trains "
            "networks of one output; accepted: a single name, and the layers that lead to it"
        )
    model = build_model(recipe.spec, dtype)
    set_weights(model, recipe.spec, starting_weights(recipe)[1] if weights is None else weights)
    optimizer = build_optimizer(recipe)
    if recipe.weight_decay:
        optimizer.exclude_from_weight_decay(
            [v for v in model.trainable_variables if len(v.shape) < 2]
        )
    model.compile(
        optimizer=optimizer, loss=_loss(keras, recipe.spec), metrics=[_accuracy(keras, recipe.spec)]
    )
    return model


def targets(recipe: Recipe, labels: np.ndarray) -> np.ndarray:
    """Return labels for the loss: unchanged, (N, 1) for one unit, one-hot for sigmoid."""
    if recipe.spec.units == 1:
        return labels[:, None].astype(np.float32)
    return (
        np.eye(recipe.spec.classes, dtype=np.float32)[labels] if _one_hot(recipe.spec) else labels
    )


def predicted_classes(spec: NetworkSpec, outputs: np.ndarray) -> np.ndarray:
    """Return the classes (N,) of the model's outputs (N, units); a single unit gives class 1."""
    return (
        (outputs[:, 0] > _threshold(spec)).astype(np.int64)
        if spec.units == 1
        else outputs.argmax(1)
    )


def class_probabilities(spec: NetworkSpec, outputs: np.ndarray) -> np.ndarray:
    """Return (N, classes) from outputs (N, units); a single unit gives two classes."""
    if spec.units > 1:
        return outputs
    second = outputs if spec.output_activation == "sigmoid" else 1 / (1 + np.exp(-outputs))
    return np.concatenate([1 - second, second], 1)


def train(recipe: Recipe, model: Any, prepared: Prepared, run: Path) -> dict[str, Any]:
    """Fit, write ``metrics.csv`` and checkpoints under `run`; return history and times."""
    keras = load_keras()
    clock = _clock(keras, recipe)
    callbacks = [clock, keras.callbacks.CSVLogger(run / "metrics.csv"), *_tensorboard(keras, run)]
    best = run / "checkpoints" / "best.keras"
    best.parent.mkdir(parents=True, exist_ok=True)
    if prepared.validation is not None and recipe.data.validate_on == "validation":
        callbacks.append(
            keras.callbacks.ModelCheckpoint(
                best, monitor="val_accuracy", mode="max", save_best_only=True
            )
        )
    steps = -(-len(prepared.train) // recipe.batch_size)
    began = time.perf_counter()
    history = model.fit(
        batches(recipe, prepared.train),
        epochs=recipe.epochs,
        steps_per_epoch=steps,
        shuffle=False,
        validation_data=_validation(recipe, prepared.validation),
        callbacks=callbacks,
        verbose=0,
        validation_batch_size=recipe.eval_batch_size,
    ).history
    fit_seconds = time.perf_counter() - began
    model.save(run / "checkpoints" / "last.keras")
    if best.exists():
        model.load_weights(best)
    return {
        "history": history,
        "images": len(prepared.train) * len(history["loss"]),
        "seconds": clock.seconds,
        "fit_seconds": fit_seconds,
        "epoch_seconds": clock.epoch_seconds,
    }


def _tensorboard(keras: Any, run: Path) -> list[Any]:
    if not tensorflow_is_hidden():
        return [keras.callbacks.TensorBoard(run)]
    # fit hides TensorFlow from TensorBoard, to save 6 s; in such a process Keras' callback cannot
    # write
    print("no TensorBoard logs of Keras: lit_mnist has trained in this process", file=sys.stderr)
    return []


def batches(recipe: Recipe, part: Part) -> Any:
    """Return a tf.data pipeline of all epochs' batches, in the order of `lit_mnist`."""
    import tensorflow as tf

    images = tf.constant(channels_last(part.images))
    labels = tf.constant(targets(recipe, part.labels))

    def orders() -> Iterator[np.ndarray]:
        for epoch in range(recipe.epochs):
            yield permutation(recipe.seed, epoch, len(part))

    def split(order: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices(order).batch(recipe.batch_size)

    whole = tf.data.Dataset.from_generator(
        orders, output_signature=tf.TensorSpec((len(part),), tf.int64)
    )
    chosen = whole.flat_map(split).map(
        lambda index: (tf.gather(images, index), tf.gather(labels, index))
    )
    return chosen.prefetch(4)


def starting_weights(recipe: Recipe) -> tuple[Start | None, Weights]:
    """Return the weights before training, and which of them `initial_weights` gave.

    As in `lit_mnist`, layers that the file lacks are drawn; missing clusters are left to
    `data.features`. Raises UserError.
    """
    drawn = initial_weights(recipe.spec, recipe.seed)
    if recipe.initial_weights is None:
        return None, drawn
    stored = _stored_weights(recipe.initial_weights)
    start, weights = start_from(recipe.spec, drawn, stored, recipe.initial_weights, LAYERS)
    check_clusters(start, recipe.features)
    return start, weights


def _stored_weights(path: str) -> Weights:
    from safetensors.numpy import load_file

    try:
        return load_file(expand(path))
    except Exception as error:  # safetensors' own error and OSError share no base class
        raise RecipeError(f"model.initial_weights = {path!r}: cannot be read ({error})") from error


def _validation(recipe: Recipe, part: Part | None) -> tuple[np.ndarray, np.ndarray] | None:
    return None if part is None else (channels_last(part.images), targets(recipe, part.labels))


def _one_hot(spec: NetworkSpec) -> bool:
    return spec.output_activation == "sigmoid"


def _threshold(spec: NetworkSpec) -> float:
    return 0.5 if spec.output_activation == "sigmoid" else 0.0


def _accuracy(keras: Any, spec: NetworkSpec) -> Any:
    if spec.units == 1:
        return keras.metrics.BinaryAccuracy("accuracy", threshold=_threshold(spec))
    metrics = keras.metrics
    return (metrics.CategoricalAccuracy if _one_hot(spec) else metrics.SparseCategoricalAccuracy)(
        "accuracy"
    )


def _loss(keras: Any, spec: NetworkSpec) -> Any:
    output = spec.output_activation
    if output == "sigmoid" or spec.units == 1:
        return keras.losses.BinaryCrossentropy(from_logits=output != "sigmoid")
    return keras.losses.SparseCategoricalCrossentropy(from_logits=output != "softmax")


def _schedule(keras: Any, schedule: Component) -> Any:
    if schedule.name == "Constant":
        return float(schedule.arguments.get("learning_rate", 0.001))
    return _build(
        getattr(keras.optimizers.schedules, schedule.name),
        dict(schedule.arguments),
        "model.schedule",
    )


def _build(cls: Any, arguments: dict[str, Any], key: str) -> Any:
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{key}: {cls.__name__} cannot take {arguments} ({error})") from error


def _clock(keras: Any, recipe: Recipe) -> Any:
    """Return a callback that times training without validation, prints progress, and may stop."""

    class Clock(keras.callbacks.Callback):
        seconds = 0.0
        _last = 0.0

        def __init__(self) -> None:
            super().__init__()
            self.epoch_seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._last = time.perf_counter()

        def on_test_begin(self, logs: Any = None) -> None:
            self.seconds += time.perf_counter() - self._last

        def on_test_end(self, logs: Any = None) -> None:
            self._last = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds += time.perf_counter() - self._last
            self.epoch_seconds.append(self.seconds - sum(self.epoch_seconds))
            left = self.seconds / (epoch + 1) * (recipe.epochs - epoch - 1)
            shown = "  ".join(f"{key} {value:.4f}" for key, value in logs.items())
            print(
                f"epoch {epoch + 1}/{recipe.epochs}  {shown}  about {left:.0f} s left",
                file=sys.stderr,
                flush=True,
            )
            if recipe.stop_at is not None and logs["accuracy"] > recipe.stop_at:
                self.model.stop_training = True
                print(
                    f"\nReached {100 * recipe.stop_at:g}% accuracy so cancelling training!",
                    file=sys.stderr,
                )

    return Clock()
