"""A trained network with all it needs to see an image: opened from a run folder, a checkpoint or a Keras file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..data import DataError, DataOptions, Standardizer, load_dataset, prepare
from ..data.datasets import class_names as names_of
from ..data.datasets import imagenet_names
from ..data.images import Images, read_images
from ..data.standardize import FIXED, STANDARDIZATIONS
from ..errors import UserError, nearest
from ..files import expand
from ..network import Network, as_images
from ..outcome import Records
from ..spec import NetworkSpec
from ..spec.weights import Weights
from .checkpoint import BEST, LAST, PREVIOUS, CheckpointError, read_checkpoint, write_checkpoint
from .folder import SUMMARY, find_run, names_in, run_of

if TYPE_CHECKING:
    from ..attribution.records import Explanation
    from ..inside.maps import Answer, FeatureMaps
    from ..inside.top_images import TopImages
    from ..maximize.maximization import MaximizationResult

RECORD = "lit_mnist"  # the key of our own part of a checkpoint
KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
_PREFIX = "network."
_IMAGENET_CLASSES = 1000


class ModelError(UserError):
    """A file or folder that holds no network that can be opened."""


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode on the CPU, its preprocessing, and where it came from."""

    network: Network
    standardizer: Standardizer
    dataset: str
    path: Path
    seed: int | None = None
    epoch: int | None = None
    step: int | None = None
    stored_names: tuple[str, ...] = ()
    scaling_assumed: bool = False  # a Keras file's, which does not say how its images were scaled
    data_root: Path | None = (
        None  # where its data lie, for all that reads them; None: the default place
    )

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes: those that the file carries, the data set's, ImageNet's for 1000, or numbers."""
        if not self.stored_names and _is_imagenet(self.spec) and self.dataset == "folder":
            return imagenet_names()
        return names_of(self.dataset, self.spec.classes, self.stored_names)

    @property
    def spec(self) -> NetworkSpec:
        """The network's description."""
        return self.network.spec

    @property
    def run(self) -> Path | None:
        """The run folder that the network was opened from, None where it comes from a file of its own."""
        return run_of(self.path)

    def tensor(self, pixels: np.ndarray) -> Tensor:
        """Return pixels 0 to 255, (n, H, W) or (n, H, W, C), as the network's input (n, C, H, W)."""
        return as_images(self.standardizer.apply(pixels))

    def with_output(self, name: str) -> Model:
        """Return the same network with another of its outputs as its answer; raise SpecError where there is none.

        Classes of an output that the data set does not name are numbers.
        """
        network = Network(self.spec.with_output(name))
        like = next(self.network.parameters(), torch.zeros(()))
        network.load_weights(self.network.named_weights())
        return replace(self, network=network.to(like.device, like.dtype).eval(), stored_names=())

    # ---- looking inside; what it takes is loaded when it is first asked for

    def predict(self, *images: str | Path, data_root: str | Path | None = None) -> Records[Answer]:
        """Return the network's answer to each image: ids such as ``test:19``, or image files."""
        from ..inside.maps import answers

        return answers(self, self._images(images, data_root))

    def feature_maps(
        self, layers: str | Sequence[str], *images: str | Path, data_root: str | Path | None = None
    ) -> Records[FeatureMaps]:
        """Return what the maps of `layers` (names or globs) show for each image; images as in `predict`."""
        from ..inside.maps import feature_maps

        return feature_maps(self, self._images(images, data_root), layers)

    def top_images(
        self,
        layers: str | Sequence[str],
        k: int = 8,
        part: str = "test",
        data_root: str | Path | None = None,
    ) -> Records[TopImages]:
        """Return the `k` images of the network's data set (``test`` or ``train``) that raise each map most.

        What is kept of a layer is read (`lit_mnist.inside.kept`); what is computed is kept.
        """
        from ..inside.capture import select
        from ..inside.kept import kept_results
        from ..inside.passes import dataset_part
        from ..inside.top_images import top_images_once

        pixels, _ = dataset_part(self, part, data_root)
        names = select(self.network, layers)
        ranked = top_images_once(self, part, pixels, names, k, kept_results(self))
        return Records(replace(record, pixels=pixels, part=part) for record in ranked)

    def maximize(
        self, layer: str, maps: Sequence[int] | None = None, **settings: Any
    ) -> MaximizationResult:
        """Return the images that raise `maps` (default: all maps or units) of `layer` most.

        `settings` are those of `lit_mnist.maximize.Settings`: preset, restarts, steps, seed, ... What is kept
        is read; what is computed is kept.
        """
        from ..inside.kept import kept_results
        from ..maximize.maximization import Settings, default_preset, maximize_maps, target_kind

        settings.setdefault("preset", default_preset(target_kind(self.network, layer)))
        return maximize_maps(self, layer, maps, Settings(**settings), kept=kept_results(self))

    def explain(
        self,
        *images: str | Path,
        methods: str | Sequence[str] = "all",
        target: str = "predicted",
        data_root: str | Path | None = None,
        **options: Any,
    ) -> Explanation:
        """Return which pixels made the network decide, by `methods`; `options` as in `lit_mnist.attribution.explain`.

        Methods are judged on the network's data set where it is at hand, else on the given images. Verdicts that
        are kept are read; those that are computed are kept.
        """
        from ..attribution.explanation import explain
        from ..inside.kept import kept_results

        if "dataset" not in options:
            with suppress(DataError):
                options["dataset"] = load_dataset(self.dataset, data_root or self.data_root)
        options.setdefault("kept", kept_results(self))
        return explain(self, self._images(images, data_root), methods, target, **options)

    def _images(self, names: Sequence[str | Path], data_root: str | Path | None) -> Images:
        height, width, channels = self.spec.input_shape
        return read_images(
            [str(name) for name in names], self.dataset, data_root, (height, width, channels)
        )


def checkpoint_record(
    spec: NetworkSpec,
    standardizer: Standardizer | None,
    dataset: str | None,
    seed: int | None,
    class_names: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what a checkpoint must say beside the weights, as plain values (safe to load).

    Scaling and data set are None where another data module trained the network.
    """
    return {
        "format": 1,
        "spec": spec.to_dict(),
        "dataset": dataset,
        "seed": seed,
        "class_names": list(class_names),
        "standardizer": None if standardizer is None else standardizer.to_dict(),
    }


def save_model(
    model: Model, path: Path, optimizer_states: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write a checkpoint without a trainer's state, which every command accepts; whole or not at all.

    `optimizer_states` are state dicts of torch optimisers, kept as Lightning keeps them.
    """
    state = {_PREFIX + key: tensor for key, tensor in model.network.state_dict().items()}
    record = checkpoint_record(
        model.spec, model.standardizer, model.dataset, model.seed, model.class_names
    )
    write_checkpoint(
        path,
        {
            "state_dict": state,
            RECORD: record,
            "epoch": model.epoch,
            "global_step": model.step,
            "optimizer_states": list(optimizer_states),
        },
    )


def open_model(
    path: str | Path, standardize: str | None = None, root: str | Path | None = None
) -> Model:
    """Open the network of a run folder, a checkpoint, or a Keras file (.h5, .hdf5, .keras).

    A run folder gives the weights that its summary reports. Keras files do not say how their images
    were scaled: `standardize` does (default: ``none`` where the network starts with a Rescaling layer,
    else ``unit``); kinds that are fitted need MNIST. Data lie under `root`, else where the run that the
    file belongs to had them, if that place exists, else in the default place. Raises ModelError, naming
    the file and the reason; nothing from the file is executed.
    """
    path = find_run(path)
    if not path.exists():
        raise ModelError(
            f"{path}: no such file or folder; accepted: a run folder, a checkpoint (.ckpt), "
            f"a Keras file ({', '.join(KERAS_SUFFIXES)})"
        )
    if path.is_dir():
        path = run_checkpoint(path)
    if path.suffix.lower() in KERAS_SUFFIXES or _is_keras(path):
        return _open_keras(path, standardize, root)
    content = load_checkpoint(path)
    if standardize is not None and not _is_unscaled(content):
        raise ModelError(
            f"standardize = {standardize!r}: {path} is a checkpoint and carries its own; "
            "the option is for Keras files, and for checkpoints trained from other data loaders"
        )
    return model_from_checkpoint(content, path, standardize, root)


def run_checkpoint(run: Path) -> Path:
    """Return the checkpoint of a run folder whose weights its summary reports, else the best, else the last."""
    names = [BEST, LAST, PREVIOUS]
    with suppress(OSError, ValueError, KeyError, TypeError):  # an unfinished run has no summary
        names.insert(0, json.loads((run / SUMMARY).read_text(encoding="utf-8"))["checkpoint"])
    for name in names:
        if (run / "checkpoints" / str(name)).is_file():
            return run / "checkpoints" / str(name)
    if (known := _folder_kind(run)) is not None:
        raise ModelError(f"{run}: {known}")
    names = ", ".join(str(run / name) for name in names_in(run))
    raise ModelError(
        f"{run}: no checkpoint in this folder; accepted: a run folder with checkpoints/best.ckpt "
        "or checkpoints/last.ckpt"
        + (f", such as the newest in one of these: {names}" if names else "")
    )


def _folder_kind(folder: Path) -> str | None:
    from ..keras_files.content import what_it_is  # h5py is needed for such folders alone

    return what_it_is(folder)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without executing anything in it; raise ModelError naming file and reason."""
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        raise ModelError(str(error)) from error


def _is_unscaled(content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint was trained from a data module that does not say how images are scaled."""
    record = content.get(RECORD)
    return isinstance(record, Mapping) and record.get("standardizer", "") is None


def model_from_checkpoint(
    content: Mapping[str, Any],
    path: Path,
    standardize: str | None = None,
    root: str | Path | None = None,
) -> Model:
    """Build the model that a loaded checkpoint describes; raise ModelError where the two do not fit.

    `standardize` and `root`, as in `open_model`, are for checkpoints that do not say how their images were scaled.
    """
    record = content.get(RECORD) or {}
    if _is_unscaled(content) and standardize is None:
        raise ModelError(
            f"{path}: was trained from another data loader and does not say how its images were scaled; "
            f"accepted: open_model(path, standardize=...) with one of {', '.join(STANDARDIZATIONS)}"
        )
    try:
        spec = NetworkSpec.from_dict(record["spec"])
        standardizer = (
            Standardizer.from_dict(record["standardizer"])
            if standardize is None
            else _fitted(standardize, root, spec)
        )
        dataset = str(record["dataset"] or "mnist")
        seed = record.get("seed")
        names = tuple(map(str, record.get("class_names", ())))
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path}: does not say which network and scaling it belongs to ({_first_line(error)})"
        ) from error
    state = {
        key.removeprefix(_PREFIX): value
        for key, value in content["state_dict"].items()
        if key.startswith(_PREFIX)
    }
    network = Network(spec)
    try:
        network.load_state_dict(state)
    except (RuntimeError, AttributeError) as error:
        raise ModelError(
            f"{path}: its weights do not fit its network ({_first_line(error, 1)})"
        ) from error
    bad = [key for key, value in network.state_dict().items() if not torch.isfinite(value).all()]
    if bad:
        raise ModelError(f"{path}: weight {bad[0]!r} holds NaN or infinite values")
    return Model(
        network.eval(),
        standardizer,
        dataset,
        path,
        seed,
        content.get("epoch"),
        content.get("global_step"),
        names,
        data_root=_data_root(root, record),
    )


def _data_root(given: str | Path | None, record: Mapping[str, Any]) -> Path | None:
    """Return the given root, else the recorded one where it exists, else None: the default place."""
    if given:
        return expand(given)
    recorded = ((record.get("config") or {}).get("data") or {}).get("root")
    return expand(recorded) if recorded and expand(recorded).exists() else None


def _is_keras(path: Path) -> bool:
    """Whether a file without Keras' endings is one all the same; checkpoints are told without h5py."""
    if path.suffix.lower() == ".ckpt":
        return False
    from ..keras_files.content import is_keras

    return is_keras(path)


def _open_keras(path: Path, standardize: str | None, root: str | Path | None) -> Model:
    from ..keras_files import read_keras  # h5py is needed for these files alone

    file = read_keras(path)
    return keras_model(file.spec, file.weights, path, standardize, root, file.note)


def keras_model(
    spec: NetworkSpec,
    weights: Weights,
    path: Path,
    standardize: str | None = None,
    root: str | Path | None = None,
    note: Mapping[str, Any] | None = None,
) -> Model:
    """Build the model of a Keras file's network and weights; `standardize` and `root` as in `open_model`.

    A file of this program carries its scaling in its `note`; raises ModelError where `standardize` is another.
    """
    network = Network(spec)
    network.load_weights({name: array.astype(np.float32) for name, array in weights.items()})
    note = note or {}
    scaling = _noted(note, spec) if note else None
    if isinstance(scaling, Standardizer) and standardize in (None, scaling.kind):
        return Model(
            network.eval(),
            scaling,
            str(note.get("dataset")),
            path,
            stored_names=tuple(map(str, note.get("class_names", ()))),
            data_root=_data_root(root, {}),
        )
    if isinstance(scaling, Standardizer):
        raise ModelError(
            f"standardize = {standardize!r}: {path} carries its network's own scaling, {scaling.kind!r}; "
            "accepted: leave it out"
        )
    if scaling and standardize is None:
        raise ModelError(
            f"{path}: its note on scaling cannot be used ({scaling}); accepted: name the scaling "
            "(standardize: unit, per_pixel, ...)"
        )
    return Model(
        network.eval(),
        _fitted(standardize or _default_scaling(spec), root, spec),
        _default_dataset(spec),
        path,
        scaling_assumed=standardize is None and spec.rescaling is None,
        data_root=_data_root(root, {}),
    )


def keras_note(model: Model) -> dict[str, Any]:
    """Return what a Keras file must say, for `keras_model`, beyond what Keras has a place for."""
    return {
        "standardizer": model.standardizer.to_dict(),
        "dataset": model.dataset,
        "class_names": list(model.class_names),
    }


def _noted(note: Mapping[str, Any], spec: NetworkSpec) -> Standardizer | str:
    """Return the scaling that a note holds, or what is wrong with the note."""
    try:
        standardizer = Standardizer.from_dict(note["standardizer"])
        moments = standardizer.mean, standardizer.scale
        shapes = ((), spec.input_shape[:2], spec.input_shape, spec.input_shape[2:])
        if (
            all(m.shape in shapes and np.isfinite(m).all() for m in moments)
            and (standardizer.scale > 0).all()
        ):
            return standardizer
        return "mean and scale must be finite, of the images' shape, scale above 0"
    except (KeyError, TypeError, ValueError) as error:
        return _first_line(error)


def _is_imagenet(spec: NetworkSpec) -> bool:
    return spec.input_shape[2] == 3 and spec.classes == _IMAGENET_CLASSES


def _default_dataset(spec: NetworkSpec) -> str:
    """Networks for colour images with other than ten classes were not trained on MNIST: a folder takes its place."""
    return "mnist" if spec.input_shape[2] == 1 or spec.classes == 10 else "folder"


def _default_scaling(spec: NetworkSpec) -> str:
    """Networks that rescale before their first weights take pixels as they are."""
    return "unit" if spec.rescaling is None else "none"


def _fitted(kind: str, root: str | Path | None, spec: NetworkSpec) -> Standardizer:
    if kind in FIXED:
        height, width, channels = spec.input_shape
        return Standardizer.fit(
            kind, np.zeros((1, height, width, *([channels] if channels > 1 else [])), np.uint8)
        )
    if kind not in STANDARDIZATIONS:
        raise DataError(f"standardize: unknown {kind!r}; {nearest(kind, STANDARDIZATIONS)}")
    options = DataOptions(root=root, standardize=kind, validation_fraction=0.0, validate_on="none")
    if spec.input_shape != (28, 28, 1):
        raise DataError(
            f"data.standardize = {kind!r} is fitted on MNIST's 28 x 28 x 1, "
            f"this network takes {spec.input_shape}; accepted: {', '.join(FIXED)}"
        )
    return prepare(options).standardizer


def _first_line(error: Exception, line: int = 0) -> str:
    lines = [text.strip() for text in str(error).splitlines() if text.strip()] or [
        type(error).__name__
    ]
    return lines[min(line, len(lines) - 1)][:200]
