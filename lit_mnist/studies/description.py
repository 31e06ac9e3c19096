"""Study files: settings that vary, their values, seeds and the objective."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..errors import UserError, is_finite, is_whole, nearest, need_whole
from ..files import read_yaml

DIRECTIONS = {
    "val/acc": "maximize",
    "val/acc_best": "maximize",
    "val/loss": "minimize",
    "train/acc": "maximize",
    "train/loss": "minimize",
}
SAMPLERS = ("tpe", "random")
PRUNERS = ("none", "median", "successive_halving", "hyperband")
_KEYS = (
    "name",
    "settings",
    "seeds",
    "objective",
    "options",
    "sampler",
    "sampler_seed",
    "trials",
    "pruning",
)
_OWN_KEYS = {"seed_everything", "test", "ckpt_path", "resume", "name", "runs_dir"}
_RANGE_KEYS = ("low", "high", "log", "step", "int")
_SETTING_KEYS = ("keys", "grid", "choices", *_RANGE_KEYS)


class StudyError(UserError):
    """An invalid study file."""


@dataclass(frozen=True)
class Setting:
    """One setting that varies: `keys` of the configuration, which all get the same value.

    The values are those of `grid`, or drawn: from `choices`, or from `low` to `high`, on a
    logarithmic scale (`log`), in steps (`step`), as whole numbers (`integer`).
    """

    name: str
    keys: tuple[str, ...]
    grid: tuple[Any, ...] = ()
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    integer: bool = False

    @property
    def extremes(self) -> tuple[Any, ...]:
        """Return representative values: all of a list, or both ends of a range."""
        return self.grid or self.choices or (self.low, self.high)


@dataclass(frozen=True)
class Study:
    """The checked content of a study file.

    A trial is one choice of values; it is trained once for each of `seeds` and judged by the mean
    of `objective`. `options` are settings of all trials. If all settings have a grid, the study
    tries every combination; otherwise `sampler` draws `trials` of them. `pruning` ends trials whose
    first seed falls behind the others in validation.
    """

    name: str
    settings: tuple[Setting, ...]
    seeds: tuple[int, ...] = (1,)
    objective: str = "val/acc"
    options: Mapping[str, Any] = field(default_factory=dict)
    sampler: str = "tpe"
    sampler_seed: int = 1
    trials: int | None = None
    pruning: str = "none"

    @property
    def direction(self) -> str:
        """Optuna's word for the better direction."""
        return DIRECTIONS[self.objective]

    @property
    def is_grid(self) -> bool:
        """Whether every combination is tried."""
        return all(setting.grid for setting in self.settings)

    @property
    def points(self) -> list[dict[str, Any]]:
        """The predefined values of each trial: the combinations of a grid, or empty where values
        are drawn.
        """
        if not self.is_grid:
            return [{} for _ in range(self.trials or 0)]
        names = [setting.name for setting in self.settings]
        return [
            dict(zip(names, values, strict=True))
            for values in product(*(setting.grid for setting in self.settings))
        ]

    def overrides(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of all keys of the configuration for one trial, whose `values` are by
        setting.
        """
        chosen = {
            key: values[setting.name]
            for setting in self.settings
            if setting.name in values
            for key in setting.keys
        }
        return {**self.options, **chosen}

    def without_options(self, keys: Iterable[str]) -> Study:
        """Return the study without its own options for `keys`, which the command line sets.

        Raises StudyError for a key whose values are those of a setting.
        """
        given = set(keys)
        for setting in self.settings:
            for key in given & set(setting.keys):
                raise StudyError(
                    f"--options {key}: cannot work, the study's setting {setting.name!r} varies "
                    "it; accepted: keys that no setting varies"
                )
        options = {key: value for key, value in self.options.items() if key not in given}
        return replace(self, options=options)

    def probes(self) -> Iterator[tuple[str, Any, dict[str, Any]]]:
        """Yield (setting, value, keys of the configuration) for all values that must be valid."""
        first = {setting.name: setting.extremes[0] for setting in self.settings}
        for setting in self.settings:
            for value in setting.extremes:
                yield setting.name, value, self.overrides({**first, setting.name: value})

    def definition(self, config: Any) -> dict[str, Any]:
        """Return what identifies a study: everything except the number of drawn trials."""
        settings = [
            {**vars(setting), "keys": list(setting.keys), "grid": list(setting.grid)}
            for setting in self.settings
        ]
        return {
            "config": config,
            "settings": [{**each, "choices": list(each["choices"])} for each in settings],
            "seeds": list(self.seeds),
            "objective": self.objective,
            "options": dict(self.options),
        }


def read_study(path: str | Path) -> Study:
    """Read a study file; raise StudyError naming the file, the key, and what is accepted."""
    try:
        content = read_yaml(path)
    except UserError as error:
        raise StudyError(str(error).replace("--config", "--study", 1)) from error
    try:
        return _study(content, Path(path).stem)
    except StudyError as error:
        raise StudyError(f"--study {path}: {error}") from error


def _study(content: Any, stem: str) -> Study:
    _check_mapping(content, _KEYS, "the file")
    settings = content.get("settings")
    if not isinstance(settings, Mapping) or not settings:
        raise StudyError(
            f"settings = {settings!r} cannot work; accepted: keys of the configuration, each with "
            "a grid, with choices, or with low and high"
        )
    study = Study(
        name=_choice(content, "name", None, stem),
        settings=tuple(_setting(str(name), value) for name, value in settings.items()),
        seeds=_seeds(content.get("seeds", [1])),
        objective=_objective(content.get("objective", "val/acc")),
        options=_options(content.get("options") or {}),
        sampler=_choice(content, "sampler", SAMPLERS, "tpe"),
        sampler_seed=_whole(content.get("sampler_seed", 1), "sampler_seed", 0),
        trials=None if content.get("trials") is None else _whole(content["trials"], "trials", 1),
        pruning=_choice(content, "pruning", PRUNERS, "none"),
    )
    _check_together(study)
    return study


def _check_together(study: Study) -> None:
    keys = [key for setting in study.settings for key in setting.keys]
    twice = next((key for key in keys if keys.count(key) > 1 or key in study.options), None)
    if twice:
        raise StudyError(f"{twice} is set twice; accepted: once")
    for place, given, refused in (
        ("settings", keys, {*_OWN_KEYS, "data.validate_on"}),
        ("options", study.options, _OWN_KEYS),
    ):
        for key in refused & set(given):
            raise StudyError(
                f"{place}.{key}: cannot work in a study; accepted: data.*, model.*, trainer.*, "
                "and seeds by their own key"
            )
    if study.is_grid and study.trials is not None:
        raise StudyError(
            f"trials = {study.trials} cannot work: every setting has a grid, and each of its "
            f"{len(study.points)} combinations is tried; accepted: trials with choices or with "
            "low and high"
        )
    if not study.is_grid and study.trials is None:
        raise StudyError("trials is missing; accepted: their number, since values are drawn")
    if study.pruning != "none" and not study.objective.startswith("val/"):
        raise StudyError(
            f"pruning = {study.pruning!r} cannot work by {study.objective}; accepted: an "
            "objective on the validation images"
        )


def _setting(name: str, content: Any) -> Setting:
    where = f"settings.{name}"
    _check_mapping(content, _SETTING_KEYS, where)
    kinds = [kind for kind in ("grid", "choices", "low") if kind in content]
    if len(kinds) != 1:
        raise StudyError(f"{where}: accepted: one of grid, choices, and low with high")
    given = content.get("keys", [name])
    keys = given if isinstance(given, list) else [given]
    if not keys or not all(isinstance(key, str) and key for key in keys):
        raise StudyError(f"{where}.keys = {keys!r} cannot work; accepted: keys of a configuration")
    if kinds != ["low"]:
        extra = [key for key in _RANGE_KEYS if key in content]
        if extra:
            raise StudyError(f"{where}.{extra[0]}: goes with low and high, not with {kinds[0]}")
        values = _values(content[kinds[0]], f"{where}.{kinds[0]}")
        if kinds == ["grid"]:
            return Setting(name, tuple(keys), grid=values)
        return Setting(name, tuple(keys), choices=values)
    return _range(name, tuple(keys), content, where)


def _range(name: str, keys: tuple[str, ...], content: Mapping[str, Any], where: str) -> Setting:
    integer = content.get("int", False)
    log = content.get("log", False)
    for key, value in (("int", integer), ("log", log)):
        if not isinstance(value, bool):
            raise StudyError(f"{where}.{key} = {value!r} cannot work; accepted: true or false")
    low = _number(content.get("low"), f"{where}.low", integer)
    high = _number(content.get("high"), f"{where}.high", integer)
    step = content.get("step")
    if step is not None:
        step = _number(step, f"{where}.step", integer)
    if not low < high:
        raise StudyError(
            f"{where}: low {low} and high {high} cannot work; accepted: low below high"
        )
    if log and low <= 0:
        raise StudyError(f"{where}.low = {low} cannot work with log; accepted: a number above 0")
    if step is not None and (log or not 0 < step <= high - low):
        raise StudyError(
            f"{where}.step = {step} cannot work; accepted: above 0, at most high - low, without log"
        )
    return Setting(name, keys, low=low, high=high, log=log, step=step, integer=integer)


def _check_mapping(content: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(content, Mapping):
        raise StudyError(f"{where} holds {content!r}; accepted: {', '.join(known)}")
    for key in content:
        if key not in known:
            raise StudyError(f"{where}: unknown key {key!r}; {nearest(str(key), known)}")


def _values(values: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(values, list) or not values:
        raise StudyError(f"{where} = {values!r} cannot work; accepted: a list of values")
    if any(not isinstance(value, str | int | float | bool | None) for value in values):
        raise StudyError(f"{where} = {values!r} cannot work; accepted: numbers, words, true, false")
    if len(set(map(repr, values))) < len(values):
        raise StudyError(f"{where} = {values!r} cannot work; accepted: different values")
    return tuple(values)


def _seeds(seeds: Any) -> tuple[int, ...]:
    if not isinstance(seeds, list) or not seeds or len(set(map(repr, seeds))) < len(seeds):
        raise StudyError(
            f"seeds = {seeds!r} cannot work; accepted: a list of different whole numbers"
        )
    return tuple(_whole(seed, "seeds", 0) for seed in seeds)


def _objective(name: Any) -> str:
    if str(name).startswith("test"):
        raise StudyError(
            f"objective = {name!r} cannot work: test images must not choose; they are used once, "
            f"for the chosen setting; accepted: {', '.join(DIRECTIONS)}"
        )
    if name not in DIRECTIONS:
        raise StudyError(f"objective: unknown {name!r}; {nearest(str(name), DIRECTIONS)}")
    return name


def _options(options: Any) -> dict[str, Any]:
    if not isinstance(options, Mapping) or not all("." in str(key) for key in options):
        raise StudyError(
            f"options = {options!r} cannot work; accepted: keys of the configuration with their "
            "values, such as trainer.max_epochs: 3"
        )
    return dict(options)


def _choice(content: Mapping, key: str, accepted: tuple[str, ...] | None, default: str) -> str:
    value = content.get(key, default)
    if accepted is None and (not isinstance(value, str) or Path(value).name != value):
        raise StudyError(f"{key} = {value!r} cannot work; accepted: a word without separators")
    if accepted is not None and value not in accepted:
        raise StudyError(f"{key}: unknown {value!r}; {nearest(str(value), accepted)}")
    return value


def _whole(value: Any, key: str, least: int) -> int:
    need_whole(key, value, least, StudyError)
    return value


def _number(value: Any, where: str, integer: bool) -> float:
    if not (is_whole(value) if integer else is_finite(value)):
        kind = "a whole number" if integer else "a number"
        raise StudyError(f"{where} = {value!r} cannot work; accepted: {kind}")
    return value
