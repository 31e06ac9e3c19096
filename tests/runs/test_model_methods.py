"""The common path: a model's own methods give the records of the functions, which show themselves
in a notebook.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lit_mnist.data import load_dataset
from lit_mnist.data.images import read_images
from lit_mnist.errors import UserError
from lit_mnist.inside.filters import filters
from lit_mnist.inside.maps import answers, feature_maps, journey
from lit_mnist.inside.passes import batches
from lit_mnist.inside.top_images import top_images
from lit_mnist.outcome import Records
from lit_mnist.runs.model import Model, open_model, save_model
from tests.networks import tiny_model

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


def test_predict(model: Model, tmp_path: Path) -> None:
    digit = load_dataset("digits").test_images[3]
    Image.fromarray(digit).save(tmp_path / "digit.png")
    from_file, by_id = model.predict(tmp_path / "digit.png", "test:3")
    assert by_id.label == load_dataset("digits").test_labels[3] and from_file.label == -1
    expected = answers(model, read_images([str(tmp_path / "digit.png")], "digits"))[0]
    assert np.allclose(from_file.probabilities, expected.probabilities)
    assert str(by_id).startswith(f"test:3: {by_id.prediction} (") and by_id._repr_png_().startswith(
        PNG
    )
    assert model.predict("test:3")._repr_html_().count("<img") == 1


def test_feature_maps(model: Model) -> None:
    records = model.feature_maps("Conv2D_*", "test:19", "test:20")
    expected = feature_maps(model, read_images(["test:19", "test:20"], "digits"), "Conv2D_*")
    assert [record.layer for record in records] == ["Conv2D_1", "Conv2D_2"] * 2
    assert all(
        np.array_equal(one.values, other.values)
        for one, other in zip(records, expected, strict=True)
    )
    assert records[0]._repr_png_().startswith(PNG) and records._repr_html_().count("<img") == 4
    with pytest.raises(UserError, match="Conv2D_1"):
        model.feature_maps("Conv2D_9", "test:19")


def test_top_images(model: Model) -> None:
    result = model.top_images("Conv2D_2", k=2)
    expected = top_images(
        model.network, batches(model, load_dataset("digits").test_images), "Conv2D_2", 2
    )
    assert np.array_equal(result[0].peak.index, expected[0].peak.index)
    assert result._repr_html_().count("<img") == 1
    assert (
        expected[0]._repr_png_() is None
    )  # the functions rank a pass; they do not hold its images


def test_maximize(model: Model) -> None:
    result = model.maximize("Conv2D_2", maps=[3, 7], steps=3, restarts=1)
    assert result.targets == (3, 7) and result.settings.steps == 3
    assert result._repr_png_().startswith(PNG)
    assert model.maximize("Dense_1", steps=2, restarts=1).targets == tuple(range(10))


def test_explain(model: Model) -> None:
    explanation = model.explain("test:19", methods=["saliency"], verdict_digits=0)
    assert explanation.methods == ("saliency",) and explanation.names == ("test:19",)
    assert explanation._repr_png_().startswith(PNG)


def test_other_records_show_themselves(model: Model) -> None:
    images = read_images(["test:0", "test:1"], "digits")
    for record in (filters(model.network, "Conv2D_1"), journey(model, images)):
        assert record._repr_png_().startswith(PNG)
    assert isinstance(feature_maps(model, images, "Conv2D_1"), Records)


def test_what_is_kept_with_a_run_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Top images, ascents and verdicts: computed by the first call, read by the second."""
    save_model(tiny_model(), tmp_path / "run" / "checkpoints" / "best.ckpt")
    (tmp_path / "run" / "config.yaml").write_text("seed: 1\n")
    model = open_model(tmp_path / "run")

    def calls() -> tuple:
        return (
            model.top_images("Conv2D_1", k=2)[0].peak.values,
            model.maximize("Conv2D_1", [1], steps=2, restarts=1).ascent.images,
            model.explain("test:3", methods="saliency", verdict_digits=3).attributions[0].verdicts,
        )

    first = calls()
    for place in (
        "inside.top_images.top_images",
        "maximize.maximization.ascend",
        "attribution.verdicts.judge",
    ):
        monkeypatch.setattr(f"lit_mnist.{place}", lambda *a, **o: pytest.fail("computed again"))
    again = calls()
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert first[2] == again[2] and len(first[2]) > 3
