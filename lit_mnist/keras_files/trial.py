"""A first reading in a worker process, which may hang or crash instead of this one.

On some damaged files HDF5's library never returns (a wrong length in a heap of strings is enough),
and no check in Python can prevent it. So a worker process first reads everything that a reader
could; only files that it reads completely are opened here. The worker starts with the first file,
and imports no torch.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import json
import queue
import subprocess
import sys
import threading
from pathlib import Path

import h5py
from h5py import h5o  # pyright: ignore[reportAttributeAccessIssue] - has no stub

from .container import open_container
from .errors import KerasFileError
from .hdf5 import array_at, names, text

PATIENCE = 20.0  # seconds, and one more for each _BYTES_A_SECOND
_BYTES_A_SECOND = 2**25
_MOST_OBJECTS = 20_000
_ATTRIBUTES = ("layer_names", "weight_names", "name", "keras_version", "backend")


class Worker:
    """The process, and a thread that waits for its answers."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self.answers: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in self.process.stdout or ():
            self.answers.put(line)
        self.answers.put("")  # it has ended

    def probe_failure(self, path: Path, patience: float) -> str | None:
        """Return None if the worker read the whole file, else what happened to the worker."""
        requests = self.process.stdin
        assert requests is not None
        try:
            requests.write(json.dumps(str(path.resolve())) + "\n")
            requests.flush()
            return None if self.answers.get(timeout=patience) else "crashes"
        except queue.Empty:
            return f"does not return within {patience:.0f} s"
        except OSError:
            return "crashes"

    def stop(self) -> None:
        """End the process and wait for it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


_lock = threading.Lock()
worker: Worker | None = None


def try_out(path: Path) -> None:
    """Raise KerasFileError if HDF5's library hangs or crashes on the file at `path`."""
    global worker
    patience = PATIENCE + path.stat().st_size / _BYTES_A_SECOND
    with _lock:
        if worker is None:
            worker = Worker()
            atexit.register(_stop)
        failure = worker.probe_failure(path, patience)
        if failure is not None:
            _stop()
            raise KerasFileError(f"damaged: HDF5's library {failure} on it")


def _stop() -> None:
    global worker
    if worker is not None:
        atexit.unregister(_stop)
        worker.stop()
        worker = None


def _serve() -> None:
    for line in io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8"):
        with contextlib.suppress(Exception), open_container(Path(json.loads(line))) as container:
            _touch(container.weights)
        print("read", flush=True)


def _touch(group: h5py.Group) -> None:
    """Read all that a reader may read, along hard links; skip what it would refuse."""
    waiting = [group]
    seen = set()
    while waiting and len(seen) < _MOST_OBJECTS:
        group = waiting.pop()
        for name in _ATTRIBUTES:
            with contextlib.suppress(Exception):
                text(group, name)
            with contextlib.suppress(Exception):
                names(group, name)
        for name in group.keys():  # noqa: SIM118
            with contextlib.suppress(Exception):
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    continue
                item = group[name]
                address = h5o.get_info(item.id).addr
                if isinstance(item, h5py.Group) and address not in seen:
                    seen.add(address)
                    waiting.append(item)
                elif isinstance(item, h5py.Dataset):
                    array_at(group, name)


if __name__ == "__main__":
    _serve()
