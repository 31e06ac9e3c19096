"""Style transfer: a picture redrawn in the style of others, by the features of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ...outcome import Outcome
from ..progress import timed_bar
from ..results import Results

if TYPE_CHECKING:
    from ...maximize.style import StyleTransfer


def style(
    content: str,
    style: list[str],
    network: str = "vgg19",
    standardize: str | None = None,
    content_layer: str | None = None,
    style_layers: list[str] | None = None,
    strength: float | None = None,
    content_weight: float | None = None,
    style_weight: float | None = None,
    tv_weight: float | None = None,
    style_fractions: list[float] | None = None,
    size: int | None = None,
    style_scale: float = 1.0,
    keep_color: bool = False,
    start: Literal["content", "noise"] = "content",
    seed: int = 0,
    optimizer: Literal["lbfgs", "adam"] = "lbfgs",
    steps: int = 300,
    step: float = 0.02,
    snapshots: int = 12,
    animate: Literal["gif", "apng"] | None = "gif",
    download: bool = True,
    out: str = "out/style",
    svg: bool = False,
    data_root: str | None = None,
) -> Outcome:
    """Redraw a picture in the style of others (Gatys, Ecker, Bethge 2015).

    Example: python -m lit_mnist style --content test:19 --style test:2 --network runs/cnn/version_0

    Args:
        content: picture to redraw: a file, or an id such as test:19 of the network's data set.
        style: pictures of the style; a folder stands for the pictures in it.
        network: vgg19 or squeezenet (ImageNet weights, from a cache or downloaded), a Keras file, a
            run or a checkpoint.
        standardize: scaling of a Keras file's pixels: caffe, imagenet, tf, unit, none (default:
            that of a known network).
        content_layer: layer whose activations are preserved (default: by network; for VGG19
            block5_conv2).
        style_layers: layers whose Gram matrices are matched, each NAME or NAME=WEIGHT (default: by
            network).
        strength: strength of style relative to content, after automatic balancing (default: by
            network).
        content_weight: weight of the content loss; with --style_weight it replaces the automatic
            balance.
        style_weight: weight of the mean style loss of the layers; with --content_weight.
        tv_weight: weight of the total variation, which smooths (default: by network; 0 with
            --style_weight).
        style_fractions: weights of the style pictures (default: equal).
        size: longer side in pixels (default: 256; for other networks their input size).
        style_scale: size of the style pictures relative to the content; larger gives coarser
            strokes.
        keep_color: keep the content's colours, and take only brightness from the style.
        start: start image: content or noise.
        seed: seed of the noise.
        optimizer: lbfgs or adam.
        steps: number of gradient evaluations.
        step: step size of adam, as a fraction of the pixel range.
        snapshots: number of intermediate pictures, also for the animation.
        animate: write the intermediate pictures as an animation.
        download: allow downloads of weights that no cache holds.
        out: folder for the result, intermediate pictures, style.json and style.npz.
        svg: also write the drawn pictures as SVG.
    """
    from ...data.images import is_id
    from ...data.pictures import missing_picture
    from ...files import expand
    from ...maximize.style import Settings, open_network, style_transfer

    settings = Settings(
        content_layer=content_layer,
        style_layers=style_layers,
        strength=strength,
        content_weight=content_weight,
        style_weight=style_weight,
        tv_weight=tv_weight,
        style_fractions=style_fractions,
        size=size,
        style_scale=style_scale,
        keep_color=keep_color,
        start=start,
        seed=seed,
        optimizer=optimizer,
        steps=steps,
        step=step,
        snapshots=snapshots,
    )
    for name in (content, *style):  # before weights are downloaded
        if not is_id(name) and not expand(name).exists():
            raise missing_picture(name)
    results = Results("style", out, svg)
    with timed_bar("download", "bytes") as progress:
        model = open_network(network, standardize, download, progress, data_root)
    with timed_bar("style", "evaluations") as progress:
        record = style_transfer(content, style, model, settings, progress=progress)
    _write(results, record, animate)
    return _finish(
        results, record, {"network": str(model.path), "content": content, "style": style}
    )


def _write(results: Results, record: StyleTransfer, animate: str | None) -> None:
    import numpy as np

    from ...figures import style as draw

    results.write("result.png", draw.picture(record.image))
    results.picture(draw.sheet(record), "style")
    results.picture(draw.curves(record), "losses")
    if len(record.snapshots):
        results.picture(draw.evolution(record), "evolution")
    if len(record.snapshots) and animate:
        suffix = {"gif": "gif", "apng": "png"}[animate]
        results.write(f"animation.{suffix}", draw.animation(record, animate))
    for step, snapshot in zip(record.snapshot_steps, record.snapshots, strict=True):
        results.write(f"snapshots/after_{step:05}.png", draw.picture(snapshot))
    results.arrays(
        image=record.image,
        content=record.content,
        **{f"style_{number}": style for number, style in enumerate(record.styles)},
        snapshots=record.snapshots,
        snapshot_steps=np.array(record.snapshot_steps),
        losses=record.losses,
    )


def _finish(results: Results, record: StyleTransfer, data: dict[str, object]) -> Outcome:
    from dataclasses import asdict

    before, after = record.before, record.after
    data |= {
        "settings": asdict(record.settings),
        "weights": asdict(record.weights),
        "before": before,
        "after": after,
        "steps": len(record.losses),
    }
    style = " ".join(
        f"{layer} {before[layer]:.3g} to {after[layer]:.3g}," for layer in record.style_layers
    )
    return results.finish(
        data,
        f"{data['content']} redrawn by {len(record.losses)} gradient evaluations: content loss "
        f"{after['content']:.4g} at {record.content_layer}, style losses {style.rstrip(',')}",
    )
