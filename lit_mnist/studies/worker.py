"""A worker: runs the trials of a study until none is left, and repeats those of dead workers."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from .description import Study, StudyError
from .liveness import FolderLiveness, HeartbeatLiveness, Liveness, RedisLiveness
from .storage import close_storage, open_storage, quiet, require_optuna
from .trial import Training, TrialResult

_WAIT = 1.0  # seconds between two looks at what other workers do
_POINT = "point"
_DEFINITION = "definition"


@dataclass
class Worker:
    """One process that takes part in a study.

    Each trial has a number, that of its point. Points without a running or finished trial are put
    into the storage's queue. If two workers do so at once, the trial with the lower number is kept
    and the other one is ended before its training, so that only one worker trains each point.
    """

    study: Study
    config: Any
    out: Path
    train: Training
    url: str | None = None
    lease: float = 120.0  # seconds of silence after which a worker on another machine is dead
    show: Callable[[Worker, Any], None] | None = None
    stopped: Callable[[], bool] = lambda: False
    storage: Any = field(init=False)
    handle: Any = field(init=False)
    liveness: Liveness = field(init=False)

    def __post_init__(self) -> None:
        self.storage = open_storage(self.url, self.out, grace=int(self.lease))
        self.handle = _open_study(self.study, self.storage)
        self._check_definition()
        self.liveness = self._liveness(self.storage)

    def close(self) -> None:
        """Close the storage's connections, where it has any."""
        close_storage(self.storage)

    def _liveness(self, storage: Any) -> Liveness:
        if self.url is None:
            return FolderLiveness(self.out / "workers", self.lease)
        if hasattr(storage, "record_heartbeat"):
            return HeartbeatLiveness(storage, self.handle)
        return RedisLiveness(storage, self.handle, self.lease)

    def _check_definition(self) -> None:
        mine = json.loads(json.dumps(self.study.definition(self.config), default=str))
        theirs = self.handle.user_attrs.get(_DEFINITION)
        if theirs is None:
            self.handle.set_user_attr(_DEFINITION, mine)
        elif theirs != mine:
            keys = [key for key in mine if mine[key] != theirs.get(key)]
            raise StudyError(
                f"study {self.study.name!r} was started with other values of {', '.join(keys)}; "
                "accepted: the same files as before, another name in the study file, or another "
                "folder as --out"
            )

    # ---- trials

    @property
    def trials(self) -> list[Any]:
        """The trials that count: for each point the newest one that is not lost."""
        return valid_trials(self.handle.get_trials(deepcopy=False))

    @property
    def finished(self) -> list[Any]:
        """The trials that have ended: trained, pruned, or failed with an error."""
        return [trial for trial in self.trials if trial.state.is_finished()]

    @property
    def total(self) -> int:
        """Number of trials of the study."""
        return len(self.study.points)

    def run(self) -> None:
        """Train trials until all have ended; wait for the last ones of other workers, which may be
        lost.
        """
        while not self.stopped():
            with contextlib.ExitStack() as held:
                with self.liveness.claiming():
                    self._give_out_again()
                    trial = self._take()
                    if trial is not None:
                        held.enter_context(self.liveness.hold(trial.number, trial._trial_id))
                if trial is not None:
                    self._run(trial)
                    continue
            if len(self.finished) >= self.total:
                return
            time.sleep(_WAIT)

    def retry_failed(self) -> None:
        """Start failed trials again."""
        with self.liveness.claiming():
            for trial in self.trials:
                if "error" in trial.user_attrs:
                    self._queue(trial.user_attrs[_POINT], _parameters(trial))

    def _give_out_again(self) -> None:
        """End dead workers' trials, and queue each point that no trial stands for."""
        states = require_optuna().trial.TrialState
        trials = self.handle.get_trials(deepcopy=False)
        running = [trial for trial in trials if trial.state == states.RUNNING]
        for trial in self.liveness.dead(running) if running else []:
            with contextlib.suppress(require_optuna().exceptions.UpdateFinishedTrialError):
                self.handle.tell(trial.number, state=states.FAIL)
        trials = self.handle.get_trials(deepcopy=False)
        present = {trial.user_attrs.get(_POINT) for trial in valid_trials(trials)}
        drawn = {trial.user_attrs.get(_POINT): _parameters(trial) for trial in trials}
        for number, values in enumerate(self.study.points):
            if number not in present:
                self._queue(number, drawn.get(number) or _encoded(self.study, values))

    def _queue(self, point: int, parameters: Mapping[str, Any]) -> None:
        with quiet():
            self.handle.enqueue_trial(dict(parameters), user_attrs={_POINT: point})

    def _take(self) -> Any | None:
        """Return a queued trial that is now this worker's; None where none is queued."""
        states = require_optuna().trial.TrialState
        while any(t.state == states.WAITING for t in self.handle.get_trials(deepcopy=False)):
            with quiet():
                trial = self.handle.ask()
            if (
                _POINT not in trial.user_attrs
            ):  # another worker took the queued one; this is a new one
                self.handle.tell(trial, state=states.FAIL)
                return None
            if self._is_first(trial):
                return trial
            trial.set_user_attr("duplicate", True)
            self.handle.tell(trial, state=states.FAIL)
        return None

    def _is_first(self, trial: Any) -> bool:
        point = trial.user_attrs[_POINT]
        kept = [each for each in self.trials if each.user_attrs.get(_POINT) == point]
        return kept[0].number == trial.number

    def _run(self, trial: Any) -> None:
        states = require_optuna().trial.TrialState
        # by the point, not by the worker: one worker draws the same values in every run of a study
        self.handle.sampler = _sampler(self.study, trial.user_attrs[_POINT])
        values = _suggest(self.study, trial)
        trial.set_user_attr("worker", f"{socket.gethostname()}:{os.getpid()}")
        trial.set_user_attr("values", values)
        began = time.perf_counter()
        try:
            result = self.train(
                self.study, trial.user_attrs[_POINT], values, _reporter(self.study, trial)
            )
        except UserError as error:
            trial.set_user_attr("error", str(error))
            self._tell(trial, None, states.FAIL)
            return
        for key, value in result.to_dict().items():
            trial.set_user_attr(key, value)
        trial.set_user_attr("seconds", time.perf_counter() - began)
        self._tell(trial, result, states.PRUNED if result.pruned else states.COMPLETE)

    def _tell(self, trial: Any, result: TrialResult | None, state: Any) -> None:
        value = result.objective if result and not result.pruned else None
        with quiet():
            self.handle.tell(trial, value, state=state, skip_if_finished=True)
        if self.show:
            self.show(self, trial)


def valid_trials(trials: list[Any]) -> list[Any]:
    """Return one trial for each point: the first that is queued, running, or has ended regularly.

    Left out are trials of dead workers (failed without an error) and duplicates. A trial that
    failed with an error is replaced by a later one of its point.
    """
    chosen: dict[int, Any] = {}
    for trial in sorted(trials, key=lambda each: each.number):
        point = trial.user_attrs.get(_POINT)
        lost = trial.state.name == "FAIL" and "error" not in trial.user_attrs
        if point is None or lost:
            continue
        if point not in chosen or "error" in chosen[point].user_attrs:
            chosen[point] = trial
    return [chosen[point] for point in sorted(chosen)]


def _open_study(study: Study, storage: Any) -> Any:
    optuna = require_optuna()
    with quiet():
        return optuna.create_study(
            study_name=study.name,
            storage=storage,
            direction=study.direction,
            sampler=_sampler(study, 0),
            pruner=_pruner(optuna, study.pruning),
            load_if_exists=True,
        )


def _sampler(study: Study, point: int) -> Any:
    optuna = require_optuna()
    seed = 100_003 * study.sampler_seed + point
    if study.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with quiet():
        return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _pruner(optuna: Any, name: str) -> Any:
    return {
        "none": optuna.pruners.NopPruner,
        "median": optuna.pruners.MedianPruner,
        "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
        "hyperband": optuna.pruners.HyperbandPruner,
    }[name]()


def _suggest(study: Study, trial: Any) -> dict[str, Any]:
    """Return the trial's value of each setting."""
    values = {}
    for each in study.settings:
        if listed := each.grid or each.choices:
            values[each.name] = trial.suggest_categorical(each.name, listed)
        elif each.integer:
            values[each.name] = trial.suggest_int(
                each.name, int(each.low), int(each.high), step=int(each.step or 1), log=each.log
            )
        else:
            values[each.name] = trial.suggest_float(
                each.name, each.low, each.high, step=each.step, log=each.log
            )
    return values


def _encoded(study: Study, values: Mapping[str, Any]) -> dict[str, Any]:
    return {setting.name: values[setting.name] for setting in study.settings if values}


def _parameters(trial: Any) -> dict[str, Any]:
    """Return a trial's values, drawn or queued, so that the trial in its place has them too."""
    return dict(trial.params) or dict(trial.system_attrs.get("fixed_params", {}))


def _reporter(study: Study, trial: Any) -> Callable[[int, float], bool] | None:
    """Return what reports an epoch's value and says whether the trial is to end; None without
    pruning.
    """
    if study.pruning == "none":
        return None

    def report(epoch: int, value: float) -> bool:
        trial.report(value, epoch)
        return trial.should_prune()

    return report
