"""Content and style layers, for known networks and any others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...data.download import Progress
from ...runs.model import Model, ModelError, open_model
from ...runs.published import PUBLISHED, open_published, open_published_file
from ...spec import Conv, NetworkSpec
from ..checks import MaximizeError

STRENGTH = 100.0  # of style beside content, for networks that are not known
SIZE = 256  # pixels of the longer side, for networks of photographs
_DEEPEST = (
    16  # the content layer of an unknown network has at least this part of the input's height
)


@dataclass(frozen=True)
class Preset:
    """Settings of a known network: its layers, and the scaling if its file does not contain it."""

    content_layer: str
    style_layers: Mapping[str, float]
    scaling: str
    strength: float = STRENGTH
    tv_weight: float = 0.0


OTHER = Preset("", {}, "")  # strength and smoothness of networks that are not known
PRESETS = {
    # the source's layers
    "vgg": Preset("block5_conv2", {f"block{number}_conv1": 1.0 for number in range(1, 6)}, "caffe"),
    "squeezenet": Preset(
        "fire4_concat",
        {"conv1": 1.0, "fire2_concat": 1.0, "fire4_concat": 1.0, "fire6_concat": 1.0},
        "none",
        # its first convolution skips every other pixel, which the content loss then does not
        # determine
        tv_weight=5.0,
    ),
}


def open_network(
    network: Model | str | Path,
    standardize: str | None = None,
    download: bool = True,
    progress: Progress | None = None,
    root: str | Path | None = None,
) -> Model:
    """Open a network by its name in `PUBLISHED`, a Keras file, a run or a checkpoint; a Model is
    returned as it is.

    `standardize` is the scaling of a Keras file's pixels; the default is that of a known network.
    Raises ModelError, KerasFileError, WeightsError.
    """
    if isinstance(network, Model):
        return network
    published = _published(network, download, progress)
    if published is not None:
        if standardize is not None:
            raise MaximizeError(
                f"standardize = {standardize!r}: {network} has its own scaling; accepted: no "
                "standardize"
            )
        return published
    if standardize is None and (preset := _of_file(network)) is not None:
        standardize = preset.scaling
    try:
        return open_model(network, standardize, root)
    except ModelError as error:
        if Path(network).exists():
            raise
        raise ModelError(
            str(error).replace("accepted: ", f"accepted: {', '.join(PUBLISHED)}, ", 1)
        ) from error


def _published(network: str | Path, download: bool, progress: Progress | None) -> Model | None:
    """Open a network by its name in `PUBLISHED`, or a file with its publisher's name."""
    if Path(network).is_file():
        return open_published_file(Path(network))
    return open_published(str(network), download, progress) if str(network) in PUBLISHED else None


def _of_file(path: str | Path) -> Preset | None:
    """Return the settings of a known network whose Keras file does not contain the scaling."""
    from ...keras_files import read_keras  # h5py is needed for these files alone
    from ...runs.model import KERAS_SUFFIXES

    if Path(path).suffix.lower() not in KERAS_SUFFIXES or not Path(path).is_file():
        return None
    file = read_keras(path)
    return None if file.metadata or file.spec.rescaling else preset_of(file.spec)


def preset_of(spec: NetworkSpec) -> Preset | None:
    """Return the settings of the known network with the layers of `spec`; None for another."""
    return next(
        (
            preset
            for preset in PRESETS.values()
            if {preset.content_layer, *preset.style_layers} <= set(spec.names)
        ),
        None,
    )


def balance_of(spec: NetworkSpec) -> tuple[float, float]:
    """Return the default strength and weight of the total variation."""
    preset = preset_of(spec) or OTHER
    return preset.strength, preset.tv_weight


def layers_for(spec: NetworkSpec) -> tuple[str, dict[str, float]]:
    """Return the default content layer, and the default style layers with their weights.

    For an unknown network, style layers are the first convolutions of each map size, and the
    content layer is the last convolution; maps of less than a sixteenth of the input's height are
    ignored. Raises MaximizeError without convolution.
    """
    preset = preset_of(spec)
    if preset is not None:
        return preset.content_layer, dict(preset.style_layers)
    convolutions = [layer.name for layer in spec.layers if isinstance(layer, Conv)]
    if not convolutions:
        raise MaximizeError(
            "this network has no convolution, which style needs; accepted: a network with one or "
            "more"
        )
    least = spec.input_shape[0] / _DEEPEST
    large = [name for name in convolutions if spec[name].output_shape[0] >= least]
    firsts: dict[int, str] = {}
    for name in large or convolutions[:1]:
        firsts.setdefault(spec[name].output_shape[0], name)
    return (large or convolutions)[-1], dict.fromkeys(firsts.values(), 1.0)


def default_size(spec: NetworkSpec) -> int:
    """Return the default longer side of pictures: `SIZE` for known networks, else the network's
    input size.
    """
    return SIZE if preset_of(spec) is not None else max(spec.input_shape[:2])


def parsed_layers(words: Sequence[str]) -> dict[str, float]:
    """Return layers and weights of ``NAME`` or ``NAME=WEIGHT``; raise MaximizeError for an invalid
    weight.
    """
    layers: dict[str, float] = {}
    for word in words:
        name, equals, weight = word.partition("=")
        try:
            layers[name] = float(weight) if equals else 1.0
        except ValueError:
            raise MaximizeError(
                f"style layer {word!r}: weight {weight!r} is not a number; accepted: NAME or "
                "NAME=WEIGHT"
            ) from None
    return layers
