"""Knowledge distillation: the answers of trained networks as targets beside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..data import Standardizer
from ..data.module import MNISTDataModule
from ..data.options import DataOptions
from ..data.standardize import channels_first
from ..errors import UserError, need_number, need_positive
from ..runs.model import KERAS_SUFFIXES, Model, load_checkpoint, open_model
from ..runs.record import RECORD
from ..spec import NetworkSpec
from .reports import say

_OUTPUTS = ("softmax", "linear")  # whose logits are a softmax's
_SPLIT = ("dataset", "split", "split_seed", "validation", "validation_fraction")


@dataclass(frozen=True)
class Distillation:
    """Teachers, and how much their answers count.

    Args:
        teachers: run folders, checkpoints or Keras files; the mean of their probabilities is the
            target.
        weight: fraction of the loss that compares with the teachers, 0 to 1; the labels have the
            rest.
        temperature: divides the logits of both sides before the softmax, above 0.
    """

    teachers: Sequence[str]
    weight: float = 0.9
    temperature: float = 4.0

    def __post_init__(self) -> None:
        if isinstance(self.teachers, str) or not self.teachers:
            raise UserError(
                f"model.distillation.teachers = {self.teachers!r} cannot work; accepted: a list of "
                "run folders, checkpoints or Keras files, one or more"
            )
        need_number("model.distillation.weight", self.weight, most=1)
        need_positive("model.distillation.temperature", self.temperature)


class Teacher:
    """A trained network, and the way from the student's standardised images to its own."""

    def __init__(self, model: Model, standardizer: Standardizer | None = None) -> None:
        self.network = model.network.requires_grad_(False)
        self._rescaling = _rescaling(standardizer or model.standardizer, model)
        self.to(next(self.network.parameters()))

    def to(self, like: Tensor) -> None:
        """Move to the device and the precision of `like`."""
        self.network.to(like.device, like.dtype)
        self._factor, self._offset = (
            values.to(like.dtype).to(like.device) for values in self._rescaling
        )

    def logits(self, images: Tensor) -> Tensor:
        """Return the logits (N, classes) of the student's images (N, C, H, W)."""
        return self.network.training_logits(images * self._factor + self._offset)


class Teachers:
    """Opened teachers, and the loss that compares a student with them (Hinton et al. 2015)."""

    def __init__(self, settings: Distillation, teachers: Sequence[Teacher]) -> None:
        self.settings = settings
        self.teachers = tuple(teachers)

    def to(self, like: Tensor) -> None:
        """Move to the device and the precision of `like`."""
        for teacher in self.teachers:
            teacher.to(like)

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the mean of the teachers' probabilities (N, classes) at the temperature."""
        answers = [self._softened(teacher.logits(images)).exp() for teacher in self.teachers]
        return torch.stack(answers).mean(0)

    def loss(self, label_loss: Tensor, logits: Tensor, images: Tensor, total: int) -> Tensor:
        """Return ``(1 - weight) label_loss + weight T^2 KL(teachers || student)``, a scalar.

        `logits` (N, classes) are the student's for `images` (N, C, H, W). The divergence at
        temperature T is summed over them and divided by `total`; T^2 keeps the size of its
        gradients.
        """
        target = self.probabilities(images)
        divergence = torch.nn.functional.kl_div(self._softened(logits), target, reduction="sum")
        weight = self.settings.weight
        scale = weight * self.settings.temperature**2 / total
        return (1 - weight) * label_loss + scale * divergence

    def _softened(self, logits: Tensor) -> Tensor:
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return (logits / self.settings.temperature).log_softmax(-1)


def open_teachers(
    settings: Distillation, student: NetworkSpec, data: MNISTDataModule | None = None
) -> Teachers:
    """Open the teachers of a student that learns from `data` (None: scaled as each teacher's).

    Warns of teachers that may have learned images which the student validates on. Raises UserError
    naming a teacher that cannot be read, or whose answers the student cannot give.
    """
    teachers = []
    for path in settings.teachers:
        model = _opened(path)
        _check(path, model, student)
        teachers.append(Teacher(model, None if data is None else data.prepared.standardizer))
        if data is not None and data.options.validate_on != "none":
            _warn_of_other_split(path, model, data.options)
    return Teachers(settings, teachers)


def _opened(path: str) -> Model:
    try:
        return open_model(path)
    except UserError as error:
        raise UserError(
            f"model.distillation.teachers: {error}; teachers are trained first"
        ) from error


def _check(path: str, model: Model, student: NetworkSpec) -> None:
    teacher = model.spec
    for what, theirs, ours in (
        ("images", teacher.input_shape, student.input_shape),
        ("outputs", teacher.units, student.units),
    ):
        if theirs != ours:
            raise UserError(
                f"model.distillation: {path} has {what} {theirs}, this network {ours}; accepted: "
                "teachers of the same images and classes"
            )
    for name, spec in ((path, teacher), ("this network", student)):
        if spec.output_activation not in _OUTPUTS or spec.units == 1:
            raise UserError(
                f"model.distillation: {name} ends in {spec.units} {spec.output_activation} "
                f"units; accepted: two or more, {' or '.join(_OUTPUTS)}"
            )


def _rescaling(student: Standardizer, model: Model) -> tuple[Tensor, Tensor]:
    """Return factor and offset from images of `student`'s scaling to the model's.

    Raises UserError if there are none: clipped values, or another order of colours.
    """
    teacher = model.standardizer
    if (student.clip, student.bgr) != (teacher.clip, teacher.bgr):
        raise UserError(
            f"model.distillation: {model.path} was trained on images scaled by "
            f"{teacher.kind!r} (clip {teacher.clip}), this run scales by {student.kind!r} (clip "
            f"{student.clip}); accepted: the same clip and order of colours"
        )
    factor = channels_first(student.scale / teacher.scale)
    offset = channels_first((student.mean - teacher.mean) / teacher.scale)
    return torch.from_numpy(np.atleast_1d(factor)), torch.from_numpy(np.atleast_1d(offset))


def _warn_of_other_split(path: str, model: Model, options: DataOptions) -> None:
    """Warn if the teacher's training images may include the student's validation images."""
    if model.path.suffix in KERAS_SUFFIXES:
        return
    theirs = (load_checkpoint(model.path)[RECORD].get("config") or {}).get("data") or {}
    other = [
        key for key in _SPLIT if theirs.get(key, getattr(options, key)) != getattr(options, key)
    ]
    if other:
        say(
            f"WARNING: model.distillation: {path} was trained on another split of the images "
            f"({', '.join(f'data.{key} = {theirs[key]!r}' for key in other)}), so it may know the "
            "images that this run validates on"
        )
