"""A network's inside during training, for TensorBoard: maps, filters, histograms, mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from ...data.prepare import Prepared
from ...errors import UserError
from ...inside.capture import capture
from ...inside.filters import convolutions
from ...inside.filters import filters as filters_of
from ...inside.passes import evaluation
from ...network import Network, predicted_classes
from ...network.modes import evaluation_mode
from ...spec import SAME_VALUES
from ..lightning_internals import attributes
from ..losses import data_loss, penalty
from ..reports import say
from .digits import FixedDigits, first_of_each_class, network_inputs
from .drawings import Drawings, Picture
from .events import Events, network_graph
from .projector import write_projector

_MISTAKES = 24  # pictures; more would be too small to see


class InsideView(Callback):
    """Logs to TensorBoard before training, after the steps in `step_marks`, and after every epoch.

    It uses a fixed set of validation digits (training digits without validation) and logs every
    layer's maps for the first `digits` of them, all of different classes; over `statistics_digits`
    of them each layer's histogram and fraction of zeros, and the gradient of the loss for each
    weight; histograms of the weights and the first layer's filters. It logs the confusion matrix
    and the most confident mistakes after each validation and after the test, and the last hidden
    layer's values for `projector_digits` after training. Pictures are drawn if `draw` is set, as
    the program does. Random numbers and weights are not touched, so that training gives the same
    bits with and without this callback.

    Args:
        digits: digits whose maps are drawn.
        statistics_digits: digits that histograms, fractions of zeros and gradients are taken over.
        projector_digits: digits in the embedding projector; 0: no projector.
        step_marks: optimiser steps after which to log, beside the end of every epoch.
    """

    def __init__(
        self,
        digits: int = 3,
        statistics_digits: int = 32,
        projector_digits: int = 500,
        step_marks: Sequence[int] = (10, 30, 100, 300),
    ) -> None:
        for key, value, least in (
            ("digits", digits, 0),
            ("statistics_digits", statistics_digits, 1),
            ("projector_digits", projector_digits, 0),
        ):
            if value < least:
                raise UserError(
                    f"InsideView: {key} = {value!r} cannot work; accepted: {least} or more"
                )
        self.digits = digits
        self.statistics_digits = statistics_digits
        self.projector_digits = projector_digits
        self.step_marks = tuple(step_marks)
        self.draw: Drawings | None = None
        self._events: Events | None = None
        self._logged = -1  # the last step that was logged

    # ---- when

    def on_fit_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Choose the digits, where there is a TensorBoard to write to."""
        logger = next((x for x in trainer.loggers if isinstance(x, TensorBoardLogger)), None)
        if logger is None or not trainer.is_global_zero or attributes(trainer).fast_dev_run:
            return
        prepared = _prepared(trainer)
        if prepared is None:
            say("WARNING: InsideView logs nothing: it needs the images of a lit_mnist data module")
            return
        self._events = Events(logger)
        part = prepared.validation or prepared.train
        self._seen = FixedDigits(
            part,
            first_of_each_class(part.labels, self.digits),
            self.statistics_digits,
            prepared.standardizer.invert,
            pl_module,
            prepared.dataset.class_names,
        )

    def on_train_start(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Log the graph and the untrained network."""
        if self._events is not None and trainer.global_step == 0:
            self._events.graph(network_graph(pl_module.network))
            self._log(pl_module, 0)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log at the marked steps."""
        if self._events is not None and trainer.global_step in self.step_marks:
            self._log(pl_module, trainer.global_step)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Log the epoch."""
        if self._events is not None:
            self._log(pl_module, trainer.global_step)

    def on_train_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Write the embedding of the trained network."""
        hidden = [
            info.name
            for info in pl_module.spec.table
            if info.type == "dense" and info.name != pl_module.spec.output
        ]
        prepared = _prepared(trainer)
        if self._events is None or prepared is None or not self.projector_digits or not hidden:
            return
        part = prepared.validation or prepared.train
        chosen = range(min(self.projector_digits, len(part)))
        with evaluation(pl_module.network), capture(pl_module.network, hidden[-1:]) as values:
            logits = pl_module.network(network_inputs(part, chosen, pl_module))
        folder = next(x.log_dir for x in trainer.loggers if isinstance(x, TensorBoardLogger))
        write_projector(
            Path(folder),
            hidden[-1],
            values[hidden[-1]].float().cpu().numpy(),
            prepared.standardizer.invert(part.images[: len(chosen)]),
            {
                "label": [
                    prepared.dataset.class_names[label] for label in part.labels[: len(chosen)]
                ],
                "predicted": [
                    prepared.dataset.class_names[guess]
                    for guess in predicted_classes(logits).tolist()
                ],
                "image": [part.id(number) for number in chosen],
            },
        )

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Log the validation's mistakes."""
        if not trainer.sanity_checking:
            self._log_mistakes(trainer, pl_module, "validation")

    def on_test_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        """Log the test's mistakes."""
        self._log_mistakes(trainer, pl_module, "test")

    # ---- what

    def _log(self, module: Any, step: int) -> None:
        if step == self._logged:
            return
        self._logged = step
        network = module.network
        layers = _layers(module.network)
        events = self._events
        if events is None:
            return
        weights = {name: p for name, p in network.named_parameters() if p.requires_grad}
        with (
            evaluation_mode(network),
            capture(network, layers, clone=False) as captured,
            torch.enable_grad(),
        ):
            logits = network(self._seen.inputs)
            regularisation = penalty(network)
            loss = data_loss(network, logits, self._seen.labels)
            gradients = torch.autograd.grad(
                loss if regularisation is None else loss + regularisation, list(weights.values())
            )
        values = {name: captured[name].detach() for name in layers}
        for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
            events.histogram(f"weights/{name}", weight.detach())
            events.histogram(f"gradients/{name}", gradient)
        for name in layers:
            events.histogram(f"activations/{name}", values[name][self._seen.statistics])
            events.scalar(
                f"zeros/{name}", float((values[name][self._seen.statistics] == 0).float().mean())
            )
        if self.draw is not None:
            probabilities = network.probabilities(logits.detach())
            for name, picture in self._pictures(self.draw, network, values, probabilities, step):
                events.picture(name, picture)
        events.flush(step)

    def _pictures(
        self,
        draw: Drawings,
        network: Network,
        values: dict[str, Tensor],
        probabilities: Tensor,
        step: int,
    ) -> Iterator[tuple[str, Picture]]:
        """Yield the pictures of maps and of the first layer's filters, each with its tag."""
        for name, tensor in values.items():
            for digit, shown in enumerate(tensor[: self.digits].float().cpu().numpy()):
                caption = f"{name}, step {step}\n{self._seen.caption(digit, probabilities)}"
                yield (
                    f"maps/{name}/{self._seen.names[digit]}",
                    draw.maps(shown, self._seen.pixels[digit], caption),
                )
        for first in convolutions(network)[:1]:
            tiles = filters_of(network, first).tiles
            yield f"filters/{first}", draw.filters(tiles, f"{first}, step {step}")

    # ---- mistakes

    def _log_mistakes(self, trainer: L.Trainer, module: Any, stage: str) -> None:
        prepared = _prepared(trainer)
        events = self._events
        draw = self.draw
        logits = module.evaluation.logits
        if logits is None or prepared is None or events is None or draw is None:
            return
        step = trainer.global_step
        part = getattr(prepared, stage)
        names = prepared.dataset.class_names
        confidences, guesses = module.network.probabilities(logits).max(1)
        confidences = confidences.cpu().numpy()
        guesses = guesses.cpu().numpy()
        wrong = np.flatnonzero(
            guesses != part.labels[: len(guesses)]
        )  # other processes' images follow
        worst = wrong[np.argsort(-confidences[wrong], kind="stable")][:_MISTAKES]
        labels = [
            f"{part.id(i)}\n{names[part.labels[i]]} as {names[guesses[i]]}\n{confidences[i]:.1%}"
            for i in worst
        ]
        when = (
            "test" if stage == "test" else f"validation, step {step}"
        )  # the tested weights may be an earlier step's
        caption = f"{when}: {int(module.confusion.sum() - module.confusion.trace())} mistakes"
        pixels = prepared.standardizer.invert(part.images[worst])
        events.picture(f"mistakes/{stage}", draw.mistakes(pixels, labels, caption))
        events.picture(
            f"confusion_matrix/{stage}",
            draw.confusion_matrix(module.confusion.numpy(), names, caption),
        )
        events.flush(step)


def _prepared(trainer: L.Trainer) -> Prepared | None:
    """The images of the Trainer's data module; None where it was given loaders alone."""
    return getattr(attributes(trainer).datamodule, "prepared", None)


def _layers(network: Network) -> list[str]:
    return [info.name for info in network.spec.table if info.type not in SAME_VALUES]
