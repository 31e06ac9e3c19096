"""TensorBoard's view inside: its cost in a run of configs/cnn.yaml, 12 epochs on MNIST."""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lit_mnist.__main__ import main
from lit_mnist.errors import UserError
from lit_mnist.training.tensorboard import InsideView

from .measure import Report, Timing, interleaved, ratios

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn.yaml"
_HOOKS = (
    "on_fit_start",
    "on_train_start",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_train_end",
    "on_validation_start",
    "on_validation_end",
    "on_test_start",
    "on_test_end",
)


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time the command ``fit`` with and without the callback, and how long training waits for it.

    Processor time is that of all threads, the writing one included; it does not feel what else the
    machine does.
    """
    options = ["--trainer.accelerator", "gpu" if device == "cuda" else device]
    short = ["--data.dataset", "digits", "--trainer.max_epochs", "2"]
    waits: list[float] = []
    worked: dict[str, list[float]] = {"without": [], "with": []}

    def fit(name: str, more: list[str]) -> None:
        start = time.process_time()
        with _timed() as seconds:
            _fit([*options, *more])
        worked[name].append(time.process_time() - start)
        waits.append(sum(seconds))

    _fit([*options, *short])  # imports and first calls: not part of what is compared
    more = short if quick else []
    cases = {
        "without": lambda: fit("without", [*more, "--trainer.callbacks", "null"]),
        "with": lambda: fit("with", more),
    }
    timings = interleaved(cases, rounds, warm_up=0)
    shares = ratios(timings, "without")
    work = {name: Timing(tuple(seconds)) for name, seconds in worked.items()}
    rows = [
        {
            "fit": name,
            "time": timings[name],
            "over without": shares[name],
            "processor time": work[name],
            "processor time over without": ratios(work, "without")[name],
            "training waits in the callback, s": statistics.median(waits[number::2]),
        }
        for number, name in enumerate(cases)
    ]
    data = "2 epochs of the embedded digits" if quick else "12 epochs of MNIST"
    return Report(
        "TensorBoard's view inside",
        rows,
        f"The command fit with configs/cnn.yaml, {data}, on {device}; the "
        "wait is that of the callback alone, the file's writing thread runs beside training.",
        rounds,
    )


def _fit(options: list[str]) -> None:
    with tempfile.TemporaryDirectory() as runs, contextlib.redirect_stdout(io.StringIO()):
        code = main(
            [
                "fit",
                "--config",
                str(_CONFIG),
                "--runs_dir",
                runs,
                "--data.fallback",
                "null",
                *options,
            ]
        )
    if code:
        raise UserError("the run to be timed failed; its message stands above")


@contextlib.contextmanager
def _timed() -> Iterator[list[float]]:
    """Collect the seconds of each call of the callback's hooks."""
    seconds: list[float] = []
    originals = {name: getattr(InsideView, name) for name in _HOOKS}

    def wrapped(original: Any) -> Any:
        def hook(*args: Any, **kwargs: Any) -> None:
            start = time.perf_counter()
            original(*args, **kwargs)
            seconds.append(time.perf_counter() - start)

        return hook

    try:
        for name, original in originals.items():
            setattr(InsideView, name, wrapped(original))
        yield seconds
    finally:
        for name, original in originals.items():
            setattr(InsideView, name, original)
