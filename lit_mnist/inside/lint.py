"""Checks for networks on which hooks would capture wrong values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..errors import UserError
from ..network import ActivationModule, Distances, Merge, Network, Normalization
from ..network.modes import evaluation_mode

ACTIVATION_MODULES = (
    nn.ReLU,
    nn.ReLU6,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.LeakyReLU,
    nn.PReLU,
    nn.RReLU,
    nn.Tanh,
    nn.Sigmoid,
    nn.LogSigmoid,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Softplus,
    nn.Softsign,
    nn.Softmax,
    nn.Threshold,
    ActivationModule,
)
# these use such functions for the larger of two inputs or a smallest deviation or distance, not as
# an activation
_OTHER_USE = (Distances, Merge, Normalization)
_NAMES = (
    "relu",
    "relu6",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "leaky_relu",
    "prelu",
    "rrelu",
    "tanh",
    "sigmoid",
    "logsigmoid",
    "hardtanh",
    "hardsigmoid",
    "hardswish",
    "softplus",
    "softsign",
    "threshold",
    "clamp",
    "clamp_min",
    "clip",
    "maximum",
)
# every spelling: F.relu, torch.relu, x.relu(), and the in-place forms with an underscore
_FUNCTIONS = {
    getattr(owner, name + suffix): name + suffix
    for owner in (F, torch, Tensor)
    for name in _NAMES
    for suffix in ("", "_")
    if hasattr(owner, name + suffix)
}


class LintError(UserError):
    """A network on which captured values or attributions would be silently wrong."""


@dataclass(frozen=True)
class Finding:
    """A fault of a module: `kind` is ``in_place``, ``reused`` or ``functional``."""

    module: str
    kind: str
    message: str


def lint(network: nn.Module, example: Tensor | None = None) -> tuple[Finding, ...]:
    """Return all faults that would make captured values or attributions silently wrong.

    Checks the modules, and one forward pass of `example` in evaluation mode (default for a
    `Network`: zeros (1, C, H, W)). The faults are activations that work in place (they overwrite
    the value captured before them), modules called more than once in a pass (hooks keep only the
    last call, and rule-based attribution confuses the calls), and activations called as functions
    (no hook sees them).
    """
    findings = [*_in_place(network), *_shared(network)]
    if example is None:
        if not isinstance(network, Network):
            raise LintError(
                f"an example input is needed for a {type(network).__name__}; "
                "accepted: a tensor that it takes"
            )
        example = _zeros(network)
    trace = _follow(network, example)
    known = {(finding.module, finding.kind) for finding in findings}
    return tuple(
        findings + [finding for finding in trace if (finding.module, finding.kind) not in known]
    )


def require_clean(network: nn.Module, example: Tensor | None = None) -> None:
    """Raise LintError, which names every module to change, where `lint` finds a fault."""
    _refuse(lint(network, example))


def require_capturable(network: nn.Module) -> None:
    """As `require_clean`, but without a forward pass for a `Network`, whose forward only calls
    modules.
    """
    if type(network).forward is not Network.forward:
        require_clean(network)
    else:
        _refuse((*_in_place(network), *_shared(network)))


def _refuse(findings: tuple[Finding, ...]) -> None:
    if findings:
        raise LintError(
            "captured values or attributions would be silently wrong: "
            + "; ".join(finding.message for finding in findings)
        )


def _in_place(network: nn.Module) -> Iterator[Finding]:
    for name, module in network.named_modules():
        if getattr(module, "inplace", False):
            kind = type(module).__name__
            yield Finding(
                name,
                "in_place",
                f"module {name!r} is a {kind}(inplace=True), which overwrites the value "
                f"before it; accepted: {kind}(inplace=False)",
            )


def _shared(network: nn.Module) -> Iterator[Finding]:
    names_of = defaultdict(list)
    for name, module in network.named_modules(remove_duplicate=False):
        has_weights = any(True for _ in module.parameters(recurse=False))
        if isinstance(module, ACTIVATION_MODULES) or has_weights:
            names_of[id(module)].append(name)
    for names in names_of.values():
        if len(names) > 1:
            yield Finding(
                names[0],
                "reused",
                f"one module is registered as {' and '.join(map(repr, names))}; "
                "accepted: a module of its own for each use",
            )


def _zeros(network: Network) -> Tensor:
    height, width, channels = network.spec.input_shape
    parameter = next(network.parameters(), torch.zeros(()))
    return parameter.new_zeros(1, channels, height, width)


class _Calls(TorchFunctionMode):
    """Records each activation that is called outside an activation module, with the calling
    module.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[tuple[str, nn.Module]] = []
        self.functional: list[tuple[str, str]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        name = _FUNCTIONS.get(func)
        if (
            name
            and self.stack
            and not isinstance(self.stack[-1][1], (*ACTIVATION_MODULES, *_OTHER_USE))
        ):
            self.functional.append((self.stack[-1][0], name))
        return func(*args, **(kwargs or {}))


def _follow(network: nn.Module, example: Tensor) -> Iterator[Finding]:
    calls, counts = _run(network, example)
    for name, times in counts.items():
        if times > 1:
            yield Finding(
                name,
                "reused",
                f"module {name!r} is called {times} times in one pass; "
                "accepted: a module of its own for each call",
            )
    for name, function in dict.fromkeys(calls.functional):
        caller = f"module {name!r}" if name else "the network's forward"
        yield Finding(
            name,
            "functional",
            f"{caller} calls {function}() as a function, which no hook sees; "
            "accepted: an activation module of its own",
        )


def _run(network: nn.Module, example: Tensor) -> tuple[_Calls, dict[str, int]]:
    """Run one pass in evaluation mode; always restore modes and hooks afterwards."""
    calls = _Calls()
    counts = defaultdict(int)

    def enter(name: str):  # noqa: ANN202
        def hook(module: nn.Module, inputs: tuple) -> None:
            calls.stack.append((name, module))
            counts[name] += 1

        return hook

    def leave(*_: object) -> None:
        calls.stack.pop()

    with ExitStack() as stack:
        stack.enter_context(evaluation_mode(network))
        for name, module in network.named_modules():
            before = module.register_forward_pre_hook(enter(name), prepend=True)
            stack.callback(before.remove)
            after = module.register_forward_hook(leave, always_call=True)
            stack.callback(after.remove)
        with torch.no_grad(), calls:
            network(example)
    return calls, {name: count for name, count in counts.items() if name}
