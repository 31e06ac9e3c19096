"""A layer's values for many digits as files of TensorBoard's embedding projector, with sprites."""

from __future__ import annotations

# pyright: reportAttributeAccessIssue=false
# (the names in protobuf's generated modules arise at run time)
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from ...files import write_bytes, write_text

_FOLDER = "projector"


def write_projector(
    run: Path,
    layer: str,
    values: np.ndarray,
    pixels: np.ndarray,
    columns: Mapping[str, Sequence[str]],
) -> None:
    """Write `values` (n, units), `pixels` (n, H, W) or (n, H, W, 3), and text `columns`.

    `pixels` go from 0 to 255; `columns` hold a text for each image. TensorBoard finds
    ``projector_config.pbtxt`` beside the run's events; the other files are in ``projector/``.
    """
    lines = ("\t".join(f"{value:.5g}" for value in row) for row in values.tolist())
    write_text(run / _FOLDER / "tensors.tsv", "\n".join(lines) + "\n")
    rows = ["\t".join(columns), *map("\t".join, zip(*columns.values(), strict=True))]
    write_text(run / _FOLDER / "metadata.tsv", "\n".join(rows) + "\n")
    write_bytes(run / _FOLDER / "sprite.png", _sprite(pixels))
    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name=layer,
        tensor_path=f"{_FOLDER}/tensors.tsv",
        metadata_path=f"{_FOLDER}/metadata.tsv",
        tensor_shape=values.shape,
    )
    embedding.sprite.image_path = f"{_FOLDER}/sprite.png"
    embedding.sprite.single_image_dim.extend(pixels.shape[2:0:-1])
    write_text(run / "projector_config.pbtxt", text_format.MessageToString(config))


def _sprite(pixels: np.ndarray) -> bytes:
    """Return a PNG of images (n, H, W) or (n, H, W, 3) in a square, row by row."""
    count, height, width, *channels = pixels.shape
    side = math.ceil(math.sqrt(count))
    sheet = np.zeros((side * side, height, width, *channels), np.uint8)
    sheet[:count] = pixels.clip(0, 255).round()
    rows = sheet.reshape(side, side, height, width, *channels).swapaxes(1, 2)
    buffer = io.BytesIO()
    Image.fromarray(rows.reshape(side * height, side * width, *channels)).save(buffer, "PNG")
    return buffer.getvalue()
