"""How OpenMP's threads wait, and what is recorded of a machine.

Threads are asleep beside busy neighbours, as OpenMP likes alone, as the user says where he does.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from lit_mnist.environment import cores_are_shared, hardware, instruction_sets

# what an import of lit_mnist makes of a machine on which `load` processes were and `running` ones
# are busy
PRETEND = """
import os, pathlib
os.getloadavg = lambda: ({load}, 0, 0)
os.cpu_count = lambda: 2
os.sched_getaffinity = lambda pid: {{0, 1}}
pathlib.Path.read_text = lambda self, **options: "{load} 0 0 {running}/90 7"
{before}
import lit_mnist
print(os.environ.get("OMP_WAIT_POLICY"))
"""


def waiting(load: float, running: int, before: str = "", **variables: str) -> str:
    """Return the policy in a new process, which sees itself among the running ones."""
    code = PRETEND.format(load=load, running=running, before=before)
    unset = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
    environment = {key: value for key, value in os.environ.items() if key not in unset} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="Linux tells how many run")
@pytest.mark.parametrize(
    ("load", "running", "policy"),
    [(1.2, 2, "passive"), (9.0, 12, "passive"), (0.1, 2, "None"), (2.0, 1, "None")],
)
def test_threads_sleep_where_others_were_and_are_busy(
    load: float, running: int, policy: str
) -> None:
    assert waiting(load, running) == policy


def test_what_the_user_has_set_stays() -> None:
    assert waiting(9.0, 12, OMP_WAIT_POLICY="active") == "active"
    assert waiting(9.0, 12, GOMP_SPINCOUNT="1000") == "None"
    loaded = "import sys; sys.modules['torch'] = None"
    assert waiting(9.0, 12, before=loaded) == "None"


def test_cores_that_nobody_else_needs_are_not_shared() -> None:
    assert cores_are_shared(1.0, cores=2, own=2) and not cores_are_shared(0.4, cores=2, own=2)
    assert not cores_are_shared(20.0, cores=64, own=2) and cores_are_shared(63.0, cores=64, own=2)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("fpu sse4_2 avx avx2 avx512f avx512_vnni xsave", ["avx2", "avx512f", "avx512_vnni"]),
        ("avx512_bf16 amx_bf16 avx512f amx_tile", ["avx512f", "avx512_bf16", "amx_bf16"]),
        ("fp asimd crc32 bf16 i8mm", ["asimd", "bf16", "i8mm"]),
        ("", []),
    ],
)
def test_instruction_sets_are_those_that_kernels_are_chosen_by(
    flags: str, expected: list[str]
) -> None:
    assert instruction_sets(flags) == expected


def test_a_machine_has_the_instructions_that_torch_sees() -> None:
    """Torch asks the processor itself, this package reads what the system says of it."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    if ask is None or "instructions" not in hardware():
        pytest.skip("neither torch before 2.11 nor a system without /proc tell the instructions")
    machine = hardware()["instructions"].split()
    theirs = {"avx2": "avx2", "avx512f": "avx512_f", "avx512_bf16": "avx512_bf16"}
    capabilities = ask()
    assert {name: name in machine for name in theirs} == {
        name: bool(capabilities.get(capability)) for name, capability in theirs.items()
    }
