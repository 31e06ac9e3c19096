"""The process and its machine: versions, hardware, and the memory that is kept."""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import sys
import types
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

_PACKAGES = (
    "lit-mnist",
    "torch",
    "torchvision",
    "lightning",
    "torchmetrics",
    "numpy",
    "captum",
    "tensorflow",
    "keras",
)
_NO_TENSORFLOW = "tensorboard.compat.notf"
# glibc's malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LEAD_TO_TRITON = (
    "torch",
    "torchvision",
    "torchmetrics",
    "lightning",
    "lightning_fabric",
    "pytorch_lightning",
    "triton",
)
# what torch's and oneDNN's kernels are chosen by, in the names of Linux
_INSTRUCTION_SETS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "sve",
    "bf16",
    "i8mm",
)
# variables for how OpenMP's threads wait: the standard's, libgomp's, LLVM's
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
_LARGEST = 32 * 2**20  # bytes; glibc accepts no larger block for its heap
_KEPT = 2**30  # bytes


class _ApartFromTensorFlow:
    """Hides triton from a process that has loaded TensorFlow; a finder of Python's import system.

    Both contain an LLVM that registers its options for the whole process. If torchvision,
    torchmetrics or Lightning load triton after TensorFlow, the interpreter aborts without a
    traceback. Torch works without triton, which only compiles GPU kernels for torch.compile. Triton
    stays if it was loaded before TensorFlow.
    """

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if (
            name not in _LEAD_TO_TRITON
            or "tensorflow" not in sys.modules
            or "triton" in sys.modules
        ):
            return
        # None is how Python marks a module that cannot be imported
        sys.modules["triton"] = None  # type: ignore[assignment]
        if name == "triton":
            raise ModuleNotFoundError(  # what torch, which does without triton, expects
                "triton cannot be loaded into a process that has loaded TensorFlow: it would be "
                "aborted; import torchvision, or lit_mnist's training, before TensorFlow",
                name=name,
            )


def keep_triton_apart() -> None:
    """Make it safe to import TensorFlow before torchvision, torchmetrics and Lightning."""
    if not any(finder is _ApartFromTensorFlow for finder in sys.meta_path):
        sys.meta_path.insert(0, _ApartFromTensorFlow)


def wait_without_spinning() -> None:
    """Have OpenMP's threads sleep while they wait if other processes use the same cores.

    A spinning thread takes a core from the processes that it waits for: next to two busy processes
    a training step took four times as long. On an idle machine nothing changes. OpenMP reads its
    variables when torch is loaded, so that later calls do nothing. The user's own settings are
    kept.
    """
    if "torch" in sys.modules or any(name in os.environ for name in _WAITING):
        return
    if hasattr(os, "getloadavg"):  # not on Windows
        load = min(os.getloadavg()[0], _busy_elsewhere())
        if cores_are_shared(load, os.cpu_count() or 1, _cores() or 1):
            os.environ["OMP_WAIT_POLICY"] = "passive"


def cores_are_shared(load: float, cores: int, own: int) -> bool:
    """Return whether other processes leave fewer than `own` cores free.

    `load` of them are busy on a machine of `cores`.
    """
    return load > cores - own + 0.5


def _busy_elsewhere() -> float:
    """Return how many other processes want a core now; infinity if the system does not say.

    The load average alone would count this program's own run of a minute ago.
    """
    try:
        running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3]
        return int(running.partition("/")[0]) - 1
    except (OSError, ValueError, IndexError):
        return float("inf")


def hide_tensorflow_from_tensorboard() -> None:
    """Stop TensorBoard from importing TensorFlow, which takes 6 s where it is installed.

    TensorBoard looks for a module that means "no TensorFlow". Call this before anything imports
    TensorBoard.
    """
    sys.modules.setdefault(_NO_TENSORFLOW, types.ModuleType(_NO_TENSORFLOW))


def tensorflow_is_hidden() -> bool:
    """Return whether TensorBoard runs without TensorFlow, which Keras' callback needs."""
    return _NO_TENSORFLOW in sys.modules


def event_writer(folder: str | Path) -> SummaryWriter:
    """Return a writer of TensorBoard's event files in `folder`; a context manager."""
    hide_tensorflow_from_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the packages that its results depend on."""
    installed = {name: version for name in _PACKAGES if (version := _version(name))}
    return {"python": platform.python_version(), **installed}


@cache
def _version(package: str) -> str | None:
    """Return the version of an installed package, which takes milliseconds to read; else None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def hardware() -> dict[str, Any]:
    """Return the processor, cores in use, memory in GiB, and what else can be told.

    `instructions` are the processor's instruction sets for vectors and matrices (on Linux); `gpu`
    is the GPU that torch, if loaded, finds.
    """
    machine: dict[str, Any] = {"cpu": _processor(), "cores": _cores(), "memory_gib": _memory_gib()}
    flags = _cpuinfo("flags") or _cpuinfo("Features")  # x86, or Arm
    if flags is not None:
        machine["instructions"] = " ".join(instruction_sets(flags))
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        machine["gpu"] = torch.cuda.get_device_name()
    return machine


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def instruction_sets(flags: str) -> list[str]:
    """Return those of a processor's `flags` (names and spaces) that speed up training."""
    present = set(flags.split())
    return [name for name in _INSTRUCTION_SETS if name in present]


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(key: str) -> str | None:
    """Return the first processor's value of `key` as Linux tells it; None elsewhere."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    except OSError:
        pass
    return None


def memory_bytes(unknown: int = 8 * 2**30) -> int:
    """Return the machine's memory in bytes, or `unknown` if the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return unknown


def _memory_gib() -> float | None:
    memory = memory_bytes(unknown=0)
    return round(memory / 2**30, 1) if memory else None


def keep_freed_memory() -> bool:
    """Let glibc keep up to 1 GiB of freed memory, in blocks of up to 32 MiB.

    Returns whether it does.

    By default glibc returns a freed tensor's memory to the system, and every step pays for new
    pages: half of the time of a gradient over 1,000 digits. Without glibc nothing changes.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # not Linux, another C library, Windows
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST) and mallopt(_M_TRIM_THRESHOLD, _KEPT))
