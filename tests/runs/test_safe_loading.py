"""Files that are not what they should be are refused with one clear error, and nothing in them is
run.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from lit_mnist.runs.model import ModelError, open_model, save_model
from lit_mnist.spec import NetworkSpec
from tests.networks import LAYERS, model_of

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.ckpt"
    save_model(model_of(NetworkSpec.from_dict({"layers": LAYERS})), path)
    return path


class Malicious:
    """Unpickling this makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.folder,)


def test_code_in_a_checkpoint_is_refused_and_not_run(
    good: Path, tmp_path: Path, run_cli: Run
) -> None:
    """Seen to fail on the plain library: torch.load(weights_only=False), Lightning's default, makes
    the folder.
    """
    trap, evil = tmp_path / "trap", tmp_path / "evil.ckpt"
    content = torch.load(good, weights_only=True)
    torch.save(content | {"callbacks": Malicious(trap)}, evil)
    with pytest.raises(ModelError, match="carries code"):
        open_model(evil)
    for command in ("test", "fit", "validate", "predict"):
        code, _, err = run_cli(command, "--ckpt_path", evil)
        assert code == 2 and "carries code" in err and "Traceback" not in err
    assert not trap.exists()
    torch.load(evil, weights_only=False)
    assert trap.exists()  # the trap works


def rewritten(good: Path, change: Callable[[dict], dict]) -> Path:
    path = good.with_name("changed.ckpt")
    torch.save(change(torch.load(good, weights_only=True)), path)
    return path


CHANGES = {
    "no weights": lambda content: {
        key: value for key, value in content.items() if key != "state_dict"
    },
    "no record": lambda content: {
        key: value for key, value in content.items() if key != "lit_mnist"
    },
    "a missing key": lambda content: (
        content | {"state_dict": dict(list(content["state_dict"].items())[1:])}
    ),
    "another network's weights": lambda content: (
        content
        | {
            "state_dict": {
                key: torch.zeros(2, *value.shape) for key, value in content["state_dict"].items()
            }
        }
    ),
    "NaN": lambda content: (
        content
        | {
            "state_dict": {
                key: torch.full_like(value, torch.nan)
                for key, value in content["state_dict"].items()
            }
        }
    ),
    "a list": lambda content: [1, 2, 3],
    "weights that are text": lambda content: (
        content | {"state_dict": {key: "x" for key in content["state_dict"]}}
    ),
    "a spec of text": lambda content: (
        content | {"lit_mnist": content["lit_mnist"] | {"spec": "cnn"}}
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_wrong_contents_are_one_clear_error(good: Path, run_cli: Run, what: str) -> None:
    path = rewritten(good, CHANGES[what])
    with pytest.raises(ModelError, match="changed.ckpt"):
        open_model(path)
    code, out, err = run_cli("test", "--ckpt_path", path)
    assert code == 2 and not out and "changed.ckpt" in err and len(err.splitlines()) <= 5, err


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_files_are_one_clear_error(good: Path, run_cli: Run, share: float) -> None:
    whole = good.read_bytes()
    good.write_bytes(whole[: int(share * len(whole))])
    code, out, err = run_cli("test", "--ckpt_path", good)
    assert code == 2 and not out and "good.ckpt" in err and "Traceback" not in err


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("data.pkl", b"x")
    for number, content in enumerate(
        (b"", b"text", archive.getvalue(), np.random.default_rng(0).bytes(5000))
    ):
        path = tmp_path / f"{number}.ckpt"
        path.write_bytes(content)
        with pytest.raises(ModelError, match=path.name):
            open_model(path)
