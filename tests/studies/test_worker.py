"""Many workers of one study: each point is trained once, and what dead workers leave is trained
again.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("optuna")

from lit_mnist.studies.description import Setting, Study, StudyError
from lit_mnist.studies.liveness import FolderLiveness
from lit_mnist.studies.storage import JOURNAL, StorageError, open_storage
from lit_mnist.studies.trial import Report, TrialResult
from lit_mnist.studies.worker import Worker
from tests.conftest import ROOT
from tests.studies.worker_process import STUDY, train, worker


def start(out: Path, *more: str, seconds: float = 0.05) -> subprocess.Popen:
    environment = {**os.environ, "TRAINING_SECONDS": str(seconds), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.studies.worker_process", str(out), *more]
    return subprocess.Popen(command, env=environment, cwd=ROOT)


def notes(out: Path) -> Counter[str]:
    path = out / "notes"
    return Counter(path.read_text(encoding="utf-8").splitlines() if path.is_file() else [])


def check_complete(study: Worker) -> None:
    """Every point has one complete trial, with the values of all seeds."""
    assert [trial.user_attrs["values"]["x"] for trial in study.finished] == list(range(8))
    assert {trial.state.name for trial in study.finished} == {"COMPLETE"}
    assert [trial.value for trial in study.finished] == [x + 1.5 for x in range(8)]


def test_two_workers_share_a_study(tmp_path: Path) -> None:
    workers = [start(tmp_path, seconds=0.3), start(tmp_path, seconds=0.3)]
    assert [each.wait(timeout=60) for each in workers] == [0, 0]
    assert notes(tmp_path) == {f"{what} {x}": 1 for x in range(8) for what in ("begin", "end")}
    study = worker(tmp_path)
    check_complete(study)
    assert len({trial.user_attrs["worker"] for trial in study.finished}) == 2


def kill_at_random(out: Path, kills: int, *more: str) -> None:
    """Keep two workers going and kill one of them again and again, then let the others finish."""
    dice = random.Random(0)
    workers = [start(out, *more, seconds=0.4), start(out, *more, seconds=0.4)]
    for _ in range(kills):
        time.sleep(dice.uniform(0.2, 1.5))
        victim = workers.pop(0)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        workers.append(start(out, *more, seconds=0.4))
    assert [each.wait(timeout=120) for each in workers] == [0, 0]


def test_a_few_kills_leave_a_complete_study(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 3)
    check_complete(worker(tmp_path))
    ended = {line: count for line, count in notes(tmp_path).items() if line.startswith("end")}
    assert set(ended) == {f"end {x}" for x in range(8)}


@pytest.mark.slow
def test_ten_kills_leave_a_complete_study(tmp_path: Path) -> None:
    kill_at_random(tmp_path, 10)
    check_complete(worker(tmp_path))


def test_a_dead_worker_loses_its_own_trial_alone(tmp_path: Path) -> None:
    first = start(tmp_path, seconds=600)
    while not notes(tmp_path)["begin 0"]:
        assert first.poll() is None
        time.sleep(0.05)
    second = start(tmp_path)
    while sum(line.startswith("end") for line in notes(tmp_path)) < 7:
        assert second.poll() is None
        time.sleep(0.05)
    assert not notes(tmp_path)["end 0"]  # it lives: its trial is not given out
    first.kill()
    first.wait()
    assert second.wait(timeout=60) == 0
    check_complete(worker(tmp_path))
    assert notes(tmp_path)["begin 0"] == 2
    assert all(notes(tmp_path)[f"begin {x}"] == 1 for x in range(1, 8))


def test_a_silent_machine_loses_its_trial_when_its_lease_has_run_out(tmp_path: Path) -> None:
    study = worker(tmp_path, lease=50.0)
    liveness = FolderLiveness(tmp_path / "workers", 50.0)
    trial = study.handle.ask()
    with liveness.hold(trial.number, trial._trial_id):
        pass
    (tmp_path / "workers" / f"trial-{trial.number}.host").write_text("elsewhere", encoding="utf-8")
    running = study.handle.get_trials(deepcopy=False)
    assert liveness.dead(running) == []
    lock = tmp_path / "workers" / f"trial-{trial.number}.lock"
    os.utime(lock, (time.time() - 60, time.time() - 60))
    assert [each.number for each in liveness.dead(running)] == [trial.number]


def test_a_torn_line_of_the_journal_is_dropped(tmp_path: Path) -> None:
    worker(tmp_path)
    journal = tmp_path / JOURNAL
    whole = journal.read_bytes()
    with open(journal, "ab") as file:
        file.write(b'{"op_code":4,"worker')
    open_storage(None, tmp_path, 60)
    assert journal.read_bytes() == whole


def test_a_study_of_other_settings_is_refused(tmp_path: Path) -> None:
    worker(tmp_path)
    other = Study("tiny", (Setting("x", ("model.x",), grid=(1, 2)),), seeds=(1, 2))
    with pytest.raises(StudyError, match="started with other values of settings"):
        Worker(other, {"a": 1}, tmp_path, train)


def parabola(study: Study, point: int, values: dict, report: object) -> TrialResult:
    return TrialResult({"1": -((values["x"] - 0.3) ** 2)}, {})


def test_drawn_values_do_not_depend_on_the_worker(tmp_path: Path) -> None:
    study = Study("drawn", (Setting("x", ("x",), low=0.0, high=1.0),), trials=12)
    values = []
    for folder in ("a", "b"):
        one = Worker(study, {}, tmp_path / folder, parabola)
        one.run()
        values.append([trial.params["x"] for trial in one.finished])
    assert values[0] == values[1]
    assert len(set(values[0])) == 12


def test_a_trial_that_falls_behind_is_pruned(tmp_path: Path) -> None:
    def train_by_epochs(study: Study, point: int, values: dict, report: Report) -> TrialResult:
        ended = any([report(epoch, values["x"]) for epoch in range(3)])
        return TrialResult({"1": values["x"]}, {}, pruned=ended)

    x = Setting("x", ("x",), grid=(5, 6, 7, 8, 9, 1))
    one = Worker(Study("pruned", (x,), pruning="median"), {}, tmp_path, train_by_epochs)
    one.run()
    assert [trial.state.name for trial in one.finished] == ["COMPLETE"] * 5 + ["PRUNED"]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", "onnection refused"),
        ("nonsense://x", "nonsense"),
        ("sqlite:////nowhere/at/all.db", "unable to open"),
    ],
)
def test_a_storage_that_cannot_be_reached(tmp_path: Path, url: str, reason: str) -> None:
    with pytest.raises(StorageError, match=reason) as error:
        open_storage(url, tmp_path / "out", 60)
    assert "secret" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_sqlite_is_a_storage_too(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    assert start(tmp_path, url).wait(timeout=60) == 0
    check_complete(worker(tmp_path, url))
    assert worker(tmp_path, url).total == len(STUDY.points)
