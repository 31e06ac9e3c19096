"""The best images are those that a full sort finds, and a unit sees nothing outside its box."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lit_mnist import capture
from lit_mnist.data import Dataset
from lit_mnist.errors import UserError
from lit_mnist.inside import top_images as module
from lit_mnist.inside.kept import kept_results
from lit_mnist.inside.passes import batches
from lit_mnist.inside.top_images import boxes, top_images
from lit_mnist.runs.model import open_model, save_model
from lit_mnist.spec import NetworkSpec
from tests.networks import all_values, model_of, specs, tiny_model

LAYERS = ["Conv2D_1", "Max_Pool_1", "Conv2D_2:pre", "Dense_1"]


@pytest.mark.parametrize("layer, size", list(product(LAYERS, [1, 7, 200])))
def test_equals_a_full_sort(digits: Dataset, layer: str, size: int) -> None:
    model, pixels = tiny_model(), digits.test_images[:60].copy()
    pixels[30:40] = pixels[5]  # equal images: the first must come first
    with torch.no_grad():
        model.network.Conv2D_1.conv.weight[2] = -1  # a map that is silent for every image
        model.network.Conv2D_1.conv.bias[2] = -1
    values = all_values(model, pixels, size, layer)
    (result,) = top_images(model.network, batches(model, pixels, size), layer, k=12)
    assert (result.layer, result.images) == (layer, 60)
    for measure, scores in (("peak", values.max(-1)), ("mean", values.mean(-1, dtype=np.float64))):
        ranking = getattr(result, measure)
        if measure == "peak":
            order = np.argsort(-scores, axis=0, kind="stable")[:12].T
            assert np.array_equal(ranking.index, order)
        np.testing.assert_allclose(
            ranking.values, -np.sort(-scores, axis=0)[:12].T, rtol=1e-6, atol=1e-7
        )
        for number, place in np.ndindex(ranking.index.shape):
            where = values[ranking.index[number, place], number].argmax()
            assert np.array_equal(
                ranking.boxes[number, place], boxes(model.spec, layer, np.array(where))
            )


def test_values_that_are_not_numbers_come_first(digits: Dataset) -> None:
    model = tiny_model()
    inputs = torch.cat(list(batches(model, digits.test_images[:60])))
    inputs[50] = torch.nan
    by_size = [top_images(model.network, inputs.split(size), "Conv2D_1", k=3) for size in (60, 7)]
    for ranking in (getattr(one, measure) for (one,) in by_size for measure in ("peak", "mean")):
        assert (ranking.index[:, 0] == 50).all()
    for measure in ("peak", "mean"):
        first, second = (getattr(one, measure).index for (one,) in by_size)
        assert np.array_equal(first, second)


def test_layers_behind_are_not_run(digits: Dataset) -> None:
    model = tiny_model()
    ran = []
    for name in ("Conv2D_1", "Dense_1"):
        module = model.network.get_submodule(name)
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    top_images(model.network, batches(model, digits.test_images[:5]), "Conv2D_1:pre")
    assert ran == ["Conv2D_1"]


@settings(max_examples=30, deadline=None)
@given(specs(batch_norm=False), st.data())
def test_a_unit_sees_nothing_outside_its_box(spec: NetworkSpec, data: st.DataObject) -> None:
    """The gradient of a unit's value is zero outside its receptive field, for every layer."""
    model = model_of(spec)
    height, width, channels = spec.input_shape
    x = torch.rand(
        1, channels, height, width, generator=torch.Generator().manual_seed(1)
    ).requires_grad_()
    with capture(model.network, "*") as maps:
        model.network(x)
    for name, tensor in maps.items():
        flat = tensor[0].flatten(1) if tensor.dim() == 4 else tensor[0].unsqueeze(-1)
        position = data.draw(st.integers(0, flat.shape[1] - 1))
        gradient = (
            torch.autograd.grad(flat[:, position].sum(), x, retain_graph=True)[0][0].abs().sum(0)
        )
        top, left, bottom, right = boxes(spec, name, np.array(position))
        inside = torch.zeros(height, width, dtype=torch.bool)
        inside[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
        assert not gradient[~inside].any(), name


def test_a_smaller_box_would_be_noticed(cnn_spec: NetworkSpec) -> None:
    """The check above must be able to fail: the box of Conv2D_3 is 18 pixels wide and all of them
    matter.
    """
    model = model_of(cnn_spec)
    x = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(1)).requires_grad_()
    with capture(model.network, "Conv2D_3:pre") as maps:
        model.network(x)
    gradient = torch.autograd.grad(maps["Conv2D_3:pre"][0, :, 1, 1].sum(), x)[0][0, 0].abs()
    top, left, bottom, right = boxes(cnn_spec, "Conv2D_3", np.array(4))
    assert (bottom - top, right - left) == (18, 18)
    for border in (
        gradient[top, left:right],
        gradient[bottom - 1, left:right],
        gradient[top:bottom, left],
        gradient[top:bottom, right - 1],
    ):
        assert border.any()


def test_several_layers_in_one_pass(digits: Dataset) -> None:
    model, passes = tiny_model(), []

    def counted():
        for batch in batches(model, digits.test_images[:20], 10):
            passes.append(len(batch))
            yield batch

    result = top_images(model.network, counted(), ["Conv2D_*", "Dense_1"], k=3)
    assert [record.layer for record in result] == ["Conv2D_1", "Conv2D_2", "Dense_1"]
    assert passes == [10, 10]


def test_fewer_images_than_wanted(digits: Dataset) -> None:
    model = tiny_model()
    (result,) = top_images(
        model.network, batches(model, digits.test_images[:3], 2), "Conv2D_1", k=8
    )
    assert result.peak.index.shape == (5, 3)


def test_in_bfloat16(digits: Dataset) -> None:
    model = tiny_model()
    model.network.bfloat16()
    (result,) = top_images(
        model.network, batches(model, digits.test_images[:9], 4), "Conv2D_1", k=2
    )
    assert result.mean.values.dtype == np.float32


def test_what_cannot_work(digits: Dataset) -> None:
    model = tiny_model()
    with pytest.raises(UserError, match="k = 0"):
        top_images(model.network, batches(model, digits.test_images), "Conv2D_1", k=0)
    with pytest.raises(UserError, match="no image"):
        top_images(model.network, [], "Conv2D_1")
    with pytest.raises(UserError, match="batch_size = 0"):
        top_images(model.network, batches(model, digits.test_images, 0), "Conv2D_1")
    assert not any(module._forward_hooks for module in model.network.modules())


def test_what_is_kept_is_read_again(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(tiny_model(), tmp_path / "tiny.ckpt")
    model, pixels = open_model(tmp_path / "tiny.ckpt"), digits.test_images[:50]
    kept = kept_results(model)
    first = module.top_images_once(model, "test", pixels, ["Conv2D_1", "Conv2D_2"], 3, kept)
    direct = top_images(model.network, batches(model, pixels), ["Conv2D_1", "Conv2D_2"], 3)
    monkeypatch.setattr(module, "sweep", lambda *_: pytest.fail("a pass over the data"))
    again = module.top_images_once(model, "test", pixels, ["Conv2D_2", "Conv2D_1"], 3, kept)
    for record, plain, other in zip(first, direct, reversed(again), strict=True):
        assert record.layer == other.layer == plain.layer and record.images == 50
        for measure in ("peak", "mean"):
            for name, values in vars(getattr(plain, measure)).items():
                for one in (record, other):
                    assert np.array_equal(getattr(getattr(one, measure), name), values)
    with pytest.raises(pytest.fail.Exception):  # more images a map than are kept, and other images
        module.top_images_once(model, "test", pixels, ["Conv2D_1"], 9, kept)
    with pytest.raises(pytest.fail.Exception):
        module.top_images_once(model, "test", digits.test_images[:51], ["Conv2D_1"], 3, kept)
