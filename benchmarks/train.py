"""Training: ours, a bare PyTorch loop of the same arithmetic, and Keras, on the same steps."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from lit_mnist.__main__ import main
from lit_mnist.data.module import MNISTDataModule
from lit_mnist.errors import UserError
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.losses import data_loss, penalty
from lit_mnist.training.optimizers import RMSprop
from lit_mnist.training.schedules import InverseTimeDecay

from .measure import Report, TimedProcess, Timing, interleaved, ratios

_CONFIGS = Path(__file__).parent.parent / "configs"
_BATCH = 64


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time an epoch of `cnn.yaml` and `cnn_bf16.yaml`, and a large matrix product per precision."""
    steps = 50 if quick else 844
    bench = Training(steps, device)
    cases: dict[str, Callable[[], object]] = {
        "ours, float32": lambda: bench.ours("cnn.yaml"),
        "bare loop, float32": lambda: bench.bare(torch.float32),
        "ours, bfloat16": lambda: bench.ours("cnn_bf16.yaml"),
        "bare loop, bfloat16": lambda: bench.bare(torch.bfloat16),
        "matrix product, float32": lambda: bench.product(torch.float32),
        "matrix product, bfloat16": lambda: bench.product(torch.bfloat16),
    }
    keras = (
        TimedProcess("benchmarks.train", str(steps)) if device == "cpu" and _has_keras() else None
    )
    if keras is not None:
        cases["Keras, float32"] = keras.take
    try:
        interleaved(cases, rounds)
    finally:
        if keras is not None:
            keras.close()
    return Report("Training", bench.rows(keras), bench.notes(), rounds)


class Training:
    """The cases, and the seconds of training alone that each reports."""

    def __init__(self, steps: int, device: str) -> None:
        self.steps = steps
        self.device = device
        self.images = steps * _BATCH
        self.spec = NetworkSpec.from_dict(
            yaml.safe_load((_CONFIGS / "cnn.yaml").read_text())["model"]["network"]
        )
        self.seconds: dict[str, list[float]] = {}
        self.whole = steps >= 844  # an epoch of MNIST less a tenth
        self.data = MNISTDataModule(fallback="digits", download=False)
        part = self.data.prepared.train
        self.pixels = torch.from_numpy(part.images).unsqueeze(1).to(device)
        self.labels = torch.from_numpy(part.labels).to(device)

    def ours(self, config: str) -> None:
        """Run `fit` as users do, with logs, validation, checkpoints; count training time only.

        The time of an epoch is one of twelve, as the configuration has them: of the first, in which
        TensorBoard's view inside looks four times more, a twelfth, the rest of the second.
        """
        with tempfile.TemporaryDirectory() as folder:
            options = [
                "--runs_dir",
                folder,
                "--data.download",
                "false",
                "--trainer.accelerator",
                self.device,
            ]
            options += (
                ["--trainer.max_epochs", "2"]
                if self.whole
                else ["--trainer.max_steps", str(self.steps)]
            )
            start = time.perf_counter()
            quiet = io.StringIO()
            with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                code = main(["fit", "--config", str(_CONFIGS / config), *options])
            whole = time.perf_counter() - start
            if code:
                raise UserError(
                    f"fit --config {config} ended with exit code {code}: {quiet.getvalue()}"
                )
            summary = json.loads(next(Path(folder).glob("*/*/summary.json")).read_text())
        name = "ours, bfloat16" if "bf16" in config else "ours, float32"
        first, *others = summary["epoch_seconds"]
        self._take(name, (first + 11 * others[0]) / 12 if others else first)
        self._take(f"{name}, all of fit", whole)

    def bare(self, dtype: torch.dtype) -> None:
        """The same arithmetic with nothing around it."""
        network = Network(self.spec, 1).to(self.device)
        optimizer = RMSprop(network.parameters(), momentum=0.8)
        rates = InverseTimeDecay(0.001, 1, 0.001).table(self.steps)
        order = torch.from_numpy(np.random.default_rng(1).permutation(len(self.labels))).to(
            self.device
        )
        start = time.perf_counter()
        for step in range(self.steps):
            chosen = order[(step * _BATCH) % len(order) :][:_BATCH]
            optimizer.param_groups[0]["lr"] = float(rates[step])
            with torch.autocast(self.device, torch.bfloat16, enabled=dtype == torch.bfloat16):
                logits = network.training_logits(self.pixels[chosen])
                loss = data_loss(network, logits, self.labels[chosen]) + penalty(network)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        self._wait()
        self._take(f"bare loop, {_name(dtype)}", time.perf_counter() - start)

    def product(self, dtype: torch.dtype, size: int = 2048) -> None:
        """Time a large matrix product: the floating-point peak of this machine in this minute."""
        a = torch.randn(size, size, device=self.device).to(dtype)
        start = time.perf_counter()
        products = 0
        while time.perf_counter() - start < 1.0:
            a @ a
            self._wait()
            products += 1
        self._take(
            f"matrix product, {_name(dtype)}",
            (time.perf_counter() - start) / (products * 2 * size**3),
        )

    def rows(self, keras: TimedProcess | None) -> list[dict[str, Any]]:
        """Return a row per case: time of the steps, images a second, fraction of the peak."""
        if keras is not None:
            self.seconds["Keras, float32"] = keras.seconds[
                -len(self.seconds["bare loop, float32"]) :
            ]
        rounds = len(self.seconds["matrix product, float32"]) - 1  # the first warmed up
        timings = {name: Timing(tuple(values[-rounds:])) for name, values in self.seconds.items()}
        flops = 6 * self.spec.macs  # forward, and twice that backward, two operations each
        rows = []
        for name, timing in timings.items():
            if name.startswith("matrix"):
                continue
            precision = "bfloat16" if "bfloat16" in name else "float32"
            peak = 1 / timings[f"matrix product, {precision}"].median
            speed = self.images / timing.median
            rows.append(
                {
                    "case": name,
                    "time": timing,
                    "images/s": speed,
                    "share of peak": speed * flops / peak,
                    "over bare loop": ratios(timings, f"bare loop, {precision}")[name],
                    "over Keras": ratios(timings, "Keras, float32")[name] if keras else "-",
                }
            )
        return rows

    def notes(self) -> str:
        """What was measured."""
        waiting = os.environ.get("OMP_WAIT_POLICY", "not set")
        return (
            f"{self.steps} steps at batch {_BATCH} on {self.data.prepared.dataset.name}, training "
            "time alone unless said, an epoch's mean over the twelve of a whole run; all of fit: "
            f"two epochs and the test; OMP_WAIT_POLICY={waiting}; peak: a 2,048 x 2,048 matrix "
            f"product in the same round; {6 * self.spec.macs / 1e6:.1f} MFLOP an image."
        )

    def _take(self, name: str, seconds: float) -> None:
        self.seconds.setdefault(name, []).append(seconds)

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def keras_process(steps: int) -> None:
    """Answer each line with the seconds of `steps` steps of Keras' own fit on `cnn.yaml`."""
    from dataclasses import replace

    from keras_baseline.recipe import read_config, read_recipe
    from keras_baseline.training import batches, compiled_model
    from lit_mnist.data import prepare

    recipe = read_recipe(read_config(_CONFIGS / "cnn.yaml"), "cnn")
    recipe = replace(
        recipe, data=replace(recipe.data, fallback="digits", download=False), epochs=10**6
    )
    pipeline = batches(recipe, prepare(recipe.data).train)
    model = compiled_model(recipe)
    model.fit(pipeline, steps_per_epoch=10, epochs=1, verbose=0, shuffle=False)
    for _ in sys.stdin:
        start = time.perf_counter()
        model.fit(pipeline, steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
        print(time.perf_counter() - start, flush=True)


def _has_keras() -> bool:
    from importlib.util import find_spec

    return find_spec("tensorflow") is not None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    keras_process(int(sys.argv[1]))
