"""Knowledge distillation: the answers of trained networks as targets beside the labels."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import Standardizer
from ..data.module import MNISTDataModule
from ..data.options import DataOptions
from ..data.prepare import split_indices
from ..data.standardize import channels_first
from ..errors import UserError, need_number, need_positive
from ..files import expand, read_yaml
from ..runs.folder import CONFIG, find_run
from ..runs.model import Model, open_model
from ..spec import NetworkSpec
from .losses import in_full_precision

_OUTPUTS = ("softmax", "linear")  # whose logits are a softmax's


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
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.teachers, str) or not self.teachers:
            raise UserError(
                f"model.distillation.teachers = {self.teachers!r} cannot work; accepted: a list of "
                "run folders, checkpoints or Keras files, one or more"
            )
        need_number("model.distillation.weight", self.weight, most=1)
        need_positive("model.distillation.temperature", self.temperature)


class Teacher:
    """A trained network, and the way from the student's standardised images to its own.

    `standardizer` is the student's; None: the teacher's own.
    """

    def __init__(self, model: Model, standardizer: Standardizer | None = None) -> None:
        self.network = model.network.requires_grad_(False)
        self._rescaling = _rescaling(standardizer or model.standardizer, model)
        self.to(next(self.network.parameters(), torch.zeros(())))

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
    """Opened teachers, and the loss that compares a student with them (Hinton et al. 2015).

    `notes` are warnings for the user.
    """

    def __init__(
        self, settings: Distillation, teachers: Sequence[Teacher], notes: Sequence[str] = ()
    ) -> None:
        self.settings = settings
        self.teachers = tuple(teachers)
        self.notes = tuple(notes)

    def __deepcopy__(self, memo: dict[int, Any]) -> Teachers:
        """Return the teachers themselves: steps are copied for rehearsal, and teachers never
        change.
        """
        return self

    def to(self, like: Tensor) -> None:
        """Move to the device and the precision of `like`."""
        for teacher in self.teachers:
            teacher.to(like)

    @torch.no_grad()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the mean of the teachers' probabilities (N, classes) at the temperature."""
        kind = images.device.type
        # a teacher whose values are beyond float16 would give NaN in every step
        narrow = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind) == torch.float16
        with torch.autocast(kind, enabled=False) if narrow else nullcontext():
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
        return (in_full_precision(logits) / self.settings.temperature).log_softmax(-1)


def open_teachers(
    settings: Distillation, student: NetworkSpec, data: MNISTDataModule | None = None
) -> Teachers:
    """Open the teachers of a student that learns from `data` (None: scaled as each teacher's).

    Raises UserError naming a teacher that cannot be read, whose answers the student cannot give, or
    whose scaling of images cannot be reached from the student's.
    """
    teachers = []
    notes = []
    for path in settings.teachers:
        model = _opened(path)
        _check(path, model, student)
        teachers.append(Teacher(model, None if data is None else data.prepared.standardizer))
        if model.scaling_assumed:
            notes.append(
                f"{path} does not say how its images were scaled: {model.standardizer.kind!r} is "
                "assumed"
            )
        if data is not None and model.run is not None:
            notes += _check_data(path, model.run, data)
    return Teachers(settings, teachers, [f"WARNING: model.distillation: {note}" for note in notes])


def resolved(path: str) -> str:
    """Return a teacher's path; that of the newest finished run for a folder of runs."""
    return str(find_run(path)) if expand(path).is_dir() else path


def _opened(path: str) -> Model:
    try:
        return open_model(path)
    except (UserError, OSError) as error:
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

    Raises UserError if there are none: clipped values cannot be undone, nor the order of colours.
    """
    teacher = model.standardizer
    same = student.to_dict() == teacher.to_dict()
    clipped = student.clip is not None or teacher.clip is not None
    if not same and (clipped or student.bgr != teacher.bgr):
        raise UserError(
            f"model.distillation: {model.path} was trained on images scaled by "
            f"{_described(teacher)}, this run scales by {_described(student)}; accepted: the same "
            "scaling, or both without data.clip and with the same order of colours"
        )
    factor = channels_first(student.scale / teacher.scale)
    offset = channels_first((student.mean - teacher.mean) / teacher.scale)
    return torch.from_numpy(np.atleast_1d(factor)), torch.from_numpy(np.atleast_1d(offset))


def _described(standardizer: Standardizer) -> str:
    colours = ", blue before red" if standardizer.bgr else ""
    return f"{standardizer.kind} (clip {standardizer.clip}{colours})"


def _check_data(path: str, run: Path, data: MNISTDataModule) -> list[str]:
    """Return a warning if the teacher's training images include the student's validation images.

    Raises UserError if the teacher was trained on other classes.
    """
    options = DataOptions.of(read_yaml(run / CONFIG).get("data") or {})
    ours = data.options
    if options.dataset != ours.dataset:
        raise UserError(
            f"model.distillation: {path} was trained on {options.dataset}, this run trains on "
            f"{ours.dataset}; accepted: teachers of the same images and classes"
        )
    dataset = data.prepared.dataset
    validation = data.prepared.validation
    if validation is None:
        return []
    sizes = len(dataset.train_labels), len(dataset.train_labels) + len(dataset.test_labels)
    known = np.isin(validation.index, split_indices(options, *sizes, dataset.validation_size)[0])
    if not known.any():
        return []
    return [
        f"{path} was trained on {known.sum()} of the {len(known)} images that this run validates "
        "on, so val/acc and val/loss flatter it"
    ]
