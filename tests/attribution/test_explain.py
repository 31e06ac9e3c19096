"""The explanation as a record, as pictures, in TensorBoard and from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.attribution import (
    METHODS,
    AttributionError,
    background,
    explain,
    interesting,
    make_baseline,
    verdicts,
)
from lit_mnist.attribution.records import Attribution, Explanation, Verdict
from lit_mnist.attribution.tensorboard import write_events
from lit_mnist.data import Dataset
from lit_mnist.data.images import Images, read_images
from lit_mnist.figures import attribution as figures
from lit_mnist.figures.canvas import to_rgb
from lit_mnist.inside.kept import kept_results
from lit_mnist.runs.model import Model, open_model, save_model
from lit_mnist.spec import NetworkSpec
from tests.networks import model_of, tiny_model

RELU = NetworkSpec.from_dict(
    {
        "layers": [
            {"type": "conv", "name": "Conv2D_1", "filters": 4, "activation": "relu"},
            {"type": "pool", "name": "Max_Pool_1"},
            {"type": "conv", "name": "Conv2D_2", "filters": 6, "stride": 2, "activation": "relu"},
            {"type": "flatten", "name": "Flatten"},
            {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax"},
        ]
    }
)
NAMES = ("test:0", "test:1", "test:2")


@pytest.fixture(scope="module")
def model() -> Model:
    return model_of(RELU, seed=2)


@pytest.fixture(scope="module")
def record(model: Model, digits: Dataset) -> Explanation:
    images = read_images(NAMES, "digits")
    return explain(
        model,
        images,
        ["saliency", "deeplift", "grad_cam"],
        "predicted-second",
        dataset=digits,
        verdict_digits=4,
    )


def test_verdicts_are_computed_once_for_a_network(
    model: Model, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_model(model, tmp_path / "tiny.ckpt")
    said: list[str] = []

    def explained(image: str, methods: list[str], **more: object) -> Explanation:
        opened = open_model(tmp_path / "tiny.ckpt")
        return explain(
            opened,
            read_images([image], "digits"),
            methods,
            dataset=digits,
            verdict_digits=3,
            kept=kept_results(opened, said.append),
            **more,
        )

    first = explained("test:7", ["saliency", "lrp"])
    judged: list[str] = []
    check = verdicts.judge
    monkeypatch.setattr(
        verdicts,
        "judge",
        lambda method, sample: judged.append(method.name) or check(method, sample),
    )
    again = explained("test:8", ["lrp", "grad_cam", "saliency"])
    assert judged == ["grad_cam"] and not said
    for name in ("saliency", "lrp"):
        one, other = (record.attributions[record.methods.index(name)] for record in (first, again))
        assert one.verdicts == other.verdicts and np.array_equal(
            one.randomization, other.randomization
        )
        assert all(
            np.array_equal(one.curves[kind], other.curves[kind])
            for kind in ("deletion", "insertion")
        )
    assert first.rivals.keys() == again.rivals.keys() and np.array_equal(first.counts, again.counts)
    explained("test:8", ["saliency"], seed=1)
    explained("test:8", ["saliency"], baseline="blur")
    explained("test:8", ["saliency"], target="4-9")
    assert judged == ["grad_cam", *["saliency"] * 3] and not said  # other settings, other verdicts
    save_model(model_of(RELU, seed=3), tmp_path / "tiny.ckpt")
    explained("test:7", ["saliency"])
    assert judged[4:] == ["saliency"]


def test_a_retrained_run_says_that_its_verdicts_are_stale(
    model: Model, tmp_path: Path, run_cli
) -> None:
    ckpt = tmp_path / "run" / "checkpoints" / "best.ckpt"
    save_model(model, ckpt)
    (tmp_path / "run" / "config.yaml").write_text("seed_everything: 2")
    command = (
        "explain",
        "--ckpt_path",
        tmp_path / "run",
        "--images",
        "test:3",
        "--methods",
        "saliency",
        "--verdict_digits",
        2,
        "--out",
        tmp_path / "out",
        "--json",
    )
    results = [
        json.loads(run_cli(*command)[1])["methods"]["saliency"]["verdicts"] for _ in range(2)
    ]
    assert results[0] == results[1] and len(list((tmp_path / "run" / "inside").iterdir())) == 1
    save_model(model_of(RELU, seed=3), ckpt)
    code, out, err = run_cli(*command)
    assert code == 0 and "stale" in err and "weights" in err
    assert json.loads(out)["methods"]["saliency"]["verdicts"] != results[0]


def test_progress_tells_the_work_that_is_left(model: Model, digits: Dataset) -> None:
    messages: list[tuple[str, float, float]] = []
    explain(
        model,
        read_images(NAMES, "digits"),
        ["saliency", "smoothgrad", "lrp"],
        dataset=digits,
        verdict_digits=2,
        progress=lambda *now: messages.append(now),
    )
    names, done, total = zip(*messages, strict=True)
    assert (
        names == ("saliency", "smoothgrad", "lrp") and list(done) == sorted(done) and done[0] == 0
    )
    assert (
        len(set(total)) == 1 and done[2] > 0.9 * total[0]
    )  # SmoothGrad costs a hundred times a gradient


def test_metrics_of_images_can_be_left_out(model: Model, digits: Dataset) -> None:
    images = read_images(["test:3"], "digits")
    with_metrics, without = (
        explain(model, images, "deeplift", dataset=digits, verdict_digits=0, metrics=metrics)
        for metrics in (True, False)
    )
    (one,), (other,) = with_metrics.attributions, without.attributions
    assert np.array_equal(one.values, other.values) and one.metrics and not other.metrics


def test_mistakes_come_first(model: Model, digits: Dataset) -> None:
    images = read_images([f"test:{i}" for i in range(40)], "digits")
    result = explain(model, images, "saliency", dataset=digits, verdict_digits=0)
    wrong = result.predicted != result.labels
    assert wrong.any() and not wrong.all() and (np.diff(wrong.astype(int)) <= 0).all()
    assert sorted(result.names) == sorted(images.names)
    for name, pixels, label in zip(result.names, result.pixels, result.labels, strict=True):
        index = images.names.index(name)
        assert (pixels == images.pixels[index]).all() and label == images.labels[index]


def test_the_record_holds_maps_figures_and_verdicts(record: Explanation) -> None:
    assert record.methods == ("saliency", "deeplift", "grad_cam") and record.verdict_digits == 4
    for attribution in record.attributions:
        assert attribution.values.shape == (3, 1, 28, 28) and len(attribution.verdicts) == 7
        assert attribution.metrics["deletion"].shape == (
            3,
        ) and attribution.randomization.shape == (3,)
        assert attribution.passed in (True, False)
    assert (record.attributions[1].metrics["completeness_error"] < 1e-4).all()
    first, second, difference = record.contrast
    assert record.contrast_method == "saliency" and first.shape == difference.shape == (3, 28, 28)
    text = json.dumps(record.summary(), default=lambda value: value.tolist())
    assert json.loads(text)["methods"]["deeplift"]["verdicts"][0]["check"] == "completeness"
    assert record.arrays()["deeplift/deletion"].shape == (3,)


def test_all_skips_what_does_not_fit_and_a_named_method_says_so(digits: Dataset) -> None:
    tanh = tiny_model()  # a tanh between ReLUs
    images = read_images(NAMES[:1], "digits")
    with pytest.raises(AttributionError, match="guided_backprop.*Tanh"):
        explain(tanh, images, "guided_backprop", dataset=digits, verdict_digits=0)
    with pytest.raises(AttributionError, match="did you mean 'saliency'"):
        explain(tanh, images, "salency", verdict_digits=0)
    with pytest.raises(AttributionError, match="needs random training digits"):
        explain(tanh, images, "gradient_shap", verdict_digits=0)
    with pytest.raises(AttributionError, match="verdict_digits = -1"):
        explain(tanh, images, "saliency", verdict_digits=-1)


def test_every_method_explains_and_judges_a_network_of_colours() -> None:
    spec = NetworkSpec.from_dict(
        {
            "input_shape": [12, 12, 3],
            "layers": [
                {"type": "conv", "name": "Conv2D_1", "filters": 4, "activation": "relu"},
                {"type": "pool", "name": "Max_Pool_1"},
                {"type": "flatten", "name": "Flatten"},
                {"type": "dense", "name": "Dense_1", "units": 3, "activation": "softmax"},
            ],
        }
    )
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 12, 12, 3))
    images = Images(pixels.astype(np.float32), np.full(2, -1), ("a.png", "b.png"))
    result = explain(model_of(spec), images, verdict_digits=2)
    assert (
        not result.skipped and len(result.attributions) == len(METHODS) - 2
    )  # without the two that need data
    for attribution in result.attributions:
        assert attribution.values.shape[2:] == (12, 12) and len(attribution.verdicts) == 7, (
            attribution.method
        )
    assert all(np.ptp(to_rgb(figure)) > 100 for figure in figures.pictures(result).values())


def test_baselines_are_what_they_say(digits: Dataset) -> None:
    model = tiny_model()
    assert (background(model) == 0).all()
    x = model.tensor(digits.test_images[:2])
    (blurred,) = make_baseline("blur", model)(x)
    assert blurred.shape == x.shape and blurred.std() < x.std() and blurred.max() < x.max()
    assert make_baseline("mean", model, digits).references.shape == (1, 1, 28, 28)
    torch.testing.assert_close(
        make_baseline("mean", model, digits).references[0, 0].mean().item(),
        digits.train_images.mean() / 255,
        atol=1e-6,
        rtol=0,
    )
    assert len(make_baseline("digits", model, digits)) == 10
    for name, words in (("blurr", "did you mean 'blur'"), ("digits", "needs the training images")):
        with pytest.raises(AttributionError, match=words):
            make_baseline(name, model)


def test_interesting_images_are_mistakes_then_right_answers(model: Model, digits: Dataset) -> None:
    names = interesting(model, digits, 8)
    result = explain(
        model, read_images(names, "digits"), "saliency", dataset=digits, verdict_digits=0
    )
    wrong = result.predicted != result.labels
    assert wrong[:5].all() and not wrong[5:].any() and len(names) == 8


def test_zero_attributions_and_outliers_are_drawn() -> None:
    pixels = np.zeros((28, 28))
    pixels[3] = 255
    assert (
        figures.scale_of(np.zeros((2, 28, 28))) == 1.0
        and figures.scale_of(np.full(3, np.nan)) == 1.0
    )
    one = np.zeros((28, 28))
    one[0, 0] = -2.0
    assert figures.scale_of(one) == 2.0  # a lone value is not cut off as an outlier
    blank = figures.over_digit(np.zeros((28, 28)), pixels, 1.0)
    assert (
        np.ptp(blank[0]) < 0.02 and blank[3].max() < blank[0].min()
    )  # white, the digit shining through
    coloured = figures.over_digit(one, pixels, 2.0)
    assert coloured[0, 0, 2] > coloured[0, 0, 0]  # blue is below zero


def test_every_picture_is_drawn(record: Explanation) -> None:
    drawn = figures.pictures(record)
    assert set(drawn) == {"methods", "contrast", "verdicts", "curves"}
    for figure in drawn.values():
        assert np.ptp(to_rgb(figure)) > 100
    bare = Explanation(
        ("a",),
        np.zeros((1, 28, 28)),
        np.array([-1]),
        np.array([0]),
        np.full((1, 10), 0.1),
        "predicted",
        ("0",),
        (Attribution("saliency", "predicted", np.zeros((1, 1, 28, 28)), 0.0),),
        "empty",
        None,
        0,
        0,
    )
    assert set(figures.pictures(bare)) == {"methods"}


def test_tensorboard_holds_pictures_and_figures(record: Explanation, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    picture = np.zeros((8, 8, 3), np.uint8)
    events = EventAccumulator(
        str(write_events(record, tmp_path, lambda found: {"methods": picture}, step=3))
    )
    events.Reload()
    assert events.Tags()["images"] == ["explain/methods"]
    (scalar,) = events.Scalars("explain/deeplift/randomisation")
    assert scalar.step == 3 and scalar.value == pytest.approx(
        record.attributions[1].verdicts[-1].value, rel=1e-6
    )


def test_the_command_writes_everything(model: Model, tmp_path: Path, run_cli) -> None:
    ckpt = tmp_path / "tiny.ckpt"
    save_model(model, ckpt)
    code, out, err = run_cli(
        "explain",
        "--ckpt_path",
        ckpt,
        "--images",
        "test:3",
        "test:5",
        "--methods",
        "saliency",
        "lrp",
        "--target",
        "4-9",
        "--verdict_digits",
        2,
        "--out",
        tmp_path / "out",
        "--tensorboard",
        tmp_path / "events",
        "--json",
    )
    assert code == 0, err
    data = json.loads(out)
    assert list(data["methods"]) == ["saliency", "lrp"] and data["images"][0]["target"] == "4-9"
    assert {Path(file).name for file in data["files"]} >= {
        "explain.json",
        "explain.npz",
        "explain_methods.png",
        "explain_contrast.png",
        "explain_verdicts.png",
    }
    assert all(Path(file).exists() for file in data["files"])
    with np.load(tmp_path / "out" / "explain.npz") as arrays:
        assert arrays["lrp"].shape == (2, 1, 28, 28)
    assert json.loads((tmp_path / "out" / "explain.json").read_text())["methods"]["lrp"]["verdicts"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--methods", "salency"], "did you mean 'saliency'"),
        (["--target", "11"], "no class 11"),
        (["--layer", "Conv2D_9"], "no layer 'Conv2D_9'"),
        (["--baseline", "black"], "baseline 'black': unknown"),
        (["--images", "test:99999"], "out of range"),
        (["--count", "0"], "count = 0"),
    ],
)
def test_bad_input_is_one_message(
    options: list[str], words: str, model: Model, tmp_path: Path, run_cli
) -> None:
    ckpt = tmp_path / "tiny.ckpt"
    save_model(model, ckpt)
    images = [] if "--images" in options else ["--images", "test:3"]
    code, _, err = run_cli(
        "explain", "--ckpt_path", ckpt, *images, "--out", tmp_path, "--verdict_digits", 0, *options
    )
    assert code == 2 and words in err and "Traceback" not in err


def test_a_verdict_that_does_not_apply_is_grey() -> None:
    assert figures.verdict_text(Verdict("deletion", None, None, None, "")) == "-"
    assert figures.verdict_text(Verdict("deletion", 0.5, 0.25, False, "")) == "0.5 (at most 0.25)"
    assert (
        figures.verdict_text(Verdict("insertion", 0.5, 0.25, True, "", at_most=False))
        == "0.5 (at least 0.25)"
    )
