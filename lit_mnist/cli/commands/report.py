"""One HTML page about a trained network."""

from __future__ import annotations

import sys

from ...outcome import Outcome


def report(
    ckpt_path: str,
    out: str | None = None,
    images: list[str] | None = None,
    leave_out: list[str] | None = None,
    k: int = 6,
    steps: int = 100,
    verdict_digits: int | None = None,
    data_root: str | None = None,
    output: str | None = None,
    dataset: str | None = None,
    scaling: str | None = None,
    seed: int = 0,
) -> Outcome:
    """Write one self-contained HTML page: results, mistakes, filters, feature maps, top images,
    attributions.

    Example: python -m lit_mnist report --ckpt_path runs/cnn/version_0

    Args:
        out: folder for report.html, or a file that ends in .html (default: the run folder, else
            out/report).
        images: ids such as test:19, or image files (default: the first test image of each class and
            the most confident mistakes).
        leave_out: sections to leave out: curves, mistakes, layers, filters, maps, top_images,
            preferred, attributions.
        k: top images for each map.
        steps: gradient steps for each map's preferred image.
        verdict_digits: number of test digits on which attribution methods are judged; 0 for no
            verdicts (default: 20; of large networks only quick methods are judged).
        seed: seed of the start images of preferred images, and of noise in attribution.
    """
    from ...files import write_text
    from ...report.content import SECTIONS, Options
    from ...report.gather import gather
    from ...report.page import render
    from ..opening import opened
    from ..progress import progress, work_bar
    from ..results import html_target

    options = Options(
        tuple(images or ()), tuple(leave_out or ()), k, steps, verdict_digits, seed, data_root
    )
    model = opened(ckpt_path, data_root, dataset, scaling, output)
    content = gather(model, options, progress, work_bar, _say)
    target = html_target("report", out, model.run)
    path = write_text(target, render(content, target.parent))
    data = {
        "command": "report",
        "network": model.path,
        "files": [path],
        "bytes": path.stat().st_size,
        "images": content.digits.names,
        "seed": seed,
        "sections": [name for name in SECTIONS if name not in content.missing],
        "missing": content.missing,
    }
    text = f"{path}: {data['bytes'] / 1e6:.1f} MB, open it in a browser"
    for section, reason in content.missing.items():
        text += f"\nwithout {section}: {reason}"
    return Outcome(data, text)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
