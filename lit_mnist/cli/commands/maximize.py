"""Images that maximise maps, units and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...outcome import Outcome
from ..numbers import read_numbers
from ..progress import note, timed_bar
from ..results import Results

if TYPE_CHECKING:
    from ...inside.kept import KeptResults
    from ...maximize.maximization import MaximizationResult
    from ...maximize.quality import Reference
    from ...runs.model import Model


def maximize(
    ckpt_path: str,
    layer: str | None = None,
    maps: list[str] | None = None,
    classes: list[str] | None = None,
    preset: Literal["source", "staged", "robust", "class"] | None = None,
    restarts: int | None = None,
    steps: int | None = None,
    step: float | None = None,
    search: int = 0,
    converge: bool = False,
    wake: bool = True,
    compare: bool = True,
    animate: Literal["gif", "apng"] | None = None,
    tensorboard: str | None = None,
    out: str = "out/maximize",
    svg: bool = False,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
    seed: int = 0,
) -> Outcome:
    """Make the images that a layer's maps, or the classes, prefer, and measure the quality of each.

    Example: python -m lit_mnist maximize --ckpt_path runs/cnn/version_0 --layer Conv2D_3 --maps 3
    17 --preset robust

    Args:
        layer: any layer, NAME or NAME:pre (default: the last convolution).
        maps: all (the default), or numbers such as 3 17 or 0-15: maps of the layer, or units where
            its output is a vector.
        classes: all, or numbers: maximise class logits instead of maps.
        preset: source (the default for maps), staged, robust, or class (the default for units and
            classes).
        restarts: number of start images for each map or class.
        steps: steps of the last stage (default: the preset's).
        step: size of a step (default: the preset's).
        search: number of low-frequency images among which forward passes choose each map's start
            images; 0: plain random starts.
        converge: stop an image when its objective no longer changes.
        wake: where no start activates a map, raise its pre-activation first.
        compare: compare every image with the network's training images.
        animate: also write the ascent as an animation.
        tensorboard: folder for event files of TensorBoard (default: none are written).
        out: folder for maximize.json, maximize.npz and the pictures.
        seed: seed of the start images and of all random transformations.
    """
    from ...maximize.checks import MaximizeError
    from ..opening import opened

    model = opened(ckpt_path, data_root, dataset, scaling, output)
    results = Results("maximize", out, svg)
    if classes is not None and (layer is not None or maps is not None):
        raise MaximizeError(
            f"--classes {' '.join(classes)} with a layer or maps; accepted: one of the two"
        )
    from ...inside.filters import last_convolution
    from ...inside.kept import kept_results
    from ...maximize.effort import effort
    from ...maximize.maximization import (
        CLASSES,
        Settings,
        default_preset,
        maximize_classes,
        maximize_maps,
        target_count,
        target_kind,
    )

    if classes is None and layer is None:
        layer = last_convolution(model.network)
    kind = CLASSES if layer is None else target_kind(model.network, layer)
    recipe_name: str = preset or default_preset(kind)
    if layer is None:
        chosen = read_numbers(classes, model.spec.units, "classes")
    else:
        chosen = read_numbers(maps, target_count(model.network, layer), "maps")
    work = effort(model.spec, layer or model.spec.output, recipe_name, chosen, restarts, steps)
    if work.reduced:
        note(work.reduced)
    settings = Settings(
        recipe_name,
        work.restarts,
        seed,
        work.steps,
        step,
        search,
        converge,
        wake,
        _frames(recipe_name, work.steps) if animate else 6,
    )
    kept = kept_results(model, note)
    data = _reference(model, layer or model.spec.output, compare, data_root, dataset, kept)
    with timed_bar("maximize", "steps") as progress:
        arguments = (model, work.targets, settings, data, progress)
        if layer is None:
            result = maximize_classes(*arguments, kept=kept)
        else:
            result = maximize_maps(model, layer, *arguments[1:], kept)
    return _finish(model, results, result, animate, tensorboard)


def _reference(
    model: Model,
    layer: str,
    compare: bool,
    root: str | None,
    dataset: str | None,
    kept: KeptResults | None,
) -> Reference | None:
    """Return the strongest training images; None where there are none to compare with.

    Raises DataError where `root` or `dataset` was asked for.
    """
    from ...data import DataError
    from ...maximize.quality import reference

    if not compare:
        return None
    try:
        return reference(model, layer, root=root, kept=kept)
    except DataError as error:
        if root is not None or dataset is not None:
            raise
        note(f"{error}; the images are compared with no training images")
        return None


def _frames(preset: str, steps: int | None) -> tuple[int, ...]:
    """Steps of an animation: every twelfth, and the source's snapshots."""
    from ...maximize.presets import step_count
    from ...maximize.stages import snapshot_steps

    total = step_count(preset, steps)
    return tuple(sorted({*snapshot_steps(total), *range(0, total, 12)}))


def _finish(
    model: Model,
    results: Results,
    result: MaximizationResult,
    animate: str | None,
    tensorboard: str | None,
) -> Outcome:
    from ...figures.canvas import to_rgb
    from ...figures.maximize import animation, pictures
    from ...files import write_bytes
    from ...maximize.result import arrays, write_tensorboard

    drawn = pictures(result)
    for name, figure in drawn.items():
        results.picture(figure, "maximize", result.layer, result.settings.preset, name)
    if animate:
        suffix = {"gif": "gif", "apng": "png"}[animate]
        path = results.folder / f"maximize_ascent_{result.settings.preset}.{suffix}"
        results.files.append(write_bytes(path, animation(result, None, animate)))
    results.arrays(**arrays(result))
    data = _data(model, result)
    if tensorboard is not None:
        data["tensorboard"] = str(
            write_tensorboard(
                result,
                tensorboard,
                lambda _: {name: to_rgb(figure) for name, figure in drawn.items()},
            )
        )
    return results.finish(data, _text(result))


def _data(model: Model, result: MaximizationResult) -> dict:
    settings = {
        key: value
        for key, value in vars(result.settings).items()
        if key not in ("starts", "snapshots")
    }
    return {
        "network": model.path,
        "kind": result.kind,
        "layer": result.layer,
        "settings": settings,
        "constraint": result.constraint,
        "compared_with": result.data.source if result.data else None,
        "snapshot_steps": result.ascent.snapshot_steps,
        "summary": result.metrics(),
        "best": result.best,
        "images": list(result.cards()),
    }


def _text(result: MaximizationResult) -> str:
    metrics = result.metrics()
    kinds = {"map": "maps", "unit": "units", "class": "classes"}[result.kind]
    lines = [
        f"{result.layer}: {metrics['targets']} {kinds} x {result.settings.restarts} restarts, "
        f"preset {result.settings.preset}, seed {result.settings.seed}, {result.constraint}"
    ]
    if metrics["live"] and result.data:
        lines += [
            f"compared with {result.data.source}, for {metrics['live']} {kinds} that these "
            "activate:",
            f"  {100 * metrics['beats_data']:.1f} % exceed all of them; ratio to the best: median "
            f"{metrics['median_ratio']:.2f}, minimum {metrics['least_ratio']:.2f}",
            f"  target ranks first in its layer: {100 * metrics['first']:.1f} %",
            f"  medians: {metrics['median_shift']:.3f} of the activation remains after the worst "
            f"one-pixel shift, {metrics['median_fine']:.3f} of the energy is above 1/4 cycle per "
            "pixel",
        ]
    silent = [
        (target, result.outcome(int(row)))
        for target, row in zip(result.targets, result.best, strict=True)
        if result.quality.activation[row] == 0
    ]
    lines += [f"{result.kind} {target} stayed {outcome}" for target, outcome in silent]
    return "\n".join(lines)
