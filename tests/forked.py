"""Runs of the program in processes that can be killed, without paying for imports each time.

Run as a script it imports everything once and reads lines of JSON from its standard input, each a
list of orders ``{"argv": [...], "log": file, "seconds": 0.1, "signal": 9}``, or with ``"module":
name`` one for ``main(*argv)`` of that module. It forks a process for each order of a line, all at
the same time, and sends the signal after that time. With ``"after_change_of": file`` the time
counts from that file's first change. Each line is answered with each process's wait status and the
seconds that it lived on after the signal.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
CONFIG = """
seed_everything: 3
trainer: {max_epochs: 6}
model:
  network:
    layers:
      - {type: conv, name: Conv2D_1, filters: 4, kernel: 3, activation: relu}
      - {type: pool, name: Max_Pool_1, size: 4}
      - {type: flatten, name: Flatten}
      - {type: dropout, name: Dropout_1, rate: 0.3}
      - {type: dense, name: Dense_1, units: 10, activation: softmax, l2: 0.001}
  optimizer: {class_path: lit_mnist.training.optimizers.Adam}
  schedule:
    class_path: lit_mnist.training.schedules.Cosine
    init_args: {initial_learning_rate: 0.01}
  average_decay: 0.99
data: {dataset: digits, batch_size: 8, standardize: unit, augment: {rotation: 5}}
"""


class Server:
    """The forking process."""

    def __init__(self) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.close)

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def run(self, *argv: object, log: Path, **orders: Any) -> tuple[int, float]:
        """Run the program, its output going to `log`; return exit code and seconds since the
        signal.
        """
        return self._ask([{"argv": list(map(str, argv)), "log": str(log)} | orders])[0]

    def run_together(self, commands: Sequence[Sequence[object]], log: Path) -> list[int]:
        """Run the program once for each of `commands`, all at the same time; return the exit
        codes.
        """
        orders = [{"argv": list(map(str, argv)), "log": str(log)} for argv in commands]
        return [code for code, _ in self._ask(orders)]

    def call_together(self, module: str, calls: Sequence[Sequence[Any]], log: Path) -> list[int]:
        """Run ``main(*call)`` of a module for each of `calls`, all at the same time; return the
        exit codes.
        """
        orders = [{"module": module, "argv": list(call), "log": str(log)} for call in calls]
        return [code for code, _ in self._ask(orders)]

    def _ask(self, orders: list[dict[str, Any]]) -> list[tuple[int, float]]:
        self._process.stdin.write(json.dumps(orders) + "\n")
        self._process.stdin.flush()
        answers = json.loads(self._process.stdout.readline())
        return [(os.waitstatus_to_exitcode(status), seconds) for status, seconds in answers]


@functools.cache
def shared_server() -> Server:
    """The one forking process of this test session."""
    return Server()


def serve() -> None:
    """Answer orders until standard input ends."""
    from lit_mnist.__main__ import main

    for module in (
        "lit_mnist.cli.training",
        "lit_mnist.figures.evaluation",
        "lit_mnist.training.tensorboard",
        "torch.utils.tensorboard",
    ):  # in this order: the first keeps TensorBoard from TensorFlow
        importlib.import_module(module)
    for line in sys.stdin:
        orders = json.loads(line)
        children = [_start(order, main) for order in orders]
        print(
            json.dumps([_watch(*pair) for pair in zip(children, orders, strict=True)]), flush=True
        )


def _start(order: dict[str, Any], main: Any) -> int:
    child = os.fork()
    if child == 0:
        _become(order, main)
    return child


def _become(order: dict[str, Any], main: Any) -> None:
    code = 99
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(log, stream)
        if "file_limit" in order:
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_limit"], order["file_limit"]))
        code = _call(order["module"], order["argv"]) if "module" in order else main(order["argv"])
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _call(module: str, arguments: list[Any]) -> int:
    sys.path.insert(0, str(ROOT))
    importlib.import_module(module).main(*arguments)
    return 0


def _watch(child: int, order: dict[str, Any]) -> tuple[int, float]:
    seconds, signum = order.get("seconds"), order.get("signal", 9)
    watched = order.get("after_change_of")
    before, sent = _stamp(watched), 0.0
    started = None if watched else time.monotonic()
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status, time.monotonic() - sent if sent else 0.0
        if started is None and _stamp(watched) != before:
            started = time.monotonic()
        if (
            seconds is not None
            and not sent
            and started is not None
            and time.monotonic() - started >= seconds
        ):
            os.kill(child, signum)
            sent = time.monotonic()
        time.sleep(0.002)


def _stamp(path: str | None) -> int:
    try:
        return os.stat(path).st_mtime_ns if path else 0
    except OSError:
        return 0


if __name__ == "__main__":
    serve()
