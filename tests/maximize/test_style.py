"""Style transfer: the source's losses by closed formulas, the descent, several styles, colour, any
network.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lit_mnist.figures import style as draw
from lit_mnist.figures.canvas import to_rgb
from lit_mnist.maximize import MaximizeError
from lit_mnist.maximize.style import (
    Settings,
    StyleTransfer,
    content_loss,
    gram,
    layers_for,
    mean_gram,
    style_loss,
    style_transfer,
)
from lit_mnist.maximize.style.extractor import Extractor
from lit_mnist.maximize.style.pictures import luminance, matched
from lit_mnist.runs.model import Model
from lit_mnist.spec import NetworkSpec, SpecError, imagenet
from tests.maximize.style_networks import SIZE, narrow_vgg19, picture
from tests.networks import SMALL, small_model

FEW = Settings(size=48, steps=8, snapshots=3)


@pytest.fixture(scope="module")
def vgg19() -> Model:
    return narrow_vgg19()


@pytest.fixture(scope="module")
def record(vgg19: Model) -> StyleTransfer:
    return style_transfer(picture(0), picture(1), vgg19, FEW)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


def test_losses_are_the_sources_sums() -> None:
    f = random(1, 3, 4, 5)
    p = random(1, 3, 4, 5, seed=1)
    flat, other = f.numpy().reshape(3, 20), p.numpy().reshape(3, 20)
    squares = sum((flat[i, j] - other[i, j]) ** 2 for i in range(3) for j in range(20))
    np.testing.assert_allclose(content_loss(f, p), squares / 2, rtol=1e-12)
    g, a = (
        [[sum(x[i, k] * x[j, k] for k in range(20)) for j in range(3)] for i in range(3)]
        for x in (flat, other)
    )
    np.testing.assert_allclose(gram(f)[0], g, rtol=1e-12)
    distance = sum((g[i][j] - a[i][j]) ** 2 for i in range(3) for j in range(3))
    np.testing.assert_allclose(
        style_loss(f, mean_gram(p)), distance / (4 * 3**2 * 20**2), rtol=1e-12
    )


def test_the_size_of_the_style_picture_does_not_count() -> None:
    f = random(1, 3, 4, 5)
    twice = torch.cat([f, f], dim=2)
    assert style_loss(f, mean_gram(twice)) < 1e-25 < style_loss(f, mean_gram(random(1, 3, 8, 5)))


def test_the_source_s_layers_are_vgg19s_defaults() -> None:
    content, styles = layers_for(imagenet.vgg19())
    assert content == "block5_conv2" and styles == {f"block{n}_conv1": 1.0 for n in range(1, 6)}
    content, styles = layers_for(NetworkSpec.from_dict(SMALL))
    assert content == "Conv_2" and list(styles) == ["Conv_1", "Conv_2"]


def test_reported_losses_are_those_of_the_pictures(vgg19: Model, record: StyleTransfer) -> None:
    """By hand, from the whole network's own activations: the start is the content, the total is the
    weighted sum.
    """
    assert record.before["content"] == 0
    names = (record.content_layer, *record.style_layers)
    extractor = Extractor(vgg19, names, SIZE)
    c, s = (
        extractor(torch.from_numpy(p.astype(np.float32) / 255).permute(2, 0, 1)[None])
        for p in (record.content, record.styles[0])
    )
    for layer in record.style_layers:
        expected = (gram(c[layer]) - gram(s[layer])).square().sum()
        count = 4 * c[layer].shape[1] ** 2 * c[layer][0, 0].numel() ** 2
        np.testing.assert_allclose(record.before[layer], expected / count, rtol=1e-4)
    total = sum(record.weights.style[layer] * record.before[layer] for layer in record.style_layers)
    np.testing.assert_allclose(record.losses[0, 0], total, rtol=1e-5)
    np.testing.assert_allclose(
        record.losses[0, 2],
        np.mean([record.before[layer] for layer in record.style_layers]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_a_descent_makes_so_many_evaluations_and_lowers_the_loss(
    vgg19: Model, optimizer: str
) -> None:
    done = []
    record = style_transfer(
        picture(0),
        picture(1),
        vgg19,
        FEW,
        optimizer=optimizer,
        steps=12,
        progress=lambda *counts: done.append(counts),
    )
    assert done == [(n, 12) for n in range(1, 13)] and len(record.losses) == 12
    assert record.losses[:, 0].min() < 0.9 * record.losses[0, 0]
    assert record.snapshot_steps == (0, 3, 11) and len(record.snapshots) == 3
    assert np.array_equal(record.snapshots[0], record.content)


def test_explicit_weights_are_the_sources_alpha_and_beta(vgg19: Model) -> None:
    layers = {"block1_conv1": 3.0, "block2_conv1": 1.0}
    record = style_transfer(
        picture(0),
        picture(1),
        vgg19,
        FEW,
        content_weight=2.0,
        style_weight=8.0,
        style_layers=layers,
    )
    assert record.weights.content == 2 and record.weights.style == {
        "block1_conv1": 6.0,
        "block2_conv1": 2.0,
    }
    total, content, style, _ = record.losses[-1]
    np.testing.assert_allclose(total, 2 * content + 8 * style, rtol=1e-5)


def test_total_variation_smooths(vgg19: Model, record: StyleTransfer) -> None:
    smooth = style_transfer(picture(0), picture(1), vgg19, FEW, tv_weight=2000.0)
    assert smooth.losses[-1, 3] < 0.9 * record.losses[-1, 3]


def test_several_styles_count_by_their_fractions(vgg19: Model, record: StyleTransfer) -> None:
    pictures = [picture(1), picture(2)]
    other = style_transfer(picture(0), pictures[1], vgg19, FEW, steps=1)
    both = style_transfer(picture(0), pictures, vgg19, FEW, steps=1, style_fractions=[3, 1])
    for layer in both.style_layers:
        expected = 0.75 * record.before[layer] + 0.25 * other.before[layer]
        np.testing.assert_allclose(both.before[layer], expected, rtol=1e-5)


def test_kept_colour_changes_brightness_alone(vgg19: Model) -> None:
    content = (picture(0) // 4 + 96).astype(np.uint8)  # so grey that no channel is clipped
    record = style_transfer(content, picture(1), vgg19, FEW, keep_color=True, strength=0.1)
    difference = record.image.astype(float) - content
    assert np.ptp(difference, 2).max() <= 1 < np.abs(difference).max()
    brightness = luminance(content.astype(np.float64))
    style = matched(luminance(picture(1).astype(np.float64)), brightness)
    np.testing.assert_allclose(
        [style.mean(), style.std()], [brightness.mean(), brightness.std()], rtol=0.02
    )


def test_it_does_not_depend_on_where_the_scaling_sits() -> None:
    scale = {"type": "rescaling", "name": "Scale", "factor": 1 / 255}
    content, style = np.random.default_rng(2).uniform(0, 255, (2, 12, 12))
    first, second = (
        style_transfer(content, style, model, steps=10)
        for model in (
            small_model(SMALL, "unit"),
            small_model({**SMALL, "layers": [scale, *SMALL["layers"]]}, "none"),
        )
    )
    assert np.abs(first.image.astype(int) - second.image).max() <= 1
    np.testing.assert_allclose(list(second.after.values()), list(first.after.values()), rtol=1e-2)


def test_a_small_network_lowers_what_is_asked_for() -> None:
    model = small_model(SMALL)
    content, style = np.random.default_rng(0).integers(0, 256, (2, 12, 12))
    moved = style_transfer(content, style, model, content_weight=0.0, style_weight=1.0, steps=60)
    assert moved.losses[-1, 2] < 0.3 * moved.losses[0, 2]
    kept = style_transfer(content, style, model, content_weight=1.0, style_weight=1e-3, steps=60)
    assert kept.after["content"] < moved.after["content"]


def test_pictures_show_the_record(record: StyleTransfer) -> None:
    assert record._repr_png_().startswith(b"\x89PNG")
    assert to_rgb(draw.evolution(record)).ndim == to_rgb(draw.curves(record)).ndim == 3
    import io

    movie = Image.open(io.BytesIO(draw.animation(record)))
    assert movie.format == "GIF" and movie.n_frames == 3 and movie.size == SIZE[::-1]


def test_a_file_of_a_photograph_gets_the_size_and_keeps_its_aspect(
    vgg19: Model, tmp_path: Path
) -> None:
    for number, size in enumerate(((120, 60), (50, 50))):
        Image.fromarray(picture(number, size)).save(tmp_path / f"{number}.png")
    record = style_transfer(
        tmp_path / "0.png", [tmp_path / "1.png"], vgg19, size=64, steps=2, style_scale=0.75
    )
    assert record.image.shape == (64, 32, 3) and record.styles[0].shape == (34, 34, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content_layer": "block5_conv9"}, "no layer 'block5_conv9'.*did you mean 'block5_conv"),
        (
            {"style_layers": ["block1_con1=2"]},
            "no layer 'block1_con1'.*did you mean 'block1_conv1'",
        ),
        ({"style_layers": ["block1_conv1=x"]}, "weight 'x' is not a number"),
        ({"style_layers": ["block1_conv1=0"]}, "no layer has a weight above 0"),
        ({"content_layer": "global_average_pooling2d"}, "has no feature maps"),
        ({"style_weight": 1.0}, "both, or neither"),
        ({"strength": 1.0, "style_weight": 1.0, "content_weight": 1.0}, "one or the other"),
        ({"strength": -1.0}, "strength = -1.0"),
        ({"tv_weight": float("nan")}, "tv_weight = nan"),
        ({"style_fractions": [1, 2]}, "for 1 style pictures"),
        ({"steps": 0}, "steps = 0"),
        ({"size": 8}, "size: 6 x 8 pixels cannot work: layer"),
        ({"start": "style"}, "start = 'style'"),
        ({"optimizer": "lbgfs"}, "did you mean 'lbfgs'"),
        ({"snapshots": -1}, "snapshots = -1"),
    ],
)
def test_bad_settings_are_one_clear_error(vgg19: Model, changes: dict, message: str) -> None:
    with pytest.raises((MaximizeError, SpecError), match=message):
        style_transfer(picture(0), picture(1), vgg19, **{"steps": 1, **changes})


def test_pictures_that_are_none_are_named(vgg19: Model) -> None:
    with pytest.raises(MaximizeError, match=r"picture of shape \(5,\).*accepted: .*\(H, W, 3\)"):
        style_transfer(np.zeros(5), picture(1), vgg19)
    with pytest.raises(MaximizeError, match="values from 0 to 256; accepted: pixels 0 to 255"):
        style_transfer(picture(0), picture(1) * 0 + np.arange(48)[:, None] * 256 / 47, vgg19)
    with pytest.raises(MaximizeError, match="no style picture"):
        style_transfer(picture(0), [], vgg19)
    per_pixel = small_model(SMALL, "per_pixel")
    with pytest.raises(MaximizeError, match="20 x 20 .*each pixel differently; accepted: 12 x 12"):
        style_transfer(np.zeros((12, 12)), np.zeros((12, 12)), per_pixel, size=20)
