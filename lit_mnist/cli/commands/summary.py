"""The layer table of a configuration or of a trained network."""

from __future__ import annotations

from pathlib import Path

from ...errors import UserError
from ...files import write_text
from ...outcome import Outcome
from ...runs.configured import spec_of_config
from ...spec import LayerInfo, NetworkSpec

_HEAD = ("layer", "type", "output shape", "parameters", "MACs", "receptive field", "stride")


def summary(
    config: str | None = None,
    ckpt_path: str | None = None,
    draw: str | None = None,
    output: str | None = None,
) -> Outcome:
    """Print a network's layer table, or draw the network.

    Example: python -m lit_mnist summary --config configs/cnn.yaml

    Args:
        config: a configuration file; its network is not built.
        ckpt_path: instead of a configuration, a run folder, a checkpoint or a Keras file.
        draw: an SVG file for a drawing of the network's graph.
    """
    spec = _spec(config, ckpt_path)
    spec = spec if output is None else spec.with_output(output)
    drawn = {} if draw is None else {"drawn": str(_drawn(spec, draw))}
    data = drawn | {
        "outputs": spec.kept,
        "parameters": spec.parameters,
        "trainable_parameters": spec.trainable_parameters,
        "macs": spec.macs,
        "input_shape": spec.input_shape,
        "layers": [_record(info) for info in spec.table],
    }
    text = table_text(spec)
    return Outcome(data, text if draw is None else f"{text}\ndrawn: {drawn['drawn']}")


def _drawn(spec: NetworkSpec, path: str) -> Path:
    from ...figures.network import network_svg

    if Path(path).suffix.lower() != ".svg":
        raise UserError(f"--draw {path}: not an SVG file; accepted: a file that ends in .svg")
    return write_text(path, network_svg(spec))


def _spec(config: str | None, ckpt_path: str | None) -> NetworkSpec:
    if config is not None and ckpt_path is None:
        return spec_of_config(Path(config))
    if ckpt_path is not None and config is None:
        from ...runs.model import open_model

        return open_model(ckpt_path).spec
    raise UserError(
        "summary needs one of --config (a YAML file) and --ckpt_path (a run, checkpoint or Keras "
        "file)"
    )


def _record(info: LayerInfo) -> dict:
    return {
        "name": info.name,
        "type": info.type,
        "activation": info.activation,
        "output_shape": info.output_shape,
        "parameters": info.parameters,
        "trainable_parameters": info.trainable_parameters,
        "macs": info.macs,
        "inputs": info.inputs,
        "receptive_field": info.receptive_field,
        "stride": info.jump,
        "start": info.start,
        "weights": dict(info.weights),
    }


def table_text(spec: NetworkSpec) -> str:
    """Return the table as aligned text, with a line of totals."""
    rows = [_row(info) for info in spec.table]
    rows.append(("total", "", "", f"{spec.parameters:,}", f"{spec.macs:,}", "", ""))
    head = _HEAD if spec.is_chain else (*_HEAD, "inputs")
    if not spec.is_chain:
        inputs = (*(", ".join(info.inputs) for info in spec.table), "")
        rows = [(*row, names) for row, names in zip(rows, inputs, strict=True)]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if 2 < i < 5 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def _row(info: LayerInfo) -> tuple[str, ...]:
    return (
        info.name,
        _kind(info),
        " x ".join(map(str, info.output_shape)),
        f"{info.parameters:,}",
        f"{info.macs:,}",
        "{} x {}".format(*info.receptive_field),
        "{} x {}".format(*info.jump),
    )


def _kind(info: LayerInfo) -> str:
    return (
        f"{info.type}, {info.activation}"
        if info.activation and info.type != "activation"
        else info.type
    )
