"""Where a training step's time goes: the operations, or kernels, of `cnn.yaml` by own time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import torch
import yaml
from torch.profiler import ProfilerActivity, profile

from lit_mnist.data.module import Block
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec
from lit_mnist.training.cuda.graphs import runner_for
from lit_mnist.training.optimizers import RMSprop
from lit_mnist.training.steps import BlockRunner, Step

from .measure import Report

_CONFIG = Path(__file__).parent.parent / "configs" / "cnn.yaml"
_BATCH = 64
_STEPS = 25
_SHOWN = 20


def run(rounds: int, quick: bool, device: str) -> Report:
    """Profile `rounds` blocks of 25 steps in both precisions; on a GPU, replays of a graph."""
    rows = [
        {"precision": str(dtype).removeprefix("torch.")} | row
        for dtype in (torch.float32, torch.bfloat16)
        for row in _rows(rounds, device, dtype)
    ]
    return Report(
        "Where a step's time goes",
        rows,
        f"configs/cnn.yaml at batch {_BATCH} on {device}, random images, {_STEPS * rounds} steps "
        "in each precision under torch's profiler, which slows operations down; own time, the "
        f"{_SHOWN} that take most.",
        rounds,
    )


def _rows(rounds: int, device: str, dtype: torch.dtype) -> list[dict[str, Any]]:
    kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if device == "cuda" else [])
    with torch.autocast(device, torch.bfloat16, enabled=dtype == torch.bfloat16):
        runner, block = prepared(device)
        _touch_memory()
        with profile(activities=kinds) as profiler:
            for number in range(rounds):
                runner(block, _STEPS * number)
            if device == "cuda":
                torch.cuda.synchronize()
    steps = _STEPS * rounds
    times = Counter()
    calls = Counter()
    for event in profiler.key_averages():
        on_gpu = event.device_type == torch.autograd.DeviceType.CUDA
        if on_gpu == (device == "cuda"):
            times[event.key] += (
                event.self_device_time_total if on_gpu else event.self_cpu_time_total
            )
            calls[event.key] += event.count
    whole = sum(times.values())
    shown = [(name[:90], calls[name], spent) for name, spent in times.most_common(_SHOWN)]
    return [
        {
            "operation": name,
            "calls a step": count / steps,
            "us a step": spent / steps,
            "share": f"{100 * spent / whole:.1f} %",
        }
        for name, count, spent in [("all", calls.total(), whole), *shown]
    ]


def _touch_memory() -> None:
    """Leave a gigabyte of the heap free and touched.

    Else the profiler's own records use up the pages of every step, and new ones count as
    `aten::fill_`.
    """
    blocks = [
        torch.zeros(2**22) for _ in range(64)
    ]  # 16 MiB each: larger ones would not come from the heap
    del blocks


def prepared(device: str) -> tuple[BlockRunner, Block]:
    """Return the runner of `cnn.yaml`'s steps on `device`, warmed up, and a random block."""
    network = Network(
        NetworkSpec.from_dict(yaml.safe_load(_CONFIG.read_text())["model"]["network"]), 1
    )
    network = network.to(device)
    step = Step(network, RMSprop(network.parameters(), momentum=0.8))
    runner = runner_for(step, lambda number: 0.001 / (1 + 0.001 * number), "auto", "32-true", print)
    block = Block(
        torch.randn(_BATCH * _STEPS, 1, 28, 28, device=device),
        torch.randint(10, (_BATCH * _STEPS,), device=device),
        [(_BATCH, _BATCH)] * _STEPS,
    )
    runner.prepare([block])
    runner(block, 0)
    return runner, block
