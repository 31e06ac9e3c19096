"""What `fit` says about the data: a damaged file once, a data set that was replaced at the end,
too.
"""

from __future__ import annotations

from pathlib import Path

from tests.conftest import Run
from tests.data.files import write_folder

NETWORK = """
trainer: {max_epochs: 1, limit_train_batches: 1}
model:
  network:
    input_shape: [28, 28, 1]
    layers:
      - {type: flatten, name: Flatten}
      - {type: dense, name: Dense_1, units: UNITS, activation: softmax}
data: {batch_size: 8, validation_fraction: 0.2, validation: seeded}
"""


def said(run_cli: Run, folder: Path, units: int, *options: object) -> str:
    """What a short training prints."""
    config = folder / "tiny.yaml"
    config.write_text(NETWORK.replace("UNITS", str(units)))
    code, out, err = run_cli("fit", "--config", config, "--runs_dir", folder, *options)
    assert code == 0, err
    return out + err


def test_a_damaged_picture_is_named_once(run_cli: Run, tmp_path: Path) -> None:
    write_folder(tmp_path / "pictures", 12)
    (tmp_path / "pictures" / "lying" / "000.png").write_bytes(b"no picture")
    options = ("--data.dataset", "folder", "--data.root", tmp_path / "pictures")
    text = said(run_cli, tmp_path, 2, *options)
    assert text.count("1 damaged file is left out") == text.count("000.png") == 1


def test_a_replaced_data_set_is_said_at_the_end_too(run_cli: Run, tmp_path: Path) -> None:
    options = ("--data.root", tmp_path / "empty", "--data.fallback", "digits")
    text = said(run_cli, tmp_path, 10, *options)
    assert text.count("mnist is NOT used") == 2
