"""Maximisation of maps, units and classes: searches, restarts, and errors of one message."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lit_mnist.figures import maximize as figures
from lit_mnist.inside.capture import capture
from lit_mnist.maximize import objectives as o
from lit_mnist.maximize.checks import MaximizeError
from lit_mnist.maximize.inputs import Fluctuations, constraint_for
from lit_mnist.maximize.maximization import Settings, maximize_classes, maximize_maps
from lit_mnist.maximize.presets import PRESETS
from lit_mnist.maximize.quality import Reference, assess, reference
from lit_mnist.maximize.rows import COUPLED, rows_for
from lit_mnist.maximize.stages import Stage
from lit_mnist.maximize.start_search import search
from lit_mnist.maximize.transformations import Jitter
from lit_mnist.runs.model import Model
from tests.networks import SMALL, climb, small_model


def silenced(model: Model, layer: str, maps: list[int]) -> Model:
    """The model with a bias that only a strong pattern overcomes (or, at -1e6, none)."""
    with torch.no_grad():
        getattr(model.network, layer).conv.bias[maps] = -1e6
    return model


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
    raised = maximize_maps(small, "Conv_1", [3], Settings(steps=30, restarts=2))
    assert (asleep.quality.activation == 0).all() and "not raised" not in raised.outcome(0)
    assert (
        asleep.outcome(0) == "silent: silent for random input"
        and (raised.quality.activation > 0).all()
    )


def test_search_finds_better_starts_and_rebuilds_them(small: Model) -> None:
    result = search(small.network, "Conv_2", constraint_for(small), 300, seed=4)
    assert result.scores.shape == (300, 8)
    best = result.best(3, 5)
    again = assess(
        small.network, "Conv_2", result.starts(best).numpy(), rows_for([3], 5)
    ).activation
    assert np.allclose(again, result.scores[best, 3], atol=1e-6) and (np.diff(again) <= 1e-6).all()
    made = maximize_maps(small, "Conv_2", [3], Settings(search=300, restarts=5, seed=4, steps=1))
    assert np.allclose(made.ascent.starts, result.starts(best), atol=1e-6)


def test_diversity_parts_the_restarts(small: Model) -> None:
    """Rows of a target are coupled, so they share a chunk; other targets and the padding do not
    matter.
    """
    plain, diverse = (
        climb(small, [Stage(objective, 150)], rows_for(range(6), 5))
        for objective in (o.ChannelMean("Conv_1"), o.ChannelMean("Conv_1") - 2.0 * o.Diversity())
    )
    likeness = [
        np.nanmean(assess(small.network, "Conv_1", result.images, result.rows).likeness ** 2)
        for result in (plain, diverse)
    ]
    assert likeness[1] < 0.7 * likeness[0]
    few = climb(
        small, [Stage(o.ChannelMean("Conv_1") - 2.0 * o.Diversity(), 5)], rows_for([0], 5)
    )  # padded
    many = climb(
        small, [Stage(o.ChannelMean("Conv_1") - 2.0 * o.Diversity(), 5)], rows_for(range(6), 5)
    )
    assert np.allclose(few.images, many.images[many.rows.targets == 0], atol=1e-5)
    with pytest.raises(MaximizeError, match=f"restarts = {COUPLED + 1}"):
        climb(
            small,
            [Stage(o.ChannelMean("Conv_1") - o.Diversity(), 5)],
            rows_for([5], COUPLED + 1),
        )


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
        (lambda m: climb(m, [Stage(-1 * o.L2(), 2)], rows_for([0], 1)), "only regularisers"),
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
