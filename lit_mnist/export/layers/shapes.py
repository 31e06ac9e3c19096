"""Layers that change the shape: pooling, padding, cropping, resizing and reordering."""

from __future__ import annotations

from ... import spec as s
from ...spec.weights import flattened_image
from .calls import SAME, Call, Code, code, pad_step, pair

PAST = "Keras' 'same' pooling: the last windows reach past the image"
FLATTEN_FIRST = "Flattened channels first, unlike Keras; the next kernel is stored to match"
FLATTEN_LAST = "Flattened as Keras does, rows first and channels last"
RESHAPE = "Reshaped as Keras does, rows first and channels last"


@code.register
def _(layer: s.Pool, call: Call) -> Code:
    step = "" if layer.step == layer.size else f", {pair(layer.step)}"
    window = pair(layer.size) + step
    pool = "F.max_pool2d" if layer.kind == "max" else "F.avg_pool2d"
    rows, columns = (
        s.same_padding(call.shape, layer.size, layer.step)
        if layer.padding == "same"
        else ((0, 0), (0, 0))
    )
    if not any((*rows, *columns)):
        return Code((f"{pool}({{x}}, {window})",))
    if rows[0] == columns[0] == 0:  # Keras pads after the image alone
        return Code((f"{pool}({{x}}, {window}, ceil_mode=True)",), note=PAST)
    if rows[0] == rows[1] and columns[0] == columns[1]:
        padding = f", padding={pair((rows[0], columns[0]))}"
        if layer.kind != "max":
            padding += ", count_include_pad=False"
        return Code((f"{pool}({{x}}, {window}{padding})",))
    if layer.kind == "max":
        value = ", value=-torch.inf"
        return Code((pad_step((rows, columns), value), f"{pool}({{x}}, {window})"), note=SAME)
    padded = pad_step((rows, columns))
    counted = padded.replace("{x}", "torch.ones_like({x})")
    return Code(
        (f"count := {pool}({counted}, {window})", f"{pool}({padded}, {window}) / count"),
        note=f"{SAME}, and is not averaged over",
    )


@code.register
def _(layer: s.GlobalPool, call: Call) -> Code:
    reduce = "amax" if layer.kind == "max" else "mean"
    return Code((f"{{x}}.{reduce}((2, 3){', keepdim=True' if layer.keepdims else ''})",))


@code.register
def _(layer: s.ZeroPad, call: Call) -> Code:
    return Code((pad_step(layer.padding),))


@code.register
def _(layer: s.Cropping, call: Call) -> Code:
    spans = [
        f"{before or ''}:{size - after if after else ''}"
        for size, (before, after) in zip(call.shape[:2], layer.cropping, strict=True)
    ]
    return Code((f"{{x}}[:, :, {spans[0]}, {spans[1]}]",))


@code.register
def _(layer: s.Upsampling, call: Call) -> Code:
    factor = pair(layer.size)
    mode = "" if layer.interpolation == "nearest" else f', mode="{layer.interpolation}"'
    return Code((f"F.interpolate({{x}}, scale_factor={factor}{mode})",))


@code.register
def _(layer: s.Permute, call: Call) -> Code:
    place = {1: 2, 2: 3, 3: 1}
    rows, columns, channels = (place[axis] for axis in layer.dims)
    return Code((f"{{x}}.permute(0, {channels}, {rows}, {columns})",))


@code.register
def _(layer: s.Flatten, call: Call) -> Code:
    if not call.is_image:
        return Code()
    height, width, channels = call.shape
    one_order = channels == 1 or height * width == 1
    if call.spec.flatten_order_is_free or one_order:
        return Code(("{x}.flatten(1)",), note=None if one_order else FLATTEN_FIRST)
    return Code(("{x}.permute(0, 2, 3, 1).flatten(1)",), note=FLATTEN_LAST)


@code.register
def _(layer: s.Reshape, call: Call) -> Code:
    height, width, channels = layer.shape
    shaped = (f"{{x}}.reshape(-1, {height}, {width}, {channels})", "{x}.permute(0, 3, 1, 2)")
    if call.is_image:
        return Code(("{x}.permute(0, 2, 3, 1)", *shaped), note=RESHAPE)
    image = flattened_image(call.spec, call.info.name)
    if image is None:
        return Code(shaped, note=RESHAPE)
    rows, columns, maps = image
    unflattened = f"{{x}}.reshape(-1, {maps}, {rows}, {columns}).permute(0, 2, 3, 1)"
    return Code((unflattened, *shaped), note=RESHAPE)
