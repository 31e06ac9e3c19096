"""Optimisation of an image by L-BFGS or Adam, with a given number of gradient evaluations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..ascent import Progress
from ..checks import MaximizeError

HISTORY = 20  # pairs of steps and gradients that L-BFGS keeps

Losses = Callable[[Tensor], Sequence[Tensor]]  # an image -> the total, and the parts it is made of


@dataclass
class Descent:
    """The course of a descent: losses of each evaluation (evaluations, terms), and images that were
    kept.
    """

    losses: list[list[float]] = field(default_factory=list)
    snapshots: dict[int, Tensor] = field(default_factory=dict)
    best: Tensor | None = None
    least: float = float("inf")


class _Enough(Exception):
    """Ends a descent when all evaluations are done."""


def descend(
    losses: Losses,
    start: Tensor,
    steps: int,
    optimizer: str = "lbfgs",
    step: float = 0.02,
    kept: Sequence[int] = (),
    progress: Progress | None = None,
) -> Descent:
    """Lower the first of `losses` from `start`, pixels 0 to 1, by `steps` gradient evaluations.

    ``lbfgs`` is torch's, with a strong Wolfe search, `HISTORY` pairs and no tolerance. ``adam``
    takes steps of `step`, a fraction of the pixel range, and clips pixels after each. `kept` holds
    the evaluations whose images are kept. `progress` is called with (evaluations done, all
    evaluations). Raises MaximizeError.
    """
    image = start.clone().requires_grad_()
    descent = Descent()

    def evaluate() -> Tensor:
        done = len(descent.losses)
        if done == steps:
            raise _Enough
        image.grad = None
        parts = losses(image)
        parts[0].backward()
        values = torch.stack([part.detach() for part in parts]).tolist()
        _keep(descent, image, values, done in kept)
        if progress:
            progress(done + 1, steps)
        return parts[0]

    with contextlib.suppress(_Enough):
        OPTIMIZERS[optimizer](image, evaluate, steps, step)
    return descent


def _keep(descent: Descent, image: Tensor, values: list[float], snapshot: bool) -> None:
    if not np.isfinite(values[0]):
        raise MaximizeError(
            f"the loss is {values[0]} after {len(descent.losses)} evaluations; accepted: weights "
            "and steps that leave it finite"
        )
    descent.losses.append(values)
    if snapshot:
        descent.snapshots[len(descent.losses) - 1] = image.detach().clone()
    if values[0] < descent.least:
        descent.least = values[0]
        descent.best = image.detach().clone()


def _lbfgs(image: Tensor, evaluate: Callable[[], Tensor], steps: int, step: float) -> None:
    optimizer = torch.optim.LBFGS(
        [image],
        max_iter=steps,
        max_eval=steps + 1,
        tolerance_grad=0,
        tolerance_change=0,
        history_size=HISTORY,
        line_search_fn="strong_wolfe",
    )
    optimizer.step(evaluate)


def _adam(image: Tensor, evaluate: Callable[[], Tensor], steps: int, step: float) -> None:
    optimizer = torch.optim.Adam([image], step)
    for _ in range(steps):
        optimizer.step(evaluate)
        with torch.no_grad():
            image.clamp_(0, 1)


OPTIMIZERS = {"lbfgs": _lbfgs, "adam": _adam}
