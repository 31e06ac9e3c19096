"""Networks on which hooks would tell a wrong story: found and refused, with the module that must change."""

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
from ..network import ActivationModule, Merge, Network, Normalization
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
_OWN_USE = (Merge, Normalization)  # a maximum of two inputs, a smallest deviation: no activations
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
# every spelling: F.relu, torch.relu, x.relu(), and the in-place ones with an underscore
_FUNCTIONS = {
    getattr(place, name + mark): name + mark
    for place in (F, torch, Tensor)
    for name in _NAMES
    for mark in ("", "_")
    if hasattr(place, name + mark)
}


class LintError(UserError):
    """A network on which captured values or attributions would be silently wrong."""


@dataclass(frozen=True)
class Finding:
    """What is wrong in which module: `kind` is ``in_place``, ``reused`` or ``functional``."""

    module: str
    kind: str
    message: str


def lint(network: nn.Module, example: Tensor | None = None) -> tuple[Finding, ...]:
    """Return what would make captured values or attributions silently wrong; empty where nothing would.

    Looks at the modules and follows one forward pass of `example` (default for a `Network`: zeros
    (1, C, H, W)), in evaluation mode. Found are activations that work in place (they overwrite what was
    captured before them), modules called more than once in a pass (hooks keep the last call alone,
    rule-based attribution mixes the calls up), and activations called as functions (no hook sees them).
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
    """Raise LintError, naming every module to change, where `lint` finds anything."""
    _refuse(lint(network, example))


def require_capturable(network: nn.Module) -> None:
    """As `require_clean` without the forward pass: enough for a `Network`, whose forward calls modules alone."""
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
    places = defaultdict(list)
    for name, module in network.named_modules(remove_duplicate=False):
        if isinstance(module, ACTIVATION_MODULES) or any(
            True for _ in module.parameters(recurse=False)
        ):
            places[id(module)].append(name)
    for names in places.values():
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
    """Notes each activation that is called outside an activation module, and in which module."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[tuple[str, nn.Module]] = []
        self.functional: list[tuple[str, str]] = []

    def __torch_function__(self, func, types, args=(), kwargs=None):  # noqa: ANN001, ANN204
        name = _FUNCTIONS.get(func)
        if (
            name
            and self.stack
            and not isinstance(self.stack[-1][1], (*ACTIVATION_MODULES, *_OWN_USE))
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
        where = f"module {name!r}" if name else "the network's own forward"
        yield Finding(
            name,
            "functional",
            f"{where} calls {function}() as a function, which no hook sees; "
            "accepted: an activation module of its own",
        )


def _run(network: nn.Module, example: Tensor) -> tuple[_Calls, dict[str, int]]:
    """One pass in evaluation mode; modes and hooks are as before afterwards, whatever happens."""
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
