"""A network as an ONNX file, checked with onnxruntime before it is written."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import UserError, first_line
from .check import check
from .program import Program, exported

_LIMIT = 1e-5
BATCH = "batch"


def onnx_file(program: Program) -> tuple[bytes, dict[str, Any]]:
    """Return the content of the file, and the comparison of onnxruntime's outputs with the
    network's.

    Raises UserError where a package of the extra ``export`` is missing, where ONNX cannot represent
    the network, and where onnxruntime's outputs differ.
    """
    onnx, runtime = _libraries()
    model = _converted(program)
    onnx.helper.set_model_props(model, _properties(program))
    content = model.SerializeToString()
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])

    def run(images: Tensor, pixels: np.ndarray) -> Mapping[str, Tensor]:
        inputs = program.inputs(images, pixels).numpy()
        single = session.run(list(program.outputs), {program.input: inputs[:1]})
        values = session.run(list(program.outputs), {program.input: inputs})
        assert all(len(value) == 1 for value in single)  # a batch of any length
        return program.values([torch.from_numpy(value) for value in values])

    names = program.model.spec.kept
    by = f"onnxruntime {runtime.__version__}"
    return content, check(program.model, run, names, _LIMIT, by)


def _libraries() -> tuple[ModuleType, ModuleType]:
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError as error:
        raise UserError(
            f"ONNX needs packages that are not installed ({error}); accepted: after pip install "
            "'lit-mnist[export]', or another form: --code, .pt2, .safetensors"
        ) from error
    return onnx, onnxruntime


def _converted(program: Program) -> Any:
    """Return the ONNX model, without torch's progress messages and warnings."""
    graph = exported(program)
    messages = io.StringIO()
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(messages):
            result = torch.onnx.export(
                graph,
                (program.images(2),),
                dynamo=True,
                input_names=[program.input],
                output_names=list(program.outputs),
                verbose=False,
            )
    except Exception as error:  # torch's exporter has no error class of its own
        raise UserError(
            f"ONNX cannot hold this network ({first_line(error)}); accepted: --code, .pt2"
        ) from error
    assert result is not None
    model = result.model_proto
    _name_batch(model)
    return model


def _name_batch(model: Any) -> None:
    """Rename the first axis of inputs and outputs to ``batch``."""
    torch_name = model.graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == torch_name:
                axis.dim_param = BATCH


def _properties(program: Program) -> dict[str, str]:
    """Return the metadata of the file: classes, form of the input, kind of scaling."""
    model = program.model
    scaling = "pixels 0 to 255" if program.with_scaling else "scaled as the JSON beside it says"
    return {
        "classes": json.dumps(list(model.class_names)),
        "input": f"(batch, C, H, W) float32, {scaling}",
        "scaling": model.standardizer.kind,
    }
