"""The page's own modules in a blank page, so that tests can hand them networks and pictures one
after the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from lit_mnist.live.bundle import bundle
from lit_mnist.live.network import description, weights
from lit_mnist.live.page import module
from lit_mnist.network import Network
from lit_mnist.report.encode import base64_of
from lit_mnist.spec import LayerInfo, NetworkSpec
from lit_mnist.spec.weights import flattened_output

_MODULE = """
import { Network } from "./network/network.js";
import { bytesOf } from "./network/tensor.js";
import { Unreadable } from "./reader/digit.js";
import { doubt } from "./reader/doubt.js";
import { inputOf } from "./reader/pictures.js";
import { occlusion } from "./why.js";
import { kernelsOf } from "./kernels.js";

window.Lab = {
  values(description, weights, image) {
    const network = new Network(description, weights);
    const values = network.values(new Float32Array(bytesOf(image).buffer));
    const logits = network.logits(values);
    const entries = Object.entries(values).map(([name, { data }]) => [name, [...data]]);
    const all = Object.fromEntries(entries);
    return { values: all, logits, probabilities: network.probabilities(logits) };
  },
  read(rgba, width, height, reader) {
    try {
      const { pixels, digit } = inputOf({ width, height, data: bytesOf(rgba) }, reader);
      return { pixels: [...pixels], strokes: digit && digit.strokes };
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      return { error: error.message };
    }
  },
  doubt,
  occlusion(description, weights, empty, image, unit) {
    const network = new Network(description, weights);
    const [start, pixels] = [empty, image].map((text) => new Float32Array(bytesOf(text).buffer));
    const work = occlusion(network, start, pixels, network.logits(network.values(pixels)), unit);
    let next = work.next();
    while (!next.done) next = work.next();
    return [...next.value];
  },
  kernels(description, weights, layer, map) {
    const network = new Network(description, weights);
    const { images } = kernelsOf(network, network.layer(layer), map);
    return images.map(({ rows, columns, data }) => [rows, columns, [...data]]);
  },
};
"""


@dataclass(frozen=True)
class Lab:
    """Calls of the page's functions; arguments are plain values."""

    driver: Any

    @classmethod
    def opened(cls, driver: Any) -> Lab:
        """Load the modules into a blank page."""
        driver.get("about:blank")
        driver.execute_script(
            bundle(lambda path: _MODULE if path == "lab.js" else module(path), "lab.js")
        )
        return cls(driver)

    def call(self, function: str, *arguments: Any) -> Any:
        """Return what a function of the page gives."""
        plain = json.loads(json.dumps(arguments, default=np.ndarray.tolist))
        return self.driver.execute_script(f"return Lab.{function}(...arguments)", *plain)

    def run(self, network: Network, image: torch.Tensor) -> dict[str, Any]:
        """Return the page's values, logits and probabilities for one image (C, H, W)."""
        return self.call("values", *carried(network), base64_of(channels_last(image)))


def carried(network: Network) -> tuple[dict[str, Any], str]:
    """What a page holds of a network."""
    return description(network), base64_of(weights(network))


def channels_last(image: torch.Tensor) -> np.ndarray:
    return image.permute(1, 2, 0).numpy().astype("<f4")


def expected(network: Network, image: torch.Tensor) -> dict[str, np.ndarray]:
    """Every layer's value by PyTorch, in the page's order."""
    spec = network.spec
    with torch.no_grad():
        values = network.layer_values(image[None], *spec.names)
    return {info.name: _in_order(spec, info, values[info.name][0]) for info in spec.table}


def _in_order(spec: NetworkSpec, info: LayerInfo, value: torch.Tensor) -> np.ndarray:
    """Rows first, channels last; what torch flattened channels first, and no dense layer has read
    yet, turned round.
    """
    if value.dim() == 3:
        return channels_last(value).ravel()
    array = value.numpy()
    image = flattened_output(spec, info.name)
    if image is None:
        return array
    height, width, channels = image
    return array.reshape(channels, height, width).transpose(1, 2, 0).ravel()


def disturbed(spec: NetworkSpec, seed: int = 0) -> Network:
    """A network whose statistics, biases and slopes are no longer those of a new one."""
    network = Network(spec, seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = 0.1 * torch.randn(tensor.shape, generator=generator)
                tensor += noise.abs() if "var" in name else noise
    return network


def some_image(spec: NetworkSpec, seed: int = 0) -> torch.Tensor:
    height, width, channels = spec.input_shape
    return torch.randn(channels, height, width, generator=torch.Generator().manual_seed(seed))


def differences(lab: Lab, network: Network, image: torch.Tensor) -> dict[str, float]:
    """Layer -> the page's largest difference from PyTorch, in units of the layer's largest
    value.
    """
    result = lab.run(network, image)
    reference = expected(network, image)
    return {
        name: float(np.abs(np.array(result["values"][name]) - value).max())
        / max(float(np.abs(value).max()), 1e-30)
        for name, value in reference.items()
    }
