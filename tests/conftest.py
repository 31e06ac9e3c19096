"""Fixtures that all tests share: data, the default network, one trained run, the program itself."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest

# torch before TensorFlow: the other order aborts the process where triton is installed
import torch  # noqa: F401
from filelock import FileLock
from PIL import Image

from lit_mnist.__main__ import main
from lit_mnist.data import Dataset, default_root, load_dataset
from lit_mnist.data.download import open_address
from lit_mnist.files import read_config
from lit_mnist.runs.configured import spec_of_config
from lit_mnist.runs.model import Model, open_model
from lit_mnist.spec import NetworkSpec
from tests.browser import started

ROOT = Path(__file__).parent.parent
ALL_CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
# those that describe their whole network, and those that build on a pretrained file
CONFIGS = [path for path in ALL_CONFIGS if "\n    from: " not in path.read_text("utf-8")]
DIGIT_CONFIGS = [path for path in CONFIGS if read_config(path)["data"]["dataset"] != "folder"]
Run = Callable[..., tuple[int, str, str]]


def has_mnist() -> bool:
    """Whether the real files are at hand; nothing is downloaded for a test."""
    return (default_root() / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").is_file()


def pytest_report_header() -> str:
    where = (
        "real MNIST"
        if has_mnist()
        else "NO MNIST ($LIT_MNIST_DATA): tests that need it are skipped"
    )
    return f"data: {where}"


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What is kept of networks outside run folders stays within the session."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setattr("lit_mnist.inside.kept.cache_folder", lambda: folder)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may depend on the network: downloads fail at once, but from this machine's own test
    servers.
    """

    def refuse(address: str) -> object:
        if address.startswith("http://127.0.0.1:"):
            return open_address(address)
        raise OSError("tests do not download")

    monkeypatch.setattr("lit_mnist.data.download.open_address", refuse)


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """Root folder of the real MNIST; skips where it is absent."""
    if not has_mnist():
        pytest.skip("MNIST is not at hand ($LIT_MNIST_DATA)")
    return default_root()


@pytest.fixture(scope="session")
def mnist(mnist_root: Path) -> Dataset:
    """The real MNIST; skips where it is absent."""
    return load_dataset("mnist", mnist_root, download=False)


@pytest.fixture(scope="session")
def digits() -> Dataset:
    """The embedded digits, always at hand."""
    return load_dataset("digits")


@pytest.fixture(scope="session")
def cnn_spec() -> NetworkSpec:
    """The default network."""
    return spec_of_config(ROOT / "configs" / "cnn.yaml")


def run_program(*args: object) -> tuple[int, str, str]:
    """Run the program in this process; return exit code, standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(arg) for arg in args])
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="session")
def run_cli() -> Run:
    """The program as a function: ``run_cli("test", "--ckpt_path", path) -> (code, stdout,
    stderr)``.
    """
    return run_program


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of the default configuration after one epoch: on MNIST, or on the digits
    without it.

    One of pytest-xdist's workers trains it; the others wait, then copy it, since tests write into
    it.
    """
    own = tmp_path_factory.mktemp("runs")
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return train_default(own)
    common = tmp_path_factory.getbasetemp().parent / "trained_run"
    with FileLock(f"{common}.lock"):
        if not common.exists():
            shutil.copytree(train_default(own).parents[1], common)
            return next(own.glob("cnn/*"))
    shutil.copytree(common, own, dirs_exist_ok=True)
    return next(own.glob("cnn/*"))


def train_default(folder: Path) -> Path:
    """Train the default configuration for one epoch within `folder`; return its run folder."""
    epochs = 1 if has_mnist() else 30  # 1,293 digits an epoch
    config = ROOT / "configs" / "cnn.yaml"
    options = ["--trainer.max_epochs", epochs, "--runs_dir", folder, "--data.download", "false"]
    code, _, err = run_program("fit", "--config", config, *options)
    assert code == 0, err
    return next(folder.glob("cnn/*"))


@pytest.fixture(scope="session")
def trained(trained_run: Path) -> Model:
    """The network of `trained_run`; `trained.dataset` says what it was trained on."""
    return open_model(trained_run)


@pytest.fixture(scope="session")
def cats_dogs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of coloured noise in the form of the photographs: 8 train and 4 test pictures of
    each class.
    """
    root = tmp_path_factory.mktemp("cats_dogs")
    random = np.random.default_rng(3)
    for part, count in (("train", 8), ("test", 4)):
        for level, name in ((60, "cats"), (190, "dogs")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for number in range(count):
                noise = random.integers(level - 60, level + 60, (40, 30, 3), dtype=np.uint8)
                Image.fromarray(noise).save(folder / f"{number}.png")
    return root


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A headless Chromium without a network; skips where there is none."""
    yield from started()


@pytest.fixture
def in_tmp(tmp_path: Path) -> Iterator[Path]:
    """A fresh working folder."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)
