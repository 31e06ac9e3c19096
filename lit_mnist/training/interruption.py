"""SIGTERM and Ctrl-C, obeyed between blocks of steps."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

import torch
import torch.distributed as dist

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(BaseException):  # as KeyboardInterrupt: what catches errors must not catch this
    """Training was asked to stop; `code` is the exit code, 128 + the signal's number."""

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum
        self.code = 128 + signum


class Interruption:
    """Listens to SIGTERM and SIGINT as a context manager; a second signal does not wait.

    Outside of training (`waits` is False) a signal raises Interrupted at once. While `waits` is
    True it is noted, and training asks for it with `asked`, which returns the same in all
    processes.
    """

    def __init__(self) -> None:
        self.noted = 0
        self.since = 0.0
        self.waits = False
        self._before: dict[int, Any] = {}  # handlers, as `signal.signal` returns them

    def __enter__(self) -> Interruption:
        self.listen()
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Restore the signal handlers."""
        self.waits = False
        for signum, handler in self._before.items():
            # None: a handler set by C code, which Python cannot put back
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)
        self._before = {}

    def listen(self) -> None:
        """Install the signal handlers, again if others have replaced them."""
        if threading.current_thread() is not threading.main_thread():
            return
        for signum in _SIGNALS:
            before = signal.signal(signum, self._note)
            self._before.setdefault(signum, before)

    def asked(self, world: int = 1, also: bool = False) -> tuple[int, bool]:
        """Return the noted signal (0: none) and `also`, as maxima over all processes."""
        if world == 1:
            return self.noted, also
        flags = torch.tensor([self.noted, int(also)])
        if dist.get_backend() == "nccl":
            flags = flags.cuda()
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return int(flags[0]), bool(flags[1])

    @property
    def overdue(self) -> bool:
        """Whether a signal has waited for more than a second."""
        return bool(self.noted) and time.monotonic() - self.since > 1.0

    def _note(self, signum: int, frame: FrameType | None) -> None:
        if self.noted or not self.waits:
            raise Interrupted(signum, "interrupted")
        self.noted = signum
        self.since = time.monotonic()
