"""The command kernels: pictures, arrays and correlations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import run_program


def test_a_photograph_beside_a_run(trained_run: Path, tmp_path: Path) -> None:
    code, out, err = run_program(
        *("kernels", "--kernel", "vertical", "0,0,0;0,1,0;0,0,0", "--pool", 3),
        *("--ckpt_path", trained_run, "--out", tmp_path, "--json"),
    )
    assert code == 0, err
    data = json.loads(out)
    assert all(Path(path).is_file() for path in data["files"])
    assert [Path(path).name for path in data["files"]] == [
        *("kernels_china.png", "learnt_china.png", "kernels.npz", "kernels.json"),
    ]
    assert len(data["learnt"]) == 32
    assert all(abs(entry["correlation"]) <= 1 for entry in data["learnt"])
    arrays = np.load(tmp_path / "kernels.npz")
    assert arrays["china/vertical/response"].shape == (425, 638)
    assert arrays["china/vertical/pooled"].shape == (141, 212)


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--kernel", "sobel"), "did you mean"), (("--count", 0), "--count 0")],
)
def test_bad_options(tmp_path: Path, options: tuple, message: str) -> None:
    code, _, err = run_program("kernels", *options, "--out", tmp_path / "out")
    assert code == 2
    assert message in err
    assert not (tmp_path / "out").exists()
