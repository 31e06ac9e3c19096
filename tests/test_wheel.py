"""The wheel: it holds the shipped configurations, which can be named without a path, and works
outside a checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from lit_mnist.errors import UserError
from lit_mnist.files import configuration_path, shipped_configurations, with_configuration_paths
from tests.conftest import ALL_CONFIGS, ROOT, Run


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built without the network from a copy, so that no build folder
    stays here.
    """
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in tracked.stdout.splitlines():
        if name.startswith(("lit_mnist/", "keras_baseline/", "configs/")) or "/" not in name:
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        target,
        source,
    ]
    subprocess.run(pip, check=True, capture_output=True)
    return next(target.glob("*.whl"))


def test_wheel_holds_what_the_program_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"lit_mnist/configs/{path.name}" for path in ALL_CONFIGS} <= names
    assert {"lit_mnist/report/page.html", "lit_mnist/py.typed", "keras_baseline/py.typed"} <= names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_unpacked_wheel_knows_its_configurations(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-m", "lit_mnist", "summary", "--config", "cnn", "--json"]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert '"parameters": 208982' in run.stdout


@pytest.mark.slow
def test_wheel_trains_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """The whole installation, which downloads torch: minutes."""
    venv.create(tmp_path / "venv", with_pip=True)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    constraints = (
        ["--constraint", ROOT / "constraints.txt"] if sys.version_info[:2] == (3, 11) else []
    )
    subprocess.run([python, "-m", "pip", "install", "--quiet", *constraints, wheel], check=True)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [
        scripts / "lit-mnist",
        "fit",
        "--config",
        "cnn",
        "--trainer.max_epochs",
        "1",
        "--data.dataset",
        "digits",
    ]
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "runs" / "cnn" / "version_0" / "summary.json").is_file()


def test_shipped_configurations_are_named_without_a_path() -> None:
    assert sorted(shipped_configurations()) == sorted(path.stem for path in ALL_CONFIGS)
    assert Path(configuration_path("cnn")).samefile(ROOT / "configs" / "cnn.yaml")
    assert configuration_path("my/own.yaml") == "my/own.yaml"
    argv = with_configuration_paths(["--config", "mlp", "--config=cnn", "--name", "cnn"])
    assert [Path(word.partition("=")[2] or word).name for word in argv] == [
        "--config",
        "mlp.yaml",
        "cnn.yaml",
        "--name",
        "cnn",
    ]
    with pytest.raises(UserError, match="did you mean 'shallow'"):
        configuration_path("shalow")


def test_a_file_of_the_same_name_comes_first(in_tmp: Path) -> None:
    (in_tmp / "cnn").write_text("trainer: {}")
    assert configuration_path("cnn") == "cnn"


def test_unknown_name_is_one_error(run_cli: Run) -> None:
    code, out, err = run_cli("fit", "--config", "cnnn")
    assert code == 2 and not out and "did you mean 'cnn'" in err
