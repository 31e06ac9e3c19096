"""A trained network with its preprocessing, opened from a run, a checkpoint or a Keras file."""

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

from ..data import DataError, Standardizer, load_dataset
from ..data.datasets import class_names as names_of
from ..data.datasets import imagenet_names
from ..data.images import Images, read_images
from ..data.standardize import STANDARDIZATIONS
from ..errors import UserError, first_line
from ..files import expand
from ..network import Network, as_images
from ..outcome import Records
from ..spec import NetworkSpec
from .checkpoint import BEST, LAST, PREVIOUS, CheckpointError, read_checkpoint, write_checkpoint
from .folder import SUMMARY, find_run, names_in, run_of
from .record import RECORD, WEIGHTS_PREFIX, checkpoint_record, lacks_scaling
from .scaling import fit_scaling

if TYPE_CHECKING:
    from ..attribution.records import Explanation
    from ..inside.maps import Answer, FeatureMaps
    from ..inside.top_images import TopImages
    from ..maximize.maximization import MaximizationResult

KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")
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
    scaling_assumed: bool = False  # True for Keras files that do not state the scaling
    data_root: Path | None = None  # folder of the data; None: the default one

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes.

        They come from the file, the data set, ImageNet for 1000 classes, or are numbers.
        """
        colour = self.spec.input_shape[2] == 3
        imagenet = colour and self.spec.classes == _IMAGENET_CLASSES
        if imagenet and not self.stored_names and self.dataset == "folder":
            return imagenet_names()
        return names_of(self.dataset, self.spec.classes, self.stored_names)

    @property
    def spec(self) -> NetworkSpec:
        """The network's description."""
        return self.network.spec

    @property
    def run(self) -> Path | None:
        """The run folder that the network was opened from; None for a single file."""
        return run_of(self.path)

    def tensor(self, pixels: np.ndarray) -> Tensor:
        """Return pixels 0 to 255, (n, H, W) or (n, H, W, C), as network input (n, C, H, W)."""
        return as_images(self.standardizer.apply(pixels))

    def with_output(self, name: str) -> Model:
        """Return the same network with its output `name` as the answer.

        Raises SpecError if there is no such output.

        Classes of such an output are numbers.
        """
        network = Network(self.spec.with_output(name))
        like = next(self.network.parameters(), torch.zeros(()))
        network.load_weights(self.network.named_weights())
        return replace(self, network=network.to(like.device, like.dtype).eval(), stored_names=())

    # ---- looking inside; modules are imported when first needed

    def predict(self, *images: str | Path, data_root: str | Path | None = None) -> Records[Answer]:
        """Return the network's answer to each image: ids such as ``test:19``, or image files."""
        from ..inside.maps import answers

        return answers(self, self._images(images, data_root))

    def feature_maps(
        self, layers: str | Sequence[str], *images: str | Path, data_root: str | Path | None = None
    ) -> Records[FeatureMaps]:
        """Return the maps of `layers` (names or globs) for each image; images as in `predict`."""
        from ..inside.maps import feature_maps

        return feature_maps(self, self._images(images, data_root), layers)

    def top_images(
        self,
        layers: str | Sequence[str],
        k: int = 8,
        part: str = "test",
        data_root: str | Path | None = None,
    ) -> Records[TopImages]:
        """Return the `k` images of ``test`` or ``train`` that activate each map most.

        Stored results are read, and new ones stored (`lit_mnist.inside.kept`).
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

        `settings` are those of `lit_mnist.maximize.Settings`: preset, restarts, steps, seed, ...
        Stored results are read, and new ones stored.
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
        """Return which pixels decided the answer, by `methods`.

        `options` are those of `lit_mnist.attribution.explain`.

        Methods are judged on the network's data set if it is available, else on the given images.
        Stored verdicts are read, and new ones stored.
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


def save_model(
    model: Model, path: Path, optimizer_states: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write a checkpoint without a trainer's state, completely or not at all.

    Every command accepts it.

    `optimizer_states` are state dicts of torch optimisers, kept as Lightning keeps them.
    """
    state = {WEIGHTS_PREFIX + key: tensor for key, tensor in model.network.state_dict().items()}
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

    A run folder gives the weights that its summary reports. Keras files do not state the scaling of
    images: `standardize` does (default: ``none`` if the network starts with a Rescaling layer, else
    ``unit``); fitted kinds need MNIST. Data are read from `root`, else from the run's own data
    folder if it exists, else from the default one. Nothing from the file is executed. Raises
    ModelError naming the file and the reason.
    """
    path = find_run(path)
    if not path.exists():
        raise ModelError(
            f"{path}: no such file or folder; accepted: a run folder, a checkpoint (.ckpt), "
            f"a Keras file ({', '.join(KERAS_SUFFIXES)})"
        )
    if path.is_dir():
        path = run_checkpoint(path)
    if _is_keras(path):
        from .keras_models import open_keras  # h5py is needed for Keras files only

        return open_keras(path, standardize, root)
    content = load_checkpoint(path)
    if standardize is not None and not lacks_scaling(content):
        raise ModelError(
            f"standardize = {standardize!r}: {path} is a checkpoint and carries its own; "
            "the option is for Keras files, and for checkpoints trained from other data loaders"
        )
    return model_from_checkpoint(content, path, standardize, root)


def run_checkpoint(run: Path) -> Path:
    """Return the checkpoint that a run's summary reports, else the best, else the last."""
    names = [BEST, LAST, PREVIOUS]
    with suppress(OSError, ValueError, KeyError, TypeError):  # an unfinished run has no summary
        names.insert(0, json.loads((run / SUMMARY).read_text(encoding="utf-8"))["checkpoint"])
    for name in names:
        if (run / "checkpoints" / str(name)).is_file():
            return run / "checkpoints" / str(name)
    if (kind := _folder_kind(run)) is not None:
        raise ModelError(f"{run}: {kind}")
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
    """Read a checkpoint without executing anything in it.

    Raises ModelError naming file and reason.
    """
    try:
        return read_checkpoint(path)
    except CheckpointError as error:
        raise ModelError(str(error)) from error


def model_from_checkpoint(
    content: Mapping[str, Any],
    path: Path,
    standardize: str | None = None,
    root: str | Path | None = None,
) -> Model:
    """Build the model that a loaded checkpoint describes.

    `standardize` and `root`, as in `open_model`, are for checkpoints that do not state the scaling
    of their images. Raises ModelError if description and weights do not fit together.
    """
    record = content.get(RECORD) or {}
    if lacks_scaling(content) and standardize is None:
        raise ModelError(
            f"{path}: was trained from another data loader and does not say how its images were "
            "scaled; accepted: open_model(path, standardize=...) with one of "
            f"{', '.join(STANDARDIZATIONS)}"
        )
    try:
        spec = NetworkSpec.from_dict(record["spec"])
        standardizer = (
            Standardizer.from_dict(record["standardizer"])
            if standardize is None
            else fit_scaling(standardize, root, spec)
        )
        dataset = str(record["dataset"] or "mnist")
        names = tuple(map(str, record.get("class_names", ())))
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(
            f"{path}: does not say which network and scaling it belongs to ({first_line(error)})"
        ) from error
    return Model(
        _network(spec, content["state_dict"], path).eval(),
        standardizer,
        dataset,
        path,
        record.get("seed"),
        content.get("epoch"),
        content.get("global_step"),
        names,
        data_root=data_root(root, record),
    )


def _network(spec: NetworkSpec, state: Mapping[str, Tensor], path: Path) -> Network:
    """Return the network with the weights of a checkpoint's state dict, all of them finite."""
    network = Network(spec)
    try:
        network.load_state_dict(
            {
                key.removeprefix(WEIGHTS_PREFIX): value
                for key, value in state.items()
                if key.startswith(WEIGHTS_PREFIX)
            }
        )
    except (RuntimeError, AttributeError) as error:
        raise ModelError(
            f"{path}: its weights do not fit its network ({first_line(error, 1)})"
        ) from error
    bad = [key for key, value in network.state_dict().items() if not torch.isfinite(value).all()]
    if bad:
        raise ModelError(f"{path}: weight {bad[0]!r} holds NaN or infinite values")
    return network


def data_root(root: str | Path | None, record: Mapping[str, Any]) -> Path | None:
    """Return `root`, else the recorded root if it exists, else None: the default place."""
    if root:
        return expand(root)
    recorded = ((record.get("config") or {}).get("data") or {}).get("root")
    return expand(recorded) if recorded and expand(recorded).exists() else None


def _is_keras(path: Path) -> bool:
    """Return whether a file is a Keras file, by its ending or content."""
    if path.suffix.lower() in KERAS_SUFFIXES:
        return True
    if path.suffix.lower() == ".ckpt":  # never opened with h5py
        return False
    from ..keras_files.content import is_keras

    return is_keras(path)
