"""Whatever is put in, the program answers with a result or with one clear error: never a traceback,
never a ruin.

Each case runs the whole program in this process. Failure is exit code 2 with a message of at most
five lines; success is exit code 0; and a case that fails leaves no run folder behind.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from lit_mnist.data.idx import DataError, read_images, read_labels
from lit_mnist.data.images import image_file
from lit_mnist.runs.model import ModelError, open_model, save_model
from lit_mnist.spec import NetworkSpec
from tests.conftest import run_program
from tests.forked import CONFIG
from tests.networks import LAYERS, model_of

CASES = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.floats(),
    st.text(max_size=8),
    st.just([]),
    st.just({}),
    st.just("relu"),
    st.just(10**30),
    st.just("../x"),
    st.lists(st.integers(), max_size=2),
)
BASE = yaml.safe_load(CONFIG) | {"trainer": {"max_epochs": 1, "fast_dev_run": True}}


def places(value: Any, path: tuple = ()) -> list[tuple]:
    """Every place in a nested configuration."""
    here = [path] if path else []
    if isinstance(value, dict):
        return here + [place for key in value for place in places(value[key], (*path, key))]
    if isinstance(value, list):
        return here + [
            place
            for number in range(len(value))
            for place in places(value[number], (*path, number))
        ]
    return here


PLACES = [
    place for place in places(BASE) if place[0] != "trainer"
]  # fast_dev_run and its one step stay


def changed(path: tuple, how: str, value: Any) -> dict:
    config = copy.deepcopy(BASE)
    target: Any = config
    for key in path[:-1]:
        target = target[key]
    if how == "set":
        target[path[-1]] = value
    elif how == "delete":
        del target[path[-1]]
    elif isinstance(target, dict):
        target[f"{path[-1]}x"] = value
    else:
        target.append(value)
    return config


def check(run: tuple[int, str, str], folder: Path) -> None:
    """One result, or one clear error and nothing left behind."""
    code, out, err = run
    assert code in (0, 2), err
    assert "Traceback" not in err
    if code == 2:
        message = [line for line in err.splitlines() if line.startswith("error: ")]
        assert len(message) == 1, err
        assert len(err[err.index("error: ") :].splitlines()) <= 5, err
        assert not out
    assert not (folder / "runs").exists(), "neither fast_dev_run nor a failure makes a run folder"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Path:
    path = folder / "good.ckpt"
    save_model(model_of(NetworkSpec.from_dict({"layers": LAYERS})), path)
    return path


@settings(CASES, max_examples=60)
@given(
    path=st.sampled_from(PLACES), how=st.sampled_from(["set", "set", "delete", "add"]), value=JUNK
)
def test_yaml(folder: Path, path: tuple, how: str, value: Any) -> None:
    config = folder / "fuzz.yaml"
    config.write_text(yaml.safe_dump(changed(path, how, value), allow_unicode=True))
    check(run_program("fit", "--config", config, "--runs_dir", folder / "runs"), folder)


@settings(CASES, max_examples=40)
@given(text=st.one_of(st.text(max_size=60), st.binary(max_size=60)))
def test_yaml_that_is_none(folder: Path, text: str | bytes) -> None:
    config = folder / "none.yaml"
    config.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    check(run_program("summary", "--config", config), folder)


FLAGS = st.sampled_from(
    [
        "--trainer.max_epochs",
        "--data.batch_size",
        "--data.dataset",
        "--model.seed",
        "--seed_everything",
        "-x",
        "--model.network",
        "--model.optimizer",
        "--model.schedule",
        "--data.augment",
        "--trainer.precision",
        "--nonsense",
        "--ckpt_path",
        "--config",
        "--name",
        "--resume",
        "--data.root",
        "--images",
        "--checkpoint_every_seconds",
        "--checkpoint_every_steps",
        "--model.initial_weights",
        "--data.clip",
        "--trainer.gradient_clip_val",
        "--trainer.accelerator",
    ]
)
VALUES = st.one_of(st.text("abz019.-=[]{}:,/ ", max_size=8), st.integers(-2, 40).map(str))


@settings(CASES, max_examples=50)
@given(
    command=st.sampled_from(["fit", "test", "predict", "summary", "runs", "features"]),
    flags=st.lists(st.tuples(FLAGS, VALUES), min_size=1, max_size=3),
)
def test_flags(folder: Path, command: str, flags: list[tuple[str, str]]) -> None:
    config = folder / "base.yaml"
    config.write_text(yaml.safe_dump(BASE))
    arguments = [text for flag, value in flags for text in (flag, value.replace("\0", ""))]
    base = ["--config", config] if command in ("fit", "summary") else []
    more = ["--runs_dir", folder / "runs"] if command == "fit" else []
    check(run_program(command, *base, *more, *arguments), folder)


@CASES
@given(
    cut=st.integers(0, 400),
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), max_size=8),
    junk=st.binary(max_size=30),
)
def test_checkpoints(
    folder: Path, checkpoint: Path, cut: int, flips: list[tuple[float, int]], junk: bytes
) -> None:
    content = bytearray(checkpoint.read_bytes())
    for share, bit in flips:
        content[min(int(share * len(content)), len(content) - 1)] ^= 1 << bit
    content = content[: len(content) - cut] if cut else content
    path = folder / "damaged.ckpt"
    path.write_bytes(bytes(content) + junk if cut or flips else junk)
    assume(path.read_bytes()[: checkpoint.stat().st_size] != checkpoint.read_bytes())
    with pytest.raises(ModelError, match="damaged.ckpt"):
        open_model(path)


@settings(CASES, max_examples=70)
@given(data=st.one_of(st.binary(max_size=200), st.tuples(st.integers(0, 40), st.integers(0, 40))))
def test_image_files(folder: Path, data: bytes | tuple[int, int]) -> None:
    path = folder / "image.png"
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        Image.fromarray(np.full((data[0] + 1, data[1] + 1), 200, np.uint8)).save(path)
    try:
        assert image_file(path).shape == (28, 28)
    except DataError as error:
        assert str(error).startswith("image")


@CASES
@given(
    reader=st.sampled_from([(read_images, 2051, (2, 28, 28)), (read_labels, 2049, (2,))]),
    header=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=5),
    body=st.binary(max_size=40),
    right=st.booleans(),
)
def test_idx_files(
    folder: Path, reader: tuple[Callable, int, tuple], header: list[int], body: bytes, right: bool
) -> None:
    read, magic, shape = reader
    numbers = [magic, *shape] if right else header
    path = folder / "file-ubyte"
    path.write_bytes(struct.pack(f">{len(numbers)}i", *numbers) + body)
    try:
        assert read(path, 2).shape == shape
    except DataError as error:
        assert "file-ubyte" in str(error)
