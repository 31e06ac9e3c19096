"""One HTML page in which a network runs."""

from __future__ import annotations

from ...outcome import Outcome


def live(ckpt_path: str, out: str | None = None, data_root: str | None = None) -> Outcome:
    """Write one self-contained HTML page in which the network runs: draw or drop a picture, see every layer's maps.

    The page opens from disk or from any static host, and loads nothing. Maps' best training images, the images that
    maps want and the verdict on occlusion are shown where `report`, `top_images` or `explain` put them on record.

    Example: python -m lit_mnist live --ckpt_path runs/cnn/version_0

    Args:
        ckpt_path: a run folder, a checkpoint or a Keras file.
        out: a file that ends in .html, or a folder for live.html (default: the run folder, else out/live).
        data_root: folder that holds the data sets (default: the run's own, $LIT_MNIST_DATA, the cache folder).
    """
    from ...files import write_text
    from ...live.page import live_page
    from ...runs.model import open_model
    from ..results import html_target

    model = open_model(ckpt_path, root=data_root)
    path = write_text(html_target("live", out, model.run), live_page(model))
    data = {
        "command": "live",
        "network": model.path,
        "files": [path],
        "bytes": path.stat().st_size,
    }
    return Outcome(data, f"{path}: {data['bytes'] / 1e6:.1f} MB, open it in a browser")
