"""Figures of a network's results: curves, confusion matrix, worst mistakes, class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..data import GOOD_ACCURACY
from .canvas import (
    GREY,
    REFERENCE,
    TRAINING,
    VALIDATION,
    grid_figure,
    image_axes,
    new_figure,
    save,
    shown,
    whole_ticks,
)

if TYPE_CHECKING:
    from ..inside.maps import Answer
    from ..training.history import History

Values = np.ndarray | Sequence[float | None]  # None: an epoch without validation
_CLASS = 0.2  # inches of the soft-max axis for one class: an upright name's height and a gap
_MOST_CLASSES = 40  # with more of them, the most probable ones are drawn
_RANKED_CLASSES = 10
_LEVEL_CLASSES = 20  # with more of them, names are written upright
# the sources' axes
_ACCURACY_AXIS = (0.97, 1.001)
_LOSS_AXIS = (0.0, 0.2)


def training_curves(
    epochs: Values,
    train_acc: Values,
    val_acc: Values | None,
    train_loss: Values,
    val_loss: Values | None,
    title: str | None = None,
    good: float | None = None,
) -> Figure:
    """Draw accuracy and loss over `epochs`, all (n,): training in green, validation in red.

    A dashed line marks the accuracy `good`, for example that of `data.GOOD_ACCURACY`. The axes are
    0.97 to 1.001 and 0 to 0.2, widened for values outside. NaN is left out; a validation of None is
    not drawn.
    """
    figure = new_figure(10, 4, title)
    accuracy, loss = figure.subplots(1, 2)
    _curve(accuracy, "accuracy", epochs, train_acc, val_acc, _ACCURACY_AXIS)
    if good is not None:
        accuracy.axhline(good, color=REFERENCE, linestyle="--", linewidth=1, label=f"{good}")
    _curve(loss, "loss", epochs, train_loss, val_loss, _LOSS_AXIS)
    accuracy.legend(loc="lower right", fontsize=8)
    return figure


def draw_training_curves(history: History, path: Path, dataset: str | None = None) -> Path:
    """Write the training curves of a run's `history` on a data set to `path`.

    The history holds lists by epoch, which are empty without validation.
    """
    return save(
        training_curves(
            history.epochs,
            history.train_acc,
            history.val_acc or None,
            history.train_loss,
            history.val_loss or None,
            path.parent.parent.name,
            GOOD_ACCURACY.get(dataset or ""),
        ),
        path,
    )


def caption(answer: Answer, class_names: Sequence[str] | None = None) -> str:
    """Return image, label (if known) and the network's answer, such as ``test:19 (4): 4, 99.98
    %``.
    """
    names = class_names or [
        str(number) for number in range(1 + max(answer.label, len(answer.probabilities)))
    ]
    known = 0 <= answer.label < len(names)  # a network may have fewer classes than its images
    name = names[answer.label] if known else str(answer.label)
    label = f" ({name})" if answer.label >= 0 else ""
    return f"{answer.image}{label}: {names[answer.prediction]}, {100 * answer.probability:.2f} %"


def softmax_bars(
    answer: Answer, class_names: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """Draw an image beside a bar for each class; the predicted class is coloured, the label is
    marked.
    """
    names = class_names or [str(number) for number in range(len(answer.probabilities))]
    classes = len(_drawn_classes(answer))
    width = max(4.8, _CLASS * classes)  # inches
    figure = new_figure(2.7 + width, 3, "\n".join(filter(None, [caption(answer, names), title])))
    picture, bars = figure.subplots(1, 2, width_ratios=[2.7, width])
    image_axes(picture).imshow(shown(answer.pixels), cmap=GREY)
    draw_bars(bars, answer, names)
    return figure


def draw_bars(bars: Axes, answer: Answer, names: Sequence[str]) -> None:
    """Draw a bar for the probability of each class; the predicted class is coloured, the label is
    marked.

    With more than 40 classes, only the ten most probable are drawn, each with its name.
    """
    if len(answer.probabilities) > _MOST_CLASSES:
        _draw_ranked(bars, answer, names)
        return
    classes = len(answer.probabilities)
    drawn = bars.bar(range(classes), answer.probabilities, color="#b0b0b0")
    drawn[answer.prediction].set_color(REFERENCE)
    upright = 90 if max(map(len, names)) > 3 or classes > _LEVEL_CLASSES else 0
    percentages = [
        f"{probability:.1%}" if probability >= 0.001 else "" for probability in answer.probabilities
    ]
    bars.bar_label(drawn, percentages, fontsize=7, rotation=upright, padding=2)
    bars.set_xticks(range(classes), names, rotation=upright)
    if 0 <= answer.label < classes:
        bars.get_xticklabels()[answer.label].set(color=TRAINING, weight="bold")
    bars.set(xlim=(-0.8, classes - 0.2), ylim=(0, 1.25 if upright else 1.08), ylabel="probability")


def _drawn_classes(answer: Answer) -> np.ndarray:
    """Return the classes that have bars: all if there are few, else the most probable ones."""
    count = len(answer.probabilities)
    if count <= _MOST_CLASSES:
        return np.arange(count)
    return np.argsort(-answer.probabilities, kind="stable")[:_RANKED_CLASSES]


def _draw_ranked(bars: Axes, answer: Answer, names: Sequence[str]) -> None:
    """Draw the most probable classes from the top, each with its name beside the bar."""
    classes = _drawn_classes(answer)
    values = answer.probabilities[classes]
    drawn = bars.barh(range(len(classes)), values, color="#b0b0b0")
    drawn[0].set_color(REFERENCE)
    bars.bar_label(drawn, [f"{value:.1%}" for value in values], fontsize=7, padding=2)
    bars.set_yticks(
        range(len(classes)), [names[int(number)][:28] for number in classes], fontsize=8
    )
    for number, tick in zip(classes, bars.get_yticklabels(), strict=True):
        if number == answer.label:
            tick.set(color=TRAINING, weight="bold")
    bars.invert_yaxis()
    bars.set(xlim=(0, 1.15), xlabel="probability")


def _curve(
    axes: Axes,
    name: str,
    epochs: Values,
    training: Values,
    validation: Values | None,
    limits: tuple[float, float],
) -> None:
    known = [
        np.asarray(values, np.float64) for values in (training, validation) if values is not None
    ]
    mark = "o" if len(epochs) < 2 else None  # one point makes no line
    for values, label, colour in zip(
        known, ("training", "validation"), (TRAINING, VALIDATION), strict=False
    ):
        validated = np.isfinite(values)  # one line through all of these epochs
        axes.plot(
            np.asarray(epochs)[len(epochs) - len(values) :][validated],
            values[validated],
            color=colour,
            label=label,
            marker=mark,
            linewidth=1.5,
        )
    axes.set_ylim(_widened(np.concatenate([np.ravel(values) for values in known]), limits))
    axes.set_xlabel("epoch")
    axes.set_title(name, fontsize=10)
    whole_ticks(axes.xaxis)
    axes.grid(alpha=0.3)


def _widened(values: np.ndarray, limits: tuple[float, float]) -> tuple[float, float]:
    """Return the default axis, widened on the sides where data are outside, by 2 % of their
    span.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return limits
    margin = 0.02 * (finite.max() - finite.min())
    low = limits[0] if finite.min() >= limits[0] else finite.min() - margin
    high = limits[1] if finite.max() <= limits[1] else finite.max() + margin
    return float(low), float(high)


def confusion_matrix(
    matrix: np.ndarray, class_names: Sequence[str], title: str | None = None
) -> Figure:
    """Draw counts (classes, classes) by true class (row) and predicted class (column).

    Only mistakes are shaded: on one scale with the diagonal they would be invisible.
    """
    counts = np.asarray(matrix)
    size = 0.55 * len(class_names) + 1.5
    figure = new_figure(size, size, title)
    axes = figure.subplots()
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    axes.imshow(mistakes, cmap="Reds", vmin=0, vmax=max(1, mistakes.max()))
    half = max(1, mistakes.max()) / 2
    for row, column in np.ndindex(counts.shape):
        if counts[row, column]:
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if mistakes[row, column] > half else "black",
                weight="bold" if row == column else "normal",
            )
    slanted = 45 if max(map(len, class_names)) > 3 else 0
    axes.set_xticks(
        range(len(class_names)), class_names, rotation=slanted, ha="right" if slanted else "center"
    )
    axes.set_yticks(range(len(class_names)), class_names)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def worst_mistakes(
    pixels: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    probabilities: np.ndarray,
    ids: Sequence[str],
    class_names: Sequence[str] | None = None,
    columns: int = 8,
    title: str | None = None,
) -> Figure:
    """Draw misclassified images (n, H, W), pixels 0 to 255, in the caller's order.

    `probabilities` (n,) are those of the `predictions`. Each image shows its id, true and predicted
    class. Without mistakes, the figure says so.
    """
    if len(labels) == 0:
        figure = new_figure(5, 1.2, title)
        figure.text(0.5, 0.4, "no mistakes", ha="center", fontsize=12)
        return figure
    names = class_names or [
        str(number) for number in range(1 + max(np.max(labels), np.max(predictions)))
    ]
    texts = [
        f"{id_}\n{names[true]} as {names[guess]} {probability:.0%}"
        for id_, true, guess, probability in zip(
            ids, labels, predictions, probabilities, strict=True
        )
    ]
    return grid_figure(
        list(pixels), columns, texts, (0, 255), cmap=GREY, title=title, cell=1.25, colour_bar=False
    )
