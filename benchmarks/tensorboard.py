"""TensorBoard's view inside: what it adds to a whole run of configs/cnn.yaml, 12 epochs on MNIST."""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lit_mnist.__main__ import main
from lit_mnist.errors import UserError
from lit_mnist.training.tensorboard import InsideView

from .measure import Report, interleaved, ratios

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn.yaml"
_HOOKS = ("on_fit_start", "on_train_start", "on_train_batch_end", "on_train_epoch_end", "on_train_end",
          "on_validation_start", "on_validation_end", "on_test_start", "on_test_end")


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time the whole command ``fit`` with and without the callback, and the time that training waits in it."""
    options = ["--trainer.accelerator", "gpu" if device == "cuda" else device]
    options += ["--data.dataset", "digits", "--trainer.max_epochs", "2"] if quick else []
    waits: list[float] = []
    cases = {"without": lambda: _fit([*options, "--trainer.callbacks", "null"]),
             "with": lambda: waits.append(_waited(options))}
    timings = interleaved(cases, rounds)
    shares = ratios(timings, "without")
    rows = [{"fit": name, "time": timings[name], "over without": shares[name],
             "training waits in the callback, s": sorted(waits)[len(waits) // 2] if name == "with" else 0.0}
            for name in cases]
    data = "2 epochs of the embedded digits" if quick else "12 epochs of MNIST"
    return Report("TensorBoard's view inside", rows, f"The command fit with configs/cnn.yaml, {data}, on {device}; the "
                  "wait is that of the callback alone, the file's writing thread runs beside training.", rounds)


def _fit(options: list[str]) -> None:
    with tempfile.TemporaryDirectory() as runs, contextlib.redirect_stdout(io.StringIO()):
        code = main(["fit", "--config", str(_CONFIG), "--runs_dir", runs, "--data.fallback", "null", *options])
    if code:
        raise UserError("the run to be timed failed; its message stands above")


def _waited(options: list[str]) -> float:
    with _timed() as seconds:
        _fit(options)
    return sum(seconds)


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
