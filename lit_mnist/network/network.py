"""The PyTorch network of a NetworkSpec.

Every layer is a submodule of the spec's name whose output is what Keras' layer of that name gives:
``network.Conv2D_1`` ends in its activation, ``network.Conv2D_1.conv`` stands before it. Networks
return logits: softmax or sigmoid of the answer is left to the loss and `probabilities`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from .. import spec as s
from ..errors import UserError
from ..spec.weights import Weights, from_torch, initial_weights, to_torch
from .build import Place, build
from .merging import Shared
from .scaling import ActivityRegularization


class Network(nn.Module):
    """Feed-forward network: images (N, C, H, W) in, logits (N, classes) out.

    `seed` draws the initial weights that both frameworks share (`lit_mnist.spec.weights`).
    """

    def __init__(self, spec: s.NetworkSpec, seed: int = 0) -> None:
        super().__init__()
        self.spec = spec
        for layer, info in zip(spec.layers, spec.table, strict=True):
            module = build(spec.layer(layer.name), Place(spec, info))
            shares = isinstance(layer, s.Shared)
            self.add_module(
                layer.name, Shared(module, getattr(self, layer.shares)) if shares else module
            )
        for layer in spec.layers:
            if not layer.trainable:
                getattr(self, layer.name).requires_grad_(False)
        self.load_weights(initial_weights(spec, seed))
        self.to(memory_format=torch.channels_last)  # the same numbers; on a CPU in half the time

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, classes)
        if self.spec.is_chain:
            for name in self.spec.names:
                x = getattr(self, name)(x)
        else:
            x = self.layer_values(x, *self.spec.kept)[self.spec.output]
        return x if self.spec.inner_probabilities is None else self._logits(x)

    def __prepare_scriptable__(self) -> Network:
        """Raise UserError when `torch.jit.script` calls this.

        It cannot compile a network that is built from a description.
        """
        raise UserError(
            "torch.jit.script cannot compile this network: which layers run is read from its "
            "description, not from code; accepted: torch.jit.trace(network, images), or "
            "torch.export.export(network, (images,))"
        )

    def logits_from(self, start: str, x: Tensor) -> Tensor:
        """Return the logits for the value `x` of layer `start`, or of the network's input."""
        if start == s.INPUT:
            return self(x)
        logits = self.layer_values(x, self.spec.output, start=start)[self.spec.output]
        return logits if self.spec.inner_probabilities is None else self._logits(logits)

    def layer_values(self, x: Tensor, *names: str, start: str = s.INPUT) -> dict[str, Tensor]:
        """Return the named layers' values.

        One pass from `start`'s value `x` runs only the layers that they need.
        """
        values = {start: x}
        for step in self.spec.plan(*names, start=start):
            values[step.name] = getattr(self, step.name)(
                *[values[source] for source in step.inputs]
            )
            for done in step.last_use_of:
                del values[done]
        return values

    def training_logits(self, x: Tensor, start: str = s.INPUT) -> Tensor:
        """Return the logits of `forward`, with max-pools moved before activations.

        Maximum and a rising activation commute, so the activation works on a quarter of the values.
        For training steps only: named layers are not called as modules, so hooks do not fire. `x`
        is the value of `start`.
        """
        values = {start: x}
        for step, modules in self._training_steps(start):
            x = modules[0](*[values[source] for source in step.inputs])
            for module in modules[1:]:
                x = module(x)
            values[step.name] = x
            for done in step.last_use_of:
                del values[done]
        return x if self.spec.inner_probabilities is None else self._logits(x)

    def _logits(self, probabilities: Tensor) -> Tensor:
        """Return the logits of probabilities, clipped as Keras' losses do."""
        if self.spec.inner_probabilities == "sigmoid":
            return probabilities.logit(eps=1e-7)
        return probabilities.clamp(1e-7, 1 - 1e-7).log()

    def _training_steps(self, start: str) -> Iterator[tuple[s.Step, Sequence[nn.Module]]]:
        deferred: dict[str, nn.Module] = {}  # max-pool -> the activation to run after it
        for step in self.spec.plan(self.spec.output, start=start):
            module = getattr(self, step.name)
            follower = self.pool_after.get(step.name)
            if follower is not None:
                *before, deferred[follower] = module
                yield step, before
            else:
                yield (
                    step,
                    (module, deferred.pop(step.name)) if step.name in deferred else (module,),
                )

    @cached_property
    def pool_after(self) -> dict[str, str]:
        """Convolution -> the max-pool that can run before its activation.

        The pool must be its only reader, and the activation must commute with the maximum.
        """
        return {
            name: readers[0]
            for name, readers in self.spec.readers.items()
            if len(readers) == 1 and _commute(self.spec, name, readers[0])
        }

    def probabilities(self, logits: Tensor) -> Tensor:
        """Return class probabilities (N, classes): the answer's sigmoid, else softmax.

        A single unit is the logit of class 1 of two, with or without a sigmoid.
        """
        if self.spec.units == 1:
            return torch.cat([-logits, logits], -1).sigmoid()
        return logits.sigmoid() if self.spec.output_activation == "sigmoid" else logits.softmax(-1)

    @cached_property
    def activity_layers(self) -> tuple[ActivityRegularization, ...]:
        """The layers that regularise what they pass on."""
        return tuple(
            module for module in self.children() if isinstance(module, ActivityRegularization)
        )

    def module_of(self, name: str) -> nn.Module:
        """Return the module that holds layer `name`'s weights; layers may share it."""
        module = getattr(self, name)
        return module.owner if isinstance(module, Shared) else module

    def load_weights(self, weights: Weights) -> None:
        """Load weights in Keras' names and layout. Raises SpecError if they do not fit the spec."""
        state = {
            key: torch.from_numpy(array.copy())
            for key, array in to_torch(self.spec, weights).items()
        }
        self.load_state_dict(state)

    def named_weights(self) -> Weights:
        """Return a copy of the weights in Keras' names and layout, as arrays."""
        state = {key: tensor.detach().cpu().numpy() for key, tensor in self.state_dict().items()}
        return {name: array.copy() for name, array in from_torch(self.spec, state).items()}


def predicted_classes(logits: Tensor) -> Tensor:  # (N, units) -> (N,)
    """Return the class of the highest logit; of one unit, class 1 where its logit is above 0."""
    return (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(1)


def _commute(spec: s.NetworkSpec, name: str, reader: str) -> bool:
    if name == s.INPUT:
        return False
    layer = spec.layers[spec.names.index(name)]
    pool = spec.layer(reader)
    return (
        isinstance(layer, s.Conv)
        and layer.activation in s.MONOTONE
        and isinstance(pool, s.Pool)
        and pool.kind == "max"
        and name not in spec.kept
    )


def as_images(pixels: np.ndarray) -> Tensor:
    """Return arrays (N, H, W) or (N, H, W, C) as a tensor (N, C, H, W) of the same type."""
    images = torch.from_numpy(np.ascontiguousarray(pixels))
    return images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)
