"""The effect of each lever on a training step on the CPU: `cnn.yaml` with one lever undone.

Blocks have 25 steps.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from lit_mnist.data.module import Block
from lit_mnist.training.optimizers import RMSprop
from lit_mnist.training.steps import BlockRunner

from .measure import Report, Timing, interleaved, ratios
from .profile import prepared

_STEPS = 25
_HERE = "as shipped"
# measured in another process: memory that was kept once stays
_AWAY = "freed memory given back to the system"


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time a block with every lever, then with each of them undone, in turns."""
    other = Process()
    cases: dict[str, Callable[[], object]] = {
        _HERE: _block(lambda runner: None),
        _AWAY: other.block,
        "activation before pooling": _block(_activation_first),
        "channels first": _block(_channels_first),
        "optimiser weight by weight": _block(_weight_by_weight),
    }
    try:
        timings = interleaved(cases, rounds)
    finally:
        other.close()
    timings[_AWAY] = Timing(tuple(other.seconds[-rounds:]))
    over = ratios(timings, _HERE)
    rows = [
        {
            "step": name,
            "a block of 25": timing,
            "ms a step": 1000 * timing.median / _STEPS,
            "over as shipped": over[name],
        }
        for name, timing in timings.items()
    ]
    return Report(
        "Levers of a step",
        rows,
        "configs/cnn.yaml at batch 64, random images, float32, on the CPU.",
        rounds,
    )


def _block(undo: Callable[[BlockRunner], None]) -> Callable[[], None]:
    runner, block = prepared("cpu")
    undo(runner)
    return lambda: _run(runner, block)


def _run(runner: BlockRunner, block: Block) -> None:
    runner(block, 0)


def _activation_first(runner: BlockRunner) -> None:
    runner.step.network.training_logits = runner.step.network.forward


def _channels_first(runner: BlockRunner) -> None:
    network = runner.step.network
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()
    runner.step.optimizer = RMSprop(network.parameters(), momentum=0.8)


def _weight_by_weight(runner: BlockRunner) -> None:
    runner.step.optimizer = RMSprop(
        [{"params": [p]} for p in runner.step.network.parameters()], momentum=0.8
    )


class Process:
    """A process that runs blocks and does not keep freed memory; it waits while others are timed.

    `setting` are environment variables that it gets, `without` others that it does not inherit.
    """

    def __init__(
        self, setting: Mapping[str, str] | None = None, without: Sequence[str] = ()
    ) -> None:
        self.seconds: list[float] = []
        inherited = {name: value for name, value in os.environ.items() if name not in without}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.levers"],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=inherited | dict(setting or {}),
        )

    def block(self) -> None:
        """Have a block run there, and take its seconds."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        self.seconds.append(float(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(60)


def _serve() -> None:
    case = _block(lambda runner: None)
    for _ in sys.stdin:
        start = time.perf_counter()
        case()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    _serve()
