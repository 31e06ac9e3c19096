"""The effect of each lever on a training step on the CPU: `cnn.yaml` with one lever undone.

Blocks have 25 steps.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lit_mnist.data.module import Block
from lit_mnist.training.optimizers import RMSprop
from lit_mnist.training.steps import BlockRunner

from .measure import Report, TimedProcess, Timing, interleaved, ratios
from .profile import prepared

_STEPS = 25
_HERE = "as shipped"
# measured in another process: memory that was kept once stays
_AWAY = "freed memory given back to the system"


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time a block with every lever, then with each of them undone, in turns."""
    other = steps_elsewhere()
    cases: dict[str, Callable[[], object]] = {
        _HERE: _block(lambda runner: None),
        _AWAY: other.take,
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
    network = runner.step.network
    changed: Any = network  # whose method is replaced
    changed.training_logits = lambda x, start: network.logits_from(start, x)


def _channels_first(runner: BlockRunner) -> None:
    network = runner.step.network
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()
    runner.step.optimizer = RMSprop(network.parameters(), momentum=0.8)


def _weight_by_weight(runner: BlockRunner) -> None:
    runner.step.optimizer = RMSprop(
        [{"params": [p]} for p in runner.step.network.parameters()], momentum=0.8
    )


def steps_elsewhere(
    setting: Mapping[str, str] | None = None, without: Sequence[str] = ()
) -> TimedProcess:
    """Return a process that runs blocks and does not keep freed memory.

    `setting` are environment variables that it gets, `without` others that it does not inherit.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    return TimedProcess("benchmarks.levers", environment=inherited | dict(setting or {}))


def _serve() -> None:
    case = _block(lambda runner: None)
    for _ in sys.stdin:
        start = time.perf_counter()
        case()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    _serve()
