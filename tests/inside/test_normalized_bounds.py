"""Bounds through layer and group normalisation: never left, close where it can be computed by hand,
faults noticed.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lit_mnist.inside import normalized
from lit_mnist.inside.bounds import propagate
from lit_mnist.network import Network
from lit_mnist.spec import NetworkSpec

EPSILON = 1e-3
KINDS = (
    {"type": "layer_norm"},
    {"type": "layer_norm", "axis": [1, 2, 3]},
    {"type": "group_norm", "groups": 2},
    {"type": "group_norm", "groups": -1, "scale": False},
)


def network_of(kind: dict, seed: int) -> Network:
    """A normalisation of 2 x 1 images of four channels, its scale and shift drawn."""
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [2, 1, 4],
            "layers": [
                kind | {"name": "Norm"},
                {"type": "flatten", "name": "F"},
                {"type": "dense", "name": "D", "units": 2},
            ],
        }
    )
    network = Network(spec, seed).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.Norm.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return network


def box(seed: int, offset: float, width: float) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    low = offset * torch.randn(1, 4, 2, 1, generator=generator, dtype=torch.float64)
    return low, low + width * torch.rand(low.shape, generator=generator, dtype=torch.float64)


def images_within(low: Tensor, high: Tensor) -> Tensor:
    """Every corner of the box, and points near the middle, where variances are small."""
    corners = torch.tensor(list(product([0.0, 1.0], repeat=8)), dtype=torch.float64)
    inner = 0.5 + 0.1 * torch.randn(200, 8, generator=torch.Generator().manual_seed(0)).double()
    places = torch.cat([corners, inner.clamp(0, 1)]).view(-1, 4, 2, 1)
    return (low + places * (high - low)).float().clamp(low.float(), high.float())


def escaped(kind: dict, seed: int, offset: float, width: float) -> bool:
    network = network_of(kind, seed)
    low, high = box(seed, offset, width)
    low, high = low.float().double(), high.float().double()
    bounds = propagate(network, low, high)["Norm"]
    with torch.no_grad():
        values = network.layer_values(images_within(low, high), "Norm")["Norm"].double().numpy()
    return bool((values < bounds.low).any() or (values > bounds.high).any())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.sampled_from(KINDS),
    st.integers(0, 99),
    st.sampled_from([0.0, 0.1, 1.0, 100.0]),
    st.sampled_from([0.0, 1e-4, 0.1, 1.0, 100.0]),
)
def test_no_image_leaves_the_bounds(kind: dict, seed: int, offset: float, width: float) -> None:
    assert not escaped(kind, seed, offset, width)


@pytest.mark.parametrize("fault", ["others", "lowest", "highest"])
def test_a_fault_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the variance ten times too large where it divides, or ten times too small."""
    made = normalized.Variance.__init__

    def broken(self: normalized.Variance, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        setattr(self, fault, getattr(self, fault) * 0.1 if fault != "lowest" else self.highest)

    monkeypatch.setattr(normalized.Variance, "__init__", broken)
    assert any(
        escaped(kind, seed, offset, width)
        for kind in KINDS[:3]
        for seed in range(8)
        for offset, width in ((100.0, 1.0), (1.0, 100.0), (1.0, 1.0))
    )


def test_two_values_are_bounded_as_by_hand() -> None:
    """Of two values between 0 and 1 one deviates by at most 1/2, its variance then being 1/4."""
    ends = torch.zeros(1, 2, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    low, high = normalized.standardized(*ends, EPSILON, (1,))
    expected = 0.5 / np.sqrt(0.25 + EPSILON)
    np.testing.assert_allclose(high, expected, rtol=1e-3)
    np.testing.assert_allclose(low, -expected, rtol=1e-3)


def test_apart_values_keep_their_signs() -> None:
    """One value of 3 to 4, one of 0 to 1: the first lies above the mean in every image."""
    low_end = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    low, high = normalized.standardized(low_end, low_end + 1, EPSILON, (1,))
    assert low[0, 0] > 0 > high[0, 1]
