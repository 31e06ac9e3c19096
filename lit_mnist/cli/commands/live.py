"""One HTML page in which a network runs."""

from __future__ import annotations

from ...outcome import Outcome


def live(ckpt_path: str, out: str | None = None, data_root: str | None = None) -> Outcome:
    """Write one self-contained HTML page in which the network runs: draw a picture, and watch every
    layer.

    The page works from disk or any static host, and loads nothing else. It shows the top training
    images of maps, their preferred images and the verdict on occlusion if `report`, `top_images` or
    `explain` has recorded them.

    Example: python -m lit_mnist live --ckpt_path runs/cnn/version_0

    Args:
        out: a file that ends in .html, or a folder for live.html (default: the run folder, else
            out/live).
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
