"""The cost of OpenMP's waiting, alone and beside busy processes, by its settings.

The work is blocks of 25 steps of `cnn.yaml`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .levers import steps_elsewhere
from .measure import Report, Timing, interleaved, ratios

_OWN = "OpenMP's own: GOMP_SPINCOUNT=300000"  # what libgomp does where nothing is set
SETTINGS = {
    _OWN: {"GOMP_SPINCOUNT": "300000"},
    "GOMP_SPINCOUNT=10000": {"GOMP_SPINCOUNT": "10000"},
    "GOMP_SPINCOUNT=1000": {"GOMP_SPINCOUNT": "1000"},
    "OMP_WAIT_POLICY=passive": {"OMP_WAIT_POLICY": "passive"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
_NEIGHBOURS = (0, 1, 2)
_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def run(rounds: int, quick: bool, device: str) -> Report:
    """Time a block under each setting, in turns, beside no, one and two busy processes."""
    processes = {name: steps_elsewhere(setting, _VARIABLES) for name, setting in SETTINGS.items()}
    timings: dict[int, dict[str, Timing]] = {}
    try:
        for count in _NEIGHBOURS:
            with neighbours(count):
                interleaved({name: one.take for name, one in processes.items()}, rounds)
            timings[count] = {
                name: Timing(tuple(one.seconds[-rounds:])) for name, one in processes.items()
            }
    finally:
        for process in processes.values():
            process.close()
    over = {count: ratios(timings[count], _OWN) for count in _NEIGHBOURS}
    rows = [
        {
            "setting": name,
            **{
                key: value
                for count in _NEIGHBOURS
                for key, value in (
                    (_beside(count), timings[count][name]),
                    (f"over OpenMP's own, {count}", over[count][name]),
                )
            },
        }
        for name in SETTINGS
    ]
    return Report(
        "OpenMP beside neighbours",
        rows,
        "A block of 25 steps of configs/cnn.yaml at batch 64, random images, float32, on the CPU, "
        "in processes of their own; a neighbour is a process that counts without end.",
        rounds,
    )


def _beside(count: int) -> str:
    return ("alone", "one neighbour", "two neighbours")[count]


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep `count` processes busy inside the block."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
