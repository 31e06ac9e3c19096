"""Activation maximisation: analytic optima, determinism, chunking, silence, transformations, bad input."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lit_mnist.figures import maximize as figures
from lit_mnist.inside.capture import capture
from lit_mnist.maximize import ascent as a
from lit_mnist.maximize import objectives as o
from lit_mnist.maximize.checks import MaximizeError
from lit_mnist.maximize.inputs import Box, Fluctuations, constraint_for, per_image_standardization
from lit_mnist.maximize.maximization import Settings, maximize_classes, maximize_maps, search
from lit_mnist.maximize.presets import PRESETS, recipe
from lit_mnist.maximize.quality import Reference, assess, fine_share, reference
from lit_mnist.maximize.subnetwork import Subnetwork
from lit_mnist.maximize.transformations import Blur, Fourier, Jitter, Rotation, Scale, roll
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec
from tests.networks import LINEAR, SMALL, climb, small_model, small_start


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def small() -> Model:
    return small_model(SMALL)


def silenced(model: Model, layer: str, maps: list[int]) -> Model:
    """The model with a bias that only a strong pattern overcomes (or, at -1e6, none)."""
    with torch.no_grad():
        getattr(model.network, layer).conv.bias[maps] = -1e6
    return model


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float((x * y).sum() / np.linalg.norm(x) / np.linalg.norm(y))


def test_first_layer_map_before_its_activation_reaches_the_standardised_gradient(
    cnn_spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Steps of 0.03: standardising throws the gradient's mean away, which for some maps is 96 % of its length, so
    that 1,000 steps of 0.01 would still be on their way (cosine 0.9987 in the worst of these)."""
    model = Model(Network(cnn_spec, seed=1).eval(), small_model(LINEAR).standardizer, "mnist", None)
    monkeypatch.setattr(a, "CHUNK", 4)  # no padding: these are many steps
    ascent = climb(
        model, [a.Stage(o.ChannelMean("Conv2D_1:pre"), 1000, 0.03)], a.rows_for([0, 5, 17, 31], 1)
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
    stages = a.with_steps(recipe(preset)(o.ChannelMean("Conv_2")), 6)
    stages = tuple(a.replace(stage, steps=6) for stage in stages)
    every = climb(
        small, stages, a.rows_for(range(8), 9)
    )  # 72 rows: three chunks, the last one padded
    again = climb(small, stages, a.rows_for(range(8), 9))
    assert np.array_equal(every.images, again.images)
    few = climb(small, stages, a.rows_for([6, 1], 9))
    for number, target in enumerate((6, 1)):
        wanted, got = every.rows.targets == target, slice(9 * number, 9 * number + 9)
        assert np.array_equal(every.images[wanted], few.images[got])
        assert np.array_equal(every.objective[wanted], few.objective[got], equal_nan=True)
        assert np.array_equal(every.snapshots[wanted], few.snapshots[got])
    assert not np.array_equal(
        every.images, climb(small, stages, a.rows_for(range(8), 9, seed=1)).images
    )


def test_one_row_alone_equals_the_batch_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model(SMALL, double=True)
    stages = recipe("source")(o.ChannelMean("Conv_2"))
    together = climb(model, stages, a.rows_for(range(8), 2))
    monkeypatch.setattr(a, "CHUNK", 1)
    alone = climb(model, stages, a.rows_for([5], 2))
    assert np.abs(together.images[together.rows.targets == 5] - alone.images).max() <= 1e-10


def test_memory_of_the_work_does_not_grow_with_rows(
    small: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    forward = Subnetwork.forward
    monkeypatch.setattr(
        Subnetwork, "forward", lambda self, x, *d: sizes.append(len(x)) or forward(self, x, *d)
    )
    climb(small, [a.Stage(o.ChannelMean("Conv_2"), 2)], a.rows_for(range(8), 20))
    assert set(sizes) == {a.CHUNK}


def test_network_is_neither_hooked_nor_changed(small: Model) -> None:
    small.network.train()
    before = {key: value.clone() for key, value in small.network.state_dict().items()}
    maximize_maps(small, "Conv_1", [0], Settings(steps=3, restarts=1))
    assert small.network.training and all(p.requires_grad for p in small.network.parameters())
    assert all(torch.equal(before[key], value) for key, value in small.network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in small.network.modules())


def test_the_sources_numbers() -> None:
    assert a.snapshot_steps(600, 6) == (0, 9, 18, 36, 72, 144, 288, 599)
    assert a.snapshot_steps(3, 6) == (0, 2)
    assert [(s.steps, s.step) for s in recipe("source")(o.ChannelMean("x"))] == [(400, 0.01)]
    assert [s.steps for s in recipe("staged")(o.ChannelMean("x"))] == [20, 40, 80, 400]
    first, second = recipe("class")(o.Neuron("x"))
    assert (first.steps, second.steps, first.transformations) == (300, 300, (Jitter(0.05),))
    assert "TotalVariation" not in repr(first.objective) and "TotalVariation" in repr(
        second.objective
    )


def test_one_step_is_the_written_formula(small: Model) -> None:
    rows = a.rows_for([2], 1)
    x = small_start(rows).float().requires_grad_()
    with capture(small.network, "Conv_2") as seen:
        small.network(x)
    (g,) = torch.autograd.grad(seen["Conv_2"][0, 2].mean(), x)
    moved = x + 0.01 * g / (g.square().mean().sqrt() + 1e-7)
    wanted = (moved - moved.mean()) / moved.std(correction=0).clamp_min(1 / 12)
    assert np.allclose(
        climb(small, [a.Stage(o.ChannelMean("Conv_2"), 1)], rows).images, wanted.detach(), atol=1e-5
    )


def test_standardise_follows_tensorflows_rule() -> None:
    assert torch.equal(
        per_image_standardization(torch.full((1, 1, 4, 4), 7.0)), torch.zeros(1, 1, 4, 4)
    )
    faint = torch.tensor([[[[0.0, 1e-3], [0.0, 1e-3]]]])
    assert torch.allclose(
        per_image_standardization(faint), (faint - faint.mean()) / 0.5
    )  # 1 / sqrt(4 pixels)


@pytest.mark.parametrize(("kind", "low", "high"), [("unit", 0, 1), ("none", 0, 255)])
def test_networks_on_plain_pixels_stay_in_their_range(kind: str, low: float, high: float) -> None:
    model = small_model(SMALL, kind)
    assert isinstance(constraint_for(model), Box)
    made = maximize_maps(model, "Conv_2", [1, 2], Settings(steps=60, restarts=2))
    assert made.ascent.images.min() >= low and made.ascent.images.max() <= high
    assert made.ascent.images.std() > 0.05 * (high - low)
    assert (made.ascent.objective[:, -1] > made.ascent.objective[:, 0]).all()


def test_dead_maps_are_said_to_be_unreachable_and_stop_after_eleven_zero_steps(
    small: Model,
) -> None:
    made = maximize_maps(
        silenced(small, "Conv_1", [2]), "Conv_1", [1, 2], Settings(steps=30, restarts=2)
    )
    assert made.outcome(0) == "steps" and made.ascent.steps[0] == 30
    assert made.outcome(2) == "silent: unreachable" and made.ascent.steps[2] == 10
    assert (
        np.isfinite(made.ascent.objective[2, :11]).all()
        and np.isnan(made.ascent.objective[2, 11:]).all()
    )
    assert made.metrics()["silent"] == 1


def test_a_sleeping_map_is_woken(small: Model) -> None:
    with torch.no_grad():  # only images close to the kernel's own pattern overcome this bias
        kernel = small.network.Conv_1.conv.weight[3]
        small.network.Conv_1.conv.bias[3] = -0.9 * 3 * kernel.norm()
    asleep = maximize_maps(small, "Conv_1", [3], Settings(steps=30, restarts=2, wake=False))
    woken = maximize_maps(small, "Conv_1", [3], Settings(steps=30, restarts=2))
    assert (asleep.quality.activation == 0).all() and "not raised" not in woken.outcome(0)
    assert (
        asleep.outcome(0) == "silent: silent for random input"
        and (woken.quality.activation > 0).all()
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


def test_search_finds_better_starts_and_rebuilds_them(small: Model) -> None:
    found = search(small.network, "Conv_2", constraint_for(small), 300, seed=4)
    assert found.scores.shape == (300, 8)
    best = found.best(3, 5)
    again = assess(
        small.network, "Conv_2", found.starts(best).numpy(), a.rows_for([3], 5)
    ).activation
    assert np.allclose(again, found.scores[best, 3], atol=1e-6) and (np.diff(again) <= 1e-6).all()
    made = maximize_maps(small, "Conv_2", [3], Settings(search=300, restarts=5, seed=4, steps=1))
    assert np.allclose(made.ascent.starts, found.starts(best), atol=1e-6)


def test_transformations() -> None:
    x = torch.randn(3, 1, 9, 7, dtype=torch.float64)
    shifts = torch.tensor([[1, -2], [0, 3], [-4, 0]])
    rolled = torch.stack(
        [torch.roll(image, tuple(by), (1, 2)) for image, by in zip(x, shifts.tolist(), strict=True)]
    )
    assert torch.equal(roll(x, shifts), rolled)
    assert torch.allclose(Rotation()(x, torch.zeros(3, 1)), x) and torch.allclose(
        Scale()(x, torch.zeros(3, 1)), x
    )
    square = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    quarter = Rotation(90)(square, torch.full((1, 1), np.pi / 2, dtype=torch.float64))
    assert torch.allclose(quarter, square.rot90(1, (2, 3))) or torch.allclose(
        quarter, square.rot90(-1, (2, 3))
    )
    drawn = Jitter(0.05).draw(np.random.default_rng(0), 500, (1, 28, 28))
    assert set(drawn.ravel()) == {-1, 0, 1}


def test_fourier_is_ascent_in_scaled_fourier_coefficients() -> None:
    """One step in z with x = irfft2(scale * z) moves x along the filter; compared with autograd through irfft2."""
    g = torch.randn(2, 1, 8, 8, dtype=torch.float64)
    lowest = 1 / 8
    cycles = torch.fft.fftfreq(8, dtype=torch.float64)
    scale = lowest / torch.hypot(cycles[:, None], cycles[None]).clamp_min(lowest)
    z = torch.zeros(2, 1, 8, 8, dtype=torch.complex128, requires_grad=True)
    image = torch.fft.ifft2(scale * z, norm="ortho").real
    (dz,) = torch.autograd.grad((image * g).sum(), z)
    moved = torch.fft.ifft2(scale * dz, norm="ortho").real
    assert torch.allclose(Fourier()(g), moved, atol=1e-9)
    assert torch.allclose(Fourier(0)(g), g) and torch.allclose(Blur(0)(g), g)
    assert fine_share(Blur(2.0)(g).numpy()).max() < fine_share(g.numpy()).min()


def test_diversity_parts_the_restarts(small: Model) -> None:
    """Rows of a target are coupled, so they share a chunk; other targets and the padding do not matter."""
    plain, diverse = (
        climb(small, [a.Stage(objective, 150)], a.rows_for(range(6), 5))
        for objective in (o.ChannelMean("Conv_1"), o.ChannelMean("Conv_1") - 2.0 * o.Diversity())
    )
    likeness = [
        np.nanmean(assess(small.network, "Conv_1", found.images, found.rows).likeness ** 2)
        for found in (plain, diverse)
    ]
    assert likeness[1] < 0.7 * likeness[0]
    few = climb(
        small, [a.Stage(o.ChannelMean("Conv_1") - 2.0 * o.Diversity(), 5)], a.rows_for([0], 5)
    )  # padded
    many = climb(
        small, [a.Stage(o.ChannelMean("Conv_1") - 2.0 * o.Diversity(), 5)], a.rows_for(range(6), 5)
    )
    assert np.allclose(few.images, many.images[many.rows.targets == 0], atol=1e-5)
    with pytest.raises(MaximizeError, match=f"restarts = {a.COUPLED + 1}"):
        climb(
            small,
            [a.Stage(o.ChannelMean("Conv_1") - o.Diversity(), 5)],
            a.rows_for([5], a.COUPLED + 1),
        )


def test_quality_by_hand(small: Model) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (30, 12, 12)).astype(np.uint8)
    data = reference(small, "Conv_2", 3, pixels=pixels)
    rows = a.rows_for([4], 12)
    images = small_start(rows).float()
    quality = assess(small.network, "Conv_2", images.numpy(), rows, data)
    with capture(small.network, "Conv_2") as seen:
        small.network(per_image_standardization(small.tensor(pixels)))
        largest = seen["Conv_2"].mean((2, 3)).max(0).values
        small.network(images)
        own = seen["Conv_2"].mean((2, 3))
        shifted = []
        for down, right in [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]:
            small.network(images.roll((down, right), (2, 3)))
            shifted.append(seen["Conv_2"].mean((2, 3))[:, 4])
    assert np.allclose(data.largest, largest.detach(), rtol=1e-5)
    assert np.allclose(quality.ratio, (own / largest)[:, 4].detach(), rtol=1e-5)
    live = largest > 0
    ranks = [1 + int(((row / largest)[live] > (row / largest)[4]).sum()) for row in own]
    assert quality.rank.tolist() == ranks
    assert np.allclose(
        quality.shift, (torch.stack(shifted).min(0).values / own[:, 4]).detach(), rtol=1e-4
    )


def test_fine_share_knows_its_frequencies() -> None:
    columns = np.arange(28)
    slow, fast = (
        np.broadcast_to(np.cos(2 * np.pi * cycles * columns / 28), (1, 1, 28, 28))
        for cycles in (3, 10)
    )
    assert fine_share(slow)[0] < 1e-20 and fine_share(fast)[0] > 1 - 1e-12
    assert fine_share(np.ones((1, 1, 28, 28)))[0] == 0
    noise = np.random.default_rng(0).normal(size=(20, 1, 28, 28))
    assert (
        abs(fine_share(noise).mean() - (1 - np.pi / 16)) < 0.02
    )  # white noise: the square less the disc


@pytest.mark.parametrize("layer", ["Dense_1", "Dense_1:pre", "Flatten"])
def test_units_of_any_layer_can_be_maximised(small: Model, layer: str) -> None:
    data = small_reference(small, layer)
    units = np.argsort(-data.largest)[[1, 0]].tolist()
    result = maximize_maps(small, layer, units, Settings("class", restarts=2, steps=20), data)
    assert (
        result.kind == "unit"
        and list(result.targets) == units
        and result.card(0)["unit"] == units[0]
    )
    with torch.no_grad(), capture(small.network, layer) as maps:
        small.network(torch.from_numpy(result.ascent.images))
    own = maps[layer][torch.arange(4), torch.from_numpy(result.ascent.rows.targets)]
    np.testing.assert_allclose(result.quality.activation, own, rtol=1e-5, atol=1e-6)
    assert (result.quality.activation[result.best] > data.largest[units]).all()


def test_units_are_made_as_classes_are(small: Model) -> None:
    units, classes = maximize_maps(small, "Dense_1", [3]), maximize_classes(small, [3])
    assert units.settings == classes.settings and np.array_equal(
        units.ascent.images, classes.ascent.images
    )


def small_reference(model: Model, layer: str) -> Reference:
    pixels = np.random.default_rng(1).integers(0, 256, (10, 12, 12)).astype(np.uint8)
    return reference(model, layer, 2, pixels=pixels)


@pytest.mark.parametrize(
    ("preset", "search"), [*((preset, 0) for preset in PRESETS), ("source", 20)]
)
@pytest.mark.parametrize("layer", ["Conv_2", "Dense_1"])
def test_images_do_not_depend_on_where_the_scaling_sits(
    preset: str, search: int, layer: str
) -> None:
    """The same weights, pixels divided by 255 before the network or by its own first layer."""
    outside = small_model(SMALL, "unit")
    scale = {"type": "rescaling", "name": "Scale", "factor": 1 / 255}
    inside = small_model({**SMALL, "layers": [scale, *SMALL["layers"]]}, "none")
    assert torch.equal(inside.network.Conv_2.conv.weight, outside.network.Conv_2.conv.weight)
    settings = Settings(preset, restarts=2, steps=30, search=search)
    first, second = (
        maximize_maps(model, layer, [1, 4], settings, small_reference(model, layer))
        for model in (outside, inside)
    )
    np.testing.assert_allclose(second.ascent.images, 255 * first.ascent.images, atol=0.5)
    np.testing.assert_allclose(second.ascent.starts, 255 * first.ascent.starts, atol=1e-3)
    np.testing.assert_allclose(second.quality.ratio, first.quality.ratio, rtol=1e-3)
    assert (
        first.constraint == "pixels kept in 0 to 1"
        and second.constraint == "pixels kept in 0 to 255"
    )
    for draw in (figures.grid, figures.beside_data):
        one, other = (
            [image.get_cmap().name for image in draw(result).axes[0].images]
            for result in (first, second)
        )
        assert one == other and one[0] == figures.CMAP


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: maximize_maps(m, "Conv2"), "no layer 'Conv2'.*did you mean 'Conv_2'"),
        (lambda m: maximize_maps(m, "Dense_1", [10]), "unit 10 is not in layer 'Dense_1'.*0 to 9"),
        (lambda m: maximize_maps(m, "Conv_1", [6]), "map 6 is not in layer 'Conv_1'.*0 to 5"),
        (lambda m: maximize_maps(m, "Conv_1", [-1]), "map -1"),
        (lambda m: maximize_maps(m, "Conv_1", []), "none"),
        (lambda m: maximize_maps(m, "Conv_1", [1, 1]), "named twice"),
        (lambda m: maximize_classes(m, [10]), "class 10 is not in layer 'Dense_1'.*0 to 9"),
        (lambda m: maximize_maps(m, "Conv_1", [0], Settings(steps=0)), "steps = 0.*above 0"),
        (
            lambda m: maximize_maps(m, "Conv_1", [0], Settings(step=float("nan"))),
            "step = nan.*above 0",
        ),
        (lambda m: maximize_maps(m, "Conv_1", [0], Settings(step=-0.1)), "step = -0.1"),
        (lambda m: Settings(preset="sorce"), "preset 'sorce'.*did you mean 'source'"),
        (lambda m: Settings(restarts=0), "restarts = 0"),
        (lambda m: Settings(search=2), "search = 2"),
        (lambda m: Fluctuations((3, 7), (1.0,)), "2 sizes and 1 weights"),
        (lambda m: Jitter(float("nan")), "jitter = nan"),
        (lambda m: climb(m, [a.Stage(-1 * o.L2(), 2)], a.rows_for([0], 1)), "regularisers alone"),
    ],
)
def test_bad_input_is_one_clear_error(small: Model, call, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        call(small)
    assert type(caught.value).__name__ in ("MaximizeError", "CaptureError")


@pytest.mark.parametrize(("preset", "best"), [("source", 0), ("robust", 1)])
def test_robust_prefers_the_restart_that_stands_a_shift(
    small: Model, preset: str, best: int
) -> None:
    made = maximize_maps(small, "Conv_2", [3], Settings(preset, restarts=3, steps=1))
    quality = replace(
        made.quality, activation=np.array([2.0, 1.9, 0.0]), shift=np.array([0.5, 0.9, np.nan])
    )
    assert replace(made, quality=quality).best.tolist() == [best]
