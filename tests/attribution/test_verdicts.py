"""The checks that judge attribution methods: each against a case whose answer is known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_mnist.attribution import (
    AttributionError,
    InputXGradient,
    IntegratedGradients,
    Method,
    Saliency,
    Target,
    background,
    curve,
    infidelity,
    intensity_ranking,
    make_baseline,
    random_ranking,
    ranking,
    resolve,
    sensitivity,
    settled_sensitivity,
)
from lit_mnist.attribution.randomization import randomization, randomize, weighted_layers
from lit_mnist.attribution.sample import Sample
from lit_mnist.attribution.verdicts import judge
from lit_mnist.data import Dataset
from lit_mnist.network import Network
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec
from tests.networks import tiny_model


@dataclass(frozen=True)
class ImageItself(Method):
    """A method that ignores the network."""

    name: ClassVar[str] = "image"

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        return images


@dataclass(frozen=True)
class Noise(Method):
    """A method that knows nothing."""

    name: ClassVar[str] = "noise"

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        return torch.rand(images.shape)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture(scope="module")
def images(model: Model, digits: Dataset) -> Tensor:
    return model.tensor(digits.test_images[:6])


def test_curves_delete_and_insert_the_highest_half_in_twenty_steps(
    model: Model, images: Tensor
) -> None:
    target, empty = resolve(model.network, images, "predicted"), background(model)
    order = random_ranking(images, seed=0)
    for kind in ("deletion", "insertion"):
        result = curve(model.network, images, target, order, empty, kind)
        assert result.counts[0] == 0 and result.counts[-1] == 392 and len(result.counts) == 21
        for step in (0, 7, 20):
            image = (images if kind == "deletion" else empty.expand_as(images)).clone().flatten(1)
            source = empty.expand_as(images).flatten(1) if kind == "deletion" else images.flatten(1)
            for row, pixels in enumerate(order[:, : result.counts[step]]):
                image[row, pixels] = source[row, pixels]
            expected = (
                model.network(image.view_as(images))
                .softmax(1)
                .gather(1, target.first[:, None])[:, 0]
            )
            np.testing.assert_allclose(
                result.probability[:, step], expected.detach().numpy(), atol=1e-6
            )
        np.testing.assert_allclose(result.mean_probability, result.probability[:, 1:].mean(1))


def test_curves_refuse_maps_and_unknown_kinds(model: Model, images: Tensor) -> None:
    order = random_ranking(images, 0)
    with pytest.raises(AttributionError, match="a map has no probability"):
        curve(
            model.network,
            images,
            resolve(model.network, images, "Conv2D_1/0"),
            order,
            background(model),
            "deletion",
        )
    with pytest.raises(AttributionError, match="did you mean 'deletion'"):
        curve(
            model.network,
            images,
            resolve(model.network, images, 1),
            order,
            background(model),
            "delete",
        )


def test_ranking_starts_with_the_largest_magnitude() -> None:
    maps = torch.tensor([[[[0.0, 3.0], [-5.0, 1.0]]]])
    assert ranking(maps).tolist() == [[2, 1, 3, 0]]
    assert intensity_ranking(maps, torch.tensor([[[[0.0, 2.5], [-9.0, 0.0]]]])).tolist() == [
        [2, 3, 1, 0]
    ]


def test_the_map_of_a_linear_model_leaves_no_infidelity() -> None:
    spec = NetworkSpec.from_dict(
        {
            "layers": [
                {"type": "flatten", "name": "Flatten"},
                {"type": "dense", "name": "Dense", "units": 10},
            ]
        }
    )
    network = Network(spec, seed=1).double().eval()
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0)).double()
    empty, target = torch.full((1, 1, 28, 28), -0.3), resolve(network, images, 4)
    slope = network.Dense.dense.weight.detach()[4].view(1, 1, 28, 28).expand_as(images)
    assert (
        infidelity(network, images, target, slope * (images + 0.3), empty, multiplied=True).max()
        < 1e-10
    )
    assert (
        infidelity(network, images, target, slope.contiguous(), empty, multiplied=False).max()
        < 1e-10
    )
    assert (
        infidelity(network, images, target, torch.rand_like(images), empty, multiplied=True).min()
        > 0.2
    )
    assert (
        infidelity(network, images, target, torch.zeros_like(images), empty, multiplied=True).min()
        == 1
    )


def test_sensitivity_is_the_relative_move(model: Model, images: Tensor) -> None:
    target = resolve(model.network, images, "predicted")
    quiet = sensitivity(ImageItself(), model.network, images, target, radius=0.01)
    assert (quiet < 0.01 * 28 / images.flatten(1).norm(dim=1).numpy()).all() and (quiet > 0).all()
    loud = sensitivity(Noise(), model.network, images, target, radius=0.01)
    assert (loud > 0.5).all()


@dataclass(frozen=True)
class Jumping(Method):
    """A method whose map is the image times `jump` wherever the image is not one of `known`."""

    jump: float
    known: Tensor
    asked: list[int] = field(default_factory=list)
    name: ClassVar[str] = "jumping"

    def attribute(self, network: Network, images: Tensor, target: Target) -> Tensor:
        self.asked.append(len(images))
        same = (images[:, None] == self.known).flatten(2).all(2).any(1)
        return torch.where(same.view(-1, 1, 1, 1), images, images * self.jump)


@pytest.mark.parametrize(
    ("jump", "noises"), [(1.2, 3), (1.7, 13), (2.5, 3)], ids=["quiet", "in doubt", "above"]
)
def test_seven_more_noises_are_drawn_only_in_doubt(
    model: Model, images: Tensor, jump: float, noises: int
) -> None:
    target = resolve(model.network, images, "predicted")
    method = Jumping(jump, images)
    value = settled_sensitivity(method, model.network, images, target, 1e-6, limit=1.0).mean()
    assert value == pytest.approx(jump - 1, abs=1e-3)
    assert sum(method.asked) - len(images) * (1 if noises == 3 else 2) == len(images) * noises


def test_stages_before_the_last_take_the_first_ten_images(model: Model, digits: Dataset) -> None:
    images = model.tensor(digits.test_images[:12])
    target, foreground = resolve(model.network, images, "predicted"), (images > 0)[:, 0]
    every = randomization(
        InputXGradient(), model.network, images, target, foreground, stage_draws=1, draws=2
    )
    assert [stage.shape for stage in every.correlations] == [(1, 10), (1, 10), (2, 12)]
    first = slice(10)
    alone = randomization(
        InputXGradient(),
        model.network,
        images[first],
        target.part(first),
        foreground[first],
        stage_draws=1,
        draws=2,
    )
    for a, b in zip(every.correlations[:2], alone.correlations[:2], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_randomization_tells_networks_from_images(model: Model, images: Tensor) -> None:
    target, foreground = resolve(model.network, images, "predicted"), (images > 0)[:, 0]
    same = randomization(ImageItself(), model.network, images, target, foreground, stage_draws=1)
    assert same.layers == ("Dense_1", "Conv2D_2", "Conv2D_1")
    np.testing.assert_allclose(same.stages, 1)
    assert [stage.shape for stage in same.correlations] == [(1, 6), (1, 6), (3, 6)]
    assert (
        abs(
            randomization(
                Noise(), model.network, images, target, foreground, draws=5
            ).mean_correlation
        )
        < 0.1
    )


def test_correlation_counts_the_foreground_alone_and_signs(model: Model, images: Tensor) -> None:
    from scipy.stats import spearmanr

    target, foreground = resolve(model.network, images, "predicted"), (images > 0)[:, 0]
    method = InputXGradient()
    before = method(model.network, images, target)
    result = randomization(method, model.network, images, target, foreground, draws=1, seed=3)
    after = method(randomize(model.network, 3, 1_000_003 * 4), images, target)
    for i, mask in enumerate(foreground):
        expected = spearmanr(before[i, 0][mask], after[i, 0][mask]).statistic
        assert result.correlations[0][0, i] == pytest.approx(expected, abs=1e-9)
    nothing = randomization(
        method, model.network, images, target, torch.zeros_like(foreground), draws=1
    )
    assert nothing.mean_correlation == 0


def test_randomize_draws_the_top_layers_anew(model: Model) -> None:
    weights = model.network.named_weights()
    assert weighted_layers(model.network) == ("Dense_1", "Conv2D_2", "Conv2D_1")
    changed = randomize(model.network, 2, seed=9).named_weights()
    different = {
        name.split("/")[0] for name in weights if not np.array_equal(weights[name], changed[name])
    }
    assert different == {"Dense_1", "Conv2D_2"}
    assert all(
        np.array_equal(weights[name], array)
        for name, array in model.network.named_weights().items()
    )


def test_judge_gives_every_check_a_figure_and_a_threshold(model: Model, images: Tensor) -> None:
    sample = Sample(
        model.network,
        images,
        resolve(model.network, images, "predicted"),
        background(model),
        torch.tensor(255.0),
        0.01,
    )
    for method in (IntegratedGradients(make_baseline("empty", model), 50), Saliency(), Noise()):
        rows = {verdict.check: verdict for verdict in judge(method, sample).verdicts}
        assert list(rows) == [
            "completeness",
            "blind pixels",
            "deletion",
            "insertion",
            "infidelity",
            "sensitivity",
            "randomisation",
        ]
        for row in rows.values():
            if row.passed is not None:
                assert (
                    row.passed
                    == (row.value <= row.threshold if row.at_most else row.value >= row.threshold)
                    or row.check == "randomisation"
                    and row.passed == (abs(row.value) <= row.threshold)
                )
        assert (rows["completeness"].passed is None) == (method.promise is None)
    assert rows["deletion"].passed is False and rows["insertion"].passed is False  # Noise


def test_a_map_that_survives_new_weights_fails(model: Model, images: Tensor) -> None:
    sample = Sample(
        model.network,
        images,
        resolve(model.network, images, "predicted"),
        background(model),
        torch.tensor(255.0),
        0.01,
    )
    rows = {verdict.check: verdict for verdict in judge(ImageItself(), sample).verdicts}
    assert rows["randomisation"].value == pytest.approx(1) and rows["randomisation"].passed is False
