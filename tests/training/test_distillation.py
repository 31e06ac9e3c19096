"""Distillation: its loss against closed forms, teachers of other scalings, and whole runs."""

from __future__ import annotations

import copy
import gc
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader, TensorDataset

from lit_mnist.data import Dataset, Standardizer
from lit_mnist.data.module import Batch
from lit_mnist.errors import UserError
from lit_mnist.keras_files import write_keras
from lit_mnist.network import Network
from lit_mnist.runs.checkpoint import read_checkpoint
from lit_mnist.spec import NetworkSpec
from lit_mnist.spec.weights import initial_weights
from lit_mnist.training.classifier import LitClassifier
from lit_mnist.training.distillation import Distillation, Teacher, Teachers
from lit_mnist.training.steps import Step
from tests.networks import LAYERS, model_of, tiny_model
from tests.training.tiny import TINY, metrics, plain_trainer

Run = Callable[..., tuple[int, str, str]]
NORMALIZED = [
    {"type": "conv", "name": "Conv_1", "filters": 3, "kernel": 5, "stride": 4},
    {"type": "batch_norm", "name": "Norm"},
    {"type": "dropout", "name": "Dropout", "rate": 0.5},
    {"type": "flatten", "name": "Flatten"},
    {"type": "dense", "name": "Dense_1", "units": 10, "activation": "softmax"},
]


def teachers_of(*models: Any, **settings: float) -> Teachers:
    paths = [str(number) for number in range(len(models))]
    return Teachers(Distillation(paths, **settings), [Teacher(model) for model in models])


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_loss_and_gradient_have_their_closed_form() -> None:
    models = [tiny_model(1), tiny_model(2)]
    weight, temperature, total = 0.7, 3.0, 12
    teachers = teachers_of(*models, weight=weight, temperature=temperature)
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    logits = torch.randn(6, 10, generator=torch.Generator().manual_seed(4)) * 4
    logits.requires_grad_()
    label_loss = logits[:, 0].sum() / total
    loss = teachers.loss(label_loss, logits, images, total)
    loss.backward()

    with torch.no_grad():
        answers = [model.network(images).double().numpy() for model in models]
    target = np.mean([softmax(answer / temperature) for answer in answers], axis=0)
    ours = softmax(logits.detach().double().numpy() / temperature)
    divergence = (target * (np.log(target) - np.log(ours))).sum()
    expected = (1 - weight) * label_loss.item() + weight * temperature**2 * divergence / total
    gradient = weight * temperature * (ours - target) / total
    gradient[:, 0] += (1 - weight) / total
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert logits.grad is not None
    np.testing.assert_allclose(logits.grad.numpy(), gradient, rtol=1e-4, atol=1e-7)


def test_a_step_adds_the_teachers_loss() -> None:
    teachers = teachers_of(tiny_model(1), weight=1.0, temperature=1.0)
    images = torch.rand(6, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    losses = []
    for labels in (torch.zeros(6, dtype=torch.int64), torch.ones(6, dtype=torch.int64)):
        network = Network(NetworkSpec.from_dict({"layers": LAYERS}), 1)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        result = Step(network, optimizer, teachers=teachers)(Batch(images, labels, 6), None, None)
        losses.append(result.loss.item())
    assert losses == pytest.approx(
        [0.0, 0.0], abs=1e-6
    )  # it is its own teacher; labels do not count


def test_teachers_see_images_not_outputs_of_frozen_layers() -> None:
    layers = [{**layer, "trainable": False} if layer is LAYERS[0] else layer for layer in LAYERS]
    network = {"layers": layers}
    assert LitClassifier(network).resting_value is not None
    taught = LitClassifier(network, distillation=Distillation(["run"]))
    assert taught.resting_value is None


def test_teachers_stay_as_they_are() -> None:
    model = model_of(NetworkSpec.from_dict({"layers": NORMALIZED}), 1)
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    teachers = teachers_of(model)
    images = torch.rand(6, 1, 28, 28)
    first, again = teachers.probabilities(images), teachers.probabilities(images)
    assert torch.equal(first, again) and not first.requires_grad
    after = model.network.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


@pytest.mark.parametrize("kind", ["global", "per_pixel", "mean_removed", "none"])
def test_images_are_brought_to_the_teachers_scaling(kind: str, digits: Dataset) -> None:
    model = tiny_model(1)
    student = Standardizer.fit(kind, digits.train_images)
    pixels = digits.train_images[:5]
    theirs = model.network(model.tensor(pixels))
    ours = torch.from_numpy(student.apply(pixels))[:, None]
    teacher = Teacher(model, student)
    teacher.to(ours)
    torch.testing.assert_close(teacher.logits(ours), theirs, rtol=1e-4, atol=1e-4)


def test_scalings_that_cannot_be_undone_are_refused(digits: Dataset) -> None:
    clipped = Standardizer.fit("global", digits.train_images, clip=3.0)
    per_pixel = Standardizer.fit("per_pixel", digits.train_images, clip=3.0)
    for student, theirs in ((clipped, None), (clipped, per_pixel), (None, clipped)):
        model = tiny_model(1) if theirs is None else replace(tiny_model(1), standardizer=theirs)
        with pytest.raises(UserError, match="clip 3"):
            Teacher(model, student or tiny_model(1).standardizer)
    Teacher(replace(tiny_model(1), standardizer=clipped), clipped)


def test_teachers_of_float16_steps_compute_in_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value beyond 65,504 must not become infinite."""
    model = tiny_model(1)
    with torch.no_grad():
        model.network.get_parameter("Dense_1.dense.weight").mul_(1e6)
    teachers = teachers_of(model)
    with torch.autocast("cpu", torch.float16):
        assert teachers.probabilities(torch.rand(3, 1, 28, 28) * 100).isfinite().all()


def test_a_copy_of_a_step_shares_the_teachers() -> None:
    teachers = teachers_of(tiny_model(1))
    assert copy.deepcopy({"step": teachers})["step"] is teachers


def test_several_passes_add_up_to_one(digits: Dataset) -> None:
    teachers = teachers_of(tiny_model(2))
    images = torch.from_numpy(digits.train_images[:6, None]).float() / 255
    batch = Batch(images, torch.from_numpy(digits.train_labels[:6]), 6)
    gradients = []
    for size in (None, 4):
        network = Network(NetworkSpec.from_dict({"layers": LAYERS}), 1)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
        step = Step(network, optimizer, images_per_pass=size, teachers=teachers)
        loss = step.compute_gradients(batch).loss
        gradients.append([loss, *(weights.grad for weights in network.parameters())])
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def configs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configurations of a teacher and of its students, and the teacher's run."""
    folder = tmp_path_factory.mktemp("distillation")
    teacher = yaml.safe_load(TINY)
    teacher["data"]["standardize"] = "global"
    (folder / "teacher.yaml").write_text(yaml.safe_dump(teacher))
    (folder / "student.yaml").write_text(TINY)
    return folder


@pytest.fixture(scope="module")
def teacher(run_cli: Run, configs: Path) -> Path:
    code, _, err = run_cli(
        "fit",
        "--config",
        configs / "teacher.yaml",
        "--runs_dir",
        configs / "runs",
        "--test",
        "false",
    )
    assert code == 0, err
    return configs / "runs/teacher/version_0"


def fit(run_cli: Run, configs: Path, runs: Path, *options: object) -> tuple[int, str, str]:
    return run_cli("fit", "--config", configs / "student.yaml", "--runs_dir", runs, *options)


def test_a_student_learns_from_a_run_alone(
    run_cli: Run, configs: Path, teacher: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "teacher"
    shutil.copytree(teacher, moved)
    code, _, err = fit(
        run_cli,
        configs,
        tmp_path,
        *("--model.distillation.teachers", f"[{moved}]"),
        *("--model.distillation.weight", 1, "--model.distillation.temperature", 2),
        *("--model.label_smoothing", 0.9),
    )
    assert code == 0, err
    run = tmp_path / "student/version_0"
    losses = [row["train/data_loss"] for row in metrics(run) if row["train/data_loss"]]
    # 2.15 to 0.17 in 4 epochs; with the smoothed labels alone (weight 0) 2.32 to 2.28
    assert float(losses[-1]) < float(losses[0]) / 2
    shutil.rmtree(moved)  # the run is whole without its teacher
    assert run_cli("test", "--ckpt_path", run)[0] == 0
    state = read_checkpoint(run / "checkpoints/last.ckpt")["state_dict"]
    assert {key.split(".")[1] for key in state} == {"Conv2D_1", "Dense_1"}
    code, _, err = run_cli("fit", "--ckpt_path", run, "--trainer.max_epochs", 5)
    assert code == 2 and str(moved) in err


def test_a_teacher_that_knows_the_validation_images_is_pointed_out(
    run_cli: Run, configs: Path, teacher: Path, tmp_path: Path
) -> None:
    options = ["--model.distillation.teachers", f"[{teacher}]", "--trainer.max_epochs", 1]
    warnings = []
    for fraction in (0.3, 0.2, 0.1):  # the last images: the teacher's were 20 %
        code, _, err = fit(
            run_cli, configs, tmp_path, *options, "--data.validation_fraction", fraction
        )
        assert code == 0, err
        warnings.append([line for line in err.splitlines() if "model.distillation" in line])
    (warning,), *others = warnings
    assert "WARNING" in warning and "was trained on 144 of the 432 images" in warning
    assert others == [[], []]


def test_a_folder_of_runs_is_recorded_as_its_newest_run(
    run_cli: Run, configs: Path, teacher: Path, tmp_path: Path
) -> None:
    flag = ["--model.distillation.teachers", f"[{teacher.parent}]"]
    code, _, err = fit(run_cli, configs, tmp_path, *flag, "--trainer.max_epochs", 1)
    assert code == 0, err
    config = yaml.safe_load((tmp_path / "student/version_0/config.yaml").read_text())
    assert config["model"]["distillation"]["teachers"] == [str(teacher)]


def test_teachers_may_move_but_not_go_before_a_run_is_resumed(
    run_cli: Run, configs: Path, teacher: Path, tmp_path: Path
) -> None:
    first, second = (shutil.copytree(teacher, tmp_path / name) for name in ("a", "b"))
    flags = ["--model.distillation.teachers", f"[{first}]", "--trainer.max_epochs", 2]
    assert fit(run_cli, configs, tmp_path, *flags)[0] == 0
    run = tmp_path / "student/version_0"
    shutil.rmtree(first)
    resume = ["fit", "--ckpt_path", run, "--trainer.max_epochs", 3]
    code, _, err = run_cli(*resume)
    assert code == 2 and str(first) in err
    code, _, err = run_cli(*resume, "--model.distillation", "null")
    assert code == 2 and "contradicts the checkpoint" in err and "--model.distillation" in err
    code, _, err = run_cli(*resume, "--model.distillation.teachers", f"[{second}]")
    assert code == 0, err


@pytest.mark.filterwarnings("ignore:.*LeafSpec", "ignore:You defined a `validation_step`")
@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
def test_a_finished_student_holds_no_teachers(tmp_path: Path) -> None:
    """They would stay in the device's memory."""
    spec = NetworkSpec.from_dict({"layers": LAYERS})
    source = write_keras(tmp_path / "teacher.KERAS", spec, initial_weights(spec, 2))
    module = LitClassifier({"layers": LAYERS}, distillation=Distillation([str(source)]))
    loader = DataLoader(TensorDataset(torch.rand(8, 1, 28, 28), torch.arange(8)), batch_size=4)
    seen = []

    class Watch(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, module: Any, *_: object) -> None:
            seen.append(weakref.ref(module.teachers))

    plain_trainer(callbacks=[Watch()]).fit(module, loader)
    gc.collect()
    assert seen and all(reference() is None for reference in seen)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["teachers", "[nowhere]"], ["teachers: nowhere", "no such file", "a run folder"]),
        (["teachers", "[]"], ["teachers", "one or more"]),
        (["weight", "0.5"], ["teachers"]),
        (["teachers", "[a]", "weight", "1.5"], ["weight = 1.5", "0 to 1"]),
        (["teachers", "[a]", "temperature", "0"], ["temperature = 0", "above 0"]),
    ],
)
def test_settings_that_cannot_work_leave_no_run(
    run_cli: Run, configs: Path, tmp_path: Path, options: list[str], parts: list[str]
) -> None:
    flags = [f"--model.distillation.{x}" if i % 2 == 0 else x for i, x in enumerate(options)]
    code, _, err = fit(run_cli, configs, tmp_path / "runs", *flags)
    assert code == 2 and "Traceback" not in err
    assert all(part in err for part in parts), err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("shape", "activation", "part"),
    [
        ([20, 20, 1], "softmax", "images (28, 28, 1), this network (20, 20, 1)"),
        ([28, 28, 1], "sigmoid", "this network ends in 10 sigmoid units"),
    ],
)
def test_networks_that_cannot_give_the_teachers_answers(
    run_cli: Run,
    configs: Path,
    teacher: Path,
    tmp_path: Path,
    shape: list[int],
    activation: str,
    part: str,
) -> None:
    config = yaml.safe_load(TINY)
    config["model"]["network"]["input_shape"] = shape
    config["model"]["network"]["layers"][-1]["activation"] = activation
    config["model"]["distillation"] = {"teachers": [str(teacher)]}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(config))
    code, _, err = run_cli("fit", "--config", tmp_path / "other.yaml", "--runs_dir", tmp_path)
    assert code == 2 and part in err
    assert not (tmp_path / "other").exists()
