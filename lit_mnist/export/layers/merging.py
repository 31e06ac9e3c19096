"""Layers with several inputs."""

from __future__ import annotations

from collections.abc import Sequence

from ... import spec as s
from .calls import Call


def merged(layer: s.Merge, call: Call, inputs: Sequence[str]) -> str:
    """Return the expression that merges the variables `inputs`."""
    ranks = {len(shape) for shape in call.info.input_shapes}
    if isinstance(layer, s.Concatenate):
        axis = layer.place(call.shape)
        place = (2, 3, 1)[axis] if call.is_image else 1
        return f"torch.cat([{', '.join(inputs)}], {place})"
    texts = [
        f"{name}[:, :, None, None]" if len(ranks) > 1 and len(shape) == 1 else name
        for name, shape in zip(inputs, call.info.input_shapes, strict=True)
    ]
    if isinstance(layer, s.Maximum | s.Minimum):
        function = "torch.maximum" if isinstance(layer, s.Maximum) else "torch.minimum"
        result = texts[0]
        for text in texts[1:]:
            result = f"{function}({result}, {text})"
        return result
    total = {s.Subtract: " - ", s.Multiply: " * "}.get(type(layer), " + ").join(texts)
    return f"({total}) / {len(texts)}" if isinstance(layer, s.Average) else total
