"""Figures of explanations: maps over the image, contrasts of two classes, curves, the table of
verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..attribution.records import Attribution, Explanation, Verdict
from .canvas import SIGNED, colormap, grid_figure, new_figure, to_rgb

_INK = 0.4  # how dark the digit shines through the map
# percentile of magnitudes at which the colour scale ends: outliers would hide all other values
_SATURATION = 99.5
_PASS = "#d5efd5"
_FAIL = "#f7d4d4"
_NONE = "#eeeeee"
_MOST_TICKS = 12  # of the layers whose weights are randomised
_EXPECTED_TO_FAIL = ("guided_backprop", "deconvolution", "guided_grad_cam")


def _caption(explanation: Explanation, image: int) -> str:
    """Return an image's caption with the last part of its path: a column is narrow."""
    name, _, answer = explanation.caption(image).partition("\n")
    return f"{name.rpartition('/')[2]}\n{answer}"


def scale_of(values: np.ndarray) -> float:
    """Return the end of a signed colour scale for `values`: the 99.5th percentile, 1 if all are
    zero.
    """
    magnitudes = np.abs(values[np.isfinite(values)])
    for limit in (
        (np.percentile(magnitudes, _SATURATION), magnitudes.max()) if magnitudes.size else ()
    ):
        if limit > 0:
            return float(limit)
    return 1.0


def over_digit(values: np.ndarray, pixels: np.ndarray, limit: float) -> np.ndarray:
    """Return a map (H, W) as colours over the digit (pixels 0 to 255), RGB (H, W, 3) in 0 to 1.

    Blue is negative, white zero and red positive; the scale ends at +-`limit`. Ink darkens the
    colour.
    """
    colours = colormap(SIGNED)((np.clip(values / limit, -1, 1) + 1) / 2)[..., :3]
    ink = pixels.mean(-1) if pixels.ndim == 3 else pixels
    return colours * (1 - _INK * np.clip(ink, 0, 255)[..., None] / 255)


def digit_picture(pixels: np.ndarray) -> np.ndarray:
    """Return a digit dark on white, as on paper, RGB (H, W, 3) in 0 to 1."""
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        return np.clip(pixels, 0, 255) / 255
    grey = 1 - np.clip(pixels.reshape(pixels.shape[:2]), 0, 255) / 255
    return np.repeat(grey[..., None], 3, axis=2)


def methods_figure(explanation: Explanation, title: str | None = None) -> Figure:
    """Draw all methods in one row per image, mistakes first; each method's column has one colour
    scale.

    The heading of a column says whether the method passed its checks.
    """
    limits = [scale_of(attribution.values.sum(1)) for attribution in explanation.attributions]
    pictures = []
    labels = []
    for i, pixels in enumerate(explanation.pixels):
        pictures.append(digit_picture(pixels))
        labels.append(_caption(explanation, i))
        for attribution, limit in zip(explanation.attributions, limits, strict=True):
            pictures.append(over_digit(attribution.map(i), pixels, limit))
            labels.append(_heading(attribution) if i == 0 else "\n")
    line = "\n" if len(explanation.attributions) < 5 else "; "
    return grid_figure(
        pictures,
        1 + len(explanation.attributions),
        labels,
        cell=1.15,
        title=title
        or f"explained: {_question(explanation)}{line}red for it, blue against{line}one scale a "
        "column",
    )


def _heading(attribution: Attribution) -> str:
    verdict = {True: "passes", False: "fails", None: "not judged"}[attribution.passed]
    return f"{attribution.method.replace('_', ' ')}\n{verdict}"


def _question(explanation: Explanation) -> str:
    return {
        "predicted": "the predicted class",
        "true": "the true class",
        "second": "the runner-up",
    }.get(explanation.target, explanation.target)


def single_figure(explanation: Explanation, method: str, image: int) -> Figure:
    """Draw one digit and one method's map over it, with the scale."""
    attribution = explanation.attributions[explanation.methods.index(method)]
    limit = scale_of(attribution.values.sum(1))
    pixels = explanation.pixels[image]
    return grid_figure(
        [digit_picture(pixels), over_digit(attribution.map(image), pixels, limit)],
        2,
        [_caption(explanation, image), f"{method.replace('_', ' ')}\nscale +-{limit:.3g}"],
        cell=2.2,
    )


def contrast_figure(explanation: Explanation) -> Figure | None:
    """Draw the maps of two classes and of their difference, on one scale for each image.

    Returns None where the target is not a difference.
    """
    if explanation.contrast is None:
        return None
    pictures = []
    labels = []
    for i, (pixels, target) in enumerate(zip(explanation.pixels, explanation.targets, strict=True)):
        maps = explanation.contrast[:, i]
        first, second = target.split("-")
        pictures += [
            digit_picture(pixels),
            *(over_digit(values, pixels, scale_of(maps)) for values in maps),
        ]
        labels += [
            _caption(explanation, i),
            f"for {first}",
            f"for {second}",
            f"why {first} and not {second}",
        ]
    return grid_figure(
        pictures,
        4,
        labels,
        cell=1.7,
        title=f"{str(explanation.contrast_method).replace('_', ' ')}, one scale a row",
    )


def verdict_figure(explanation: Explanation) -> Figure:
    """Draw the table of verdicts, methods by checks: green for a pass, red for a failure."""
    rows = [attribution for attribution in explanation.attributions if attribution.verdicts]
    figure = new_figure(14, 0.9 + 0.28 * max(1, len(rows)))
    axes = figure.subplots()
    axes.set_axis_off()
    if not rows:
        axes.text(0.5, 0.5, "no verdicts were asked for", ha="center")
        return figure
    checks = [verdict.check for verdict in rows[0].verdicts]
    table = axes.table(
        [[verdict_text(v) for v in row.verdicts] for row in rows],
        loc="upper center",
        cellLoc="center",
        rowLabels=[row.method.replace("_", " ") for row in rows],
        colLabels=checks,
        cellColours=[[_colour(v) for v in row.verdicts] for row in rows],
    )
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.45)
    axes.set_title(
        f"verdicts on {explanation.verdict_digits} digits: value and threshold; grey: does not "
        "apply",
        fontsize=10,
    )
    if any(row.method in _EXPECTED_TO_FAIL for row in rows):
        figure.supxlabel(
            "guided backpropagation and deconvolution are expected to fail randomisation: "
            "their maps show the image whatever the network has learned",
            fontsize=8,
        )
    return figure


def verdict_text(verdict: Verdict) -> str:
    """Return value and threshold of a verdict for a cell of the table; ``-`` where it does not
    apply.
    """
    if verdict.value is None:
        return "-"
    if verdict.threshold is None:
        return f"{verdict.value:.2g}"
    bound = "most" if verdict.at_most else "least"
    return f"{_number(verdict.value)} (at {bound} {_number(verdict.threshold)})"


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.3g}"


def _colour(verdict: Verdict) -> str:
    return {True: _PASS, False: _FAIL, None: _NONE}[verdict.passed]


def curves_figure(explanation: Explanation) -> Figure:
    """Draw deletion, insertion and randomisation of every method, beside random order and intensity
    order.
    """
    figure = new_figure(15, 4.6)
    deletion, insertion, shuffled = figure.subplots(1, 3)
    styles = _styles(explanation.methods)
    for axes, kind in ((deletion, "deletion"), (insertion, "insertion")):
        _curves(axes, kind, explanation, styles)
    _randomization(shuffled, explanation, styles)
    handles, names = (
        deletion.get_legend_handles_labels()
        if explanation.rivals
        else shuffled.get_legend_handles_labels()
    )
    figure.legend(handles, names, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
    return figure


def _styles(methods: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    colours = colormap("tab10")
    return {
        method: {"color": colours(i % 10), "linestyle": ("-", "--")[i // 10 % 2], "linewidth": 1.2}
        for i, method in enumerate(methods)
    }


def _curves(
    axes: Axes, kind: str, explanation: Explanation, styles: Mapping[str, dict[str, Any]]
) -> None:
    axes.set(
        title=kind,
        xlabel="pixels",
        ylabel="mean probability of the explained class",
        ylim=(0, 1.02),
    )
    axes.grid(alpha=0.3)
    if explanation.counts is None:
        return
    for name, values in explanation.rivals.get(kind, {}).items():
        axes.plot(
            explanation.counts,
            values,
            color="black" if name == "random" else "grey",
            linewidth=2.2,
            linestyle=":",
            label=f"{name} order",
        )
    for attribution in explanation.attributions:
        if kind in attribution.curves:
            axes.plot(
                explanation.counts,
                attribution.curves[kind],
                label=attribution.method.replace("_", " "),
                **styles[attribution.method],
            )


def _randomization(
    axes: Axes, explanation: Explanation, styles: Mapping[str, dict[str, Any]]
) -> None:
    positions = range(len(explanation.layers))
    axes.axhspan(-0.15, 0.15, color=_PASS, zorder=0)
    for attribution in explanation.attributions:
        if attribution.randomization is not None:
            values = np.asarray(attribution.randomization)
            axes.plot(
                positions[
                    len(positions) - len(values) :
                ],  # the last alone where no stage was drawn
                values,
                label=attribution.method.replace("_", " "),
                marker="o" if len(values) == 1 else None,
                **styles[attribution.method],
            )
    marked = positions[::-1][:: max(1, -(-len(positions) // _MOST_TICKS))]
    axes.set_xticks(
        list(marked),
        [f"down to {explanation.layers[number]}" for number in marked],
        rotation=25,
        ha="right",
        fontsize=7,
    )
    axes.set(
        title="weights randomised", ylabel="signed rank correlation of the maps", ylim=(-0.3, 1.02)
    )
    axes.grid(alpha=0.3)


def pictures(explanation: Explanation) -> dict[str, Figure]:
    """Return all figures of an explanation that apply to it, by name."""
    drawn = {"methods": methods_figure(explanation), "contrast": contrast_figure(explanation)}
    if explanation.verdict_digits:
        drawn |= {"verdicts": verdict_figure(explanation), "curves": curves_figure(explanation)}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def rgb_pictures(explanation: Explanation) -> dict[str, np.ndarray]:
    """Return the same figures as RGB arrays, uint8 (height, width, 3), for TensorBoard."""
    return {name: to_rgb(figure) for name, figure in pictures(explanation).items()}
