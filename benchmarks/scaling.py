"""Scaling: twice the images, epochs or width take at most twice the time; memory stays flat."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lit_mnist.spec import NetworkSpec

from .measure import Report, Timing, interleaved, ratios

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn.yaml"


@dataclass(frozen=True)
class Case:
    """A run: share of the images, epochs, and factor of every layer's width."""

    images: float = 0.5
    epochs: int = 1
    width: int = 1


_CASES = {
    "base": Case(),
    "images x 2": Case(images=1.0),
    "epochs x 2": Case(epochs=2),
    "epochs x 4": Case(epochs=4),
    "width x 2": Case(width=2),
}


def run(rounds: int, quick: bool, device: str) -> Report:
    """Run every case in its own process.

    Accepted: time grows no more than work, memory not with epochs.
    """
    with tempfile.TemporaryDirectory() as folder:
        bench = _Runs(Path(folder), quick, device)
        interleaved(
            {
                name: lambda name=name, case=case: bench.run(name, case)
                for name, case in _CASES.items()
            },
            rounds,
            warm_up=0,
        )
    times = ratios(bench.timings(), "base")
    rows = [
        {
            "case": name,
            "training": timing,
            "time over base": times[name],
            "work over base": bench.work(name) / bench.work("base"),
            "peak memory, MiB": bench.memory(name),
        }
        for name, timing in bench.timings().items()
    ]
    return Report(
        "Scaling",
        rows,
        f"configs/cnn.yaml on {bench.dataset} ({device}), `fit` in own processes; base: half the "
        "images, one epoch. Work: multiply-accumulates. Peak memory: the process's high-water "
        "mark.",
        rounds,
    )


class _Runs:
    def __init__(self, folder: Path, quick: bool, device: str) -> None:
        self.folder = folder
        self.quick = quick
        self.device = device
        self.results: dict[str, list[Mapping[str, Any]]] = {}

    def run(self, name: str, case: Case) -> None:
        config = self.folder / f"{name.replace(' ', '_')}.yaml"
        config.write_text(yaml.safe_dump(_config(case, self.quick)))
        command = [
            sys.executable,
            "-c",
            _RUN,
            "--config",
            str(config),
            "--runs_dir",
            str(self.folder / "runs"),
            "--trainer.accelerator",
            self.device,
            "--data.download",
            "false",
            "--resume",
            "false",
        ]
        done = subprocess.run(command, check=True, env=os.environ, capture_output=True, text=True)
        self.results.setdefault(name, []).append(json.loads(done.stdout.splitlines()[-1]))

    @property
    def dataset(self) -> str:
        return self.results["base"][0]["dataset"]

    def timings(self) -> dict[str, Timing]:
        return {
            name: Timing(tuple(run["train_seconds"] for run in runs))
            for name, runs in self.results.items()
        }

    def work(self, name: str) -> float:
        spec = NetworkSpec.from_dict(_config(_CASES[name], self.quick)["model"]["network"])
        return spec.macs * self.results[name][0]["train_images"] * _CASES[name].epochs

    def memory(self, name: str) -> float:
        return max(run["peak"] for run in self.results[name]) / 2**20


def _config(case: Case, quick: bool) -> dict[str, Any]:
    config = yaml.safe_load(_CONFIG.read_text())
    config["data"] |= {"validation_fraction": 1 - 0.9 * case.images} | (
        {"dataset": "digits"} if quick else {}
    )
    config["trainer"] = {"max_epochs": case.epochs, "limit_val_batches": 1.0}
    layers: Sequence[dict[str, Any]] = config["model"]["network"]["layers"]
    for layer in layers[:-1]:
        for key in {"filters", "units"} & layer.keys():
            layer[key] *= case.width
    return config


# the summary, and the process's high-water mark of memory, as the last line
_RUN = """
import contextlib, io, json, resource, sys
from lit_mnist.__main__ import main
out = io.StringIO()
with contextlib.redirect_stdout(out):
    code = main(["fit", *sys.argv[1:], "--json"])
if code:
    sys.exit(code)
unit = 1 if sys.platform == "darwin" else 1024
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
print(json.dumps(json.loads(out.getvalue()) | {"peak": peak}))
"""
