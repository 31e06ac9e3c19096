"""The ascent itself: its formula, its bits, its memory, and when it stops."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_mnist.inside import passes
from lit_mnist.inside.capture import capture
from lit_mnist.maximize import objectives as o
from lit_mnist.maximize import rows as r
from lit_mnist.maximize.inputs import per_image_standardization
from lit_mnist.maximize.maximization import Settings, maximize_classes, maximize_maps
from lit_mnist.maximize.presets import PRESETS, recipe
from lit_mnist.maximize.rows import rows_for
from lit_mnist.maximize.stages import Stage, snapshot_steps, with_steps
from lit_mnist.maximize.subnetwork import Subnetwork
from lit_mnist.maximize.transformations import Jitter
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec
from tests.networks import LINEAR, SMALL, climb, small_model, small_start


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float((x * y).sum() / np.linalg.norm(x) / np.linalg.norm(y))


def test_first_layer_map_before_its_activation_reaches_the_standardised_gradient(
    cnn_spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 0.03: standardising throws the gradient's mean away, which for some maps is 96 % of
    its length, so
    that 1,000 steps of 0.01 would still be on their way (cosine 0.9987 in the worst of these)."""
    model = Model(Network(cnn_spec, seed=1).eval(), small_model(LINEAR).standardizer, "mnist", None)
    monkeypatch.setattr(r, "CHUNK", 4)  # no padding: these are many steps
    ascent = climb(
        model, [Stage(o.ChannelMean("Conv2D_1:pre"), 1000, 0.03)], rows_for([0, 5, 17, 31], 1)
    )
    for target, image in zip(ascent.rows.targets, ascent.images, strict=True):
        x = torch.zeros(1, 1, 28, 28, requires_grad=True)
        (gradient,) = torch.autograd.grad(model.network.Conv2D_1.conv(x)[0, target].mean(), x)
        assert cosine(image, per_image_standardization(gradient)[0].numpy()) >= 0.999


def test_logit_of_a_linear_model_reaches_its_standardised_weights() -> None:
    model = small_model(LINEAR)
    made = maximize_classes(model, settings=Settings("source", restarts=1, steps=1000))
    for image, weights in zip(
        made.ascent.images, model.network.Output.dense.weight.detach().numpy(), strict=True
    ):
        assert cosine(image[0], (weights - weights.mean()).reshape(28, 28)) >= 0.999


@pytest.mark.parametrize("preset", PRESETS)
def test_same_bits_whatever_is_asked_for_together(small: Model, preset: str) -> None:
    stages = with_steps(recipe(preset)(o.ChannelMean("Conv_2")), 6)
    stages = tuple(replace(stage, steps=6) for stage in stages)
    every = climb(
        small, stages, rows_for(range(8), 9)
    )  # 72 rows: three chunks, the last one padded
    again = climb(small, stages, rows_for(range(8), 9))
    assert np.array_equal(every.images, again.images)
    few = climb(small, stages, rows_for([6, 1], 9))
    for number, target in enumerate((6, 1)):
        expected, got = every.rows.targets == target, slice(9 * number, 9 * number + 9)
        assert np.array_equal(every.images[expected], few.images[got])
        assert np.array_equal(every.objective[expected], few.objective[got], equal_nan=True)
        assert np.array_equal(every.snapshots[expected], few.snapshots[got])
    assert not np.array_equal(
        every.images, climb(small, stages, rows_for(range(8), 9, seed=1)).images
    )


def test_one_row_alone_equals_the_batch_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(SMALL, double=True)
    stages = recipe("source")(o.ChannelMean("Conv_2"))
    together = climb(model, stages, rows_for(range(8), 2))
    monkeypatch.setattr(r, "CHUNK", 1)
    alone = climb(model, stages, rows_for([5], 2))
    assert np.abs(together.images[together.rows.targets == 5] - alone.images).max() <= 1e-10


def test_memory_of_the_work_does_not_grow_with_rows(
    small: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    forward = Subnetwork.forward
    monkeypatch.setattr(
        Subnetwork, "forward", lambda self, x, *d: sizes.append(len(x)) or forward(self, x, *d)
    )
    climb(small, [Stage(o.ChannelMean("Conv_2"), 2)], rows_for(range(8), 20))
    assert set(sizes) == {r.CHUNK}


@pytest.mark.parametrize(
    "objective", [o.ChannelMean("Conv_2"), o.ChannelMean("Conv_2") - 0.5 * o.Diversity()]
)
def test_progress_counts_rows(small: Model, objective: o.Objective) -> None:
    """Also where each target's restarts are one group, less than a chunk."""
    reports: list[tuple[int, int]] = []
    climb(
        small,
        [Stage(objective, 2)],
        rows_for(range(3), 40),
        progress=lambda *counts: reports.append(counts),
    )
    done = [count for count, _ in reports]
    assert done == sorted(done) and done[-1] == 240 and {of for _, of in reports} == {240}
    assert len(set(done)) >= 2 * 3  # each group of a step


@dataclass(frozen=True)
class InDouble(o.Objective):
    """An objective that computes in another type than the network."""

    objective: o.Objective

    @property
    def layers(self) -> tuple[str, ...]:
        return self.objective.layers

    @property
    def regularises(self) -> bool:
        return self.objective.regularises

    @property
    def couples(self) -> bool:
        return self.objective.couples

    def score(self, view: o.View) -> Tensor:
        return self.objective.score(view).double()


@pytest.mark.parametrize("few_fit", [False, True])
@pytest.mark.parametrize("regulariser", [o.L2(), o.Diversity()])
def test_objectives_may_compute_in_another_type(
    small: Model, regulariser: o.Objective, few_fit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if few_fit:
        monkeypatch.setattr(passes, "VALUES", 1)
    mean, rows = o.ChannelMean("Conv_2"), rows_for(range(2), 3)
    expected = climb(small, [Stage(mean - 0.1 * regulariser, 3)], rows)
    result = climb(small, [Stage(InDouble(mean) - 0.1 * InDouble(regulariser), 3)], rows)
    assert result.objective.dtype == result.images.dtype == np.float32
    assert np.allclose(result.objective, expected.objective, atol=1e-5)
    assert np.allclose(result.images, expected.images, atol=1e-5)


def test_network_is_neither_hooked_nor_changed(small: Model) -> None:
    small.network.train()
    before = {key: value.clone() for key, value in small.network.state_dict().items()}
    maximize_maps(small, "Conv_1", [0], Settings(steps=3, restarts=1))
    assert small.network.training and all(p.requires_grad for p in small.network.parameters())
    assert all(torch.equal(before[key], value) for key, value in small.network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in small.network.modules())


def test_the_sources_numbers() -> None:
    assert snapshot_steps(600, 6) == (0, 9, 18, 36, 72, 144, 288, 599)
    assert snapshot_steps(3, 6) == (0, 2)
    assert [(s.steps, s.step) for s in recipe("source")(o.ChannelMean("x"))] == [(400, 0.01)]
    assert [s.steps for s in recipe("staged")(o.ChannelMean("x"))] == [20, 40, 80, 400]
    first, second = recipe("class")(o.Neuron("x"))
    assert (first.steps, second.steps, first.transformations) == (300, 300, (Jitter(0.05),))
    assert "TotalVariation" not in repr(first.objective) and "TotalVariation" in repr(
        second.objective
    )


def test_one_step_is_the_written_formula(small: Model) -> None:
    rows = rows_for([2], 1)
    x = small_start(rows).float().requires_grad_()
    with capture(small.network, "Conv_2") as seen:
        small.network(x)
    (g,) = torch.autograd.grad(seen["Conv_2"][0, 2].mean(), x)
    moved = x + 0.01 * g / (g.square().mean().sqrt() + 1e-7)
    expected = (moved - moved.mean()) / moved.std(correction=0).clamp_min(1 / 12)
    assert np.allclose(
        climb(small, [Stage(o.ChannelMean("Conv_2"), 1)], rows).images, expected.detach(), atol=1e-5
    )


def test_convergence_stops_rows_one_by_one() -> None:
    model = small_model(LINEAR)
    made = maximize_classes(model, settings=Settings("source", restarts=1, converge=True))
    assert (made.ascent.stops == "converged").all() and len(set(made.ascent.steps)) > 1
    for row, steps in enumerate(made.ascent.steps):
        values = made.ascent.objective[row][: steps + 1]
        change = np.abs(np.diff(values)) / (np.abs(values[1:]) + 1e-7) < 5e-4
        hits = [i for i in range(10, len(change)) if change[i - 3 : i + 1].all() and i - 3 >= 10]
        assert hits[0] + 1 == steps and np.isnan(made.ascent.objective[row][steps + 1 :]).all()


def test_stopped_rows_are_not_computed(small: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A silent map stops after eleven steps; its place is then taken by a row that climbs."""
    with torch.no_grad():
        small.network.Conv_2.conv.bias[[0, 1, 2, 5]] = -1e6
    monkeypatch.setattr(r, "CHUNK", 4)
    counts = []
    forward = Subnetwork.forward
    monkeypatch.setattr(
        Subnetwork, "forward", lambda self, x, *d: counts.append(len(x)) or forward(self, x, *d)
    )
    ascent = climb(small, [Stage(o.ChannelMean("Conv_2"), 20)], rows_for(range(8), 1))
    assert ascent.steps.tolist() == [10, 10, 10, 20, 20, 10, 20, 20]
    assert len(counts) == 2 + 11 * 2 + 9  # the check, two groups while all climb, then one
    whole = climb(small, [Stage(o.ChannelMean("Conv_2"), 20)], rows_for([3, 4, 6, 7], 1))
    assert np.array_equal(ascent.images[[3, 4, 6, 7]], whole.images)
    assert np.isnan(ascent.objective[0, 11:]).all() and (ascent.objective[0, :11] == 0).all()
