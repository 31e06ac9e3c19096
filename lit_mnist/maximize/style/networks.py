"""Which layers say content and which say style, for networks that are known and for any other."""

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
    """Settings of a known network: its layers, and the scaling where its file does not say it."""

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
        tv_weight=5.0,  # its first convolution skips every other pixel, and leaves them to themselves
    ),
}


def open_network(
    network: Model | str | Path,
    standardize: str | None = None,
    download: bool = True,
    progress: Progress | None = None,
    root: str | Path | None = None,
) -> Model:
    """Open a network by its name in `PUBLISHED`, a Keras file, a run or a checkpoint; a Model passes through.

    `standardize` says how a Keras file's pixels are scaled; without it a known network's own scaling is taken.
    Raises ModelError, KerasFileError, WeightsError.
    """
    if isinstance(network, Model):
        return network
    published = _published(network, download, progress)
    if published is not None:
        if standardize is not None:
            raise MaximizeError(
                f"standardize = {standardize!r}: {network} has its own scaling; accepted: leave it out"
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
    """Open a network by its name in `PUBLISHED`, or a file that is called as its publisher calls it."""
    if Path(network).is_file():
        return open_published_file(Path(network))
    return open_published(str(network), download, progress) if str(network) in PUBLISHED else None


def _of_file(path: str | Path) -> Preset | None:
    """Return the settings of a Keras file of a known network that does not carry its scaling."""
    from ...keras_files import read_keras  # h5py is needed for these files alone
    from ...runs.model import KERAS_SUFFIXES

    if Path(path).suffix.lower() not in KERAS_SUFFIXES or not Path(path).is_file():
        return None
    file = read_keras(path)
    return None if file.metadata or file.spec.rescaling else preset_of(file.spec)


def preset_of(spec: NetworkSpec) -> Preset | None:
    """Return the settings of the known network whose layers `spec` has, None where it is another."""
    return next(
        (
            preset
            for preset in PRESETS.values()
            if {preset.content_layer, *preset.style_layers} <= set(spec.names)
        ),
        None,
    )


def balance_of(spec: NetworkSpec) -> tuple[float, float]:
    """Return the strength and the weight of the total variation where none are named."""
    preset = preset_of(spec) or OTHER
    return preset.strength, preset.tv_weight


def layers_for(spec: NetworkSpec) -> tuple[str, dict[str, float]]:
    """Return the content layer and the style layers, with their weights, that are taken where none are named.

    Of an unknown network: the first convolution of each size of maps for style, the last convolution for content,
    maps of less than a sixteenth of the input's height left aside. Raises MaximizeError without convolution.
    """
    preset = preset_of(spec)
    if preset is not None:
        return preset.content_layer, dict(preset.style_layers)
    convolutions = [layer.name for layer in spec.layers if isinstance(layer, Conv)]
    if not convolutions:
        raise MaximizeError(
            "this network has no convolution, so no style; accepted: a network with at least one"
        )
    least = spec.input_shape[0] / _DEEPEST
    large = [name for name in convolutions if spec[name].output_shape[0] >= least]
    firsts: dict[int, str] = {}
    for name in large or convolutions[:1]:
        firsts.setdefault(spec[name].output_shape[0], name)
    return (large or convolutions)[-1], dict.fromkeys(firsts.values(), 1.0)


def default_size(spec: NetworkSpec) -> int:
    """Return the longer side of pictures where none is named: the network's own, `SIZE` for known networks."""
    return SIZE if preset_of(spec) is not None else max(spec.input_shape[:2])


def parsed_layers(words: Sequence[str]) -> dict[str, float]:
    """Return layers and weights of ``NAME`` or ``NAME=WEIGHT``; raise MaximizeError for a weight that is none."""
    layers: dict[str, float] = {}
    for word in words:
        name, equals, weight = word.partition("=")
        try:
            layers[name] = float(weight) if equals else 1.0
        except ValueError:
            raise MaximizeError(
                f"style layer {word!r}: weight {weight!r} is no number; accepted: NAME or NAME=WEIGHT"
            ) from None
    return layers
