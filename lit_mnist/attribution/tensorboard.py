"""An explanation in TensorBoard: pictures and metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from ..environment import event_writer
from .records import Explanation

Draw = Callable[[Explanation], Mapping[str, np.ndarray]]


def write_events(explanation: Explanation, folder: str | Path, draw: Draw, step: int = 0) -> Path:
    """Write pictures and metrics to event files in `folder`; return it.

    `draw` turns the explanation into RGB pictures by name, uint8 (height, width, 3), so that no
    drawing library is imported here. Tags are ``explain/<picture>`` and
    ``explain/<method>/<check>``.
    """
    with event_writer(folder) as writer:
        for name, picture in draw(explanation).items():
            writer.add_image(f"explain/{name}", picture, step, dataformats="HWC")
        for attribution in explanation.attributions:
            for verdict in attribution.verdicts:
                if verdict.value is not None:
                    writer.add_scalar(
                        f"explain/{attribution.method}/{verdict.check.replace(' ', '_')}",
                        verdict.value,
                        step,
                    )
    return Path(folder)
