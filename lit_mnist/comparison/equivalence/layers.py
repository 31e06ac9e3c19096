"""The layers of both frameworks side by side, and how much their outputs differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_IMAGES = 64


def layer_table(config: Path, options: Sequence[str]) -> list[dict[str, Any]]:
    """Return a row per layer: name, shapes, parameters, and the largest float32 difference.

    It is over 64 test images. Needs the extra `keras`. A layer that one side lacks has None there.
    """
    from keras_baseline.backend import load_keras
    from keras_baseline.recipe import read_config, read_recipe

    from ...data import prepare
    from ...data.prepare import channels_last
    from ..parity.keras_side import KerasSide, floatx
    from ..parity.torch_side import build_torch_side

    load_keras()
    recipe = read_recipe(read_config(config, options), config.stem)
    images = channels_last(prepare(recipe.data, network=recipe.spec).test.images[:_IMAGES])
    with floatx("float32"):
        ours = build_torch_side(recipe, "float32")
        theirs = KerasSide(recipe, "float32")
        theirs.load(ours.state())
        return _rows(
            ours.structure(), theirs.structure(), ours.layers(images), theirs.layers(images)
        )


def _rows(ours: dict, theirs: dict, our_maps: dict, their_maps: dict) -> list[dict[str, Any]]:
    rows = []
    for name in [*ours, *(name for name in theirs if name not in ours)]:
        (shape, count), (other_shape, other_count) = (
            side.get(name, (None, None)) for side in (ours, theirs)
        )
        both = (
            name in our_maps
            and name in their_maps
            and our_maps[name].shape == their_maps[name].shape
        )
        rows.append(
            {
                "layer": name,
                "ours": {"shape": shape, "parameters": count},
                "keras": {"shape": other_shape, "parameters": other_count},
                "largest_difference": float(np.abs(our_maps[name] - their_maps[name]).max())
                if both
                else None,
            }
        )
    return rows


if (
    __name__ == "__main__"
):  # in another process, since the caller may have imported what conflicts with TensorFlow
    print(json.dumps(layer_table(Path(sys.argv[1]), sys.argv[2:])))
