"""A network as a file of PyTorch code that needs only torch, and its weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from .. import __version__
from ..runs.model import Model
from ..spec import NetworkSpec
from .forward import Forward, forward, torch_shape
from .reflow import reflow
from .scaling import preprocess, scaling_tensors

WRITTEN = "Written by lit_mnist"
_NORM = re.compile(r"(nn\.BatchNorm[12]d)\((\d+), (.+)\)\Z")
_REPEATED = 3  # from this number of equal batch normalisations on, a `partial` holds their settings
_NAMES = 40  # class names that the code lists at most; the JSON file has them all


@dataclass(frozen=True)
class TorchCode:
    """`source` of ``model.py``, `weights` by its keys, and `scaling` tensors that lie in a file of
    their own.
    """

    source: str
    weights: dict[str, Tensor]
    scaling: dict[str, Tensor]

    def network(self) -> nn.Module:
        """Return the network that the code defines, with its weights, in evaluation mode."""
        network = run_source(self.source, self.scaling).Network()
        network.load_state_dict(self.weights)
        return network.eval()


def torch_code(model: Model, title: str = "", safetensors: bool = False) -> TorchCode:
    """Return a network as code that reads its weights from a ``pt`` or a safetensors file.

    `title` says in the docstring where the network comes from.
    """
    spec = model.spec
    body = forward(spec)
    scaling = scaling_tensors(model.standardizer)
    blocks = [
        _head(model, title, safetensors),
        _imports(body, safetensors),
        _constants(model, bool(scaling), safetensors),
        _class(spec, body),
        preprocess(model.standardizer, spec.input_shape),
        _load(safetensors),
    ]
    source = _assembled(blocks)
    return TorchCode(source, _weights(model, body, source, scaling), scaling)


def run_source(source: str, scaling: Mapping[str, Tensor]) -> ModuleType:
    """Return the module of `source`, which takes `scaling` instead of reading its file."""
    module = ModuleType("exported")
    module.__file__ = "model.py"
    lines = [line for line in source.splitlines() if not line.startswith("SCALING = ")]
    module.__dict__["SCALING"] = dict(scaling)
    exec(compile("\n".join(lines), "model.py", "exec"), module.__dict__)
    return module


def _assembled(blocks: list[list[str]]) -> str:
    head, imports, constants, *definitions = blocks
    top = "\n".join([*head, "", *imports, *(["", *constants] if constants else [])])
    return "\n\n\n".join([top, *("\n".join(block) for block in definitions)]) + "\n"


# ---- the parts of the file


def _head(model: Model, title: str, safetensors: bool) -> list[str]:
    spec = model.spec
    height, width, channels = spec.input_shape
    needs = "torch and safetensors" if safetensors else "torch alone"
    heading = f"{height} x {width} x {channels} images, {spec.classes} classes"
    if title:
        heading = f"{title}: {heading}"
    named = _lists_classes(model)
    prediction = "CLASSES[probabilities[0].argmax()]" if named else "probabilities.argmax(1)"
    return [
        f'"""{heading}, {spec.parameters:,} parameters.',
        "",
        f"{WRITTEN} {__version__}; needs {needs}. Use:",
        "",
        "    network = load()",
        f"    {_answer(spec)} = network(preprocess(pixels))",
        f"    probabilities = {_probabilities(spec)}",
        f"    {prediction}",
        '"""',
    ]


def _answer(spec: NetworkSpec) -> str:
    return "logits" if len(spec.kept) == 1 else "logits, *others"


def _probabilities(spec: NetworkSpec) -> str:
    if spec.units == 1:
        return "torch.cat([-logits, logits], 1).sigmoid()"
    return "logits.sigmoid()" if spec.output_activation == "sigmoid" else "logits.softmax(1)"


def _imports(body: Forward, safetensors: bool) -> list[str]:
    text = "\n".join(line for part in body.lines for line in part.lines())
    return [
        "from __future__ import annotations",
        "",
        *(["from functools import partial"] if _norm(body) else []),
        "from pathlib import Path",
        "",
        "import torch",
        *(["import torch.nn.functional as F"] if re.search(r"\bF\.", text) else []),
        *(["from safetensors.torch import load_file"] if safetensors else []),
        "from torch import Tensor, nn",
    ]


def _lists_classes(model: Model) -> bool:
    """Whether the code lists the class names: not where they are numbers or too many."""
    numbers = tuple(map(str, range(model.spec.classes)))
    return tuple(model.class_names) != numbers and len(model.class_names) <= _NAMES


def _constants(model: Model, scaled: bool, safetensors: bool) -> list[str]:
    lines = ["FOLDER = Path(__file__).parent"]
    if scaled:
        lines.append(f"SCALING = {_read('scaling', safetensors)}")
    if _lists_classes(model):
        names = ", ".join(_quoted(name) for name in model.class_names)
        comma = "," if len(model.class_names) == 1 else ""
        lines += reflow("CLASSES = ", f"({names}{comma})")
    return lines


def _quoted(text: str) -> str:
    """Return a string literal with double quotes, as Black writes it."""
    inner = text.encode("unicode_escape").decode()
    if '"' in inner and "'" not in inner:
        return f"'{inner}'"
    return '"' + inner.replace('"', '\\"') + '"'


def _read(stem: str, safetensors: bool) -> str:
    if safetensors:
        return f'load_file(FOLDER / "{stem}.safetensors")'
    return f'torch.load(FOLDER / "{stem}.pt", weights_only=True)'


def _class(spec: NetworkSpec, body: Forward) -> list[str]:
    shape = f"(N, {', '.join(map(str, torch_shape(spec.input_shape)))})"
    result = "Tensor" if len(spec.kept) == 1 else "tuple[Tensor, ...]"
    doc = f"Images {shape}, as `preprocess` scales them, to logits (N, {spec.units})"
    others = f"; then {', '.join(spec.kept[1:])}" if len(spec.kept) > 1 else ""
    return [
        "class Network(nn.Module):",
        f'    """{doc}{others}."""',
        "",
        *_definitions(body),
        f"    def forward(self, {body.argument}: Tensor) -> {result}:  # {shape}",
        *(line for part in body.lines for line in part.lines()),
    ]


def _norm(body: Forward) -> tuple[str, str] | None:
    """Return class and settings of the batch normalisations, where there are several and all are
    alike.
    """
    kinds = Counter(
        (match[1], match[3])
        for layer_code in body.codes
        for constructor in layer_code.definitions.values()
        if (match := _NORM.match(constructor))
    )
    return next(iter(kinds)) if len(kinds) == 1 and kinds.total() >= _REPEATED else None


def _definitions(body: Forward) -> Iterator[str]:
    definitions = [item for layer_code in body.codes for item in layer_code.definitions.items()]
    if not definitions:
        return
    yield "    def __init__(self) -> None:"
    yield "        super().__init__()"
    norm = _norm(body)
    if norm:
        yield from reflow("norm = ", f"partial({norm[0]}, {norm[1]})", 8)
    for name, constructor in definitions:
        match = _NORM.match(constructor)
        text = f"norm({match[2]})" if norm and match else constructor
        yield from reflow(f"self.{name} = ", text, 8)
    yield ""


def _load(safetensors: bool) -> list[str]:
    ending = "safetensors" if safetensors else "pt"
    read = "load_file(weights)" if safetensors else "torch.load(weights, weights_only=True)"
    return [
        f'def load(weights: str | Path = FOLDER / "model.{ending}") -> Network:',
        '    """Return the trained network, ready to predict."""',
        "    network = Network()",
        f"    network.load_state_dict({read})",
        "    return network.eval()",
    ]


# ---- weights


def _weights(
    model: Model, body: Forward, source: str, scaling: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the weights under the keys and in the shapes of the exported module."""
    state = model.network.state_dict()
    shapes = run_source(source, scaling).Network().state_dict()
    values: dict[str, Tensor] = {}
    for layer_code in body.codes:
        tensors = {name: state[key] for name, key in layer_code.weights.items()}
        for name, tensor in (tensors | layer_code.constants).items():
            values[name] = _deviation(tensor) if name in layer_code.variances else tensor
    return {
        name: values[name].detach().cpu().clone().reshape(like.shape).contiguous()
        for name, like in shapes.items()
    }


def _deviation(variance: Tensor) -> Tensor:
    """Return the standard deviation that Keras divides by, which is at least 1e-7."""
    return variance.sqrt().clamp_min(torch.tensor(1e-7).item())
