"""TensorBoard events built directly: fast histograms, finished PNGs, the graph without tracing."""

from __future__ import annotations

# pyright: reportAttributeAccessIssue=false
# (the names in protobuf's generated modules arise at run time)
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef
from torch import Tensor

from ...network import Network
from ...spec import INPUT, Shape
from ..devices import exact_sum
from ..lightning_internals import event_file

_BINS = 50  # TensorBoard shows 30


class Events:
    """Collects the values of one step and writes them to a logger's file as one event."""

    def __init__(self, logger: TensorBoardLogger) -> None:
        self._logger = logger
        self._values = []

    def scalar(self, tag: str, value: float) -> None:
        """Add a number."""
        self._values.append(Summary.Value(tag=tag, simple_value=value))

    def picture(self, tag: str, picture) -> None:  # noqa: ANN001 - training.tensorboard.Picture
        """Add a picture as its PNG.

        The logger's own way would encode it again, ten times slower.
        """
        height, width = picture.shape
        image = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=picture.png()
        )
        self._values.append(Summary.Value(tag=tag, image=image))

    def histogram(self, tag: str, values: Tensor) -> None:
        """Add a histogram of the finite values in 50 equal bins; nothing if there are none."""
        values = values.flatten().float()
        low, high = torch.aminmax(values)
        if not (low.isfinite() and high.isfinite()):
            values = values[values.isfinite()]
            if not len(values):
                return
            low, high = torch.aminmax(values)
        low = float(low)
        high = float(high)
        first, last = (low, high) if high > low else (low - 0.5, high + 0.5)
        counts = torch.histc(values, _BINS, first, last).tolist()
        limits = [first + (last - first) * (number + 1) / _BINS for number in range(_BINS)]
        total = exact_sum(values)
        squares = float(torch.linalg.vector_norm(values)) ** 2
        self._values.append(
            Summary.Value(
                tag=tag,
                histo=HistogramProto(
                    min=low,
                    max=high,
                    num=len(values),
                    sum=total,
                    sum_squares=squares,
                    bucket_limit=limits,
                    bucket=counts,
                ),
            )
        )

    def graph(self, graph: GraphDef) -> None:
        """Write the graph of the network."""
        self._file.add_graph((graph, RunMetadata()))

    def flush(self, step: int) -> None:
        """Write the collected values as step `step`."""
        self._file.add_summary(Summary(value=self._values), step)
        self._values = []

    @property
    def _file(self):  # noqa: ANN202 - torch's FileWriter
        return event_file(self._logger)


def network_graph(network: Network) -> GraphDef:
    """Return the network as TensorBoard's graph: a box per layer with operations and weights.

    Built from the description: `add_graph` of torch traces the network, which takes seconds and is
    deprecated.
    """
    nodes = [_node("image", "Placeholder", [], (*network.spec.input_shape,))]
    ends = {INPUT: "image"}  # layer -> the node that gives its value
    for info in network.spec.table:
        before = [ends[source] for source in info.inputs]
        for dotted, module in getattr(network, info.name).named_modules(prefix=info.name):
            name = dotted.replace(".", "/")  # boxes within boxes
            if next(module.children(), None) is not None:
                continue  # a box, not an operation
            weights = [
                _node(f"{name}/{key}", "Variable", [], tuple(tensor.shape))
                for key, tensor in module.state_dict().items()
            ]
            place = f"{name}/{type(module).__name__}" if weights or name == info.name else name
            inputs = [*before, *[weight.name for weight in weights]]
            nodes += [
                *weights,
                _node(place, type(module).__name__, inputs, info.output_shape, str(module)),
            ]
            before = [place]
        ends[info.name] = before[0]
    answer = ends[network.spec.output]
    nodes.append(_node("logits", "Identity", [answer], network.spec.output_shape))
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def _node(name: str, kind: str, inputs: list[str], shape: Shape, text: str = "") -> NodeDef:
    sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    attributes = {"_output_shapes": AttrValue(list=AttrValue.ListValue(shape=[sizes]))}
    if text:
        attributes["module"] = AttrValue(s=text.encode())
    return NodeDef(name=name, op=kind, input=inputs, attr=attributes)
