"""Keras' side in another process with other threads: how much Keras differs from itself."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

from keras_baseline.recipe import Recipe

from .sides import Array, State, Weights


class Remote:
    """See `Side`; a context manager, whose process ends with the block."""

    def __init__(self, recipe: Recipe, dtype: str, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        self.spec = recipe.spec
        self._pipe, far = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(far, recipe, dtype, threads), daemon=True
        )
        self._process.start()
        far.close()

    def __enter__(self) -> Remote:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe.close()
        self._process.join(10)
        self._process.kill()

    def structure(self) -> dict[str, tuple[tuple[int, ...], int]]:
        """Return layer name -> (output shape, parameters)."""
        return self._ask("structure")

    def layers(self, images: Array) -> dict[str, Array]:
        """Return every layer's output in evaluation."""
        return self._ask("layers", images)

    def loss_and_gradients(self, images: Array, labels: Array) -> tuple[float, Weights]:
        """Return the training loss and its gradient by weight."""
        return self._ask("loss_and_gradients", images, labels)

    def rates(self, steps: int) -> Array:
        """Return the learning rates of the first `steps` updates."""
        return self._ask("rates", steps)

    def train_step(self, images: Array, labels: Array) -> float:
        """Make one update and return the loss before it."""
        return self._ask("train_step", images, labels)

    def evaluate(self, images: Array, labels: Array, batch_size: int) -> tuple[float, float]:
        """Return loss and accuracy."""
        return self._ask("evaluate", images, labels, batch_size)

    def state(self) -> State:
        """Return a copy of weights and optimiser state."""
        return self._ask("state")

    def load(self, state: State) -> None:
        """Take over weights and optimiser state."""
        self._ask("load", state)

    def _ask(self, name: str, *arguments: Any) -> Any:
        self._pipe.send((name, arguments))
        return (
            self._pipe.recv()
        )  # EOFError where the other process has died; its message is on standard error


def _serve(pipe: Connection, recipe: Recipe, dtype: str, threads: int) -> None:
    from keras_baseline.backend import load_keras

    load_keras()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    from .keras_side import KerasSide, floatx

    with floatx(dtype):
        side = KerasSide(recipe, dtype)
        while True:
            try:
                name, arguments = pipe.recv()
            except EOFError:  # the parent has closed the pipe
                return
            pipe.send(getattr(side, name)(*arguments))
