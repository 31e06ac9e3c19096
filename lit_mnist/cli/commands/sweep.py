"""A sweep over any settings of a configuration, by one process or many."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UserError
from ...outcome import Outcome

if TYPE_CHECKING:
    from ...studies.worker import Worker

_PARENT = "LIT_MNIST_SWEEP_PARENT"
LEASE = 120.0  # seconds


def sweep(
    config: str,
    study: str,
    workers: int = 1,
    storage: str | None = None,
    options: list[str] | None = None,
    out: str | None = None,
    retry: bool = False,
    lease: float = LEASE,
) -> Outcome:
    """Train a configuration with many values of its settings, and compare the results.

    Example: python -m lit_mnist sweep --config configs/shallow.yaml --study
    configs/studies/filters.yaml

    The study file names the settings, their values, the seeds and the objective (docs/studies.md).
    Each trial is an ordinary run folder. No trial sees a test image; the runs of the best setting
    are tested once at the end. The same command resumes an interrupted study; run twice at a time,
    here or on another machine, both share the work. The trial of a killed worker is started again.

    Args:
        config: configuration whose settings are changed.
        study: the study file.
        workers: number of processes on this machine.
        storage: URL of a database or of Redis that several machines share, in Optuna's form
            (default: a journal file in the folder).
        options: settings of all trials, such as data.root=/data; they replace the study's own.
        out: folder for runs, journal, sweep.json, sweep.md, sweep.html and pictures (default:
            out/sweep/STUDY).
        retry: run failed trials again.
        lease: seconds without a heartbeat after which a worker on another machine counts as dead.
    """
    from ...files import read_config
    from ...studies.description import read_study
    from ...studies.storage import check_storage
    from ...studies.training import FitTraining, arguments, check_values
    from ...studies.worker import Worker

    if workers < 1:
        raise UserError(f"--workers {workers}: cannot work; accepted: a whole number above 0")
    if not lease >= 15:
        raise UserError(f"--lease {lease:g}: cannot work; accepted: 15 seconds or more")
    if not Path(config).is_file():
        raise UserError(
            f"--config {config}: no such file; accepted: a configuration such as configs/cnn.yaml"
        )
    chosen = tuple(options or ())
    _check_options(chosen)
    description = read_study(study).without_options(option.partition("=")[0] for option in chosen)
    folder = Path(out) if out else Path("out") / "sweep" / description.name
    check_storage(storage, folder)
    if _PARENT not in os.environ:  # a parent has checked them for its workers
        check_values(description, study, _check, lambda keys: arguments(config, chosen, keys))
    command = _command(config, study, storage, chosen, str(folder), lease)
    worker = Worker(
        description,
        {"file": read_config(config), "options": sorted(_without_data_root(chosen))},
        folder,
        FitTraining(_fit, config, chosen, folder),
        storage,
        lease,
        _Progress(),
        _parent_has_ended,
    )
    if retry and _PARENT not in os.environ:
        worker.retry_failed()
    helpers = _start_helpers(command, workers)
    try:
        worker.run()
    except SystemExit:  # a signal stopped fit, whose message is in the log of its trial
        if _PARENT not in os.environ:
            _say(f"interrupted; the same command resumes the study in {folder}")
        raise
    for helper in helpers:
        helper.wait()
    if _PARENT in os.environ:
        worker.close()
        return Outcome({}, "")
    _test_once(worker, folder, chosen)
    outcome = _write(worker, folder, shlex.join(["python", "-m", "lit_mnist", *command]))
    worker.close()
    return outcome


def _check_options(options: Sequence[str]) -> None:
    for option in options:
        key, equals, _ = option.partition("=")
        if not equals or "." not in key:
            raise UserError(
                f"--options {option}: cannot work; accepted: key=value, such as data.dataset=digits"
            )


def _without_data_root(options: Sequence[str]) -> list[str]:
    """Leave out the folder of the data, which may differ between machines."""
    return [option for option in options if not option.startswith("data.root=")]


def _command(
    config: str,
    study: str,
    storage: str | None,
    options: Sequence[str],
    out: str,
    lease: float,
) -> list[str]:
    """Return the command that takes part in the same study."""
    command = ["sweep", "--config", config, "--study", study, "--out", out]
    command += ["--storage", storage] if storage else []
    command += ["--options", *options] if options else []
    return command + (["--lease", f"{lease:g}"] if lease != LEASE else [])


def _check(argv: list[str]) -> Mapping[str, Any]:
    """Build what fit would build, without data; return the settings."""
    from ..training import run

    return run("fit", argv, dry=True).data


def _fit(argv: list[str], callbacks: Sequence[Any]) -> Mapping[str, Any]:
    from ..training import run

    summary = run("fit", argv, callbacks).data
    if "run" not in summary:
        raise KeyboardInterrupt
    return summary


def _start_helpers(command: Sequence[str], workers: int) -> list[subprocess.Popen]:
    """Start `command` `workers` - 1 times; the cores are shared among all processes, this one
    too.
    """
    if workers == 1 or _PARENT in os.environ:
        return []
    import torch

    threads = max(1, (os.cpu_count() or 1) // workers)
    torch.set_num_threads(threads)
    environment = {**os.environ, _PARENT: str(os.getpid()), "OMP_NUM_THREADS": str(threads)}
    process = [sys.executable, "-m", "lit_mnist", *command]
    return [
        subprocess.Popen(process, env=environment, stdout=subprocess.DEVNULL)
        for _ in range(workers - 1)
    ]


def _parent_has_ended() -> bool:
    """Whether the sweep that started this worker has ended."""
    parent = os.environ.get(_PARENT)
    return parent is not None and os.getppid() != int(parent)


def _test_once(worker: Worker, folder: Path, options: Sequence[str]) -> None:
    """Test the runs of the best setting once; the study keeps their accuracies."""
    from ...studies.results import best_trial

    best = best_trial(worker)
    if best is None or worker.handle.user_attrs.get("test", {}).get("point") == best["point"]:
        return
    runs = [Path(run) for run in best["runs"].values()]
    if not all(run.is_dir() for run in runs):
        _say(
            f"the runs of the best setting are on {best['worker']}, where the same command tests "
            f"them: {runs[0]}"
        )
        return
    accuracies = [_tested(run, options) for run in runs]
    test = {"point": best["point"], "by_seed": accuracies, "mean": sum(accuracies) / len(runs)}
    worker.handle.set_user_attr("test", test)


def _tested(run: Path, options: Sequence[str]) -> float:
    from ..training import run as run_command

    root = [f"--{option}" for option in options if option.startswith("data.root=")]
    quiet = ["--trainer.enable_progress_bar", "false"]
    data = run_command("test", ["--ckpt_path", str(run), *root, *quiet]).data
    return float(data["test/acc"])


def _write(worker: Worker, folder: Path, command: str) -> Outcome:
    """Write the study's results and return them."""
    from ...figures.canvas import to_bytes
    from ...figures.studies import pictures
    from ...files import write_bytes, write_json, write_text
    from ...studies import results
    from ...studies.storage import without_password

    result = results.collect(worker, without_password(command))
    drawn = {name: to_bytes(figure) for name, figure in pictures(result).items()}
    files = [write_bytes(folder / name, png) for name, png in drawn.items()]
    files.append(write_text(folder / "sweep.md", results.markdown(result, list(drawn))))
    files.append(results.write_html(result, drawn, folder / "sweep.html"))
    results.write_hparams(result, folder / "hparams")
    result["files"] = [*map(str, files), str(folder / "sweep.json")]
    write_json(folder / "sweep.json", result)
    failed = any(row["state"] == "failed" for row in result["trials"])
    text = f"{results.summary_text(result)}\npage: {folder / 'sweep.html'}"
    return Outcome(result, text, code=int(failed))


class _Progress:
    """Prints on standard error how each trial of this process ended, and the time that remains."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.before: int | None = None

    def __call__(self, worker: Worker, trial: Any) -> None:
        from ...studies.results import trial_line

        done = len(worker.finished)
        if self.before is None:  # trials that had ended before this command started
            self.before = done - 1
        rate = (time.perf_counter() - self.started) / max(done - self.before, 1)
        remaining = rate * (worker.total - done)
        _say(f"{done}/{worker.total}  {trial_line(worker, trial.number)}  {_time(remaining)} left")


def _time(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds >= 90 else f"about {seconds:.0f} s"


def _say(text: str) -> None:
    print(f"sweep: {text}", file=sys.stderr, flush=True)
