"""Layers that act only in training: noise, dropout, random changes of the image."""

from __future__ import annotations

from collections.abc import Sequence

from ...spec import layer_from_dict
from ...spec.layer import SpecError
from ..entries import KerasLayer
from .settings import Entry, Reader, Shape, need, number, only, plain

PASSED_ON: Entry = {
    "type": "activation",
    "activation": "linear",
}  # the entry of an unsupported layer


def _dropout(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    only(layer, data_format=("channels_last", None))
    if layer.config.get("noise_shape") is not None:  # EfficientNet drops whole branches this way
        return dict(PASSED_ON)
    spatial = {"spatial": True} if layer.kind == "SpatialDropout2D" else {}
    return {"type": "dropout", "rate": need(layer, "rate")} | spatial


def _noise(kind: str, key: str) -> Reader:
    return lambda layer, shapes: {"type": kind, key: need(layer, key)}


def _activity(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return {
        "type": "activity_regularization",
        "l1": number(layer, "l1", default=0.0),
        "l2": number(layer, "l2", default=0.0),
    }


def _random(kind: str, *keys: str) -> Reader:
    """Read a random change of the image; one with unsupported settings passes images on."""

    def read(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
        entry = {"type": kind} | {
            key: value for key in keys if (value := plain(layer.config.get(key))) is not None
        }
        try:
            candidate = layer_from_dict(0, entry | {"name": "x"})
            candidate.check()
            candidate.output_shape(shapes[0])
        except SpecError:
            return dict(PASSED_ON)
        return entry

    return read


def _passed_on(layer: KerasLayer, shapes: Sequence[Shape]) -> Entry:
    return dict(PASSED_ON)


_MOVING = ("fill_mode", "fill_value", "interpolation")
_RANDOM: dict[str, Reader] = {
    "RandomFlip": _random("random_flip", "mode"),
    "RandomRotation": _random("random_rotation", "factor", *_MOVING),
    "RandomTranslation": _random("random_translation", "height_factor", "width_factor", *_MOVING),
    "RandomZoom": _random("random_zoom", "height_factor", "width_factor", *_MOVING),
    "RandomContrast": _random("random_contrast", "factor", "value_range"),
    **dict.fromkeys(
        (
            "RandomBrightness",
            "RandomShear",
            "RandomPerspective",
            "RandomInvert",
            "RandomHue",
            "RandomSaturation",
            "RandomColorJitter",
            "RandomColorDegeneration",
            "RandomGrayscale",
            "RandomSharpness",
            "RandomPosterization",
            "RandomGaussianBlur",
            "RandomErasing",
            "RandomElasticTransform",
            "AutoContrast",
            "Solarization",
            "RandAugment",
            "AugMix",
        ),
        _passed_on,
    ),
}
RANDOM = tuple(_RANDOM)
READERS: dict[str, Reader] = {
    "Dropout": _dropout,
    "SpatialDropout2D": _dropout,
    "GaussianNoise": _noise("gaussian_noise", "stddev"),
    "GaussianDropout": _noise("gaussian_dropout", "rate"),
    "AlphaDropout": _noise("alpha_dropout", "rate"),
    "ActivityRegularization": _activity,
    **_RANDOM,
}
