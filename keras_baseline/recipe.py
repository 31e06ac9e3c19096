"""From `lit_mnist`'s YAML to Keras' settings; keys that Keras cannot follow are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from jsonargparse import get_loader

from lit_mnist.data import DataOptions
from lit_mnist.data.kmeans import ClusterFeatures, features_of, network_of
from lit_mnist.errors import UserError, first_line, nearest, need_positive, need_seed, need_whole
from lit_mnist.files import with_base
from lit_mnist.spec import NetworkSpec
from lit_mnist.spec.building import is_built_on
from lit_mnist.spec.overrides import LAYERS, LayerValue, override_layers, parse_layer_key

OPTIMIZERS = ("RMSprop", "SGD", "Adam", "Nadam", "Adamax")
SCHEDULES = ("Constant", "InverseTimeDecay", "ExponentialDecay")
_TRAINING = "lit_mnist.training."
TOP_KEYS = (
    "recipe",
    "seed_everything",
    "trainer",
    "model",
    "data",
    "name",
    "runs_dir",
    "ckpt_path",
    "resume",
    "checkpoint_every_seconds",
    "checkpoint_every_steps",
)  # the last three: ours alone
_MODEL = (
    "network",
    "optimizer",
    "schedule",
    "weight_decay",
    "initial_weights",
    "cuda_graphs",
    "run_frozen_once",
)  # the last two: ours alone, and the same weights either way
_OPTIONS = tuple(field.name for field in fields(DataOptions))
_DATA = (
    *_OPTIONS,
    "batch_size",
    "eval_batch_size",
    "features",
)
# keys of the trainer that do not change what is computed, and values that say what Keras does
# anyway
_INERT = (
    "accelerator",
    "devices",
    "logger",
    "enable_progress_bar",
    "enable_model_summary",
    "log_every_n_steps",
    "num_sanity_val_steps",
    "enable_checkpointing",
    "benchmark",
    "deterministic",
    "max_epochs",
    "callbacks",
    "gradient_clip_val",
    "gradient_clip_algorithm",
)
_USUAL = {
    "precision": ("32-true", "32", 32),
    "strategy": ("auto",),
    "num_nodes": (1,),
    "max_steps": (-1,),
    "accumulate_grad_batches": (1,),
}


class RecipeError(UserError):
    """A configuration that cannot be read, or that Keras cannot train."""


@dataclass(frozen=True)
class Component:
    """A class of `lit_mnist.training` and its arguments, for Keras' class of that name."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Clipping:
    """Gradient clipping by Lightning's algorithms: of the global norm, or of each value."""

    value: float
    algorithm: Literal["norm", "value"] = "norm"

    @property
    def arguments(self) -> dict[str, float]:
        """The same clipping as arguments of Keras' optimisers.

        Keras' `clipnorm`, per weight, is another rule.
        """
        return {"clipvalue" if self.algorithm == "value" else "global_clipnorm": self.value}


@dataclass(frozen=True)
class Recipe:
    """How to train one network with Keras; `config` is the YAML as read, overrides included."""

    name: str
    config: Mapping[str, Any]
    spec: NetworkSpec
    data: DataOptions
    optimizer: Component
    schedule: Component | None
    weight_decay: float
    initial_weights: str | None
    batch_size: int
    eval_batch_size: int
    epochs: int
    seed: int
    stop_at: float | None
    clipping: Clipping | None = None
    features: ClusterFeatures | None = None


def read_config(path: str | Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the YAML under `path` with ``key.subkey=value`` overrides.

    Raises RecipeError naming file or key.
    """
    try:
        config = get_loader("yaml")(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(
            f"--config {path}: cannot be read ({error.strerror}); "
            "accepted: a YAML file such as configs/cnn.yaml"
        ) from error
    except Exception as error:  # the loader's own errors share no base class
        raise RecipeError(f"--config {path}: not YAML ({first_line(error)})") from error
    if not isinstance(config, dict):
        raise RecipeError(
            f"--config {path}: holds no mapping; accepted: a YAML file such as configs/cnn.yaml"
        )
    config = dict(with_base(config, path))
    for override in overrides:
        _override(config, override)
    return config


def read_spec(config: Mapping[str, Any]) -> NetworkSpec:
    """Return the network of a configuration, whether or not Keras can train it."""
    network: Any = _section(config, "model").get("network")  # checked by the description itself
    if is_built_on(network):
        raise RecipeError(
            f"model.network.from = {network['from']!r}: the Keras baseline cannot build on a file; "
            "accepted: a run's config.yaml, which holds the whole network, with its "
            "initial_weights.safetensors"
        )
    return NetworkSpec.from_dict(network_of(network, _section(config, "data")))


def read_data(config: Mapping[str, Any]) -> DataOptions:
    """Return the data options of a configuration, whether or not Keras can train it."""
    return DataOptions.of(_section(config, "data"))


def read_recipe(config: Mapping[str, Any], name: str) -> Recipe:
    """Return how Keras trains `config`. Raises RecipeError, naming the key, if it cannot."""
    if config.get("recipe", "torch") != "keras":
        raise RecipeError(
            f"{name}: recipe = {config.get('recipe', 'torch')!r}: Keras does not train this "
            "configuration; accepted: recipe: keras (summary works for all)"
        )
    model, data, trainer = (_section(config, key) for key in ("model", "data", "trainer"))
    _refuse_unknown("", config, TOP_KEYS)
    _refuse_unknown("model.", model, _MODEL)
    _refuse_unknown("data.", data, _DATA)
    _refuse_unknown("trainer.", trainer, _INERT, _USUAL)
    schedule = model.get("schedule")
    seed = config.get("seed_everything", 1)
    seed = 0 if isinstance(seed, bool) else seed  # as Lightning reads true and false
    need_seed("seed_everything", seed, RecipeError)
    return Recipe(
        name,
        config,
        read_spec(config),
        read_data(config),
        _component("model.optimizer", model.get("optimizer", "RMSprop"), "optimizers.", OPTIMIZERS),
        None
        if schedule is None
        else _component("model.schedule", schedule, "schedules.", SCHEDULES),
        float(model.get("weight_decay") or 0.0),
        model.get("initial_weights"),
        _positive(data, "data.batch_size", 64),
        _positive(data, "data.eval_batch_size", 1000),
        _positive(trainer, "trainer.max_epochs", 12),
        seed,
        _stop_at(trainer),
        _clipping(trainer),
        features_of(data),
    )


def _override(config: dict[str, Any], override: str) -> None:
    key, _, value = override.partition("=")
    if key.startswith(LAYERS):
        change = LayerValue(*parse_layer_key(key), get_loader("yaml")(value))
        config["model"] = dict(_section(config, "model"))
        config["model"]["network"] = override_layers(config["model"].get("network"), [change])
        return
    *parents, last = key.split(".")
    for parent in parents:
        config = config.setdefault(parent, {})
        if not isinstance(config, dict):
            raise RecipeError(f"--{key}: {parent!r} holds a value, not keys")
    config[last] = get_loader("yaml")(value)


def _section(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    section = config.get(key) or {}
    if not isinstance(section, Mapping):
        raise RecipeError(f"{key} = {section!r} cannot work; accepted: a mapping")
    return section


def _refuse_unknown(
    prefix: str,
    section: Mapping[str, Any],
    known: Sequence[str],
    usual: Mapping[str, Sequence[Any]] | None = None,
) -> None:
    """Refuse keys that Keras does not follow, unless they are off or its own behaviour."""
    usual = usual or {}
    for key, value in section.items():
        if key not in known and value not in (None, False, 0, *usual.get(key, ())):
            raise RecipeError(
                f"{prefix}{key} = {value!r}: the Keras baseline does not follow this key; "
                f"{nearest(key, known)}"
            )


def _component(key: str, value: Any, module: str, accepted: Sequence[str]) -> Component:
    entry: Any = {"class_path": value} if isinstance(value, str) else value
    if not (isinstance(entry, Mapping) and isinstance(entry.get("class_path"), str)):
        raise RecipeError(f"{key} = {value!r} cannot work; accepted: class_path and init_args")
    path = entry["class_path"]
    name = path.removeprefix(_TRAINING + module)
    if name not in accepted:
        raise RecipeError(
            f"{key}: {path!r} has no counterpart in Keras; "
            f"{nearest(path, [_TRAINING + module + choice for choice in accepted])}"
        )
    return Component(name, dict(entry.get("init_args") or {}))


def _positive(section: Mapping[str, Any], key: str, default: int) -> int:
    value = section.get(key.split(".")[1], default)
    need_whole(key, value, error=RecipeError)
    return value


def _clipping(trainer: Mapping[str, Any]) -> Clipping | None:
    value = trainer.get("gradient_clip_val")
    algorithm = trainer.get("gradient_clip_algorithm") or "norm"
    if not value:
        return None
    if algorithm not in ("norm", "value"):
        raise RecipeError(
            f"trainer.gradient_clip_algorithm = {algorithm!r} cannot work; "
            f"{nearest(str(algorithm), ('norm', 'value'))}"
        )
    need_positive("trainer.gradient_clip_val", value, RecipeError)
    return Clipping(float(value), algorithm)


def _stop_at(trainer: Mapping[str, Any]) -> float | None:
    """Return the training accuracy above which training stops, or None."""
    callbacks = trainer.get("callbacks") or []
    threshold = None
    for entry in callbacks if isinstance(callbacks, list) else [callbacks]:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("init_args") or {}, Mapping):
            raise RecipeError(
                f"trainer.callbacks = {entry!r} cannot work; accepted: class_path and init_args"
            )
        arguments = dict(entry.get("init_args") or {})
        path = str(entry.get("class_path"))
        if path == f"{_TRAINING}tensorboard.InsideView":
            continue  # it only observes, and Keras has its own TensorBoard callback
        if (
            path != f"{_TRAINING}callbacks.StopAtAccuracy"
            or arguments.get("monitor", "train/acc") != "train/acc"
        ):
            raise RecipeError(
                f"trainer.callbacks: {path!r} has no counterpart in the Keras baseline; accepted: "
                f"{_TRAINING}callbacks.StopAtAccuracy with monitor train/acc"
            )
        threshold = float(arguments["threshold"])
    return threshold
