"""The model card: what it measures, how the hub reads it, and whose files it leaves alone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from lit_mnist.card.calibration import calibration
from lit_mnist.card.measure import ClassResult, Measurements, measure
from lit_mnist.card.page import MARK
from lit_mnist.card.probes import TURNED, blank, changed, letters, own
from lit_mnist.data import DataError, Dataset
from lit_mnist.errors import UserError
from lit_mnist.figures.calibration import calibration_curve
from lit_mnist.inside.passes import class_probabilities
from lit_mnist.spec import NetworkSpec
from tests.conftest import Run
from tests.networks import LAYERS, model_of, tiny_model


def test_calibration_of_a_known_case() -> None:
    confidence = np.array([0.05, 0.55, 0.55, 0.95, 0.95, 0.95, 1.0])
    correct = np.array([False, True, False, True, True, True, True])
    record = calibration(confidence, correct, bins=10)
    assert record.counts.tolist() == [1, 0, 0, 0, 0, 2, 0, 0, 0, 4]
    assert record.accuracy[5] == 0.5 and record.accuracy[9] == 1 and np.isnan(record.accuracy[1])
    # |0 - 0.05| + |1 - 1.1| + |4 - 3.85|, of 7 images
    assert record.error == pytest.approx((0.05 + 0.1 + 0.15) / 7)
    assert calibration_curve(record).axes[1].patches[0].get_height() == 1


def test_calibration_of_probabilities_that_mean_what_they_say() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.1, 1, 200_000)
    right = generator.uniform(size=confidence.size) < confidence
    assert calibration(confidence, right).error < 0.005  # noise of 15 bins: about 0.003
    assert calibration(confidence, np.ones_like(right)).error == pytest.approx(0.45, abs=0.01)


def test_the_interval_is_wilsons() -> None:
    record = calibration(np.ones(1), np.ones(1))
    measured = Measurements(100, 90, 0.0, (), record, ())
    low, high = measured.interval  # Wilson 1927; R's binom.confint(90, 100, methods = "wilson")
    assert low == pytest.approx(0.8256343) and high == pytest.approx(0.9447708)


def test_a_class_without_images_has_no_recall() -> None:
    assert np.isnan(ClassResult("a", 0, 0, 3).recall) and ClassResult("a", 4, 3, 6).precision == 0.5


def test_measurements_are_the_test_sets(digits: Dataset) -> None:
    model = tiny_model()
    measured = measure(model, leave_out=["own", "turned", "letters"])
    likely = class_probabilities(model, digits.test_images)
    right = likely.argmax(1) == digits.test_labels
    assert (measured.images, measured.correct) == (len(right), right.sum())
    assert sum(result.images for result in measured.classes) == measured.images
    assert sum(result.answers for result in measured.classes) == measured.images
    assert measured.classes[3].recall == right[digits.test_labels == 3].mean()
    black, grey, white, noise = measured.probes
    assert (black.images, noise.images, noise.correct) == (1, 100, None)
    expected = class_probabilities(model, np.zeros((1, 28, 28))).max()
    assert black.confidence == pytest.approx(expected)
    with pytest.raises(UserError, match="did you mean 'letters'"):
        measure(model, leave_out=["leters"])


def test_probes_hold_what_they_say(digits: Dataset) -> None:
    probes = {probe.name: probe for probe in changed(digits.test_images, digits.test_labels)}
    images = digits.test_images[:TURNED]
    assert np.array_equal(probes["turned by 180 degrees"].pixels, images[:, ::-1, ::-1])
    assert np.array_equal(probes["turned by 90 degrees"].pixels, np.rot90(images, 1, (1, 2)))
    assert np.array_equal(probes["inverted"].pixels, 255 - images)
    colour = model_of(
        NetworkSpec.from_dict({"input_shape": [28, 28, 3], "layers": LAYERS}), dataset="folder"
    )
    for model in (tiny_model(), colour):
        height, width, channels = model.spec.input_shape
        shape = (height, width) if channels == 1 else (height, width, channels)
        drawn = letters(model)
        assert drawn is not None and len(drawn.pixels) == 5 * 24
        assert {probe.pixels.shape[1:] for probe in (drawn, *blank(model))} == {shape}
        assert drawn.pixels.mean() < 100  # light on dark, as the network's images


def test_own_drawings_in_folders_and_in_a_table(tmp_path: Path) -> None:
    model = tiny_model()
    for label in (3, 7):
        (tmp_path / "folders" / str(label)).mkdir(parents=True)
        Image.new("L", (40, 40), 200).save(tmp_path / "folders" / str(label) / "a.png")
    (probe,) = own(tmp_path / "folders", model)
    assert probe.labels.tolist() == [3, 7] and probe.pixels.shape == (2, 28, 28)
    table = tmp_path / "folders" / "labels.csv"
    table.write_text("file,label,kind\n3/a.png,3,plain\n7/a.png,7,odd_one\n7/a.png,x,plain\n")
    names = [probe.name for probe in own(tmp_path / "folders", model)]
    assert names == ["own drawings", "own drawings (odd one)", "own drawings (plain)"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="labels.csv with the columns file and label"):
        list(own(tmp_path / "empty", model))


@pytest.fixture
def run(trained_run: Path, tmp_path: Path) -> Path:
    """A copy of the trained run that may be written into."""
    ignored = shutil.ignore_patterns("README.md", "card_*")  # what other tests made there
    target = tmp_path / "runs" / "cnn" / "version_0"
    return Path(shutil.copytree(trained_run, target, ignore=ignored))


def test_the_card_of_a_run_as_the_hub_reads_it(run: Path, run_cli: Run) -> None:
    (run / "README.md").write_text(f"---\ntags: []\n---\n{MARK}\n")  # its own may be written over
    words = ("card", "--ckpt_path", run, "--leave_out", "own", "turned", "--json")
    code, out, err = run_cli(*words)
    assert code == 0, err
    text = (run / "README.md").read_text()
    header = yaml.safe_load(text.split("---\n")[1])
    summary = json.loads((run / "summary.json").read_text())
    (entry,) = header["model-index"]
    (result,) = entry["results"]
    metrics = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert entry["name"] == "cnn" and result["task"]["type"] == header["pipeline_tag"]
    assert {"name", "type"} <= set(result["dataset"])
    assert metrics["accuracy"] == pytest.approx(summary["test/acc"], abs=1e-6)
    assert json.loads(out)["correct"] == summary["test/correct"]
    (picture,) = re.findall(r"\]\(([\w.]+\.png)\)", text)
    assert (run / picture).read_bytes().startswith(b"\x89PNG")
    for words in ("## Data", "RMSprop (learning_rate 0.001", "| letters (5 fonts) | 120 |"):
        assert words in text
    assert str(run.parent) not in text


def test_a_readme_of_somebody_else_is_left_alone(run: Path, run_cli: Run) -> None:
    (run / "README.md").write_text("# my own notes\n")
    code, out, err = run_cli("card", "--ckpt_path", run)
    assert code == 2 and not out and "lit_mnist card did not write it" in err
    assert (run / "README.md").read_text() == "# my own notes\n"
    assert not list(run.glob("card*"))


def test_what_is_no_finished_run(run: Path, run_cli: Run) -> None:
    code, _, err = run_cli("card", "--ckpt_path", run, "--own", run / "nowhere")
    assert code == 2 and "no such folder" in err
    code, _, err = run_cli("card", "--ckpt_path", run / "checkpoints" / "last.ckpt")
    assert code == 2 and "not a finished run" in err
    (run / "summary.json").unlink()
    code, _, err = run_cli("card", "--ckpt_path", run)
    assert code == 2 and "has no summary.json" in err and not (run / "README.md").exists()
