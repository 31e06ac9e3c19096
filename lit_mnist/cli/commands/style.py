"""One image redrawn in the style of another, by the network's own features."""

from __future__ import annotations

from ...outcome import Outcome
from ..progress import step_bar
from ..results import Results


def style(
    ckpt_path: str,
    images: list[str],
    content_layer: str | None = None,
    style_layers: list[str] | None = None,
    content_weight: float = 1.0,
    style_weight: float = 1e4,
    steps: int = 400,
    step: float = 0.01,
    out: str = "out/style",
    svg: bool = False,
    data_root: str | None = None,
) -> Outcome:
    """Redraw the first of two images in the style of the second (Gatys, Ecker, Bethge 2015).

    Example: python -m lit_mnist style --ckpt_path runs/cnn/version_0 --images test:19 test:2

    Args:
        ckpt_path: a run folder, a checkpoint or a Keras file.
        images: content and style: ids such as test:19, or image files.
        content_layer: the layer whose activations are kept (default: the last convolution).
        style_layers: the layers whose Gram matrices are matched (default: all convolutions).
        content_weight: weight of the content loss.
        style_weight: weight of the mean of the layers' style losses.
        steps: gradient steps from the content image.
        step: size of a step.
        out: folder for style.json, style.npz and the picture.
        svg: write the picture as SVG too.
        data_root: folder that holds the data sets (default: the run's own, $LIT_MNIST_DATA, the cache folder).
    """
    from ...data.images import read_images
    from ...errors import UserError
    from ...figures.maximize import transfer as draw
    from ...maximize.transfer import style_transfer
    from ...runs.model import open_model

    if len(images) != 2:
        raise UserError(
            f"--images {' '.join(images)}: cannot work; accepted: two images, content and style"
        )
    model = open_model(ckpt_path, root=data_root)
    results = Results("style", out, svg)
    pixels = read_images(images, model.dataset, model.data_root, model.spec.input_shape).pixels
    with step_bar() as progress:
        record = style_transfer(
            model,
            pixels[0],
            pixels[1],
            content_layer,
            style_layers,
            content_weight,
            style_weight,
            steps,
            step,
            progress=progress,
        )
    results.picture(draw(record), "style")
    results.arrays(
        content=record.content,
        style=record.style,
        image=record.image,
        snapshots=record.ascent.snapshots[0],
        objective=record.ascent.objective[0],
    )
    data = {
        "network": model.path,
        "content": images[0],
        "style": images[1],
        "content_loss": record.content_loss,
        "style_loss": record.style_loss,
        "steps": int(record.ascent.steps[0]),
    }
    return results.finish(
        data,
        f"{images[0]} in the style of {images[1]}: content loss {record.content_loss[0]:.4g} "
        f"to {record.content_loss[1]:.4g}, style loss {record.style_loss[0]:.4g} to "
        f"{record.style_loss[1]:.4g}",
    )
